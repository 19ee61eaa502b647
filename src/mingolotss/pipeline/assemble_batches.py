"""The batches of a build: stamps of all parts, in catalogue order."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from mingolotss.dataset.layout import BuildFolder, batch_name
from mingolotss.dataset.stamps import StampFile
from mingolotss.formats.batches import batch_label, finish_batches, write_batch
from mingolotss.io.parquet import read_table
from mingolotss.io.png import decode_png
from mingolotss.model import Ints
from mingolotss.recipe.model import Recipe

__all__ = ["assemble_batches"]

_COLUMNS = ["row", "source", "label", "field", "image_file", "batch", "status"]


def assemble_batches(out: Path, recipe: Recipe, classes: Sequence[str], n_parts: int) -> None:
    """Write the batches of a build, their names, checksums and archive.

    Parameters
    ----------
    out : Path
        The build's folder, with manifest and stamps.
    recipe : Recipe
    classes : sequence of str
        Name of each label.
    n_parts : int
        Number of parts of the build.
    """
    folder, settings = BuildFolder(out), recipe.batches
    batch_folder = folder.batches(settings.folder)
    manifest = read_table(folder.manifest, _COLUMNS)
    written = manifest.filter(pc.equal(manifest["status"], "written"))
    stamps = [folder.part_stamps(index) for index in range(n_parts)]
    ranges = [_row_range(path) for path in stamps]

    def write(index: int) -> Path:
        name = batch_name(index, settings.train)
        rows = written.filter(pc.equal(written["batch"], name))
        pixels = _read_pixels(stamps, ranges, rows["row"].to_numpy(), recipe.stamp.pixels)
        write_batch(
            batch_folder.batch(name),
            batch_label(index, settings.train),
            pixels,
            rows["label"].fill_null(-1).to_pylist(),
            rows["image_file"].to_pylist(),
            rows["source"].to_pylist(),
            rows["field"].to_pylist(),
        )
        return batch_folder.batch(name)

    # Two threads: decoding releases the GIL, and each batch holds all its pixels (23 MB for 1000
    # images of 150 x 150).
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(write, range(settings.train + 1)))
    finish_batches(batch_folder, paths, classes, folder.batch_archive(settings.archive))


def _row_range(stamps: Path) -> tuple[int, int]:
    """Return the first and last catalogue row, inclusive, in the stamps of a part.

    (0, -1) if all sources of the part are rejected.
    """
    with StampFile(stamps) as file:
        rows = file.rows()
    return (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)


def _read_pixels(
    stamps: Sequence[Path], ranges: Sequence[tuple[int, int]], rows: Ints, side: int
) -> npt.NDArray[np.uint8]:
    """Return the images of some catalogue rows.

    Parameters
    ----------
    stamps : sequence of Path
        The file of stamps of each part.
    ranges : sequence of (int, int)
        The value of `_row_range` for each.
    rows : int64 array, shape (n,)
        Catalogue rows in ascending order, as in the manifest.
    side : int, px

    Returns
    -------
    uint8 array, shape (n, side * side)
        In the order of `rows`.
    """
    # Parts follow the sky, so every batch needs rows of nearly every part. Only parts whose range
    # of rows does not overlap with the batch are not opened.
    pixels = np.empty((len(rows), side * side), np.uint8)
    position_of = {row: position for position, row in enumerate(rows.tolist())}
    for path, (low, high) in zip(stamps, ranges, strict=True):
        if not len(rows) or high < rows[0] or low > rows[-1]:
            continue
        with StampFile(path) as file:
            images = zip(file.rows().tolist(), file.encoded(), strict=True)
        for row, data in images:
            position = position_of.get(row)
            if position is not None:
                image = pixels[position].reshape(side, side)
                image[:] = decode_png(data.as_py(), str(path))
    return pixels
