"""``compare()``: what differs between two builds, or a build and the published dataset.

A builder shows with it that theirs is the published one. Anything that ``load`` reads can be
compared; sources are matched by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mingolotss.dataset.layout import stamp_files
from mingolotss.dataset.records import read_records
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import open_arrays

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs; every list empty if nothing does.

    Attributes
    ----------
    common, identical : int
        Sources in both; those whose images are equal in every pixel.
    only_a, only_b : list of str
        Sources.
    classes : list of str
        A line for each label that is named differently.
    labels, fields, splits, pixels : list of str
        A line for each source that differs.
    """

    common: int
    identical: int
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    pixels: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Say whether nothing differs."""
        return not any(lines for _, lines in self.differences())

    def differences(self) -> list[tuple[str, list[str]]]:
        """Give every list with what it means."""
        return [
            ("sources only in A", self.only_a), ("sources only in B", self.only_b),
            ("classes named differently", self.classes), ("labels that differ", self.labels),
            ("fields that differ", self.fields), ("splits that differ", self.splits),
            ("images that differ", self.pixels),
        ]  # fmt: skip


def compare(a: Path | str, b: Path | str) -> Comparison:
    """Compare two datasets source by source.

    Parameters
    ----------
    a, b : path
        Builds, exports, folders of batches: what ``load`` reads.

    Raises
    ------
    DatasetError
        One of them is no dataset, or is damaged.
    InputError
        One of them does not name its sources, or names one twice.
    """
    first, second = _open(Path(a)), _open(Path(b))
    rows_a, rows_b = _rows(first, a), _rows(second, b)
    common = [name for name in rows_a if name in rows_b]
    pairs = [(name, rows_a[name], rows_b[name]) for name in common]
    pixels = [line for pair in pairs if (line := _pixels(first, second, *pair))]
    fields_a, fields_b = _fields(first), _fields(second)
    return Comparison(
        common=len(common),
        identical=len(common) - len(pixels),
        only_a=[name for name in rows_a if name not in rows_b],
        only_b=[name for name in rows_b if name not in rows_a],
        classes=_classes(first.classes, second.classes),
        labels=_texts(pairs, first.labels.tolist(), second.labels.tolist()),
        fields=_texts(pairs, fields_a, fields_b) if fields_a and fields_b else [],
        splits=_texts(pairs, first.splits, second.splits),
        pixels=pixels,
    )


def _open(root: Path) -> Arrays:
    """Read a dataset, its images from the stamps where it has them: they know every source."""
    if not stamp_files(root):
        return open_arrays(root)
    records = read_records(root)
    texts = [records.texts(name) for name in ("source", "image_file", "split")]
    return Arrays(records.images(), records.labels, records.classes, *texts)


def _rows(arrays: Arrays, root: Path | str) -> dict[str, int]:
    rows = {name: row for row, name in enumerate(arrays.sources)}
    if len(rows) != len(arrays):
        found = "a source twice" if arrays.sources else "no names of sources"
        raise InputError(f"compare {root}: it has {found}, so sources cannot be matched")
    return rows


def _fields(arrays: Arrays) -> list[str]:
    """Take the field out of each image's name, SOURCE_FIELD.png; none if a name is otherwise."""
    pairs = zip(arrays.sources, arrays.filenames, strict=False)
    found = [name.removeprefix(f"{source}_").rpartition(".")[0] for source, name in pairs]
    return found if len(found) == len(arrays) else []


def _pixels(first: Arrays, second: Arrays, name: str, row_a: int, row_b: int) -> str:
    a, b = first.images[row_a], second.images[row_b]
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{name}: {a.shape} {a.dtype} and {b.shape} {b.dtype}"
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return ""
    apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return f"{name}: {np.count_nonzero(apart)} pixels, by {np.nanmax(apart):g} at most"


def _texts(pairs: list[tuple[str, int, int]], a: Sequence[Any], b: Sequence[Any]) -> list[str]:
    """Give a line for each source whose entries in the lists `a` and `b` differ."""
    if not a or not b:
        return []
    return [f"{name}: {a[i]} and {b[j]}" for name, i, j in pairs if a[i] != b[j]]


def _classes(a: tuple[str, ...], b: tuple[str, ...]) -> list[str]:
    longest = max(len(a), len(b))
    named = [(*names, *[""] * (longest - len(names))) for names in (a, b)]
    return [
        f"{label}: {one or 'none'} and {two or 'none'}"
        for label, (one, two) in enumerate(zip(*named, strict=True))
        if one != two
    ]
