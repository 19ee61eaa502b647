"""Which published dataset a folder holds, and which of its classes are FRI and FRII.

A dataset is recognised by the recipe in its folder, by the checksum of a published batch, or by the
names of its classes. The last cannot tell the FIRST images of FR-DEEP from those of NVSS, and the
checksums of their pixels do. With other classes, the name of its folder or those of its images have
to be the published ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import BatchFolder, DatasetFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.published import (
    base_folder,
    namings,
    published_recipe,
    published_recipes,
    recipe_of_classes,
    recipe_of_files,
)
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.batches import read_label_names
from mingolotss.loaders.arrays import Arrays, holds_dataset, open_arrays
from mingolotss.recipe.model import Recipe

__all__ = ["Expected", "binary_of_dataset", "title_of_dataset"]


@dataclass(frozen=True, slots=True)
class Expected:
    """The published dataset that a class of datasets is for.

    Attributes
    ----------
    recipe : str
        Its name.
    other_folders : tuple of str
        Further names that its folder of batches has in other versions of its archive.
    """

    recipe: str
    other_folders: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Return the name of the folder of the published batches."""
        return base_folder(self.recipe)

    @property
    def folders(self) -> tuple[str, ...]:
        """Return all names that the folder of the published batches has."""
        return (self.folder, *self.other_folders)

    def find(self, root: Path, *, any_version: bool = True) -> Path | None:
        """Return where the dataset is: in its folder in `root`, or `root` itself; None if nowhere.

        A folder of another name may have it, if it is the only one; not one that has the name of
        another published dataset, or holds one.

        Parameters
        ----------
        root : Path
        any_version : bool
            Whether other versions of the dataset count, which are known by their folder alone.
        """
        own = [root / name for name in self.folders]
        others = {base_folder(one.name) for one in published_recipes() if one.name != self.recipe}
        folders = [folder.path for folder in DatasetFolder(root).inner_batch_folders()]
        unknown = [path for path in folders if path not in own and path.name not in others]
        places = [place for place in (*own, root) if holds_dataset(place)]
        if len(unknown) == 1:
            places += unknown
        if not any_version:
            places = [place for place in places if self._is_own_version(place)]
        return next((place for place in places if not self.other_title(place)), None)

    def _is_own_version(self, place: Path) -> bool:
        """Return whether a dataset is the one that the recipe describes, whatever its folder."""
        if _recipe_of_record_or_files(place) is not None:
            return True
        is_other = place.name in self.other_folders
        names = _names_of_classes(place)
        return not is_other and (not names or names in namings(published_recipe(self.recipe)))

    def other_title(self, place: Path, classes: Sequence[str] | None = None) -> str:
        """Return the title of the dataset at a place, "" if it is the expected one.

        Parameters
        ----------
        place : Path
        classes : sequence of str, optional
            Of the dataset, if they are known already.
        """
        names = _names_of_classes(place) if classes is None else tuple(classes)
        recipe = _recipe_of_record_or_files(place)
        if recipe is None:
            alike = [one for one in published_recipes() if names in namings(one)]
            if not alike:
                return "" if not names or self._is_known(place) else "an unknown dataset"
            recipe = self._choose(place, alike)
        return "" if recipe.name == self.recipe else recipe.title

    def _is_known(self, place: Path) -> bool:
        """Return whether the folder of a dataset, or each of its images, has a published name."""
        paths = [place, *(folder.path for folder in _batch_folders(place))]
        if any(path.name in self.folders for path in paths):
            return True
        images, samples = published_recipe(self.recipe).published.read_list(), _samples(place)
        if images is None or samples is None or not len(samples):
            return False
        return set(samples.sources) <= set(images.names)

    def _choose(self, place: Path, alike: Sequence[Recipe]) -> Recipe:
        """Choose one of the recipes with the classes of a dataset, by the pixels of its images."""
        own = next((recipe for recipe in alike if recipe.name == self.recipe), None)
        if own is None or len(alike) == 1:
            return alike[0]
        if (samples := _samples(place)) is not None:
            for recipe in alike:
                images = recipe.published.read_list()
                if images is not None and images.has_any(np.asarray(samples.images)):
                    return recipe
        return own

    def difference(self, place: Path, classes: Sequence[str] | None = None) -> str:
        """Say which other dataset is at a place; "" if it is the expected one."""
        title = self.other_title(place, classes)
        kind = "batches" if _batch_folders(place) else "images"
        own = published_recipe(self.recipe).title
        return f"these are the {kind} of {title}, not of {own}" if title else ""


def title_of_dataset(place: Path) -> str:
    """Return the title of the published dataset at a place, "" if it is none of those known."""
    recipe = _recipe_of_record_or_files(place) or recipe_of_classes(_names_of_classes(place))
    return "" if recipe is None else recipe.title


def _recipe_of_record_or_files(place: Path) -> Recipe | None:
    """Return the recipe that a record or the checksum of a batch says, None if neither does."""
    return _recorded_recipe(place) or _recipe_of_batches(place)


def _samples(place: Path) -> Arrays | None:
    """Return all samples of a dataset, or None if it cannot be read."""
    with suppress(DatasetError, InputError):
        return open_arrays(place, published_names=True)
    return None


def _batch_folders(place: Path) -> list[BatchFolder]:
    folder = DatasetFolder(place)
    return folder.batch_folders() or folder.inner_batch_folders()


def _names_of_classes(place: Path) -> tuple[str, ...]:
    """Return the class names of the batches at a place; none if they cannot be read."""
    with suppress(DatasetError):
        for folder in _batch_folders(place):
            return read_label_names(folder.path)
    return ()


def _recipe_of_batches(place: Path) -> Recipe | None:
    folders = _batch_folders(place)
    if len(folders) != 1:
        return None
    [folder] = folders
    others = [*folder.training_files(), *folder.split_files()]
    return recipe_of_files([folder.test]) or recipe_of_files(others)


def _recorded_recipe(place: Path) -> Recipe | None:
    """Return the recipe that a build or an export has recorded, if it is one of those published."""
    for recipe in _own_recipes(place):
        for published in published_recipes():
            if published.name == recipe.name:
                return published
    return None


def _own_recipes(place: Path) -> Iterable[Recipe]:
    """Give the recipe in the folder of a dataset, or of the one that this is a part of."""
    is_part = place.is_file() or BatchFolder(place).has_batches()
    with suppress(DatasetError, InputError):  # the dataset itself may be whole
        if (provenance := read_provenance(place.parent if is_part else place)) is not None:
            yield provenance.recipe


def binary_of_dataset(
    place: Path, classes: tuple[str, ...], action: str
) -> Mapping[str, tuple[int, ...]] | None:
    """Return the labels of FRI and of FRII in a dataset, as its recipe names them in ``binary``.

    Parameters
    ----------
    place : Path
        Where the dataset is.
    classes : tuple of str
        Of the dataset. It may have the first classes only, if the others have no source.
    action : str
        The beginning of the error message.

    Returns
    -------
    mapping of str to tuple of int, or None
        None if the dataset has these two classes already.

    Raises
    ------
    InputError
        No recipe of the dataset is known, or it names no binary classes.
    """
    recipes = [*_own_recipes(place), *published_recipes()]
    for recipe in recipes:
        groups = recipe.classes.final_binary
        if classes == tuple(groups) and groups:
            return None
        names_first = any(classes == names[: len(classes)] for names in namings(recipe))
        if groups and names_first and len(classes) > max(map(max, groups.values())):
            return groups
    raise InputError(
        f"{action}: no binary classes are known for these: {', '.join(classes) or 'none'}; name "
        "them in the recipe (classes.binary), or use MingoLoTSS(..., merge=...)"
    )
