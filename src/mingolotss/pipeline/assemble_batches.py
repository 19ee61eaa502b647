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
from mingolotss.io.png import decode
from mingolotss.model import Ints
from mingolotss.recipe.model import Recipe

__all__ = ["write_batches"]

_COLUMNS = ["row", "source", "label", "field", "image_file", "batch", "status"]


def write_batches(out: Path, recipe: Recipe, classes: Sequence[str], parts: int) -> None:
    """Write the batches of a build, their names, checksums and archive.

    Parameters
    ----------
    out : Path
        The build's folder, with manifest and stamps.
    recipe : Recipe
    classes : sequence of str
    parts : int
        Number of parts of the build.
    """
    build, settings = BuildFolder(out), recipe.batches
    folder = build.batches(settings.folder)
    manifest = read_table(build.manifest, _COLUMNS)
    written = manifest.filter(pc.equal(manifest["status"], "written"))
    stamps = [build.part_stamps(part) for part in range(parts)]
    ranges = [_row_range(path) for path in stamps]

    def write(index: int) -> Path:
        name = batch_name(index, settings.train)
        rows = written.filter(pc.equal(written["batch"], name))
        pixels = _read_pixels(stamps, ranges, rows["row"].to_numpy(), recipe.stamp.pixels)
        write_batch(
            folder.batch(name),
            batch_label(index, settings.train),
            pixels,
            rows["label"].fill_null(-1).to_pylist(),
            rows["image_file"].to_pylist(),
            rows["source"].to_pylist(),
            rows["field"].to_pylist(),
        )
        return folder.batch(name)

    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(write, range(settings.train + 1)))
    finish_batches(folder, paths, classes, build.batch_archive(settings.archive))


def _row_range(stamps: Path) -> tuple[int, int]:
    """Return the first and last catalogue row in the stamps of a part."""
    with StampFile(stamps) as file:
        rows = file.rows()
    return (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)


def _read_pixels(
    stamps: Sequence[Path], ranges: Sequence[tuple[int, int]], rows: Ints, side: int
) -> npt.NDArray[np.uint8]:
    """Return the images of some catalogue rows, in this order, shape (n, side * side).

    Parts follow the sky, so every batch needs rows of nearly every part; parts whose range of rows
    does not overlap are not opened.
    """
    pixels = np.empty((len(rows), side * side), np.uint8)
    places = {row: place for place, row in enumerate(rows.tolist())}
    for path, (low, high) in zip(stamps, ranges, strict=True):
        if not len(rows) or high < rows[0] or low > rows[-1]:
            continue
        with StampFile(path) as file:
            images = zip(file.rows().tolist(), file.encoded(), strict=True)
        for row, data in images:
            place = places.get(row)
            if place is not None:
                image = pixels[place].reshape(side, side)
                image[:] = decode(data.as_py(), str(path))
    return pixels
