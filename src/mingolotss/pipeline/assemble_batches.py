"""The batches of a build: stamps of all parts, in catalogue order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_columns import VECTOR_COLUMNS, read_vectors
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import recipe_columns, written_rows
from mingolotss.dataset.masks import MASK_SHA256
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.formats.batch_layout import BatchContent, BatchLayout
from mingolotss.formats.batches import Batch, finish_batches
from mingolotss.image.masks import Masks
from mingolotss.io.arrow_values import array_of, equals, fill_null, filter_rows, numpy_of
from mingolotss.io.parquet import read_table
from mingolotss.io.png import decode_pngs
from mingolotss.model import Ints
from mingolotss.pipeline.part_tables import PartTables
from mingolotss.recipe.model import Recipe

__all__ = ["assemble_batches"]

_DECODED = 256  # stamps at a time: 6 MB for images of 150 x 150
_COLUMNS = ["row", "source", "label", "field", "image_file", "batch", "status"]


@dataclass(frozen=True, slots=True)
class _PartStamps:
    """The stamps of one part.

    Attributes
    ----------
    path : Path
    is_new : bool
        Whether they were made in this run.
    first, last : int
        Its smallest and its largest catalogue row.
    """

    path: Path
    is_new: bool
    first: int
    last: int

    @classmethod
    def read(cls, folder: BuildFolder, part_tables: PartTables, index: int) -> _PartStamps:
        rows = numpy_of(part_tables.read(index, ["row"])["row"])
        is_new = part_tables.is_new(index)
        return cls(folder.part_stamps(index), is_new, int(rows.min()), int(rows.max()))


def assemble_batches(
    out: Path,
    recipe: Recipe,
    classes: Sequence[str],
    batches: Sequence[Batch],
    part_tables: PartTables,
) -> dict[str, str]:
    """Write the batches of a build, their names, checksums and archive.

    Parameters
    ----------
    out : Path
        The build's folder, with manifest and stamps.
    recipe : Recipe
    classes : sequence of str
        Name of each label.
    batches : sequence of Batch
        In the order in which they are listed and archived.
    part_tables : PartTables

    Returns
    -------
    dict of str to str
        The SHA-256 of the batches and their class names, by the name relative to `out`.
    """
    folder, settings, layout = BuildFolder(out), recipe.batches, BatchLayout.of(recipe)
    batch_folder, shape = folder.batches(settings.folder), StampShape.of_recipe(recipe)
    vector_columns = [name for name in recipe_columns(recipe) if name in VECTOR_COLUMNS.names]
    manifest = read_table(folder.manifest, [*_COLUMNS, *vector_columns], is_own=True)
    with_masks = MASK_SHA256.name in recipe_columns(recipe)
    written = written_rows(manifest)
    parts = [_PartStamps.read(folder, part_tables, index) for index in range(len(part_tables))]

    def write(batch: Batch) -> Path:
        rows = filter_rows(written, equals(written["batch"], batch.name))
        pixels, masks = _read_pixels(parts, numpy_of(rows["row"]), shape, with_masks=with_masks)
        content = BatchContent(
            batch.label,
            pixels,
            fill_null(rows["label"], -1).to_pylist(),
            rows["image_file"].to_pylist(),
            rows["source"].to_pylist(),
            rows["field"].to_pylist(),
            shape.channels,
            masks,
            read_vectors(rows, len(classes)),
        )
        layout.write_batch(batch_folder.batch(batch.name), content)
        return batch_folder.batch(batch.name)

    # Two threads: decoding releases the GIL, and each batch holds all its pixels (23 MB for 1000
    # images of 150 x 150).
    with ThreadPoolExecutor(2) as pool:
        digests = finish_batches(
            batch_folder, pool.map(write, batches), classes,
            folder.batch_archive(settings.archive), layout,
            side=recipe.stamp.pixels, size=_largest_batch(written), channels=shape.channels,
        )  # fmt: skip
    return {folder.name_of(path): digest for path, digest in digests.items()}


def _largest_batch(written: pa.Table) -> int:
    """Return the number of images in the largest batch."""
    counts = pc.value_counts(written["batch"].drop_null())
    return max(counts.field("counts").to_pylist(), default=0)


def _read_pixels(
    parts: Sequence[_PartStamps], rows: Ints, shape: StampShape, *, with_masks: bool
) -> tuple[ImageArray, Masks | None]:
    """Return the images of some catalogue rows, and their masks.

    Parameters
    ----------
    parts : sequence of _PartStamps
    rows : int64 array, shape (n,)
        Catalogue rows in ascending order, as in the manifest.
    shape : StampShape
    with_masks : bool
        The stamps have masks.

    Returns
    -------
    pixels : uint8 or float32 array, shape (n, side * side) or (n, channels * side * side)
        In the order of `rows`.
    masks : uint8 array, shape (n, side * side), or None
    """
    # Parts follow the sky, so every batch needs rows of nearly every part. Only parts whose range
    # of rows does not overlap with the batch are not opened.
    pixels: ImageArray = np.empty((len(rows), *shape.axes), shape.dtype)
    masks: Masks | None = None
    if with_masks:
        masks = np.empty((len(rows), shape.side, shape.side), np.uint8)
    for part in parts:
        if not len(rows) or part.last < rows[0] or part.first > rows[-1]:
            continue
        with StampFile(part.path, is_own=part.is_new) as file:
            part_rows, images = file.rows(), file.encoded()
            part_masks = file.encoded_masks() if with_masks else None
        position = np.searchsorted(rows, part_rows)
        position[position == len(rows)] = 0
        chosen = np.flatnonzero(rows[position] == part_rows)
        for start in range(0, len(chosen), _DECODED):
            some = chosen[start : start + _DECODED]
            names = [str(part.path)] * len(some)
            encoded = images.take(array_of(some)).to_pylist()
            pixels[position[some]] = decode_stamps(encoded, names, shape)
            if masks is not None and part_masks is not None:
                encoded = part_masks.take(array_of(some)).to_pylist()
                masks[position[some]] = decode_pngs(encoded, names)
    if masks is not None:
        masks = masks.reshape(len(rows), shape.side * shape.side)
    return pixels.reshape(len(rows), math.prod(shape.axes)), masks
