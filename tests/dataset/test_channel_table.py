"""The table of channels: rows of a build, or lists of rows, with the same content."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.dataset.channel_table import (
    CHANNELS,
    CHANNELS_COLUMN,
    flatten_channels,
    read_channels,
)
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import write_table

ROWS = [
    {"row": 0, "source": "A", "channel": "six", "status": "native", "peak_jy": 0.5, "case": 0},
    {"row": 0, "source": "A", "channel": "twenty", "status": "missing", "reason": "no image"},
    {"row": 2, "source": "C", "channel": "six", "status": "resampled", "percent_nan": 12.5},
]


def test_lists_of_rows_become_the_table():
    """A source without a stamp has no list, and the others keep their order."""
    lists = pa.table(
        {"row": [0, 1, 2], "channels": pa.array([ROWS[:2], None, ROWS[2:]], CHANNELS_COLUMN.type)}
    )
    table = flatten_channels(lists)
    assert table.schema.equals(CHANNELS)
    assert table.equals(pa.Table.from_pylist(ROWS, schema=CHANNELS))
    assert flatten_channels(lists.slice(1, 1)).num_rows == 0


def test_a_table_comes_back_as_it_went_in(tmp_path):
    """Also from a file with the types of another program."""
    table = pa.Table.from_pylist(ROWS, schema=CHANNELS)
    write_table(tmp_path / "channels.parquet", table)
    assert read_channels(tmp_path).equals(table)
    wide = table.set_column(0, "row", table["row"].cast(pa.int32()))
    pq.write_table(wide, tmp_path / "channels.parquet")
    assert read_channels(tmp_path).equals(table)


@pytest.mark.parametrize("name", ["row", "channel", "stamp_beam_pa_deg"])
def test_a_column_that_is_missing_is_named(tmp_path, name):
    table = pa.Table.from_pylist(ROWS, schema=CHANNELS).drop_columns([name])
    pq.write_table(table, tmp_path / "channels.parquet")
    with pytest.raises(DatasetError, match=f"channels.parquet: it has no column {name}"):
        read_channels(tmp_path)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(DatasetError, match=r"channels\.parquet") as caught:
        read_channels(tmp_path)
    assert "\n" not in str(caught.value)
