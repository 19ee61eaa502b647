"""``LICENSE`` of a dataset: its licence, or that it is not known."""

from __future__ import annotations

import textwrap

from mingolotss.dataset.products import GENERATED_MARK
from mingolotss.dataset.provenance import Provenance
from mingolotss.publish.licence import read_licence

__all__ = ["render_licence"]

_WIDTH = 88
_NOT_KNOWN = (
    "The licence of this dataset is not known: its recipe states none. The terms of those who own "
    "the images and the catalogue apply; ask them before you publish or redistribute the dataset."
)
_SIMULATED = (
    "The licence of this dataset is not known: nobody has stated one. Its images are simulated, so "
    "that no terms of a survey apply to them."
)


def render_licence(provenance: Provenance) -> str:
    """Return the text of ``LICENSE``."""
    stated = provenance.metadata
    licence = read_licence(stated.licence)
    if not licence.is_known:
        terms = _SIMULATED if provenance.simulated else _NOT_KNOWN
    elif licence.spdx:
        terms = f"SPDX-License-Identifier: {licence.spdx}"
        if licence.url:
            terms += f"\n\nThe text of this licence is at {licence.url}"
    else:
        terms = stated.licence.strip()
    parts = [f"Licence of the dataset {stated.title}", *terms.split("\n\n")]
    if stated.citation:
        parts += ["Please cite:", *stated.citation]
    parts.append(f"({GENERATED_MARK})")
    return "\n\n".join(_wrap(part) for part in parts) + "\n"


def _wrap(paragraph: str) -> str:
    """Wrap a paragraph; addresses and identifiers stay whole."""
    return textwrap.fill(
        " ".join(paragraph.split()), _WIDTH, break_long_words=False, break_on_hyphens=False
    )
