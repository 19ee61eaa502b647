"""``verify_published()``: compare a dataset with the published one, by files and by images.

The recipe has the MD5 of each published file, and its published list the SHA-256 of each published
image; the published files themselves are not needed. Not here: whether a dataset is whole and
agrees with its own manifest (`mingolotss.qa.verify`).
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mingolotss.dataset.layout import BatchFolder, DatasetFolder
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import DatasetError, InputError, clean_text
from mingolotss.formats.batches import BATCHES, read_batch
from mingolotss.formats.finding import find_datasets
from mingolotss.io.files import md5_file
from mingolotss.loaders.extract import extract
from mingolotss.qa.published_images import (
    ImageComparison,
    all_absent,
    all_equal,
    compare_images,
)
from mingolotss.qa.published_recipe import choose_recipe
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.published_list import PublishedList

__all__ = ["PublishedComparison", "verify_published"]

_ABSENT = "it is absent"
_OTHER_BYTES = "its bytes are not the published ones"


@dataclass(frozen=True, slots=True)
class PublishedComparison:
    """The result of `verify_published`.

    Attributes
    ----------
    path : Path
        The dataset that was compared.
    recipe : str
        The recipe that names the published dataset.
    files, equal_files : int
        Number of published files, and of those that are here byte for byte; 0 if the dataset is not
        in batches.
    images, equal_images : int
        Number of published images, and of those that are here pixel for pixel; 0 if the pixels of
        the published images are not known.
    different, absent, extra, relabelled, unnamed : int
        Number of images with other pixels, of published images that are in no batch here, of images
        that are not published or come a second time, of images with another label, and of images
        without a name, which cannot be compared.
    differences : tuple of str
        One line for each file that differs, is absent or is extra, or for the images of a dataset
        that is not in batches; empty if everything that was compared is as published.
    """

    path: Path
    recipe: str
    files: int
    equal_files: int
    images: int
    equal_images: int
    different: int
    absent: int
    extra: int
    relabelled: int
    unnamed: int
    differences: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether everything that was compared is as published."""
        return not self.differences

    @property
    def summary(self) -> tuple[str, ...]:
        """One line about the files and one about the images."""
        lines = []
        if self.files:
            lines.append(
                f"{self.equal_files} of {self.files} files are the published ones, byte for byte"
            )
        counts = {
            "with other pixels": self.different,
            "absent": self.absent,
            "extra": self.extra,
            "with another label": self.relabelled,
            "without a name": self.unnamed,
        }
        others = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        if self.images:
            line = (
                f"{self.equal_images} of {self.images} images are the published ones, pixel for "
                "pixel"
            )
        else:
            line = "of the published images, only the checksums of their files are known"
        return (*lines, f"{line}; {others}" if others else line)


def verify_published(
    path: Path | str, recipe: str | Path | Recipe | None = None
) -> PublishedComparison:
    """Compare a dataset with the published one of its recipe.

    Parameters
    ----------
    path : path
        A build, an export, a folder of batches or one that contains it, or a tar archive of one.
    recipe : str, Path or Recipe, optional
        By default that of the build or export; for batches without one, the shipped recipe that
        their checksums or class names belong to.

    Returns
    -------
    PublishedComparison
        How many files and images are the published ones, and a line for each difference.

    Raises
    ------
    InputError
        The recipe has no published checksums, or it is not known which recipe it is.
    DatasetError
        There is no dataset at `path`, or it is damaged.

    Examples
    --------
    The images of the demo are simulated, so that no file is a published one:

    >>> import mingolotss
    >>> comparison = mingolotss.verify_published("demo")
    >>> comparison.recipe, comparison.equal_files
    ('mingolotss', 0)
    """
    path = Path(path)
    if path.is_dir():
        return _compare(path, path, recipe)
    if path.is_file() and tarfile.is_tarfile(path):
        with tempfile.TemporaryDirectory() as name:
            return _compare_archive(path, Path(name), recipe)
    raise DatasetError(f"verify {path} --published: neither a folder nor a tar archive")


def _compare_archive(
    path: Path, folder: Path, given: str | Path | Recipe | None
) -> PublishedComparison:
    """Compare the dataset in an archive, which is extracted to `folder`; errors name the archive.

    The folder is temporary, so that its path says nothing to the user.
    """
    extract(path, folder)
    inner = [batches.path.name for batches in DatasetFolder(folder).inner_batch_folders()]
    if len(inner) > 1:
        raise DatasetError(
            f"verify {path} --published: it contains several datasets, {', '.join(inner)}; extract "
            "it and give the folder of one"
        )
    try:
        return _compare(path, folder, given)
    except DatasetError as error:
        text = _relative(str(error), folder)
        if text == str(error):
            raise
        raise DatasetError(f"verify {path} --published: {text}") from error


def _relative(text: str, folder: Path) -> str:
    """Return a text in which the paths of files are those inside `folder`."""
    return text.replace(f"{folder}{os.sep}", "")


def _compare(path: Path, folder: Path, given: str | Path | Recipe | None) -> PublishedComparison:
    datasets = list(find_datasets(folder))
    if not datasets:
        raise DatasetError(f"verify {path} --published: there is no dataset in it")
    batches = [place for dataset_format, place in datasets if dataset_format is BATCHES]
    first_format, first_place = datasets[0]
    recipe = choose_recipe(path, batches[0] if batches else first_place, given)
    images = recipe.published.read_list()
    if batches:
        return _compare_batches(path, BatchFolder(batches[0]), recipe, images)
    if images is None:
        raise InputError(
            f"verify {path} --published: only the batches of {recipe.name} have published "
            "checksums, and there are no batches here; export it in batches"
        )
    samples = first_format.read(first_place, "all")
    compared = compare_images([samples], images, range(len(images)), ordered=False)
    return _comparison(
        path, recipe, (0, 0), [compared], [compared.reason] if compared.reason else []
    )


def _compare_batches(
    path: Path, folder: BatchFolder, recipe: Recipe, images: PublishedList | None
) -> PublishedComparison:
    published = {PurePosixPath(name).name: md5 for name, md5 in recipe.published.files.items()}
    files = [*folder.training_files(), *folder.split_files(), folder.test]
    unknown = [file for file in files if file.is_file() and file.name not in published]
    equal = [
        name
        for name, md5 in published.items()
        if (file := folder.batch(name)).is_file() and md5_file(file) == md5
    ]
    batches = _Batches.read(folder, [*published, *(file.name for file in unknown)], equal, images)
    differences = [
        f"{name}: {batches.reason(folder.batch(name))}" for name in published if name not in equal
    ]
    differences += [f"{file.name}: no file of this name is published" for file in unknown]
    return _comparison(
        path, recipe, (len(published), len(equal)), batches.compare_all(), differences
    )


def _comparison(
    path: Path,
    recipe: Recipe,
    files: tuple[int, int],
    images: Sequence[ImageComparison],
    differences: Sequence[str],
) -> PublishedComparison:
    return PublishedComparison(
        path=path,
        recipe=recipe.name,
        files=files[0],
        equal_files=files[1],
        images=sum(one.published * one.knows_pixels for one in images),
        equal_images=sum(one.equal for one in images),
        different=sum(len(one.different) for one in images),
        absent=sum(one.absences for one in images),
        extra=sum(len(one.extra) for one in images),
        unnamed=sum(one.unnamed for one in images),
        relabelled=sum(len(one.relabelled) for one in images),
        differences=tuple(map(clean_text, differences)),
    )


@dataclass(frozen=True, slots=True)
class _Batches:
    """The batches of a folder beside a published list.

    An equal file has the images of the list and is not read.
    """

    images: PublishedList | None
    equal: Sequence[str]
    content: Mapping[str, Arrays]
    faults: Mapping[str, str]

    @classmethod
    def read(
        cls,
        folder: BatchFolder,
        names: Sequence[str],
        equal: Sequence[str],
        images: PublishedList | None,
    ) -> _Batches:
        content: dict[str, Arrays] = {}
        faults: dict[str, str] = {}
        for name in names if images is not None else ():
            file = folder.batch(name)
            if name in equal or file == folder.meta or not file.is_file():
                continue
            try:
                content[name] = read_batch(file)
            except DatasetError as error:
                faults[name] = _fault(file, error)
        return cls(images, equal, content, faults)

    def reason(self, file: Path) -> str:
        """Return what differs in a published file that is not equal."""
        images, name = self.images, file.name
        if images is None or name not in images.batch_names:
            return _OTHER_BYTES if file.is_file() else _ABSENT
        if name in self.faults:
            return self.faults[name]
        rows = _rows_of(images, [name])
        others = set(_names_of(images, self.equal)).union(
            *(samples.sources for other, samples in self.content.items() if other != name)
        )
        if name not in self.content:
            moved = len(all_absent(images, rows).beside(others, ()).elsewhere)
            line = f"{_ABSENT}, with {len(rows)} images"
            return f"{line}, of which {moved} are in another batch" if moved else line
        compared = compare_images([self.content[name]], images, rows)
        published = set(images.names).difference(_names_of(images, [name]))
        content = "images" if compared.knows_pixels else "names"
        compared = compared.beside(others, published)
        return compared.reason or f"{_OTHER_BYTES}; its {content} and labels are"

    def compare_all(self) -> list[ImageComparison]:
        """Compare the images of all batches: those of the equal files, then all others."""
        if self.images is None:
            return []
        names = self.images.batch_names
        same = _rows_of(self.images, self.equal)
        rows = _rows_of(self.images, [name for name in names if name not in self.equal])
        others = compare_images([*self.content.values()], self.images, rows, ordered=False)
        return [all_equal(self.images, same), others]


def _rows_of(images: PublishedList, batches: Sequence[str]) -> list[int]:
    return [row for row, batch in enumerate(images.batches) if batch in batches]


def _names_of(images: PublishedList, batches: Sequence[str]) -> list[str]:
    return [images.names[row] for row in _rows_of(images, batches)]


def _fault(file: Path, error: DatasetError) -> str:
    """Return what is wrong with a batch, in a line that has its name already."""
    text = str(error).removeprefix(f"read {file}: ").removeprefix("read a dataset: ")
    return _relative(text, file.parent)
