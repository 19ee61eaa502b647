"""The checks that builds and exports have in common: checksums, rows, and images.

A `Layout` says how a kind of folder differs from others, and `check_folder` checks a folder against
its layout. Not here: which checks a build or an export needs (`verify_build`, `verify_export`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.dataset.checksums import changed_files, read_checksums
from mingolotss.dataset.manifest import read_manifest, written_rows
from mingolotss.dataset.masks import MASK_SHA256, has_masks
from mingolotss.errors import DatasetError, MingoError, clean_text
from mingolotss.io.files import sha256_file
from mingolotss.io.summaries import Shown, Summary, Table, count_text, one_line
from mingolotss.qa.channel_digests import ChannelDigests
from mingolotss.recipe.published_list import pixels_sha256

__all__ = [
    "ContentCheck",
    "Layout",
    "StoredImage",
    "Verification",
    "check_checksums",
    "check_folder",
    "check_images",
    "check_masks",
]

_SHOWN_PROBLEMS, _SHOWN_LETTERS = 5, 100  # of a verification that shows itself

ContentCheck = Callable[[pa.Table], Iterable[str]]
"""Compares a part of a folder's content with the written rows of the manifest."""


@dataclass(frozen=True, repr=False)
class Verification(Shown):
    """The result of `verify`.

    Attributes
    ----------
    path : Path
        The dataset that was checked.
    files, images : int
        Number of files and images that were checked.
    problems : list of str
        One line for each problem; empty if there is none.
    """

    path: Path
    files: int
    images: int
    problems: list[str]

    def __post_init__(self) -> None:
        # The lines contain names of files from anywhere.
        object.__setattr__(self, "problems", [clean_text(line) for line in self.problems])

    @property
    def good(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def _summary(self) -> Summary:
        facts = {"files": f"{self.files:,}", "images": f"{self.images:,}"}
        shown = [(one_line(line, _SHOWN_LETTERS),) for line in self.problems[:_SHOWN_PROBLEMS]]
        title = f"Verification of {self.path}: {count_text(len(self.problems), 'problem')}"
        return Summary(title, facts, Table(("the first problems",), shown) if shown else None)


@dataclass(frozen=True)
class Layout:
    """How a folder is laid out, as far as `check_folder` needs to know.

    Attributes
    ----------
    folder : Path
    checksums : Path
        The list of SHA-256 checksums.
    files : sequence of Path
        Files that must be in that list.
    rows : int or None
        Number of rows of the catalogue, if the manifest has all of them; None if it has only the
        written ones.
    checks : sequence of callable
        The checks of the content, each given the written rows of the manifest.
    """

    folder: Path
    checksums: Path
    files: Sequence[Path]
    rows: int | None
    checks: Sequence[ContentCheck]


@dataclass(frozen=True)
class StoredImage:
    """One image of a dataset on disk.

    Attributes
    ----------
    name : str
        How messages call it.
    image_file : str
        Its name in the manifest.
    read : callable
        Returns its pixels as an array, or as bytes in C order; a DatasetError says why it cannot.
    """

    name: str
    image_file: str
    read: Callable[[], npt.NDArray[np.generic] | bytes]


def check_folder(layout: Layout) -> Verification:
    """Check a folder against its list of checksums and its manifest."""
    expected, problems = check_checksums(layout.checksums)
    names = [path.relative_to(layout.folder).as_posix() for path in layout.files]
    problems += [
        f"{name}: not listed in {layout.checksums.name}" for name in names if name not in expected
    ]
    files = len({*expected, *names})
    try:
        manifest = read_manifest(layout.folder)
        problems += _check_rows(manifest, layout.rows)
        written = written_rows(manifest)
        for check in layout.checks:
            problems += check(written)
    except MingoError as error:  # what is left to check depends on what cannot be read
        return Verification(layout.folder, files, 0, [*problems, str(error)])
    return Verification(layout.folder, files, len(written), problems)


def check_checksums(
    path: Path, digest: Callable[[Path], str] = sha256_file
) -> tuple[Collection[str], list[str]]:
    """Compare the files of a folder with the list of checksums in it.

    Parameters
    ----------
    path : Path
        The list.
    digest : callable
        Returns the checksum of a file.

    Returns
    -------
    names : collection of str
        The listed names.
    problems : list of str
    """
    try:
        expected = read_checksums(path)
    except DatasetError as error:
        return (), [str(error)]
    problems = list(changed_files(path, expected, digest))
    return expected.keys(), problems if expected else [f"{path.name}: empty"]


def check_images(
    place: str,
    images: Iterable[StoredImage],
    written: pa.Table,
    channels: ChannelDigests,
) -> Iterator[str]:
    """Compare every image with the manifest: each written row has exactly one, with its pixels.

    Parameters
    ----------
    place : str
        Where the images are, for messages.
    images : iterable of StoredImage
        In any order.
    written : Table
        The written rows of the manifest.
    channels : ChannelDigests
        The checksums of the channels, by which a line names those that differ.
    """
    yield from _check_stored("image", "pixels_sha256", place, images, written, channels)


def check_masks(place: str, masks: Iterable[StoredImage], written: pa.Table) -> Iterator[str]:
    """Compare every mask with the manifest, as `check_images` does; nothing if it has none.

    Parameters
    ----------
    place : str
        Where the masks are, for messages.
    masks : iterable of StoredImage
        In any order.
    written : Table
        The written rows of the manifest.
    """
    if has_masks(written.schema):
        yield from _check_stored("mask", MASK_SHA256.name, place, masks, written, ChannelDigests())


def _check_stored(
    word: str,
    column: str,
    place: str,
    images: Iterable[StoredImage],
    written: pa.Table,
    channels: ChannelDigests,
) -> Iterator[str]:
    """Compare images or masks with the checksums in a column of the manifest."""
    columns = (written[name].to_pylist() for name in ("image_file", column))
    missing = {name or "": digest or "" for name, digest in zip(*columns, strict=True)}
    unknown = []
    for image in images:
        digest = missing.pop(image.image_file, None)
        if digest is None:
            unknown.append(image.name)
            continue
        try:
            pixels = image.read()
        except DatasetError as error:
            yield str(error)
            continue
        if pixels_sha256(pixels) != digest:
            where = channels.describe(image.image_file, pixels)
            yield f"{image.name}: not the {word} of the manifest{where}"
    if missing:
        yield f"{place}: {word}s missing: {len(missing)}, for example {min(missing)}"
    if unknown:
        yield f"{place}: {word}s not in the manifest: {len(unknown)}, for example {min(unknown)}"


def _check_rows(manifest: pa.Table, rows: int | None) -> Iterator[str]:
    """Check that the manifest has each row of the catalogue once, in order."""
    if rows is not None and manifest["row"].to_pylist() != list(range(rows)):
        yield f"manifest.parquet: {len(manifest)} rows, not one for each of {rows} in the catalogue"
    valid = {"written"} if rows is None else {"written", "rejected"}
    unknown = set(manifest["status"].to_pylist()) - valid
    if unknown:
        statuses = ", ".join(map(repr, sorted(map(str, unknown))))
        yield f"manifest.parquet: status {statuses}; expected {' or '.join(sorted(valid))}"
