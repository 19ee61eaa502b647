"""Write the descriptions of a dataset: card, licence, citation, and those for machines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.products import is_generated
from mingolotss.errors import InputError
from mingolotss.io.files import is_local, read_bounded, write_bytes
from mingolotss.publish.card import render_card
from mingolotss.publish.citation import render_cff
from mingolotss.publish.croissant import render_croissant
from mingolotss.publish.licence_file import render_licence
from mingolotss.publish.summary import DatasetSummary
from mingolotss.publish.zenodo import render_zenodo

__all__ = ["keep_descriptions", "write_description"]


def keep_descriptions(source: Path, target: Path) -> None:
    """Copy the licence, the citation and ``.zenodo.json`` of a dataset that a person wrote.

    Its card is not copied, since it describes the files, which are others in another format.

    Parameters
    ----------
    source, target : Path
        The folders of the two datasets.

    Raises
    ------
    InputError
        One of them is no regular file, cannot be read, has more than 64 MiB, or is a link to a
        file outside of the dataset. The text of such a file would be published without a word.
    """
    folder = DatasetFolder(source)
    for path in (folder.licence, folder.citation, folder.zenodo):
        if path.exists() and not is_generated(path):
            write_bytes(target / path.name, _read_text_of_a_person(path, source))


def _read_text_of_a_person(path: Path, source: Path) -> bytes:
    """Return the bytes of a description that a person wrote."""
    advice = "put the text there as a file, or remove it"
    if is_local(path) and not path.resolve().is_relative_to(source.resolve()):
        raise InputError(
            f"copy {path}: it is a link to {path.resolve()}, outside of {source}; {advice}"
        )
    try:
        return read_bounded(path)
    except OSError as error:
        raise InputError(f"copy {path}: {error.strerror or error}; {advice}") from error


def write_description(
    summary: DatasetSummary,
    format_name: str = "build",
    digests: Mapping[str, str] | None = None,
) -> None:
    """Write ``README.md``, ``LICENSE``, ``CITATION.cff``, ``.zenodo.json`` and ``croissant.json``.

    Those of the first four that a person wrote are kept.

    Parameters
    ----------
    summary : DatasetSummary
    format_name : str
        "build", or the format of an export.
    digests : mapping of str to str, optional
        SHA-256 of files, by their name relative to the folder, that need not be read again.
    """
    folder, provenance = DatasetFolder(summary.folder), summary.provenance
    write_bytes(folder.croissant, render_croissant(summary, digests).encode())
    texts = {
        folder.card: render_card(summary, format_name),
        folder.licence: render_licence(provenance),
        folder.citation: render_cff(provenance),
        folder.zenodo: render_zenodo(provenance),
    }
    for path, text in texts.items():
        if is_generated(path) or not path.exists():
            write_bytes(path, text.encode())
