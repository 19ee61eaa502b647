"""The tables of a build: the columns of the manifest, of the candidates and of the stamps.

The manifest has one row for each row of the catalogue, written or rejected. The Parquet files of
the stamps have the same columns after the image. ``docs/reference/manifest.md`` documents the
columns; the tests compare the two.

>>> MANIFEST.field("separation_arcsec").type
DataType(double)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from mingolotss.io.parquet import parquet_bytes, read_table

__all__ = [
    "CANDIDATES",
    "IMAGE",
    "MANIFEST",
    "REPEATED_COLUMNS",
    "STAMPS_AT_ONCE",
    "read_manifest",
    "stamp_bytes",
    "stamp_schema",
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
# Text columns with few different values, written with a dictionary.
REPEATED_COLUMNS = (
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
        use_dictionary=[leaf for leaf in leaves if leaf in REPEATED_COLUMNS],
        write_statistics=[leaf for leaf in leaves if leaf not in (plain, "pixels")],
        row_group_size=STAMPS_AT_ONCE,
    )


def read_manifest(build: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the manifest of a build folder."""
    return read_table(build / "manifest.parquet", columns)
