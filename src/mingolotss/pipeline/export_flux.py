"""The brightness of the stamps of a finished build, for the column ``image`` of HATS collections.

It is computed again from the images of the build (``repeated_chunks.py``), as for FITS files: both
have the same values. If an image is gone or was changed, or one stamp is another than in the build,
nothing is exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mingolotss.dataset.records import Records
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.hats.flux_source import FluxArrays
from mingolotss.formats.hats.writer import write_hats
from mingolotss.image.masks import Masks
from mingolotss.model import Ints
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.pipeline.recorded_sources import (
    Problems,
    RecordedPart,
    RecordedSources,
    refuse,
)
from mingolotss.pipeline.repeated_chunks import RepeatedChunk, repeat_chunks
from mingolotss.pipeline.stamp_planes import StampPlane
from mingolotss.recipe.model import Recipe

__all__ = ["RecordedBrightness", "RepeatedBrightness", "write_hats_with_flux"]

_KIND = "hats"


def write_hats_with_flux(
    build: Path,
    recipe: Recipe,
    mapper: Mapper,
    progress: BuildProgress,
    records: Records,
    folder: Path,
    header: ExportHeader,
) -> None:
    """Write some records of a build as a HATS collection with the column ``image``.

    The parameters and errors are those of `RecordedBrightness.open` and
    `mingolotss.formats.hats.writer.write_hats`.
    """
    flux, done = RecordedBrightness.open(build, recipe, records, progress), 0

    def notify(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(records), "reading images")

    notify(0)
    write_hats(records, folder, header, flux, mapper, notify)


@dataclass(frozen=True)
class RecordedBrightness:
    """The brightness of the stamps of a build.

    Attributes
    ----------
    sources : RecordedSources
        With open services.
    """

    sources: RecordedSources

    @classmethod
    def open(
        cls, build: Path, recipe: Recipe, records: Records, progress: BuildProgress
    ) -> RecordedBrightness:
        """Return the brightness of some records of a build.

        Parameters
        ----------
        build : Path
        recipe : Recipe
            Of the build.
        records : Records
        progress : callable
            Called with (sources done, total, current activity) while images are downloaded.

        Raises
        ------
        DatasetError
            An image is gone or was changed. The message names the first sources.
        InputError
            The images of the build are not recorded.
        """
        sources = RecordedSources.read(build, recipe, records)
        refuse(build, _KIND, sources.changed(), f"{len(records)} sources")
        return cls(sources.opened(progress))

    @cached_property
    def _rows(self) -> tuple[Ints, Ints]:
        """The rows of the catalogue, sorted, and the record of each."""
        rows = self.sources.records.table["row"].to_numpy()
        order = np.argsort(rows)
        return rows[order], order

    def part(self, rows: Ints) -> RepeatedBrightness:
        """Return the brightness of the stamps of some rows of the catalogue."""
        numbers, records = self._rows
        places = records[np.searchsorted(numbers, rows)]
        return RepeatedBrightness(self.sources.part(0, places, has_masks=False))


@dataclass(frozen=True)
class RepeatedBrightness:
    """The brightness of some stamps of a build, which is computed again when it is read.

    Attributes
    ----------
    part : RecordedPart
    """

    part: RecordedPart

    def read(self, masks: Masks | None) -> Iterator[FluxArrays]:
        """Yield brightness and noise of the stamps in their order, some at a time.

        Parameters
        ----------
        masks : uint8 array, shape (n, ny, nx), or None
            The masks of the stamps, for a recipe with masks.

        Raises
        ------
        DatasetError
            A stamp is not the one of the build. The message names the first sources.
        """
        problems: Problems = []
        part = replace(self.part, task=replace(self.part.task, masks=masks))
        for repeated in repeat_chunks(part):
            problems += repeated.problems
            if not problems:
                yield _arrays(repeated)
        refuse(part.build, _KIND, problems, f"{len(part.task)} sources of one task")


def _arrays(repeated: RepeatedChunk) -> FluxArrays:
    """Return brightness and noise of a chunk whose sources all have their stamps.

    A channel without an image is NaN, in both.
    """
    results, stamp = repeated.results, repeated.chunk.task.recipe.stamp
    planes: list[Mapping[int, StampPlane]]
    if results.channels is None:
        planes = [results.planes]
    else:
        reference = repeated.chunk.task.channel_in_tables
        planes = [
            results.planes
            if channel.name == reference
            else {int(channel.rows[index]): plane for index, plane in channel.planes.items()}
            for channel in results.channels.channels
        ]
    shape = len(repeated.chunk), len(planes), stamp.pixels, stamp.pixels
    flux: npt.NDArray[np.float32] = np.full(shape, np.nan, np.float32)
    rms = flux.copy()
    for number, of_channel in enumerate(planes):
        for row, plane in of_channel.items():
            flux[row, number], rms[row, number] = plane.brightness, plane.rms
    return FluxArrays(flux, rms)
