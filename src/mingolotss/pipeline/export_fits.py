"""Write the stamps of a finished build as FITS files, from the images of its record.

A build keeps its stamps as they were made, without the brightness that they had before. It is
computed again: the sources are taken through the stages of a build, with the image that was chosen
for each, and every stamp that comes out must have the pixels that the manifest records. If an image
is gone or was changed, or one stamp is another, nothing is exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.labels import UNLABELLED
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import KEPT_PREFIX, kept_fields
from mingolotss.dataset.recorded_inputs import image_folder, locate_image
from mingolotss.dataset.records import Records
from mingolotss.errors import DatasetError
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.fits import fits_paths, write_fits_index
from mingolotss.formats.fits_file import Row
from mingolotss.io.files import write_bytes
from mingolotss.io.parquet import read_table
from mingolotss.model import Candidate, Ints
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.fits_stamps import chunk_files
from mingolotss.pipeline.input_files import differing_images
from mingolotss.pipeline.part import run_stages
from mingolotss.pipeline.part_table import PartTable
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.pipeline.rebuild import recorded_service
from mingolotss.pipeline.task import Task
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import (
    CutoutRequest,
    FetchService,
    ImageService,
    Naming,
    open_service,
)

__all__ = ["write_fits_again"]

_TASK_SOURCES, _CHUNK_SOURCES = 512, 64
_MOST_SHOWN = 3
_CHANGED = ("label", "class", "split")  # columns that an export can have otherwise than its build


@dataclass(frozen=True)
class _FitsTask:
    """The sources of a task with what an export says of them.

    Attributes
    ----------
    task : Task
    rows : dict of int to mapping
        The columns `_CHANGED` of each source, by its row in the catalogue.
    paths : dict of int to Path
        Its file.
    digests : dict of int to str
        The SHA-256 of its pixels in the manifest.
    """

    task: Task
    rows: Mapping[int, Row]
    paths: Mapping[int, Path]
    digests: Mapping[int, str]


_Problems = list[tuple[str, str]]  # source and reason


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
    sources = _Sources.read(build, recipe, records)
    _refuse(build, sources.changed(), len(records))
    service = sources.open(progress)
    done, problems = 0, []
    tasks = (
        replace(task, task=replace(task.task, service=service)) for task in sources.tasks(paths)
    )
    progress(0, len(records), "reading images")
    for count, some in mapper(_write_files, tasks):
        done += count
        problems += some
        progress(done, len(records), "reading images")
    _refuse(build, problems, len(records))
    write_fits_index(records, paths, folder)


@dataclass(frozen=True)
class _Sources:
    """Some records of a build with the images that were chosen for them.

    Attributes
    ----------
    build : BuildFolder
    recipe : Recipe
    records : Records
    chosen : pyarrow.Table
        Their rows of the table of candidates, in the same order.
    root : Path or None
        The folder of the images.
    """

    build: BuildFolder
    recipe: Recipe
    records: Records
    chosen: pa.Table
    root: Path | None

    @classmethod
    def read(cls, folder: Path, recipe: Recipe, records: Records) -> _Sources:
        """Read the table of candidates.

        Raises
        ------
        DatasetError
            It is damaged, or does not name the image of a record.
        """
        build = BuildFolder(folder)
        table = read_table(build.candidates, ["row", "field", "image", "rms", "verdict"])
        table = table.filter(pc.equal(table["verdict"], "chosen"))
        place = pc.index_in(records.table["row"].combine_chunks(), table["row"].combine_chunks())
        if place.null_count:
            raise DatasetError(
                f"read {build.candidates}: it names no image for {place.null_count} sources of the "
                "manifest; build again"
            )
        return cls(build, recipe, records, table.take(place), image_folder(folder))

    def changed(self) -> _Problems:
        """Return the sources whose images are gone, or others than in the build."""
        if self.root is None:
            return []
        differing = {*differing_images(self.build.parts(), self.root, only_touched=True)}
        problems = []
        columns = (self.chosen[name].to_pylist() for name in ("image", "rms"))
        for source, *images in zip(self.records.texts("source"), *columns, strict=True):
            if others := differing.intersection(filter(None, images)):
                problems.append((source, f"{min(others)} is gone, or was changed since the build"))
        return problems

    def open(self, progress: BuildProgress) -> ImageService:
        """Return the service of the build; what it downloads is on disk then.

        Raises
        ------
        InputError
            It is not recorded, or its folder is not where it was.
        """
        images, folder = self.recipe.images, self.build.path
        naming = Naming(images.image, images.rms, images.ignore, images.checksums)
        service = open_service(recorded_service(folder), naming=naming, workspace=folder)
        if not isinstance(service, FetchService):
            return service
        requests = [
            CutoutRequest(*pair)
            for task in self.tasks([self.build.path] * len(self.records))
            for pair in Chunk(task.task, 0, len(task.task)).requests
        ]
        return service.fetch(
            requests, images.size_deg, lambda done: progress(done, len(requests), "fetching")
        )

    @cached_property
    def _order(self) -> Ints:
        """The order in which neighbours on the sky, and in one image, come together."""
        images = self.chosen["image"].combine_chunks().dictionary_encode().indices.to_numpy()
        order: Ints = np.lexsort((self.records.numbers("dec"), images))
        return order

    def tasks(self, paths: Sequence[Path]) -> Iterator[_FitsTask]:
        """Yield the tasks for the workers, still without a service.

        Parameters
        ----------
        paths : sequence of Path
            The file of each record.
        """
        for index, start in enumerate(range(0, len(self.records), _TASK_SOURCES)):
            rows = self._order[start : start + _TASK_SOURCES]
            table = self.records.table.take(pa.array(rows))
            numbers = table["row"].to_pylist()
            values = table.select(list(_CHANGED)).to_pylist()
            yield _FitsTask(
                self._task(index, rows),
                dict(zip(numbers, values, strict=True)),
                {number: paths[row] for number, row in zip(numbers, rows.tolist(), strict=True)},
                dict(zip(numbers, table["pixels_sha256"].to_pylist(), strict=True)),
            )

    def _task(self, index: int, rows: Ints) -> Task:
        """Return the part of a build that has only these sources and their chosen images."""
        records = self.records.take(rows)
        names, chosen = list(records.texts("source")), self.chosen.take(pa.array(rows)).to_pylist()
        candidates = [
            [
                Candidate(
                    row["field"], locate_image(row["image"], self.root),
                    locate_image(row["rms"] or "", self.root), name,
                )
            ]
            for row, name in zip(chosen, names, strict=True)
        ]  # fmt: skip
        return Task(
            index=index,
            catalogue=Catalogue.from_columns(
                names, records.numbers("ra"), records.numbers("dec"),
                labels=np.where(records.labels < 0, UNLABELLED, records.labels),
                classes=records.classes, size_arcsec=records.numbers("size_arcsec"),
                flux_mjy=records.numbers("flux_mjy"),
                kept=_kept_columns(records.table) if self.recipe.stamp.columns else None,
            ),
            rows=records.table["row"].to_numpy(),
            candidates=CandidateTable.from_lists(candidates, names),
            batches=np.full(len(names), -1),
            decisions={},
            recipe=self.recipe,
            service=None,  # type: ignore[arg-type]  # `write_fits_again` sets it
            out=self.build.path,
            image_root="" if self.root is None else str(self.root),
        )  # fmt: skip


def _kept_columns(table: pa.Table) -> pa.Table:
    """Return the columns that are kept from the catalogue under their names in the catalogue."""
    fields = kept_fields(table.schema)
    taken = {name.lower() for name in table.column_names}
    names = []
    for field in fields:
        stripped = field.name.removeprefix(KEPT_PREFIX)
        names.append(stripped if stripped.lower() in taken else field.name)
    schema = pa.schema([field.with_name(name) for field, name in zip(fields, names, strict=True)])
    columns = [table[field.name].combine_chunks() for field in fields]
    return pa.Table.from_arrays(columns, schema=schema)


def _write_files(part: _FitsTask) -> tuple[int, _Problems]:
    """Write the files of one task; return the number of its sources and those without a file."""
    task, problems = part.task, []
    for start in range(0, len(task), _CHUNK_SOURCES):
        chunk = Chunk(task, start, min(start + _CHUNK_SOURCES, len(task)))
        results = run_stages(chunk, with_planes=True)
        part_table = PartTable(task)
        part_table.add(chunk, results.measured, results.prepared, results.stamps)
        table = part_table.chunk_table(chunk)
        equal = {}
        columns = (table[name].to_pylist() for name in ("row", "source", "reason", "pixels_sha256"))
        for row, source, reason, digest in zip(*columns, strict=True):
            if reason is not None:
                problems.append((source, reason))
            elif digest != part.digests[row]:
                problems.append((source, "its stamp is another one than in the build"))
            else:
                equal[row] = part.rows[row]
        for row, data in chunk_files(task, table, results.stamps, results.planes, equal):
            write_bytes(part.paths[int(str(row["row"]))], data)
    return len(task), problems


def _refuse(build: Path, problems: _Problems, total: int) -> None:
    """Raise an error that names the first sources, if there are any.

    Raises
    ------
    DatasetError
        Always, unless `problems` is empty.
    """
    if not problems:
        return
    shown = "; ".join(f"{source}: {reason}" for source, reason in sorted(problems)[:_MOST_SHOWN])
    more = f"; and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
    raise DatasetError(
        f"export {build} as fits: the brightness of {len(problems)} of {total} sources cannot be "
        f"computed again ({shown}{more}); put the images back, or build again"
    )
