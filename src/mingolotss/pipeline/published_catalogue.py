"""The catalogue of a build whose recipe has a published list: its sources, in its order.

A source of the list without an image becomes a rejection. There are two exceptions where the images
are a folder and the recipe makes its catalogue from their names (``catalogue.names``). A folder
with fewer than half of the published images is a sample: the other sources are left out, and
counted. In a folder without any of them, the images are others, and the list does not apply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.labels import ColumnRules, name_rows
from mingolotss.catalogue.name_patterns import match_names
from mingolotss.catalogue.reading import change_classes
from mingolotss.errors import CatalogueError
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.published_list import PublishedList
from mingolotss.service.base import ImageService
from mingolotss.service.local.folder import FolderService

__all__ = ["published_catalogue"]

_LEAST_SHARE = 2  # a folder with one in so many of the published images is no sample
_MAX_SHOWN = 3


def published_catalogue(
    recipe: Recipe, images: PublishedList, service: ImageService
) -> Catalogue | None:
    """Return the sources of a published list as a catalogue, or None if the images are others.

    Parameters
    ----------
    recipe : Recipe
        Names the classes of the labels, and may merge and drop classes.
    images : PublishedList
    service : ImageService

    Raises
    ------
    CatalogueError
        A label of the list is no class of the recipe, or not the class that the name of the source
        contains.
    """
    names = tuple(row.name for row in recipe.classes.table)
    _check_labels(recipe, images)
    catalogue = Catalogue.from_columns(
        images.names,
        images.ra,
        images.dec,
        labels=images.labels if names else None,
        classes=names,
        path=f"{images.name}.csv",
        sha256=images.sha256,
    )
    if recipe.catalogue.names and isinstance(service, FolderService):
        present = service.image_names()
        if not any(name in catalogue.row_of for name in present):
            return None
        catalogue = _with_images(catalogue, recipe, present)
    return catalogue if recipe.rules is None else change_classes(catalogue, recipe.rules)


def _check_labels(recipe: Recipe, images: PublishedList) -> None:
    """Refuse labels that the recipe, or the names of the sources, contradict."""
    action = f"read the published list {images.name} for the recipe {recipe.name}"
    unknown = np.flatnonzero(images.labels >= len(recipe.classes.table))
    if recipe.classes.table and len(unknown):
        raise CatalogueError(
            f"{action}: its labels 0 to {images.labels.max()} are the classes of the published "
            f"dataset, and the recipe has {len(recipe.classes.table)} classes; use classes.merge "
            'and classes.drop, or published.list = ""'
        )
    if not (recipe.catalogue.names and isinstance(recipe.rules, ColumnRules)):
        return
    matches = match_names(recipe.catalogue.names, images.names)
    matched = [match[0] for match in matches]
    labels, _ = recipe.rules.label([match["class"] for match in matches], matched)
    others = np.flatnonzero(labels != images.labels[images.rows_of(matched)]).tolist()
    if others:
        raise CatalogueError(
            f"{action}: the label in the list is not the class in the name of "
            f"{len(others)} sources: {name_rows(others, matched)}"
        )


def _with_images(catalogue: Catalogue, recipe: Recipe, names: Sequence[str]) -> Catalogue:
    """Return the catalogue, or a sample of it, with lines about other images and sources."""
    # The names of files are compared letter by letter here. The service also finds a source by
    # other spellings of its name, but a folder of other spellings has no sample of the list.
    listed = [name for name in names if name in catalogue.row_of]
    others = [name for name in names if name not in catalogue.row_of]
    notices = list(catalogue.notices)
    if others:
        notices.append(
            f"{len(others)} images are not in the published list of {recipe.name}: {_shown(others)}"
        )
    if _LEAST_SHARE * len(listed) >= len(catalogue):
        return replace(catalogue, notices=tuple(notices))
    rows = np.array(sorted(catalogue.row_of[name] for name in listed), np.int64)
    sample, absent = catalogue.take(rows), len(catalogue) - len(rows)
    notices.append(
        f"{absent} of the {len(catalogue)} sources of the published list are left out: the folder "
        "has no image of them"
    )
    return replace(
        sample,
        sha256=hashlib.sha256("\n".join(sample.names).encode()).hexdigest(),
        left_out=(*catalogue.left_out, ("the absence of their image in the folder", absent)),
        notices=tuple(notices),
    )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(map(repr, names[:_MAX_SHOWN])) + more
