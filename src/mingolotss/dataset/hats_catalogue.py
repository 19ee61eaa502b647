"""The catalogues of a HATS collection on disk: their properties and their partitions.

A collection is a folder with a catalogue, and perhaps its margins and indices; each of them is a
folder of its own (IVOA Note "HATS"). Read without the library ``hats``, which imports pandas and
takes a second: the files are short texts. Only what lies in the collection is read.

Here no row is read; the columns of a partition are in ``hats_columns.py``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mingolotss.dataset.layout import HatsFolder
from mingolotss.errors import DatasetError
from mingolotss.io.file_names import is_file_name
from mingolotss.io.files import read_bounded
from mingolotss.io.java_properties import parse_properties
from mingolotss.io.system_faults import describe_fault

__all__ = [
    "HatsCatalogue",
    "HatsCollectionNames",
    "HatsPartition",
    "find_catalogue",
    "is_hats",
    "read_catalogue",
    "read_collection",
    "read_partition_info",
    "read_properties",
]

_LONGEST_NAME = 255  # bytes, which disks allow
_HIGHEST_ORDER = 29  # of HEALPix in 64 bits
_LONGEST_SUFFIX = 40
_SPATIAL = ("object", "source", "margin", "")  # the last one: not stated
_SEPARATORS = str.maketrans(";,", "  ")


class HatsPartition(NamedTuple):
    """One HEALPix pixel in the nested scheme, with the rows of its sources.

    Attributes
    ----------
    order, pixel : int
    files : tuple of Path
        One, or several where the partition is a folder.
    """

    order: int
    pixel: int
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class HatsCatalogue:
    """A catalogue, a margin or an index.

    Attributes
    ----------
    folder : HatsFolder
    properties : mapping of str to str
    partitions : tuple of HatsPartition
        In the order of the sky; none for an index.
    """

    folder: HatsFolder
    properties: Mapping[str, str]
    partitions: tuple[HatsPartition, ...]

    @property
    def kind(self) -> str:
        """Return "object", "source", "margin", "index", or another type of HATS."""
        return self.properties.get("dataproduct_type", "")

    def files(self) -> list[Path]:
        """List the files of its rows, in the order of the sky."""
        return [path for partition in self.partitions for path in partition.files]


class HatsCollectionNames(NamedTuple):
    """What a collection consists of: names of folders in it."""

    catalogue: str
    margins: tuple[str, ...]
    indices: Mapping[str, str]


def is_hats(root: Path) -> bool:
    """Return whether `root` is the folder of a HATS collection, or of one catalogue of it."""
    folder = HatsFolder(root)
    if folder.collection.is_file():
        return True
    return folder.dataset.is_dir() and any(path.is_file() for path in folder.properties())


def find_catalogue(root: Path) -> HatsCatalogue:
    """Read the catalogue of a collection, or the catalogue that `root` is.

    Parameters
    ----------
    root : Path
        For which `is_hats` is true.

    Raises
    ------
    DatasetError
        It is damaged, names a folder outside of the collection, or lacks a partition.
    """
    if not HatsFolder(root).collection.is_file():
        return read_catalogue(root)
    return read_catalogue(root / read_collection(root).catalogue)


def read_collection(root: Path) -> HatsCollectionNames:
    """Read what a collection consists of.

    Raises
    ------
    DatasetError
        The file of its properties is damaged, or names a folder outside of the collection.
    """
    path = HatsFolder(root).collection
    properties = read_properties(path)
    catalogue = properties.get("hats_primary_table_url", "")
    if not catalogue:
        raise DatasetError(
            f"read {path}: it names no catalogue (hats_primary_table_url); fetch or export it again"
        )
    margins = _words(properties.get("all_margins", ""))
    pairs = _words(properties.get("all_indexes", ""))
    if len(pairs) % 2:
        raise DatasetError(
            f"read {path}: all_indexes has no pairs of a column and a name: {' '.join(pairs)!r:.80}"
            "; fetch or export it again"
        )
    indices = dict(zip(pairs[::2], pairs[1::2], strict=True))
    for name in (catalogue, *margins, *indices.values()):
        _check_inside(path, name)
    return HatsCollectionNames(catalogue, tuple(margins), indices)


def read_catalogue(root: Path) -> HatsCatalogue:
    """Read the properties of a catalogue, and find the files of its partitions.

    Raises
    ------
    DatasetError
        A file is missing or damaged.
    """
    folder = HatsFolder(root)
    present = [path for path in folder.properties() if path.is_file()]
    if not present:
        raise DatasetError(
            f"read {root}: no catalogue of HATS in it (no {folder.properties()[0].name}); fetch or "
            "export it again"
        )
    properties = read_properties(present[0])
    catalogue = HatsCatalogue(folder, properties, ())
    if catalogue.kind not in _SPATIAL:
        return catalogue
    suffix = properties.get("hats_npix_suffix", ".parquet")
    if suffix != "/" and not (is_file_name(f"Npix{suffix}") and len(suffix) < _LONGEST_SUFFIX):
        raise DatasetError(
            f"read {present[0]}: the suffix of its partitions is {suffix!r:.40}; fetch or export "
            "it again"
        )
    if folder.partition_info.is_file():
        pixels = read_partition_info(folder)
    else:
        pixels = sorted(_pixels_on_disk(folder), key=_place_on_sky)
    partitions = [
        HatsPartition(*pixel, tuple(_partition_files(folder, *pixel, suffix))) for pixel in pixels
    ]
    return HatsCatalogue(folder, properties, tuple(partitions))


def read_partition_info(folder: HatsFolder) -> list[tuple[int, int]]:
    """Read the list of the partitions of a catalogue: (order, pixel), in the order of the sky.

    Raises
    ------
    DatasetError
        It is damaged, or names a pixel that there is not, or one twice.
    """
    path = folder.partition_info
    rows = csv.reader(io.StringIO(_read_text(path), newline=""))
    pixels: list[tuple[int, int]] = []
    try:
        header = [name.strip() for name in next(rows, [])]
        order, pixel = header.index("Norder"), header.index("Npix")
        pixels = [(int(row[order]), int(row[pixel])) for row in rows if row]
    except (ValueError, IndexError, csv.Error) as error:
        raise DatasetError(
            f"read {path}: no table of Norder and Npix ({error!s:.80}); fetch or export it again"
        ) from error
    for one in pixels:
        if not (0 <= one[0] <= _HIGHEST_ORDER and 0 <= one[1] < 12 << 2 * one[0]):
            raise DatasetError(
                f"read {path}: there is no HEALPix pixel {one[1]} of order {one[0]}; fetch or "
                "export it again"
            )
    if len(set(pixels)) < len(pixels):
        raise DatasetError(f"read {path}: it has a partition twice; fetch or export it again")
    return sorted(pixels, key=_place_on_sky)


def _place_on_sky(pixel: tuple[int, int]) -> tuple[int, int]:
    """Return the first index of order 29 of a pixel, and its order."""
    return pixel[1] << 2 * (_HIGHEST_ORDER - pixel[0]), pixel[0]


def _pixels_on_disk(folder: HatsFolder) -> Iterator[tuple[int, int]]:
    for path in folder.partitions():
        order, _, pixel = (part.partition("=")[2] for part in path.parts[-3:])
        pixel = pixel.partition(".")[0]
        if order.isdecimal() and pixel.isdecimal() and len(order + pixel) < 22:
            yield int(order), int(pixel)


def _partition_files(folder: HatsFolder, order: int, pixel: int, suffix: str) -> list[Path]:
    path = folder.partition(order, pixel, suffix if suffix != "/" else "")
    files = sorted(path.glob("*.parquet")) if suffix == "/" else [path]
    if not files or not files[0].is_file():
        raise DatasetError(
            f"read {folder.path}: its partition Norder={order}, Npix={pixel} is missing "
            f"({folder.path.name}/{path.relative_to(folder.path).as_posix()}); fetch or export it "
            "again"
        )
    return files


def _check_inside(path: Path, name: str) -> None:
    """Refuse the name of a folder that leads out of the collection, or that no folder can have."""
    parts = PurePosixPath(name).parts
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME or not name.isprintable():
        raise DatasetError(
            f"read {path}: {name!r:.80} is no name of a folder; fetch or export it again"
        )
    if name.startswith("/") or ".." in parts or any(mark in name for mark in ("\\", ":")):
        raise DatasetError(
            f"read {path}: {name!r:.80} is outside of the collection; it is not read, give the "
            "folder of that catalogue itself"
        )


def read_properties(path: Path) -> dict[str, str]:
    """Read a file of properties.

    Raises
    ------
    DatasetError
        It cannot be read.
    """
    return parse_properties(_read_text(path))


def _read_text(path: Path) -> str:
    try:
        return read_bounded(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        advice = describe_fault(error) or f"{reason}; fetch or export it again"
        raise DatasetError(f"read {path}: {advice}") from error


def _words(text: str) -> list[str]:
    """Return the words of a list, which HATS separates by blanks, commas or semicolons."""
    return text.translate(_SEPARATORS).split()
