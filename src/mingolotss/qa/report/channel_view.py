"""The channels of a finished build, for the report and the review page.

Not here: the pixels (`stamp_store`), and the pictures of the page (`stamp_pictures`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.channel_census import ChannelCount, channel_counts
from mingolotss.dataset.channel_table import read_channels
from mingolotss.dataset.channel_words import heading_lines
from mingolotss.model import Ints
from mingolotss.recipe.model import Recipe

__all__ = ["ChannelView", "PlaneRow", "plane_beam"]


class PlaneRow(TypedDict):
    """One row of the table of channels, with the columns that the pages use."""

    row: int
    channel: str
    status: str
    reason: str | None
    field: str | None
    image: str | None
    rms: str | None
    pixel_scale_arcsec: float | None
    noise_jy: float | None
    peak_jy: float | None
    unit: str | None
    survey: str | None
    frequency_mhz: float | None
    beam_major_arcsec: float | None
    beam_minor_arcsec: float | None
    beam_pa_deg: float | None
    stamp_beam_major_arcsec: float | None
    stamp_beam_minor_arcsec: float | None
    stamp_beam_pa_deg: float | None


@dataclass(frozen=True)
class ChannelView:
    """The channels of a build.

    Attributes
    ----------
    recipe : Recipe
    table : pyarrow.Table
        A row for each written source and channel.
    """

    recipe: Recipe
    table: pa.Table

    @classmethod
    def read(cls, folder: Path, recipe: Recipe) -> ChannelView | None:
        """Read the channels of a build; None if its recipe has none.

        Raises
        ------
        DatasetError
            The table is missing or damaged.
        """
        return cls(recipe, read_channels(folder)) if recipe.channels else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels, in the order of the planes."""
        return tuple(channel.name for channel in self.recipe.channels)

    @property
    def reference(self) -> int:
        """The plane of the reference channel."""
        reference = self.recipe.reference_channel
        return 0 if reference is None else self.names.index(reference.name)

    @cached_property
    def counts(self) -> list[ChannelCount]:
        """The number of planes of each channel, and their measurements."""
        return channel_counts(self.table, self.names)

    @property
    def headings(self) -> list[list[str]]:
        """The lines above the pictures of each channel: name, survey, frequency, beam."""
        return [
            heading_lines(count, is_reference=index == self.reference)
            for index, count in enumerate(self.counts)
        ]

    def planes_of(self, rows: Sequence[int] | Ints) -> dict[int, list[PlaneRow]]:
        """Return the planes of some stamps in the order of the channels, by row of the manifest."""
        chosen = pc.is_in(self.table["row"], value_set=pa.array(rows, pa.int64()))
        place = {name: index for index, name in enumerate(self.names)}
        planes: dict[int, list[PlaneRow]] = {}
        for one in self.table.filter(chosen).to_pylist():
            planes.setdefault(one["row"], []).append(one)
        return {
            row: sorted(listed, key=lambda one: place.get(one["channel"], len(place)))
            for row, listed in planes.items()
        }

    def rows_with_missing(self) -> list[int]:
        """Return the rows of the manifest whose stamp has a plane without an image, ascending."""
        rows = self.table.filter(pc.equal(self.table["status"], "missing"))["row"]
        ordered: list[int] = sorted(pc.unique(rows).to_pylist())
        return ordered


def plane_beam(plane: PlaneRow) -> tuple[float, float, float]:
    """Return the beam of a plane: major and minor axis (FWHM, arcsec), angle (deg); or NaN."""
    major, minor, angle = (
        math.nan if value is None else value
        for value in (
            plane["stamp_beam_major_arcsec"],
            plane["stamp_beam_minor_arcsec"],
            plane["stamp_beam_pa_deg"],
        )
    )
    return major, minor, angle
