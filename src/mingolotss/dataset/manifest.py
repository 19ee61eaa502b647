"""The tables of a build: the columns of the manifest and of the candidates.

The manifest has one row for each row of the catalogue, written or rejected. The Parquet files of
the stamps have the same columns after the image (``stamps.py``). The page
``docs/reference/manifest.md`` documents the columns; the tests compare the two.

>>> MANIFEST.field("separation_arcsec").type
DataType(double)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_table

__all__ = [
    "CANDIDATES",
    "MANIFEST",
    "REPEATED_COLUMNS",
    "read_manifest",
]

_TEXT, _REAL, _FLAG = pa.string(), pa.float64(), pa.bool_()

MANIFEST = pa.schema(
    [
        ("row", pa.int64()),  # of the catalogue, from 0
        ("source", _TEXT),
        ("ra", _REAL),  # deg, ICRS
        ("dec", _REAL),  # deg, ICRS
        ("label", pa.int16()),  # null in an unlabelled dataset
        ("class", _TEXT),
        ("size_arcsec", _REAL),
        ("flux_mjy", _REAL),
        ("status", _TEXT),  # written or rejected
        ("field", _TEXT),
        ("map_file", _TEXT),
        ("image_file", _TEXT),
        ("case", pa.int8()),  # 0: one candidate; 1 to 4: the rule that chose
        ("separation_arcsec", _REAL),
        ("percent_nan", _REAL),
        ("candidates", pa.int16()),  # on offer, usable or not
        ("recentred", _FLAG),
        ("blank", _FLAG),
        ("undecided", _FLAG),
        ("exceeds_stamp", _FLAG),
        ("decided_by", _TEXT),
        ("noise_jy", _REAL),  # median under the stamp, Jy/beam
        ("peak_jy", _REAL),  # brightest pixel of the stamp, Jy/beam
        ("pixel_scale_arcsec", _REAL),
        ("batch", _TEXT),
        ("split", _TEXT),  # train or test, as published
        ("stage", _TEXT),  # of a rejection: search, fetch, validate, choose or stamp
        ("reason", _TEXT),
        ("pixels_sha256", _TEXT),  # of the stamp's bytes, C order
    ]
)

CANDIDATES = pa.schema(
    [
        ("row", pa.int64()),
        ("source", _TEXT),
        ("field", _TEXT),
        ("image", _TEXT),  # address
        ("rms", _TEXT),  # address, "" if there is none
        ("image_sha256", _TEXT),
        ("rms_sha256", _TEXT),
        ("ny", pa.int32()),
        ("nx", pa.int32()),
        ("pixel_scale_arcsec", _REAL),
        ("separation_arcsec", _REAL),
        ("percent_nan", _REAL),
        ("verdict", _TEXT),  # chosen, not chosen, or why it cannot be used; null before a run
    ]
)

# Text columns with few different values, written with a dictionary.
REPEATED_COLUMNS = (
    "class", "status", "field", "map_file", "batch", "split", "stage", "reason", "decided_by",
    "image", "rms", "verdict",
)  # fmt: skip


_NEVER_NULL = ("row", "source", "status")


def read_manifest(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the manifest of a build or of an export.

    Parameters
    ----------
    folder : Path
    columns : sequence of str, optional
        All columns by default.

    Raises
    ------
    DatasetError
        It is missing or damaged, or lacks a column or has one of another type.
    """
    path = DatasetFolder(folder).manifest
    table = read_table(path, columns, schema=MANIFEST)
    for name in _NEVER_NULL:
        if name in table.column_names and table[name].null_count:
            raise DatasetError(
                f"read {path}: the column {name} has rows without a value; build it again"
            )
    return table
