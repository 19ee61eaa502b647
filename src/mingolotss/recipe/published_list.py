"""What a recipe knows of its published dataset: address, checksums, and the list of its images.

A published list is shipped with the package, ``shipped/lists/NAME.csv``. It has one row for each
image of the published batches: ``batch`` (the file that holds it), ``position`` in that file,
``name``, ``label``, ``ra`` and ``dec`` (deg, ICRS), and the SHA-256 of the published pixels where
they are known. A recipe names it by ``published.list``; batches and splits then follow the list and
not the order of a catalogue.

>>> names = list_names()
>>> names
('frdeep', 'mirabest')
>>> images = read_list("mirabest")
>>> len(images), images.batch_names[-1], images.names[0]
(1256, 'test_batch', '100_123.251+043.797_0.1281_0034.09')
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from mingolotss.catalogue.labels import Labels
from mingolotss.model import Floats, Ints
from mingolotss.recipe.settings import Settings, check_address
from mingolotss.registry import nearest

__all__ = ["PublishedList", "PublishedSettings", "list_names", "pixels_sha256", "read_list"]

_LISTS = Path(__file__).with_name("shipped") / "lists"
_SUFFIX = ".csv"
_COLUMNS = ("batch", "position", "name", "label", "ra", "dec")


@dataclass(frozen=True, eq=False)
class PublishedList:
    """The images of a published dataset, batch by batch in their published order.

    Attributes
    ----------
    name : str
        Of the list.
    names : list of str, length n
        Of the sources.
    batches : list of str, length n
        The file that holds the image, e.g. ``data_batch_1``.
    positions : int64 array, shape (n,)
        The position of the image in its batch, from 0.
    labels : int16 array, shape (n,)
        The published labels.
    ra, dec : float64 array, shape (n,), deg, ICRS
    pixels_sha256 : list of str, length n
        SHA-256 of the published pixels (uint8, C order); "" where they are not known.
    sha256 : str
        Of the file of the list.
    """

    name: str
    names: list[str]
    batches: list[str]
    positions: Ints
    labels: Labels
    ra: Floats
    dec: Floats
    pixels_sha256: list[str]
    sha256: str

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def batch_names(self) -> tuple[str, ...]:
        """The batches in the order of the list, the test batch last."""
        return tuple(dict.fromkeys(self.batches))

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each name."""
        return {name: row for row, name in enumerate(self.names)}

    def rows_of(self, names: Sequence[str]) -> Ints:
        """Return the row of each source in the list, -1 for a source that is not in it.

        Returns
        -------
        int64 array, shape (len(names),)
        """
        return np.array([self.row_of.get(name, -1) for name in names], np.int64)

    def has_any(self, images: Iterable[npt.NDArray[np.generic]]) -> bool:
        """Return whether one of the images has published pixels."""
        known = {digest for digest in self.pixels_sha256 if digest}
        return bool(known) and any(pixels_sha256(image) in known for image in images)

    def batch_sizes(self) -> dict[str, int]:
        """Return the number of published images in each batch."""
        return {batch: self.batches.count(batch) for batch in self.batch_names}


def pixels_sha256(pixels: npt.NDArray[np.generic] | bytes) -> str:
    """Return the SHA-256 of the pixels of an image in C order."""
    data = pixels if isinstance(pixels, bytes) else np.ascontiguousarray(pixels).tobytes()
    return hashlib.sha256(data).hexdigest()


def list_names() -> tuple[str, ...]:
    """Return the names of the shipped lists."""
    names = (item.name for item in _LISTS.iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


@cache
def read_list(name: str, pixels: str = "") -> PublishedList:
    """Read a shipped list.

    Parameters
    ----------
    name : str
        One of `list_names`.
    pixels : str
        The column with the SHA-256 of the pixels; "" if they are not known.
    """
    data = (_LISTS / f"{name}{_SUFFIX}").read_bytes()
    rows = list(csv.DictReader(data.decode().splitlines()))
    columns = {column: [row[column] for row in rows] for column in _COLUMNS}
    return PublishedList(
        name=name,
        names=columns["name"],
        batches=columns["batch"],
        positions=np.array(columns["position"], np.int64),
        labels=np.array(columns["label"], np.int16),
        ra=np.array(columns["ra"], float),
        dec=np.array(columns["dec"], float),
        pixels_sha256=[row[pixels] for row in rows] if pixels else [""] * len(rows),
        sha256=hashlib.sha256(data).hexdigest(),
    )


@cache
def _pixel_columns(name: str) -> tuple[str, ...]:
    header = (_LISTS / f"{name}{_SUFFIX}").read_text(encoding="utf-8").partition("\n")[0]
    return tuple(column for column in header.split(",") if column not in _COLUMNS)


class PublishedSettings(Settings):
    """The published dataset: where its archive is, its checksums, and the list of its images.

    Attributes
    ----------
    url, md5 : str
        Of the archive.
    files : dict of str to str
        MD5 of each file, by its path in the archive.
    list : str
        The name of a shipped list. Batches, splits and labels follow it.
    pixels : str
        The column of the list with the SHA-256 of the published pixels; "" if they are not known.
    """

    url: str = ""
    md5: str = ""
    files: dict[str, str] = Field({})
    list: str = ""
    pixels: str = ""

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return check_address(value)

    @field_validator("list")
    @classmethod
    def _shipped(cls, value: str) -> str:
        known = list_names()
        if value and value not in known:
            raise ValueError(
                f"there is no published list of this name:{nearest(value, known)} known: "
                f"{', '.join(known)}"
            )
        return value

    @model_validator(mode="after")
    def _column_exists(self) -> PublishedSettings:
        columns = _pixel_columns(self.list) if self.list else ()
        if self.list and self.pixels and self.pixels not in columns:
            raise ValueError(
                f"pixels = {self.pixels!r} is no column of checksums of the list {self.list!r}; "
                f"it has {', '.join(columns) or 'none'}"
            )
        return self

    @property
    def has_split(self) -> bool:
        """Return whether the published dataset says which source is in which split."""
        return bool(self.files or self.list)

    def read_list(self) -> PublishedList | None:
        """Return the published list, or None if the recipe has none."""
        return read_list(self.list, self.pixels) if self.list else None
