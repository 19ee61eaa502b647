"""Write the stamps of a finished build as FITS files, from the images of its record.

Their brightness is computed again (``repeated_chunks.py``). If an image is gone or was changed, or
one stamp is another than in the build, nothing is exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.channel_table import CHANNELS_COLUMN
from mingolotss.dataset.records import Records
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.fits import fits_paths, write_fits_index
from mingolotss.formats.fits_file import Row
from mingolotss.io.files import write_bytes
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.fits_stamps import chunk_files
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.pipeline.recorded_sources import (
    Problems,
    RecordedPart,
    RecordedSources,
    refuse,
)
from mingolotss.pipeline.repeated_chunks import repeat_chunks
from mingolotss.recipe.model import Recipe

__all__ = ["write_fits_again"]

_TASK_SOURCES = 512
_CHANGED = ("label", "class", "split")  # columns that an export can have otherwise than its build


@dataclass(frozen=True)
class _FitsTask:
    """The sources of a task with what an export says of them.

    Attributes
    ----------
    part : RecordedPart
    rows : dict of int to mapping
        The columns `_CHANGED` of each source, by its row in the catalogue, and its channels.
    paths : dict of int to Path
        Its file.
    """

    part: RecordedPart
    rows: Mapping[int, Row]
    paths: Mapping[int, Path]


def write_fits_again(
    build: Path,
    recipe: Recipe,
    mapper: Mapper,
    progress: BuildProgress,
    records: Records,
    folder: Path,
    header: ExportHeader,
) -> None:
    """Write the FITS files of some records of a build.

    Parameters
    ----------
    build : Path
    recipe : Recipe
        Of the build.
    mapper : callable
        As for `mingolotss.pipeline.run.run`.
    progress : callable
        Called with (sources done, total, current activity).
    records : Records
        With the labels and the splits of the export.
    folder : Path
    header : ExportHeader

    Raises
    ------
    DatasetError
        An image is gone or was changed, or a stamp is not the one of the build. The message names
        the first sources.
    InputError
        The images of the build are not recorded, or two files would be one.
    """
    paths = fits_paths(records, folder, header)
    sources = RecordedSources.read(build, recipe, records)
    refuse(build, header.format, sources.changed(), f"{len(records)} sources")
    done, problems = 0, []
    tasks = _tasks(sources.opened(progress), paths)
    progress(0, len(records), "reading images")
    for count, some in mapper(_write_files, tasks):
        done += count
        problems += some
        progress(done, len(records), "reading images")
    refuse(build, header.format, problems, f"{len(records)} sources")
    write_fits_index(records, paths, folder)


def _tasks(sources: RecordedSources, paths: Sequence[Path]) -> Iterator[_FitsTask]:
    """Yield the tasks for the workers; `paths` are the files of the records."""
    # The reasons why a channel is missing are known only to the plan of the build.
    recorded = [CHANNELS_COLUMN.name] if sources.recipe.channels else []
    for index, rows in enumerate(sources.split(_TASK_SOURCES)):
        part = sources.part(index, rows)
        numbers = part.task.rows.tolist()
        table = sources.records.table.select([*_CHANGED, *recorded]).take(pa.array(rows))
        yield _FitsTask(
            part,
            dict(zip(numbers, table.to_pylist(), strict=True)),
            {number: paths[row] for number, row in zip(numbers, rows.tolist(), strict=True)},
        )


def _write_files(task: _FitsTask) -> tuple[int, Problems]:
    """Write the files of one task; return the number of its sources and those without a file."""
    problems = []
    for repeated in repeat_chunks(task.part):
        problems += repeated.problems
        results = repeated.results
        changes = {row: task.rows[row] for row in repeated.equal}
        files = chunk_files(
            task.part.task, repeated.table, results.stamps, results.planes, results.channels,
            changes,
        )  # fmt: skip
        for row, data in files:
            write_bytes(task.paths[int(str(row["row"]))], data)
    return len(task.part.task), problems
