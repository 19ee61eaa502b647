"""Which published dataset a dataset on disk should be compared with."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import BatchFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.published import namings, published_recipes, recipe_of_files
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.batches import read_batch, read_label_names
from mingolotss.recipe.load import load_recipe, recipe_names
from mingolotss.recipe.model import Recipe

__all__ = ["choose_recipe"]


def choose_recipe(path: Path, place: Path, given: str | Path | Recipe | None) -> Recipe:
    """Return the recipe that names the published dataset.

    Parameters
    ----------
    path : Path
        The dataset as the user named it, for messages.
    place : Path
        The dataset, or its folder of batches.
    given : str, Path or Recipe, optional
        The recipe that the user named.

    Raises
    ------
    InputError
        It has no published checksums, or nothing says which one it is.
    """
    recipe = _load(given) if given is not None else _recorded(place) or _recognised(path, place)
    if not recipe.published.files and not recipe.published.list:
        raise InputError(
            f"verify {path} --published: the recipe {recipe.name} has no checksums of a published "
            f"dataset; recipes that have them: {_known()} (--recipe NAME)"
        )
    return recipe


def _load(given: str | Path | Recipe) -> Recipe:
    return given if isinstance(given, Recipe) else load_recipe(given)


def _recorded(place: Path) -> Recipe | None:
    """Return the recipe of a build or export; None for batches that no program of ours wrote."""
    provenance = read_provenance(place) or read_provenance(place.parent)
    if provenance is None:
        return None
    recipe = provenance.recipe
    # The record of a build has the published checksums only if there is a published list.
    if not recipe.published.list and recipe.name in recipe_names():
        return load_recipe(recipe.name)
    return recipe


def _recognised(path: Path, place: Path) -> Recipe:
    """Return the shipped recipe that batches belong to, by their checksums or class names."""
    folder = BatchFolder(place)
    files = [*folder.training_files(), *folder.split_files(), folder.test]
    if (recipe := recipe_of_files(files)) is not None:
        return recipe
    # Without an equal file, its classes belong to one published dataset, or one of its images does.
    classes = read_label_names(place)
    candidates = [one for one in published_recipes() if classes in namings(one)]
    if len(candidates) > 1:
        candidates = [one for one in candidates if _has_image(one, files)]
    if len(candidates) == 1:
        return candidates[0]
    raise InputError(
        f"verify {path} --published: no file in it is a published one, and neither its class names "
        f"nor its images say which dataset it should be; give --recipe NAME, one of {_known()}"
    )


def _has_image(recipe: Recipe, files: Iterable[Path]) -> bool:
    """Return whether a file has an image of the published list of a recipe."""
    images = recipe.published.read_list()
    if images is None:
        return False
    for file in files:
        with suppress(DatasetError):  # it is missing or damaged
            if images.has_any(np.asarray(read_batch(file).images)):
                return True
    return False


def _known() -> str:
    return ", ".join(recipe.name for recipe in published_recipes())
