"""Count and measure the planes of each channel of a dataset.

The table of channels has a row for each written source and channel. Report, dataset card and
terminal state these numbers.

>>> table = pa.table({
...     "channel": ["six", "six", "twenty", "twenty"], "noise_jy": [1e-4, 3e-4, None, 1e-3],
...     "status": ["native", "native", "missing", "resampled"]})
>>> [(one.name, one.native, one.resampled, one.missing) for one in channel_counts(table)]
[('six', 2, 0, 0), ('twenty', 0, 1, 1)]
>>> channel_counts(table)[1].noise_jy
Spread(lowest=0.001, median=0.001, highest=0.001)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.image_census import BeamCount, beam_counts

__all__ = ["ChannelCount", "Spread", "ValueCount", "channel_counts", "spread_of"]

_DIGITS = 6  # significant: frequencies of one band differ in the last digits of a header


class Spread(NamedTuple):
    """The lowest, the median and the highest of several finite numbers."""

    lowest: float
    median: float
    highest: float


class ValueCount(NamedTuple):
    """A value of a header, None where it is not known, and its number of planes."""

    value: str | float | None
    planes: int


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """The planes of one channel.

    Attributes
    ----------
    name : str
    native, resampled, missing : int
        Planes that are whole pixels of their image, planes that were computed from it, and planes
        without an image.
    surveys, frequencies_mhz, units : tuple of ValueCount
        The most frequent first.
    beams, stamp_beams : list of BeamCount
        Of the images, and of the planes that were made of them.
    pixel_scale_arcsec : Spread or None
        Of the images.
    noise_jy, peak_jy : Spread or None
        In Jy/beam; None if none is known.
    """

    name: str
    native: int
    resampled: int
    missing: int
    surveys: tuple[ValueCount, ...]
    frequencies_mhz: tuple[ValueCount, ...]
    units: tuple[ValueCount, ...]
    beams: list[BeamCount]
    stamp_beams: list[BeamCount]
    pixel_scale_arcsec: Spread | None
    noise_jy: Spread | None
    peak_jy: Spread | None

    @property
    def planes(self) -> int:
        """The number of planes that have an image."""
        return self.native + self.resampled


def channel_counts(channels: pa.Table, names: Sequence[str] = ()) -> list[ChannelCount]:
    """Count the planes of each channel.

    Parameters
    ----------
    channels : pyarrow.Table
        Rows of ``channels.parquet`` of written sources. A column that it lacks is not known.
    names : sequence of str
        The channels in their order; by default in the order of the table.
    """
    order = [*names] or pc.unique(channels["channel"]).to_pylist()
    return [
        _count_channel(name, channels.filter(pc.equal(channels["channel"], name))) for name in order
    ]


def spread_of(values: pa.ChunkedArray) -> Spread | None:
    """Return the spread of the finite values of a column, None if there is none."""
    numbers = np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False), float)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return None
    return Spread(float(finite.min()), float(np.median(finite)), float(finite.max()))


def _count_channel(name: str, rows: pa.Table) -> ChannelCount:
    status = {one["values"]: one["counts"] for one in rows["status"].value_counts().to_pylist()}
    planes = rows.filter(pc.not_equal(rows["status"], "missing"))
    return ChannelCount(
        name=name,
        native=status.get("native", 0),
        resampled=status.get("resampled", 0),
        missing=status.get("missing", 0),
        surveys=_values(planes, "survey"),
        frequencies_mhz=_values(planes, "frequency_mhz"),
        units=_values(planes, "unit"),
        beams=_beams(planes, "beam_"),
        stamp_beams=_beams(planes, "stamp_beam_"),
        pixel_scale_arcsec=_spread(planes, "pixel_scale_arcsec"),
        noise_jy=_spread(planes, "noise_jy"),
        peak_jy=_spread(planes, "peak_jy"),
    )


def _values(planes: pa.Table, column: str) -> tuple[ValueCount, ...]:
    """Return the values of a column with their number of planes; NaN is not known."""
    if column not in planes.column_names:
        return ()
    totals: dict[str | float | None, int] = {}
    for one in planes[column].value_counts().to_pylist():
        value = one["values"]
        if isinstance(value, float):
            value = float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
        totals[value] = totals.get(value, 0) + one["counts"]
    pairs = sorted(totals.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return tuple(ValueCount(value, count) for value, count in pairs)


def _beams(planes: pa.Table, prefix: str) -> list[BeamCount]:
    names = [f"{prefix}{axis}_arcsec" for axis in ("major", "minor")]
    if not {*names} <= {*planes.column_names}:
        return []
    as_manifest = {
        "status": pa.array(["written"] * len(planes), pa.string()),
        "beam_major_arcsec": planes[names[0]],
        "beam_minor_arcsec": planes[names[1]],
    }
    return beam_counts(pa.table(as_manifest))


def _spread(planes: pa.Table, column: str) -> Spread | None:
    return spread_of(planes[column]) if column in planes.column_names else None
