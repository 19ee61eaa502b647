"""Write the descriptions of a dataset: the card for people and Croissant for machines."""

from __future__ import annotations

from collections.abc import Mapping

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.products import is_generated_card
from mingolotss.io.files import write_bytes
from mingolotss.publish.card import render_card
from mingolotss.publish.croissant import render_croissant
from mingolotss.publish.summary import DatasetSummary

__all__ = ["write_description"]


def write_description(
    summary: DatasetSummary,
    format_name: str = "build",
    digests: Mapping[str, str] | None = None,
) -> None:
    """Write ``README.md`` and ``croissant.json`` of a build or an export.

    A ``README.md`` that a person wrote is kept.

    Parameters
    ----------
    summary : DatasetSummary
    format_name : str
        "build", or the format of an export.
    digests : mapping of str to str, optional
        SHA-256 of files, by their name relative to the folder, that need not be read again.
    """
    folder = DatasetFolder(summary.folder)
    write_bytes(folder.croissant, render_croissant(summary, digests).encode())
    if is_generated_card(folder.card) or not folder.card.exists():
        write_bytes(folder.card, render_card(summary, format_name).encode())
