"""``compare()``: the differences between two datasets, source by source.

It shows whether a build is identical to another build or to the published dataset, and if not, what
was different when they were made. Everything that ``load`` reads can be compared; sources are
matched by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import stamp_files
from mingolotss.dataset.records import read_records
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import open_arrays
from mingolotss.qa.compare_causes import find_causes, why_absent
from mingolotss.qa.comparison import (
    CLASSES,
    FIELDS,
    LABELS,
    ONLY_A,
    ONLY_B,
    PIXELS,
    SPLITS,
    Comparison,
    DifferenceRow,
    rows_of,
)

__all__ = ["Comparison", "compare"]


def compare(a: Path | str, b: Path | str) -> Comparison:
    """Compare two datasets source by source.

    Parameters
    ----------
    a, b : path
        Builds, exports or folders of batches: everything that ``load`` reads.

    Returns
    -------
    Comparison
        The differences: first of how they were made, then of the datasets.

    Raises
    ------
    DatasetError
        One of them is no dataset, or is damaged.
    InputError
        One of them does not name its sources, or names one twice.
    """
    path_a, path_b = Path(a), Path(b)
    first, second = _open(path_a), _open(path_b)
    rows_a, rows_b = _rows(first, a), _rows(second, b)
    common = [name for name in rows_a if name in rows_b]
    pairs = [(name, rows_a[name], rows_b[name]) for name in common]
    pixels = [row for pair in pairs if (row := _compare_pixels(first, second, *pair))]
    rows = (
        *find_causes(path_a, path_b),
        *_only_in(ONLY_A, rows_a, rows_b, path_b, "B"),
        *_only_in(ONLY_B, rows_b, rows_a, path_a, "A"),
        *_compare_classes(first.classes, second.classes),
        *_compare_column(LABELS, pairs, first.labels.tolist(), second.labels.tolist()),
        *_compare_column(FIELDS, pairs, _fields(first), _fields(second)),
        *_compare_column(SPLITS, pairs, first.splits, second.splits),
        *pixels,
    )
    return Comparison(len(common), len(common) - len(pixels), rows)


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


def _only_in(
    kind: str, rows: Mapping[str, int], others: Mapping[str, int], folder: Path, letter: str
) -> Iterator[DifferenceRow]:
    """Yield a row for each source that the dataset in `folder` does not have."""
    names = [name for name in rows if name not in others]
    reasons = why_absent(folder, letter) if names else {}
    for name in names:
        yield DifferenceRow(kind, name, reasons.get(name, ""))


def _compare_pixels(
    first: Arrays, second: Arrays, name: str, row_a: int, row_b: int
) -> DifferenceRow | None:
    """Return a row about two images that differ, None if they are equal."""
    a, b = first.images[row_a], second.images[row_b]
    if a.shape != b.shape or a.dtype != b.dtype:
        return DifferenceRow(PIXELS, name, f"{a.shape} {a.dtype} and {b.shape} {b.dtype}")
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return None
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    count, most = np.count_nonzero(difference), np.nanmax(difference)
    return DifferenceRow(PIXELS, name, f"{count} pixels", f"by {most:g} at most")


def _compare_column(
    kind: str,
    pairs: list[tuple[str, int, int]],
    a: Sequence[str | int],
    b: Sequence[str | int],
) -> list[DifferenceRow]:
    """Return a row for each source whose values differ; none if a dataset has no values."""
    if not a or not b:
        return []
    return rows_of(kind, ((name, str(a[i]), str(b[j])) for name, i, j in pairs))


def _compare_classes(a: tuple[str, ...], b: tuple[str, ...]) -> list[DifferenceRow]:
    """Return a row for each label that has different names."""
    names = zip_longest(a, b, fillvalue="")
    return rows_of(CLASSES, ((str(label), *pair) for label, pair in enumerate(names)))
