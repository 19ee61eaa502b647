"""``compare()``: the differences between two datasets, source by source.

It shows whether a build is identical to another build or to the published dataset. Everything that
``load`` reads can be compared; sources are matched by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import stamp_files
from mingolotss.dataset.records import read_records
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import open_arrays

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two datasets; every list is empty if there is none.

    Attributes
    ----------
    common, identical : int
        Number of sources in both datasets, and of those whose images are equal in every pixel.
    only_a, only_b : list of str
        Sources that are in one dataset only.
    classes : list of str
        One line for each label that has different names.
    labels, fields, splits, pixels : list of str
        One line for each source that differs.
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
        """Whether there is no difference."""
        return not any(lines for _, lines in self.differences())

    def differences(self) -> list[tuple[str, list[str]]]:
        """Return every list with its title."""
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
        Builds, exports or folders of batches: everything that ``load`` reads.

    Returns
    -------
    Comparison
        The differences, as lines of text.

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
    pixels = [line for pair in pairs if (line := _compare_pixels(first, second, *pair))]
    return Comparison(
        common=len(common),
        identical=len(common) - len(pixels),
        only_a=[name for name in rows_a if name not in rows_b],
        only_b=[name for name in rows_b if name not in rows_a],
        classes=_compare_classes(first.classes, second.classes),
        labels=_compare_column(pairs, first.labels.tolist(), second.labels.tolist()),
        fields=_compare_column(pairs, _fields(first), _fields(second)),
        splits=_compare_column(pairs, first.splits, second.splits),
        pixels=pixels,
    )


def _open(root: Path) -> Arrays:
    """Read a dataset, from its stamps if it has them: only they name every source."""
    if not stamp_files(root):
        return open_arrays(root)
    records = read_records(root)
    texts = [records.texts(name) for name in ("source", "image_file", "split")]
    return Arrays(records.images(), records.labels, records.classes, *texts)


def _rows(arrays: Arrays, root: Path | str) -> dict[str, int]:
    """Return the index of each source."""
    rows = {name: row for row, name in enumerate(arrays.sources)}
    if len(rows) != len(arrays):
        problem = "it names a source twice" if arrays.sources else "it does not name its sources"
        raise InputError(f"compare {root}: {problem}, so sources cannot be matched")
    return rows


def _fields(arrays: Arrays) -> list[str]:
    """Return the field in each image's name, SOURCE_FIELD.png; empty if a name has another form."""
    pairs = zip(arrays.sources, arrays.filenames, strict=False)
    fields = [name.removeprefix(f"{source}_").rpartition(".")[0] for source, name in pairs]
    return fields if len(fields) == len(arrays) else []


def _compare_pixels(first: Arrays, second: Arrays, name: str, row_a: int, row_b: int) -> str:
    """Return a line about two images that differ, "" if they are equal."""
    a, b = first.images[row_a], second.images[row_b]
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{name}: {a.shape} {a.dtype} and {b.shape} {b.dtype}"
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return ""
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return f"{name}: {np.count_nonzero(difference)} pixels, by {np.nanmax(difference):g} at most"


def _compare_column(
    pairs: list[tuple[str, int, int]], a: Sequence[str | int], b: Sequence[str | int]
) -> list[str]:
    """Return a line for each source whose values differ; none if a dataset has no values."""
    if not a or not b:
        return []
    return [f"{name}: {a[i]} and {b[j]}" for name, i, j in pairs if a[i] != b[j]]


def _compare_classes(a: tuple[str, ...], b: tuple[str, ...]) -> list[str]:
    """Return a line for each label that has different names."""
    longest = max(len(a), len(b))
    padded = [(*names, *[""] * (longest - len(names))) for names in (a, b)]
    return [
        f"{label}: {name_a or 'none'} and {name_b or 'none'}"
        for label, (name_a, name_b) in enumerate(zip(*padded, strict=True))
        if name_a != name_b
    ]
