"""The published datasets: names of classes and images, archives and their checksums.

All of it stands in the recipes; nothing is repeated here. A dataset is known by the names of its
classes, or by the checksums of its batches. Loading takes both from the tables of the recipes: the
import of the settings that check them takes longer than all else that loading does.

>>> corrected_names("mingolotss")[1], published_names("mingolotss")[1]
('FRI NAT', 'FRI WAT')
>>> dataset_of_classes(corrected_names("mingolotss")).interchanged_names()
{1: 'FRI NAT', 2: 'FRI WAT'}
>>> recipe_of_classes(published_names("mirabest")).title
'MiraBest (FIRST)'
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mingolotss.dataset.layout import BatchFolder
from mingolotss.io.files import md5_file
from mingolotss.recipe.names import IMAGE_NAME
from mingolotss.recipe.tables import read_tables, recipe_names

if TYPE_CHECKING:  # readers of batches need no recipe, and no pydantic
    from mingolotss.recipe.model import PublishedSettings, Recipe

__all__ = [
    "PublishedDataset",
    "absent_files",
    "archive_name",
    "base_folder",
    "choose_names",
    "corrected_names",
    "dataset_of_classes",
    "dataset_of_recipe",
    "names_of_images",
    "namings",
    "published_archive",
    "published_datasets",
    "published_names",
    "published_recipe",
    "published_recipes",
    "recipe_of_classes",
    "recipe_of_files",
]

_LOG = logging.getLogger("mingolotss")
_SUFFIX = re.compile(r"\.(png|jpe?g|tiff?|npy|fits?(\.gz|\.fz)?)$", re.IGNORECASE)
_FOLDER = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class PublishedDataset:
    """What is known of a dataset that is published as batches, from the tables of its recipe.

    Attributes
    ----------
    recipe : str
        The name of the recipe.
    title : str
    namings : tuple of tuple of str
        The name of each class in the recipe, and in the published batches.
    files : mapping of str to str
        The MD5 of each published file, by its name without a folder.
    image_name : str
        How images are called: a file name with ``{source}``, and perhaps ``{field}``.
    """

    recipe: str
    title: str
    namings: tuple[tuple[str, ...], tuple[str, ...]]
    files: Mapping[str, str]
    image_name: str

    def interchanged_names(self) -> dict[int, str]:
        """Return the label and the corrected name of each class that has another class's name.

        The published MingoLoTSS has the names of classes 1 and 2 the wrong way round.
        """
        names, published = self.namings
        pairs = enumerate(zip(names, published, strict=True))
        return {label: name for label, (name, other) in pairs if name != other and other in names}


@cache
def published_datasets() -> tuple[PublishedDataset, ...]:
    """Return the datasets that are published as batches, of which there are shipped recipes."""
    tables = {name: read_tables(name) for name in recipe_names()}
    return tuple(
        PublishedDataset(
            name,
            recipe.get("title", ""),
            _namings(recipe["classes"]["table"]),
            {PurePosixPath(path).name: md5 for path, md5 in recipe["published"]["files"].items()},
            recipe.get("stamp", {}).get("name", IMAGE_NAME),
        )
        for name, recipe in tables.items()
        if recipe.get("published", {}).get("files")
    )


def _namings(rows: Sequence[Mapping[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the name of each class, and that in the published batches."""
    names = tuple(row["name"] for row in rows)
    return names, tuple(row.get("published") or row["name"] for row in rows)


def dataset_of_recipe(recipe: str) -> PublishedDataset:
    """Return the published dataset that a recipe describes."""
    [dataset] = (one for one in published_datasets() if one.recipe == recipe)
    return dataset


def dataset_of_classes(classes: Sequence[str]) -> PublishedDataset | None:
    """Return the published dataset that has these classes, None if there is none."""
    return next((one for one in published_datasets() if tuple(classes) in one.namings), None)


@cache
def published_recipe(name: str) -> Recipe:
    """Return a shipped recipe, which is read once."""
    from mingolotss.recipe.load import load_recipe

    return load_recipe(name)


@cache
def published_recipes() -> tuple[Recipe, ...]:
    """Return the shipped recipes of datasets that are published as batches."""
    return tuple(published_recipe(one.recipe) for one in published_datasets())


def corrected_names(recipe: str) -> tuple[str, ...]:
    """Return the name of each class, as in the recipe."""
    return published_recipe(recipe).class_names


def published_names(recipe: str) -> tuple[str, ...]:
    """Return the name of each class in the published batches."""
    return namings(published_recipe(recipe))[1]


def namings(recipe: Recipe) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the name of each class in a recipe, and in the batches that were published."""
    table = recipe.classes.final_table
    return recipe.class_names, tuple(row.published or row.name for row in table)


def published_archive(recipe: str) -> PublishedSettings:
    """Return the address of the published archive, and the checksums of it and its files."""
    return published_recipe(recipe).published


def base_folder(recipe: str) -> str:
    """Return the folder of the published batches: in their archive, or else as a build has it."""
    first = next(iter(published_archive(recipe).files), "")
    return PurePosixPath(first).parent.name or published_recipe(recipe).batches.folder


def archive_name(recipe: str) -> str:
    """Return the name of the published archive."""
    address = PurePosixPath(published_archive(recipe).url)
    return address.name or published_recipe(recipe).batches.archive


def recipe_of_classes(classes: Sequence[str]) -> Recipe | None:
    """Return the recipe of the published dataset that has these classes, None if there is none."""
    dataset = dataset_of_classes(classes)
    return None if dataset is None else published_recipe(dataset.recipe)


def recipe_of_files(files: Iterable[Path]) -> Recipe | None:
    """Return the recipe of which most of the files are published ones, byte for byte, if any is."""
    digests = {file.name: md5_file(file) for file in files if file.is_file()}
    matches = Counter({one.recipe: _matches(one, digests) for one in published_datasets()})
    [(name, count)] = matches.most_common(1)
    return published_recipe(name) if count else None


def _matches(dataset: PublishedDataset, digests: Mapping[str, str]) -> int:
    return sum(dataset.files.get(name) == digest for name, digest in digests.items())


def absent_files(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of the published files that are absent beside those of a folder.

    Parameters
    ----------
    files : sequence of Path
        All files of a folder of batches that belong to the dataset.

    Returns
    -------
    tuple of str
        None unless the last of the files is a published one, byte for byte.
    """
    names = {file.name for file in files}
    for dataset in published_datasets():
        published = dataset.files
        # Few datasets are a part of a published one: the others need no checksum.
        absent = tuple(name for name in published if name not in names)
        if absent and names and names <= {*published, BatchFolder(files[-1].parent).meta.name}:
            last = files[-1]
            if md5_file(last) == published.get(last.name):
                return absent
    return ()


def choose_names(classes: tuple[str, ...], *, published: bool) -> tuple[str, ...]:
    """Return the class names to show for a dataset whose files say `classes`.

    Parameters
    ----------
    classes : tuple of str
        Other classes than those of a published dataset are returned as they are.
    published : bool
        Whether to use the names in the published batches.
    """
    dataset = dataset_of_classes(classes)
    if dataset is None:
        return classes
    names, in_batches = dataset.namings
    if classes == in_batches and not published and dataset.interchanged_names():
        _warn_of_names(dataset.recipe)
    return in_batches if published else names


@cache
def _warn_of_names(recipe: str) -> None:
    """Tell the user once per session."""
    dataset = dataset_of_recipe(recipe)
    names = dataset.interchanged_names()
    _LOG.warning(
        "%s: the published names of classes %s are interchanged; here %s, as in the "
        "catalogue (published_names=True keeps the published names)",
        dataset.title,
        " and ".join(map(str, names)),
        " and ".join(f"{label} is {name}" for label, name in names.items()),
    )


def names_of_images(files: Iterable[str], classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the sources of images, from the names of their files.

    Parameters
    ----------
    files : iterable of str
        Folders and the usual suffixes of images are no part of a name.
    classes : sequence of str
        Of the dataset. Where its recipe names images ``{source}_{field}``, the field is left out.

    Examples
    --------
    >>> names_of_images(["./PNG/100_123.251+043.797_0.1281_0034.09.png", "3C 294_II.png"], ())
    ('100_123.251+043.797_0.1281_0034.09', '3C 294_II')
    >>> names_of_images(["ILTJ110000.00+500000.0_P164+55.png"], corrected_names("mingolotss"))
    ('ILTJ110000.00+500000.0',)
    """
    dataset = dataset_of_classes(classes)
    has_field = dataset is not None and "{field}" in dataset.image_name
    stems = [_SUFFIX.sub("", _FOLDER.split(file)[-1]) for file in files]
    return tuple(stem.split("_", 1)[0] if has_field else stem for stem in stems)
