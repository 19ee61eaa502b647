"""The manifest: one row per catalogue row, a record or a rejection, written and read back.

written + rejected = rows, always. The stamps' Parquet parts have the same columns after the
image. ``docs/reference/manifest.md`` documents the columns; the tests compare the two.

>>> MANIFEST.field("separation_arcsec").type
DataType(double)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.errors import DatasetError
from mingolotss.io.files import atomic_path, is_local

__all__ = [
    "CANDIDATES",
    "IMAGE",
    "MANIFEST",
    "STAMPS_AT_ONCE",
    "parquet_bytes",
    "read_manifest",
    "read_rows",
    "read_schema",
    "read_table",
    "stamp_bytes",
    "stamp_schema",
    "table_writer",
    "write_table",
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

STAMPS_AT_ONCE = 512  # in a row group: any stamp is shown after reading 1 MB, not the part's 10
_REPEATED = (
    "class", "status", "field", "map_file", "batch", "split", "stage", "reason", "decided_by",
    "image", "rms", "verdict",
)  # fmt: skip

IMAGE = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", _TEXT)]))


def stamp_schema(kind: str) -> pa.Schema:
    """Return the columns of a stamps part: the image, then the manifest's.

    ``uint8`` stamps are PNG in the layout of Hugging Face's Image feature; ``float32`` ones are
    a column ``pixels`` of raw little-endian values, C order.
    """
    first = IMAGE if kind == "uint8" else pa.field("pixels", pa.binary())
    return pa.schema([first, *MANIFEST])


def table_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a table of a build for writing group by group; text that is rarely repeated as it is.

    To look for repeats in every column takes half as long again, and a fifth more room.
    """
    repeated = [name for name in schema.names if name in _REPEATED]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeated)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, whole or not at all; the same table gives the same bytes."""
    with atomic_path(path) as beside, table_writer(beside, table.schema) as sink:
        sink.write_table(table)


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"compression": "zstd", **options})
    data: bytes = sink.getvalue().to_pybytes()
    return data


def stamp_bytes(table: pa.Table) -> bytes:
    """Return a part of stamps, columns of `stamp_schema`, as the bytes of a Parquet file.

    PNGs are packed already and no two are alike: they are stored as they are, which takes 10 us
    a stamp where packing them again takes 23 and saves 3 % (2 cores, median).
    """
    plain = "image.bytes"
    leaves = [
        f"{field.name}.{child.name}" if pa.types.is_struct(field.type) else field.name
        for field in table.schema
        for child in (field.type if pa.types.is_struct(field.type) else [field])
    ]
    return parquet_bytes(
        table,
        compression={leaf: "none" if leaf == plain else "zstd" for leaf in leaves},
        use_dictionary=[leaf for leaf in leaves if leaf in _REPEATED],
        write_statistics=[leaf for leaf in leaves if leaf not in (plain, "pixels")],
        row_group_size=STAMPS_AT_ONCE,
    )


def read_schema(path: Path) -> pa.Schema:
    """Read the columns and notes of a Parquet file of a build, and none of its rows.

    Raises
    ------
    DatasetError
        It is missing or damaged.
    """
    with _translated(path), path.open("rb") as stream:
        return pq.read_schema(stream)


def read_rows(path: Path) -> int:
    """Return how many rows a Parquet file of a build has; DatasetError if it is damaged."""
    with _translated(path), path.open("rb") as stream:
        rows: int = pq.read_metadata(stream).num_rows
    return rows


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file of a build.

    Raises
    ------
    DatasetError
        It is missing or damaged.
    """
    # not pq.read_table: it brings pyarrow.dataset, and pandas where there is one, for 0.4 s
    with _translated(path), pq.ParquetFile(path if is_local(path) else path.open("rb")) as opened:
        lacking = sorted({*(columns or ())} - {*opened.schema_arrow.names})
        if lacking:
            raise pa.ArrowInvalid(f"no column {', '.join(lacking)}")
        return opened.read(None if columns is None else list(columns))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DatasetError(
            f"read {path}: there is no such file; build first: mingolotss build --out {path.parent}"
        ) from error
    except (OSError, pa.ArrowException) as error:
        line = str(error).strip().splitlines()[0]
        raise DatasetError(f"read {path}: damaged ({line}); remove it and build again") from error


def read_manifest(build: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the manifest of a build folder."""
    return read_table(build / "manifest.parquet", columns)
