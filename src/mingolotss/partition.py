"""One partition of sources in, one part of the dataset out.

`process` is what every worker runs, on this machine or on a cluster: it asks the service for the
cutouts of its sources, measures, chooses, makes the stamps as stacks, and writes
``stamps/part-00000.parquet`` and then, as the mark that the part is whole,
``ledger/part-00000.parquet`` with a row for every source, record or rejection. Memory is bounded
by `CHUNK` sources. A part that is there already is not made again, so a worker that died after
writing costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.errors import DatasetError
from mingolotss.files import write_bytes
from mingolotss.ledger import LEDGER, ledger_table
from mingolotss.manifest import parquet_bytes, read_schema, stamp_schema
from mingolotss.measure import decide, read
from mingolotss.stamps import make_stamps
from mingolotss.task import AGAIN, Offer, Summary, Task, Work, part_name
from mingolotss.writers.png import write_pngs

__all__ = [
    "CHUNK", "LEDGER", "STAMPS_AT_ONCE", "Summary", "Task", "finished", "part_name", "process",
]  # fmt: skip

STAMPS_AT_ONCE = 256  # in a row group: any stamp is shown after reading 1 MB, not the part's 12
CHUNK = 32  # sources at once: 32 x 1.5 cutouts of 240 x 240, image and rms, is 22 MB


def process(task: Task) -> Summary:
    """Make one part, unless it is there; the images of `CHUNK` sources are in memory at a time."""
    done = finished(task)
    if done is not None:
        return done
    works: list[Work] = []
    for start in range(0, len(task), CHUNK):
        chunk = [_work(task, index) for index in range(start, min(start + CHUNK, len(task)))]
        read(chunk, task)
        for work in chunk:
            decide(work, task)
        make_stamps(chunk, task)
        for work in chunk:
            for offer in work.offers:
                offer.cutout = None
        works += chunk
    return _write(task, works)


def finished(task: Task) -> Summary | None:
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


def _work(task: Task, index: int) -> Work:
    return Work(task.source(index), [Offer(candidate) for candidate in task.offers[index]])


def _write(task: Task, works: Sequence[Work]) -> Summary:
    """Write the part's files, the ledger last."""
    recipe, name = task.recipe, part_name(task.index)
    table = ledger_table(works, task)
    written = table.drop_columns(["offers"]).filter(pc.equal(table["status"], "written"))
    names = written["image_file"].to_pylist()
    images = [work.made["image"] for work in works if not work.reason]
    if "png" in recipe.formats:
        write_pngs(task.out / "png", names, images)
    published = _stamps(recipe.stamp.kind, images, written)
    stamps = parquet_bytes(published, row_group_size=STAMPS_AT_ONCE)
    write_bytes(task.out / "stamps" / name, stamps)
    again = any(offer.again for work in works for offer in work.offers)
    notes = {
        "key": task.key + AGAIN * again,
        "written": str(len(names)),
        "stamps_sha256": hashlib.sha256(stamps).hexdigest(),
    }
    write_bytes(task.out / "ledger" / name, parquet_bytes(table.replace_schema_metadata(notes)))
    return Summary(task.index, len(names), len(task) - len(names))


def _stamps(kind: str, images: list[bytes], written: pa.Table) -> pa.Table:
    """Return the part as it is published: the image, then the manifest's columns."""
    schema = stamp_schema(kind)
    first: Any = pa.array(images, pa.binary())
    if kind == "uint8":
        paths = written["image_file"].combine_chunks()
        first = pa.StructArray.from_arrays([first, paths], fields=list(schema[0].type))
    columns = [column.combine_chunks() for column in written.columns]
    return pa.Table.from_arrays([first, *columns], schema=schema)
