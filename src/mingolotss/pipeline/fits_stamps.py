"""The FITS files of the stamps of a chunk.

A build with the format ``fits`` writes them from the arrays that the stamps are made of; an export
takes a build's sources through the same stages again (`mingolotss.pipeline.export_fits`). Both give
the same bytes for the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.manifest import MANIFEST, recipe_columns
from mingolotss.formats.fits_file import ONLY_CHANNEL, FitsPlane, Row, fits_file, made_by
from mingolotss.io.file_identity import quick_checksum
from mingolotss.io.files import write_files
from mingolotss.pipeline.stamp_history import stamp_history
from mingolotss.pipeline.stamp_planes import StampPlane
from mingolotss.pipeline.stamps import Stamps
from mingolotss.pipeline.task import Task

__all__ = ["chunk_files", "write_fits_stamps"]

_OF_IMAGE = ("image", "rms", "image_sha256", "rms_sha256")


def write_fits_stamps(folder: Path, files: Iterable[tuple[Row, bytes]]) -> None:
    """Write files of stamps into one folder, each complete or not at all."""
    name = ExportFolder.fits_name
    write_files(folder, ((name(str(row["image_file"])), data) for row, data in files))


def chunk_files(
    task: Task,
    table: pa.Table,
    stamps: Stamps,
    planes: Mapping[int, StampPlane],
    changes: Mapping[int, Row] | None = None,
) -> Iterator[tuple[Row, bytes]]:
    """Yield the row and the file of each stamp of a chunk.

    Parameters
    ----------
    task : Task
    table : pyarrow.Table
        The rows of the chunk, as `mingolotss.pipeline.part_table.PartTable` has them.
    stamps : Stamps
    planes : mapping of int to StampPlane
        By the index of the source in the chunk.
    changes : mapping of int to mapping, optional
        Other values of columns, by the row of the catalogue: the label and the split of an export.
        Only these sources get a file.
    """
    program = made_by(task.recipe)
    for index, of_build in _written(task, table):
        number = int(str(of_build["row"]))
        if changes is not None and number not in changes:
            continue
        row, plane = {**of_build, **(changes or {}).get(number, {})}, planes[index]
        history = stamp_history(
            row, task.recipe, x0=float(stamps.x0[index]), y0=float(stamps.y0[index]),
            factor=int(stamps.factor[index]),
        )  # fmt: skip
        fits_plane = FitsPlane(
            ONLY_CHANNEL, plane.brightness, plane.rms, plane.marks, row, tuple(history),
            plane.repeatable,
        )  # fmt: skip
        yield row, fits_file(row, [fits_plane], program)


def _written(task: Task, table: pa.Table) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield index and row of each written source, with the image that was chosen."""
    is_written = pc.equal(table["status"], "written")
    indices = pc.indices_nonzero(is_written).to_pylist()
    written = table.take(pa.array(indices, pa.int64()))
    columns = [*MANIFEST.names, *recipe_columns(task.recipe)]
    rows = written.select(columns).to_pylist()
    offers = written["offers"].to_pylist()
    paths = {task.paths.name(path): path for _, *pair in task.candidates.images for path in pair}
    for index, row, candidates in zip(indices, rows, offers, strict=True):
        chosen = next(one for one in candidates if one["verdict"] == "chosen")
        row |= {name: chosen[name] for name in _OF_IMAGE}
        for kind in ("image", "rms"):
            if not row[f"{kind}_sha256"]:
                row[f"{kind}_checksum"] = _checksum(paths.get(row[kind] or "", ""))
        yield index, row


def _checksum(path: str) -> str | None:
    """Return the checksum of a local image that was read in pieces, None if there is none."""
    if not path or "://" in path:
        return None
    try:
        return quick_checksum(path)
    except (OSError, ValueError):
        return None
