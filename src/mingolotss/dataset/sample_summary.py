"""What samples show of themselves: counts, and small pictures of some of them.

>>> spread_over_classes(np.array([0, 0, 0, 1, -1, 1]), 3).tolist()
[0, 3, 4]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.catalogue.label_groups import label_groups
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.image_stack import ImageArray, ImageStack, gather
from mingolotss.dataset.label_words import label_texts, rarest_labels
from mingolotss.dataset.split_names import in_order
from mingolotss.io.png import encode_png
from mingolotss.io.summaries import Picture, Table, count_text
from mingolotss.model import Ints

__all__ = [
    "GAMMA",
    "as_grey",
    "as_pictures",
    "describe_classes",
    "image_kind",
    "pictures",
    "split_counts",
    "spread_over_classes",
]

GAMMA = 0.6
"""Brightness is shown to this power: below 1, faint tails become visible."""
_LINE = 75  # times as wide as the line between two channels is a channel
_PICTURES = 10  # in a notebook
_MEDIANS = {
    "size_arcsec": "median size, arcsec",
    "flux_mjy": "median flux, mJy",
    "peak_jy": "median peak, Jy/beam",
}


def spread_over_classes(labels: Ints, count: int, rng: np.random.Generator | None = None) -> Ints:
    """Return the indices of samples of all classes: one of each, then another of each.

    Parameters
    ----------
    labels : int array, shape (n,)
    count : int
        Number of samples, fewer if there are not so many.
    rng : numpy.random.Generator, optional
        Choose at random; otherwise the first of each class.

    Returns
    -------
    int array
        By class, then in the order of the samples if not chosen at random.
    """
    order = np.arange(len(labels)) if rng is None else rng.permutation(len(labels))
    # A stable sort by class, and the number of each sample within its class; the samples with the
    # smallest numbers are one of each class, then the second of each.
    by_class = order[np.argsort(labels[order], kind="stable")]
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    numbers = np.arange(len(labels)) - np.repeat(starts, sizes)
    chosen = np.lexsort((labels[by_class] < 0, numbers))[:count]
    rows: Ints = by_class[chosen]
    return rows


def as_grey(images: ImageArray) -> npt.NDArray[np.uint8]:
    """Return images for the eye: uint8 as they are; float32 from 0 or less to the maximum of each.

    NaN is black.
    """
    if images.dtype == np.uint8:
        return images.astype(np.uint8, copy=False)
    values = np.nan_to_num(images, nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    top = values.max(axis=(-2, -1), keepdims=True)
    np.divide(values, top, out=values, where=top > 0)
    return (values * 255).astype(np.uint8)


def as_pictures(images: ImageArray) -> npt.NDArray[np.uint8]:
    """Return images for the eye, as `as_grey`: three channels in colour, others side by side.

    Parameters
    ----------
    images : array, shape (n, ny, nx) or (n, channels, ny, nx)

    Returns
    -------
    uint8 array, shape (n, ny, nx), (n, ny, width), or (n, 3, ny, nx) for red, green and blue
        Between two channels is a white line.
    """
    grey = as_grey(images)
    if grey.ndim == 3 or grey.shape[1] == 3:
        return grey
    n, channels, ny, nx = grey.shape
    step = nx + max(1, nx // _LINE)
    canvas = np.full((n, ny, channels * step), 255, np.uint8)
    for channel in range(channels):
        canvas[:, :, channel * step : channel * step + nx] = grey[:, channel]
    return canvas[:, :, : (channels - 1) * step + nx]


def pictures(
    images: ImageArray | ImageStack,
    labels: Ints,
    classes: Sequence[str],
    sources: Sequence[str],
    vectors: LabelVectors | None = None,
) -> list[Picture]:
    """Return small pictures of samples, of as many classes as possible."""
    rows = spread_over_classes(rarest_labels(labels, vectors), _PICTURES)
    names = label_texts(labels[rows], classes, None if vectors is None else vectors.take(rows))
    levels = (255 * (np.arange(256) / 255) ** GAMMA).astype(np.uint8)
    stamps = levels[as_pictures(gather(images, rows.tolist()))]
    return [
        Picture(
            encode_png(stamp),
            sources[row] if sources else f"[{row}]",
            name,
            aspect=stamp.shape[-1] / images.shape[-1],
        )
        for row, name, stamp in zip(rows.tolist(), names, stamps, strict=True)
    ]


def image_kind(images: ImageArray | ImageStack) -> str:
    """Return the number, size and type of images."""
    *channels, ny, nx = images.shape[1:]
    planes = f" in {count_text(channels[0], 'channel')}" if channels else ""
    number = count_text(len(images), "image")
    return f"{number} of {nx} x {ny} pixels{planes}, {images.dtype.name}"


def split_counts(splits: Sequence[str]) -> dict[str, int]:
    """Count the samples of each split, train first and test last."""
    counts = pc.value_counts(pa.array(splits, pa.string())).to_pylist()
    numbers = {one["values"]: one["counts"] for one in counts}
    return {name: numbers[name] for name in in_order(numbers)}


def describe_classes(
    table: pa.Table,
    classes: Sequence[str],
    weights: Sequence[float],
    vectors: LabelVectors | None = None,
) -> Table:
    """Return a row for each class: its images in each split, its weight, and medians.

    Parameters
    ----------
    table : pyarrow.Table
        The metadata of the samples.
    classes : sequence of str
    weights : sequence of float
        Of each class, for a loss.
    vectors : LabelVectors, optional
        The tags or votes of the samples. A sample with several tags is in several rows.
    """
    splits = list(split_counts(table["split"].fill_null("").to_pylist()))
    medians = {
        name: title
        for name, title in _MEDIANS.items()
        if name in table.column_names and np.isfinite(_numbers(table, name)).any()
    }
    labels = table["label"].fill_null(-1).to_numpy()
    split_of = np.array(table["split"].fill_null("").to_pylist(), dtype=str)
    rows: list[list[object]] = []
    for label, name, members in label_groups(labels, classes, vectors):
        row: list[object] = [label, name, int(members.sum())]
        if len(splits) > 1:
            row += [int((members & (split_of == split)).sum()) for split in splits]
        row.append(None if label is None else round(float(weights[label]), 3))
        for column in medians:
            values = _numbers(table, column)[members]
            values = values[np.isfinite(values)]
            row.append(float(np.median(values)) if values.size else None)
        rows.append(row)
    listed = splits if len(splits) > 1 else []
    kind = "tag" if vectors is not None and vectors.kind == "tags" else "class"
    return Table(("label", kind, "images", *listed, "weight", *medians.values()), rows)


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = table[name].cast(pa.float64()).to_numpy()
    return numbers
