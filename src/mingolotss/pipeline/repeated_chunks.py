"""Take sources of a finished build through its stages again, and compare the stamps.

A build keeps its stamps as they were made, without the brightness that they had before. It is
computed again from the images that were chosen for them; every stamp that comes out must have the
pixels that the manifest records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.part import StageResults, run_stages
from mingolotss.pipeline.part_table import PartTable
from mingolotss.pipeline.recorded_sources import Problems, RecordedPart, file_checksums

__all__ = ["RepeatedChunk", "repeat_chunks"]

_CHUNK_SOURCES = 64


@dataclass(frozen=True)
class RepeatedChunk:
    """Some sources of a build with their stamps, made again.

    Attributes
    ----------
    chunk : Chunk
    table : pyarrow.Table
        Their rows, as `mingolotss.pipeline.part_table.PartTable` has them.
    results : StageResults
        With brightness and noise.
    problems : list of tuple of str
        The sources whose stamps are not those of the build, and why.
    equal : set of int
        The rows in the catalogue of the other sources.
    """

    chunk: Chunk
    table: pa.Table
    results: StageResults
    problems: Problems
    equal: frozenset[int]


def repeat_chunks(part: RecordedPart) -> Iterator[RepeatedChunk]:
    """Yield the sources of a part in their order, some at a time."""
    task = part.task
    for start in range(0, len(task), _CHUNK_SOURCES):
        chunk = Chunk(task, start, min(start + _CHUNK_SOURCES, len(task)))
        results = run_stages(chunk, with_planes=True)
        part_table = PartTable(task)
        part_table.add(chunk, results.measured, results.prepared, results.stamps, results.channels)
        table = part_table.chunk_table(chunk)
        offers = zip(table["row"].to_pylist(), table["offers"].to_pylist(), strict=True)
        images = {
            row: file_checksums([one for one in several if one["verdict"] == "chosen"])
            for row, several in offers
        }
        problems, equal = [], []
        columns = (table[name].to_pylist() for name in ("row", "source", "reason", "pixels_sha256"))
        for row, source, reason, digest in zip(*columns, strict=True):
            if reason is not None:
                problems.append((source, reason))
            elif changed := [
                name for name, sha256 in part.images[row].items() if images[row].get(name) != sha256
            ]:
                problems.append((source, f"{changed[0]} was changed since the build"))
            elif digest != part.digests[row]:
                problems.append((source, "its stamp is another one than in the build"))
            else:
                equal.append(row)
        yield RepeatedChunk(chunk, table, results, problems, frozenset(equal))
