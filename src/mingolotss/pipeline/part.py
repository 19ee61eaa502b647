"""Make one part of a build: what every worker runs, on this machine or on a cluster.

A part is two files: the stamps of its written sources, and a table with a row for every source,
written or rejected. The table is written last: a part exists when its table does. A part that
exists is not made again, so a worker that died after writing it costs nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.stamps import stamp_bytes, stamp_schema
from mingolotss.errors import DatasetError
from mingolotss.io.files import write_bytes
from mingolotss.io.parquet import parquet_bytes, read_schema
from mingolotss.io.png import write_pngs
from mingolotss.pipeline.choice import choose_candidates
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.measure import fetch_and_measure
from mingolotss.pipeline.part_table import PartTable
from mingolotss.pipeline.stamps import make_stamps
from mingolotss.pipeline.task import RETRYABLE, PartSummary, Task

__all__ = ["CHUNK_BYTES", "make_part", "read_finished"]

CHUNK_BYTES = 128 << 20  # of cutouts at once: 186 sources with 1.5 images of 240 x 240 and rms maps
FIRST, MOST = 8, 256  # sources in the first chunk, whose size is not known, and in any


def make_part(task: Task) -> PartSummary:
    """Make one part unless it exists; about `CHUNK_BYTES` of images are in memory at a time."""
    finished = read_finished(task)
    if finished is not None:
        return finished
    part_table, start, size = PartTable(task), 0, FIRST
    while start < len(task):
        chunk = Chunk(task, start, start + size)
        start += len(chunk)
        nbytes = _process(chunk, part_table) or 1
        size = min(max(1, CHUNK_BYTES * len(chunk) // nbytes), 2 * size, MOST)
    return _write(task, part_table)


def _process(chunk: Chunk, part_table: PartTable) -> int:
    """Take a chunk through all stages; return the size of its cutouts in bytes."""
    task, recipe = chunk.task, chunk.task.recipe
    size_deg = recipe.images.size_arcmin / 60
    measured = fetch_and_measure(chunk.requests, task.service, size_deg, recipe.noise)
    choices = choose_candidates(chunk, measured, task.decisions, task.unanswered, recipe.choose)
    stamps = make_stamps(measured, choices, recipe)
    part_table.add(chunk, measured, choices, stamps)
    return measured.cutouts.nbytes


def read_finished(task: Task) -> PartSummary | None:
    """Return the summary of an existing part, or None if the part must be made.

    It must be made unless its key matches and it is newer than the local images it was made from.
    """
    folder = BuildFolder(task.out)
    table = folder.part(task.index)
    try:
        metadata = read_schema(table).metadata or {}
        if metadata.get(b"key", b"").decode() != task.key:
            return None
        if not folder.part_stamps(task.index).exists():
            return None
        written_at = table.stat().st_mtime
        paths = {path for image in task.candidates.images for path in image[1:] if path}
        if any(Path(path).stat().st_mtime > written_at for path in paths if "://" not in path):
            return None
        written = int(metadata[b"written"])
    except (OSError, DatasetError, KeyError, ValueError):
        return None
    return PartSummary(task.index, written, len(task) - written)


def _write(task: Task, part_table: PartTable) -> PartSummary:
    """Write the part's files, the table last."""
    recipe, folder = task.recipe, BuildFolder(task.out)
    table, images = part_table.table(), part_table.images
    written = table.drop_columns(["offers"]).filter(pc.equal(table["status"], "written"))
    if "png" in recipe.formats:
        write_pngs(folder.png, written["image_file"].to_pylist(), images)
    stamps = stamp_bytes(_stamps_table(recipe.stamp.kind, images, written))
    write_bytes(folder.part_stamps(task.index), stamps)
    metadata = {
        "key": task.key + RETRYABLE * part_table.retryable,
        "written": str(len(images)),
        "stamps_sha256": hashlib.sha256(stamps).hexdigest(),
    }
    # Whole columns are read back at a time, never single rows: neither dictionaries nor statistics.
    data = parquet_bytes(
        table.replace_schema_metadata(metadata), use_dictionary=False, write_statistics=False
    )
    write_bytes(folder.part(task.index), data)
    return PartSummary(task.index, len(images), len(task) - len(images))


def _stamps_table(kind: str, images: list[bytes], written: pa.Table) -> pa.Table:
    """Return the published table of the part: the image, then the manifest's columns."""
    schema = stamp_schema(kind)
    column: pa.Array = pa.array(images, pa.binary())
    if kind == "uint8":
        paths = written["image_file"].combine_chunks()
        column = pa.StructArray.from_arrays([column, paths], fields=list(schema[0].type))
    columns = [one.combine_chunks() for one in written.columns]
    return pa.Table.from_arrays([column, *columns], schema=schema)
