"""``compare()``: the differences between two datasets, source by source.

It shows whether a build is identical to another build or to the published dataset, and if not, what
was different when they were made. Everything that ``load`` reads can be compared; sources are
matched by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.records import read_records
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.errors import InputError
from mingolotss.io.summaries import count_text
from mingolotss.loaders.arrays import open_arrays
from mingolotss.qa.compare_causes import find_causes, why_absent
from mingolotss.qa.compare_labels import compare_labels, read_origins
from mingolotss.qa.comparison import (
    CHANNELS,
    CLASSES,
    FIELDS,
    MASKS,
    ONLY_A,
    ONLY_B,
    PIXELS,
    SPLITS,
    Comparison,
    DifferenceRow,
    rows_of,
)
from mingolotss.qa.fits_stamps import is_fits_export, read_fits_stamp
from mingolotss.recipe.published_list import pixels_sha256

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

    Examples
    --------
    >>> import mingolotss
    >>> comparison = mingolotss.compare("demo", "demo")
    >>> comparison.identical, comparison.common
    (118, 118)
    """
    path_a, path_b = Path(a), Path(b)
    # The images of FITS files are the brightness. It is compared with that of other FITS files, but
    # with another dataset the stamps that the steps of the recipe make of it.
    is_fits = is_fits_export(path_a), is_fits_export(path_b)
    one_is_fits = is_fits[0] != is_fits[1]
    first, digests_a = _open(path_a, as_stamps=one_is_fits and is_fits[0])
    second, digests_b = _open(path_b, as_stamps=one_is_fits and is_fits[1])
    digests = {**digests_a, **digests_b}
    rows_a, rows_b = _rows(first, a), _rows(second, b)
    common = [name for name in rows_a if name in rows_b]
    pairs = [(name, rows_a[name], rows_b[name]) for name in common]
    planes = _common_channels(first, second)
    pixels = [
        row
        for pair in pairs
        if (row := _compare_pixels(first, second, planes, *pair, digests.get(pair[0], "")))
    ]
    rows = (
        *find_causes(path_a, path_b),
        *_only_in(ONLY_A, rows_a, rows_b, path_b, "B"),
        *_only_in(ONLY_B, rows_b, rows_a, path_a, "A"),
        *_compare_classes(first.classes, second.classes),
        *_compare_channels(first.channels, second.channels),
        *compare_labels(first, second, pairs, (read_origins(path_a), read_origins(path_b))),
        *_compare_column(FIELDS, pairs, _fields(first), _fields(second)),
        *_compare_column(SPLITS, pairs, first.splits, second.splits),
        *pixels,
        *_compare_masks(first, second, pairs),
    )
    return Comparison(len(common), len(common) - len(pixels), rows)


def _open(root: Path, *, as_stamps: bool) -> tuple[Arrays, dict[str, str]]:
    """Read a dataset, from its stamps if it has them: only they name every source.

    Parameters
    ----------
    root : Path
    as_stamps : bool
        Whether to make stamps of the brightness in FITS files.

    Returns
    -------
    arrays : Arrays
    digests : dict of str to str
        The SHA-256 of the pixels of stamps that cannot be made, by source; their images are empty.
    """
    if as_stamps:
        return _stamps_of_fits(root)
    if not stamp_files(root):
        return open_arrays(root), {}
    records = read_records(root)
    texts = [records.texts(name) for name in ("source", "image_file", "split")]
    arrays = Arrays(
        records.images(), records.labels, records.classes, *texts, channels=records.channels,
        vectors=records.vectors, masks=records.masks(),
    )  # fmt: skip
    return arrays, {}


def _stamps_of_fits(root: Path) -> tuple[Arrays, dict[str, str]]:
    """Read an export in FITS, and make its stamps again, as `_open` returns them."""
    arrays, provenance = open_arrays(root), read_provenance(root)
    if provenance is None:
        return arrays, {}
    files = {path.name: path for path in ExportFolder(root).fits_files()}
    stamps = [
        read_fits_stamp(files[ExportFolder.fits_name(name)], provenance.recipe)
        for name in arrays.filenames
    ]
    empty = np.zeros(arrays.images.shape[1:], provenance.recipe.stamp.kind)
    images = [empty if stamp.pixels is None else stamp.pixels for stamp in stamps]
    digests = {
        source: stamp.sha256
        for source, stamp in zip(arrays.sources, stamps, strict=True)
        if stamp.pixels is None
    }
    return replace(arrays, images=np.stack(images)), digests


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


def _common_channels(first: Arrays, second: Arrays) -> list[tuple[str, int, int]]:
    """Return the name of each channel that both have, and its index in each."""
    return [
        (name, index, second.channels.index(name))
        for index, name in enumerate(first.channels)
        if name in second.channels
    ]


def _compare_pixels(
    first: Arrays,
    second: Arrays,
    planes: Sequence[tuple[str, int, int]],
    name: str,
    row_a: int,
    row_b: int,
    digest: str,
) -> DifferenceRow | None:
    """Return a row about two images that differ, None if they are equal.

    Of images with channels, the channels that both have are compared: `planes`. `digest` is the
    SHA-256 of the pixels if one of the images is not known.
    """
    a, b = first.images[row_a], second.images[row_b]
    if digest:
        is_equal = digest in {pixels_sha256(a), pixels_sha256(b)}
        return None if is_equal else DifferenceRow(PIXELS, name, "the SHA-256 of the pixels")
    if a.shape[-2:] != b.shape[-2:] or a.ndim != b.ndim or a.dtype != b.dtype:
        return DifferenceRow(PIXELS, name, f"{a.shape} {a.dtype} and {b.shape} {b.dtype}")
    pairs = [(f" in {channel}", a[i], b[j]) for channel, i, j in planes] if a.ndim == 3 else []
    counts, most = [], 0.0
    for where, one, other in pairs or [("", a, b)]:
        count, largest = _count_differences(one, other)
        if count:
            counts.append(f"{count} pixels{where}")
            most = max(most, largest)
    return (
        DifferenceRow(PIXELS, name, ", ".join(counts), f"by {most:g} at most") if counts else None
    )


def _compare_masks(
    first: Arrays, second: Arrays, pairs: Sequence[tuple[str, int, int]]
) -> Iterator[DifferenceRow]:
    """Yield a row for each source whose masks differ, or one if only one dataset has masks."""
    a, b = first.masks, second.masks
    if (a is None) != (b is None) and pairs:
        yield DifferenceRow(MASKS, "all sources", f"only {'B' if a is None else 'A'} has masks")
    if a is None or b is None:
        return
    for name, row_a, row_b in pairs:
        count, _ = _count_differences(a[row_a], b[row_b])
        if count:
            yield DifferenceRow(MASKS, name, count_text(count, "pixel"))


def _count_differences(a: ImageArray, b: ImageArray) -> tuple[int, float]:
    """Return how many pixels differ, and by how much at most: infinite if only one is a number."""
    if a.shape != b.shape:
        return max(a.size, b.size), math.inf
    differ = (a != b) & ~(np.isnan(a) & np.isnan(b))
    if not differ.any():
        return 0, 0.0
    values, others = a[differ].astype(np.float64), b[differ].astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite on both sides
        difference = np.abs(values - others)
    return int(differ.sum()), float(np.nan_to_num(difference, nan=math.inf).max())


def _compare_channels(a: tuple[str, ...], b: tuple[str, ...]) -> list[DifferenceRow]:
    """Return a row for each channel that is not the same in both datasets."""
    names = zip_longest(a, b, fillvalue="")
    return rows_of(CHANNELS, ((str(place), *pair) for place, pair in enumerate(names)))


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
