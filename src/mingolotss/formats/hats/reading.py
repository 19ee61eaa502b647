"""Read a HATS collection: its records in the order of the catalogue of sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.records import Records, class_names
from mingolotss.dataset.samples import Arrays
from mingolotss.formats.base import reading_export
from mingolotss.formats.hats.columns import INDEX_COLUMN, OBJECT_ID, PIXELS, STAMP
from mingolotss.formats.record_arrays import arrays_of

__all__ = ["find_hats", "read_hats"]

_COLLECTION, _PRIMARY = "collection.properties", "hats_primary_table_url="


def find_hats(place: Path) -> Sequence[Path]:
    """Return `place` if it is a collection."""
    return [place] if (place / _COLLECTION).is_file() else []


def read_hats(path: Path, split: str = "all") -> Arrays:
    """Read images and labels, in the order of the catalogue.

    Raises
    ------
    DatasetError
        The collection is damaged.
    """
    with reading_export(path, "HATS"):
        lines = (path / _COLLECTION).read_text("utf-8").splitlines()
        name = next(line for line in lines if line.startswith(_PRIMARY)).removeprefix(_PRIMARY)
        files = sorted((path / name / "dataset").glob("Norder=*/Dir=*/Npix=*.parquet"))
        tables = [pq.ParquetFile(file).read() for file in files]
        table = pa.concat_tables(tables).sort_by("row")
        table = table.drop_columns(
            [column for column in (INDEX_COLUMN, OBJECT_ID, PIXELS) if column in table.column_names]
        )
        table = table.rename_columns(
            ["image" if column == STAMP else column for column in table.column_names]
        )
        records = Records(table, class_names(path, table), str(path))
    return arrays_of(records, split, str(path))
