"""The table of the channels of every stamp, and its reader.

A recipe with ``[[channels]]`` makes stamps of several images. The columns of the manifest describe
the reference channel. ``channels.parquet`` of a build or an export describes all of them, one row
for each written source and channel, in the order of the manifest and then of the recipe. Parts,
and exports in Parquet, have the same rows as a list for each stamp, the column ``channels``. The
page ``docs/reference/manifest.md`` documents the columns; the tests compare the two.

>>> CHANNELS.names[:4], CHANNELS_COLUMN.name, MISSING_CHANNELS.name
(['row', 'source', 'channel', 'status'], 'channels', 'missing_channels')
>>> flatten_channels(pa.table({"channels": [None, []]}, pa.schema([CHANNELS_COLUMN]))).num_rows
0
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_values import flatten_lists, struct_field
from mingolotss.io.parquet import read_schema, read_table

__all__ = [
    "CHANNELS",
    "CHANNELS_COLUMN",
    "MISSING_CHANNELS",
    "REPEATED_CHANNEL_COLUMNS",
    "flatten_channels",
    "nest_channels",
    "read_channels",
]

_TEXT, _REAL = pa.string(), pa.float64()

CHANNELS = pa.schema(
    [
        ("row", pa.int64()),  # of the catalogue, from 0
        ("source", _TEXT),
        ("channel", _TEXT),  # its name in the recipe
        ("status", _TEXT),  # native, resampled or missing
        ("reason", _TEXT),  # why there is no image; null if there is one
        ("field", _TEXT),  # null for a missing channel, as all further columns
        ("image", _TEXT),  # as in the table of candidates, as the next three
        ("image_sha256", _TEXT),
        ("rms", _TEXT),
        ("rms_sha256", _TEXT),
        ("candidates", pa.int16()),  # number of images of the position; never null
        ("case", pa.int8()),  # 0: one candidate; 1 to 4: the rule that chose
        ("separation_arcsec", _REAL),
        ("pixel_scale_arcsec", _REAL),  # of the image
        ("percent_nan", _REAL),  # of the plane; 100 for a missing channel
        ("blank", pa.bool_()),
        ("noise_method", _TEXT),
        ("noise_jy", _REAL),
        ("peak_jy", _REAL),
        ("pixels_sha256", _TEXT),  # of the plane's bytes, C order; never null
        ("unit", _TEXT),  # of the image, from its header, as the next six
        ("frequency_mhz", _REAL),
        ("beam_major_arcsec", _REAL),  # FWHM
        ("beam_minor_arcsec", _REAL),
        ("beam_pa_deg", _REAL),  # east of north
        ("telescope", _TEXT),
        ("survey", _TEXT),
        ("stamp_beam_major_arcsec", _REAL),  # of the plane: other than that of the image, if it
        ("stamp_beam_minor_arcsec", _REAL),  # was convolved
        ("stamp_beam_pa_deg", _REAL),
        ("scaling", _TEXT),  # as in the manifest, as the next three
        ("scale_min", _REAL),
        ("scale_max", _REAL),
        ("scale_rms", _REAL),
    ]
)
"""The columns of ``channels.parquet``."""

CHANNELS_COLUMN = pa.field("channels", pa.list_(pa.struct(list(CHANNELS))))
"""The same rows as a list for each stamp; null for a source without a stamp."""

MISSING_CHANNELS = pa.field("missing_channels", _TEXT)
"""A further column of the manifest: the names of the channels without an image, separated by
commas; "" if there are none, and null for a rejected source."""

REPEATED_CHANNEL_COLUMNS = (
    "channel", "status", "reason", "field", "image", "rms", "noise_method", "unit",
    "frequency_mhz", "beam_major_arcsec", "beam_minor_arcsec", "beam_pa_deg", "telescope", "survey",
    "stamp_beam_major_arcsec", "stamp_beam_minor_arcsec", "stamp_beam_pa_deg", "scaling",
    "scale_rms", "candidates", "case",
)  # fmt: skip
"""Columns with few different values, written with a dictionary."""


def flatten_channels(table: pa.Table) -> pa.Table:
    """Return the rows of ``channels.parquet``.

    Parameters
    ----------
    table : pyarrow.Table
        With the column ``channels``.
    """
    rows = flatten_lists(table[CHANNELS_COLUMN.name].combine_chunks())
    columns = [struct_field(rows, field.name).cast(field.type) for field in CHANNELS]
    return pa.Table.from_arrays(columns, schema=CHANNELS)


def nest_channels(channels: pa.Table, rows: Sequence[int]) -> pa.ListArray:
    """Return the column ``channels`` of some stamps: what `flatten_channels` was given.

    Parameters
    ----------
    channels : pyarrow.Table
        Rows of ``channels.parquet``.
    rows : sequence of int, length n
        The catalogue row of each stamp.
    """
    # Every row of the table goes to the place of its stamp; those of a stamp keep their order.
    place_of = {row: place for place, row in enumerate(rows)}
    places = np.array([place_of.get(row, -1) for row in channels["row"].to_pylist()], np.int64)
    order = np.argsort(places, kind="stable")
    order = order[places[order] >= 0]
    counts = np.bincount(places[order], minlength=len(rows))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    taken = channels.select(CHANNELS.names).cast(CHANNELS).take(pa.array(order))
    values = pa.StructArray.from_arrays(
        [column.combine_chunks() for column in taken.columns],
        fields=list(CHANNELS_COLUMN.type.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(offsets), values).cast(CHANNELS_COLUMN.type)


def read_channels(folder: Path) -> pa.Table:
    """Read the table of channels of a build or of an export.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    DatasetError
        It is missing or damaged, or lacks a column or has one of another type.
    """
    path = DatasetFolder(folder).channels
    stored = set(read_schema(path).names)
    if lost := [name for name in CHANNELS.names if name not in stored]:
        raise DatasetError(
            f"read {path}: it has no column {', '.join(lost)}; fetch or build it again"
        )
    return read_table(path, CHANNELS.names, schema=CHANNELS)
