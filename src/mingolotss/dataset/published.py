"""The published dataset: its class names, and the archive with its checksums.

All of it stands in the recipe ``mingolotss``; nothing is repeated here.

>>> corrected_names()[1], published_names()[1]
('FRI NAT', 'FRI WAT')
>>> interchanged_names()
{1: 'FRI NAT', 2: 'FRI WAT'}
>>> binary_groups()
{'FRI': (0, 1, 2), 'FRII': (4,)}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache

from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import PublishedSettings, Recipe

__all__ = [
    "binary_groups",
    "choose_names",
    "corrected_names",
    "interchanged_names",
    "published_archive",
    "published_names",
]

_LOG = logging.getLogger("mingolotss")


@cache
def _recipe() -> Recipe:
    return load_recipe("mingolotss")


def corrected_names() -> tuple[str, ...]:
    """Return the name of each class, as in the catalogue."""
    return _recipe().class_names


def published_names() -> tuple[str, ...]:
    """Return the name of each class in the published batches: 1 and 2 are interchanged there."""
    return tuple(row.published or row.name for row in _recipe().classes.table)


def interchanged_names() -> dict[int, str]:
    """Return the label and the corrected name of each class that has another published name."""
    pairs = enumerate(zip(corrected_names(), published_names(), strict=True))
    return {label: name for label, (name, published) in pairs if name != published}


def binary_groups() -> Mapping[str, tuple[int, ...]]:
    """Return the labels of FRI and of FRII; by label, as the two namings differ."""
    return _recipe().classes.binary


def published_archive() -> PublishedSettings:
    """Return the address of the published archive, and the checksums of it and its files."""
    return _recipe().published


def choose_names(classes: tuple[str, ...], *, published: bool) -> tuple[str, ...]:
    """Return the class names to show for a dataset whose files say `classes`.

    Parameters
    ----------
    classes : tuple of str
        Other classes than those of MingoLoTSS are returned as they are.
    published : bool
        Whether to use the published names of classes 1 and 2.
    """
    if classes not in (corrected_names(), published_names()):
        return classes
    if classes == published_names() and not published:
        _warn_of_names()
    return published_names() if published else corrected_names()


@cache
def _warn_of_names() -> None:
    """Tell the user once per session."""
    names = interchanged_names()
    _LOG.warning(
        "MingoLoTSS: the published names of classes %s are interchanged; here %s, as in the "
        "catalogue (published_names=True keeps the published names)",
        " and ".join(map(str, names)),
        " and ".join(f"{label} is {name}" for label, name in names.items()),
    )
