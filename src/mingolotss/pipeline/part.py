"""One partition of sources in, one part of the dataset out.

`make_part` is what every worker runs, on this machine or on a cluster: it asks the service for the
cutouts of its sources, measures, chooses, makes the stamps as stacks, and writes
``stamps/part-00000.parquet`` and then, as the mark that the part is whole,
``ledger/part-00000.parquet`` with a row for every source, record or rejection. Memory is bounded
by `CHUNK_BYTES`. A part that is there already is not made again, so a worker that died after
writing costs nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.manifest import stamp_bytes, stamp_schema
from mingolotss.errors import DatasetError
from mingolotss.io.files import write_bytes
from mingolotss.io.parquet import parquet_bytes, read_schema
from mingolotss.io.png import write_pngs
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.measure import decide, read
from mingolotss.pipeline.part_table import PartTable
from mingolotss.pipeline.stamps import make_stamps
from mingolotss.pipeline.task import AGAIN, Summary, Task, part_name

__all__ = ["CHUNK_BYTES", "make_part", "read_finished"]

CHUNK_BYTES = 128 << 20  # of cutouts at once: 186 sources with 1.5 images of 240 x 240 and rms maps
FIRST, MOST = 8, 256  # sources in the first chunk, whose size is not known, and in any


def make_part(task: Task) -> Summary:
    """Make one part, unless it is there; about `CHUNK_BYTES` of images are in memory at a time."""
    done = read_finished(task)
    if done is not None:
        return done
    ledger, start, most = PartTable(task), 0, FIRST
    while start < len(task):
        chunk = Chunk(task, start, start + most)
        read(chunk)
        decide(chunk)
        make_stamps(chunk)
        ledger.add(chunk)
        start += len(chunk)
        held = chunk.boxes.nbytes or 1
        most = min(max(1, CHUNK_BYTES * len(chunk) // held), 2 * most, MOST)
    return _write(task, ledger)


def read_finished(task: Task) -> Summary | None:
    """Return what became of a part that is there, made from the same things and newer than they.

    None if it is still to be made.
    """
    ledger = task.out / "ledger" / part_name(task.index)
    try:
        metadata = read_schema(ledger).metadata or {}
        if metadata.get(b"key", b"").decode() != task.key:
            return None
        if not (task.out / "stamps" / part_name(task.index)).exists():
            return None
        made = ledger.stat().st_mtime
        used = {path for image in task.offers.images for path in image[1:] if path}
        if any(Path(path).stat().st_mtime > made for path in used if "://" not in path):
            return None
        written = int(metadata[b"written"])
    except (OSError, DatasetError, KeyError, ValueError):
        return None
    return Summary(task.index, written, len(task) - written)


def _write(task: Task, ledger: PartTable) -> Summary:
    """Write the part's files, the ledger last."""
    recipe, name = task.recipe, part_name(task.index)
    table, images = ledger.table(), ledger.images
    written = table.drop_columns(["offers"]).filter(pc.equal(table["status"], "written"))
    if "png" in recipe.formats:
        write_pngs(task.out / "png", written["image_file"].to_pylist(), images)
    stamps = stamp_bytes(_stamps(recipe.stamp.kind, images, written))
    write_bytes(task.out / "stamps" / name, stamps)
    notes = {
        "key": task.key + AGAIN * ledger.again,
        "written": str(len(images)),
        "stamps_sha256": hashlib.sha256(stamps).hexdigest(),
    }
    noted = table.replace_schema_metadata(notes)  # read whole columns at a time: no rows are sought
    ledger_bytes = parquet_bytes(noted, use_dictionary=False, write_statistics=False)
    write_bytes(task.out / "ledger" / name, ledger_bytes)
    return Summary(task.index, len(images), len(task) - len(images))


def _stamps(kind: str, images: list[bytes], written: pa.Table) -> pa.Table:
    """Return the part as it is published: the image, then the manifest's columns."""
    schema = stamp_schema(kind)
    first: Any = pa.array(images, pa.binary())
    if kind == "uint8":
        paths = written["image_file"].combine_chunks()
        first = pa.StructArray.from_arrays([first, paths], fields=list(schema[0].type))
    columns = [column.combine_chunks() for column in written.columns]
    return pa.Table.from_arrays([first, *columns], schema=schema)
