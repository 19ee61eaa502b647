"""``PublishedClass``: what the dataset classes for published datasets take from a recipe.

The original class of a published dataset names its files and their checksums in attributes. The
classes here have the same attributes, with the values of the recipe, and download the dataset.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from mingolotss.dataset.layout import BatchFolder, split_of_batch
from mingolotss.dataset.published import (
    archive_name,
    base_folder,
    dataset_of_recipe,
    namings,
    published_archive,
    published_names,
    published_recipe,
)
from mingolotss.errors import DatasetError, InputError
from mingolotss.loaders.recognition import Expected

__all__ = ["Groups", "PublishedClass"]

Groups = Mapping[str, Sequence[str | int]]


class PublishedClass:
    """A dataset class that knows a published dataset, or that opens any dataset.

    Attributes
    ----------
    root : str
        Where the dataset is, or is downloaded to.
    """

    root: str

    # Attributes of the original classes; `__init_subclass__` takes their values from the recipe.
    base_folder: ClassVar[str]
    url: ClassVar[str]
    filename: ClassVar[str]
    tgz_md5: ClassVar[str]
    train_list: ClassVar[list[list[str]]]
    test_list: ClassVar[list[list[str]]]
    meta: ClassVar[dict[str, str]]

    _recipe: ClassVar[str]
    _merged: ClassVar[Mapping[str, Sequence[str]]] = {}  # by published names
    _expected: ClassVar[Expected | None] = None  # None: the class opens any dataset
    _published_names = False

    def __init_subclass__(
        cls,
        *,
        recipe: str = "",
        expected: Expected | None = None,
        merge: Mapping[str, Sequence[str]] | None = None,
        **options: object,
    ) -> None:
        """Take the attributes of the original class from a recipe.

        Parameters
        ----------
        recipe : str
            That of the dataset which the class downloads.
        expected : Expected, optional
            The dataset, if the class opens no other one.
        merge : mapping of str to sequence of str, optional
            The classes of the class and those of the dataset that they are made of, by the names
            in the published batches.
        **options
            Of further base classes.
        """
        super().__init_subclass__(**options)
        if merge is not None:
            cls._merged = merge
        if expected is not None:
            cls._expected, cls._published_names, recipe = expected, True, expected.recipe
        if recipe:
            cls._recipe, cls.base_folder = recipe, base_folder(recipe)
            published = published_archive(recipe)
            files = dict(dataset_of_recipe(recipe).files)
            cls.url, cls.tgz_md5 = published.url, published.md5
            cls.filename = archive_name(recipe)
            meta = BatchFolder(Path()).meta.name
            cls.meta = {"filename": meta, "key": "label_names", "md5": files.pop(meta, "")}
            splits = {name: split_of_batch(name) for name in files}
            cls.train_list = [[name, files[name]] for name in files if splits[name] == "train"]
            cls.test_list = [[name, files[name]] for name in files if splits[name] == "test"]

    def _place(self, root: str | Path) -> str | Path:
        """Return where the dataset is: `root`, or the folder of the published batches in it."""
        if self._expected is None or not isinstance(root, str | os.PathLike):
            return root
        return self._expected.find(Path(root).expanduser()) or root

    def _check_dataset(self, place: str | Path, classes: tuple[str, ...]) -> None:
        """Refuse another published dataset than the one that the class is for."""
        if self._expected is None:
            return
        if reason := self._expected.difference(Path(place).expanduser(), classes):
            raise DatasetError(
                f"open {place}: {reason}; give another root, or download=True, or open it with "
                "MingoLoTSS, which opens any dataset"
            )

    def _groups(self, place: str | Path, classes: tuple[str, ...]) -> Groups | None:
        """Return the groups that `classes` are merged into, or None to keep them."""
        if not self._merged:
            return None
        recipe = published_recipe(self._recipe)
        if classes not in namings(recipe):
            raise InputError(
                f"open {place} with {type(self).__name__}: it needs the classes of {recipe.title}, "
                f"and there are {', '.join(classes) or 'none'}; open it with "
                "MingoLoTSS(..., merge=...)"
            )
        label_of = published_names(self._recipe).index
        return {name: tuple(map(label_of, old)) for name, old in self._merged.items()}

    def download(self, url: str | Path | None = None, sha256: str = "") -> bool:
        """Download the published dataset, or `url`, unless the root holds it already.

        Parameters
        ----------
        url : str or path, optional
            An archive to use in the place of the published one.
        sha256 : str
            Its checksum; "" for none.

        Returns
        -------
        bool
            Whether anything was downloaded.

        Raises
        ------
        InputError
            No address is known.
        ServiceError
            The address does not answer, or not with the archive.
        DatasetError
            A file is not the published one.
        """
        from mingolotss.loaders.download import Archive, download

        if url is not None:
            archive = Archive(str(url), sha256, expected=self._expected)
        elif self.url:
            listed = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
            files = {f"{self.base_folder}/{name}": md5 for name, md5 in listed if md5}
            archive = Archive(self.url, self.tgz_md5, files, self._expected)
        else:
            raise InputError(
                f"download {type(self).__name__}: no address of {self.filename} is known; give its "
                "path or address as url=, or extract it and give the folder"
            )
        return download(Path(self.root), archive)
