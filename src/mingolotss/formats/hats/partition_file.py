"""The Parquet file of one partition, written group by group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.hats_columns import PIXELS, STAMP
from mingolotss.dataset.manifest import REPEATED_COLUMNS, UNCOMPRESSED_COLUMNS
from mingolotss.dataset.masks import MASK
from mingolotss.formats.hats.image_column import FLUX_IMAGE
from mingolotss.io.files import atomic_path
from mingolotss.io.parquet import leaf_paths

__all__ = ["partition_writer"]

_PNGS, _ARRAYS = (STAMP, MASK.name), (PIXELS, FLUX_IMAGE)
_FLOATS = (f"{FLUX_IMAGE}.flux", f"{FLUX_IMAGE}.ivar")


@contextmanager
def partition_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Open the file of a partition, which appears complete or not at all.

    As in the parts of a build, PNG files are not compressed again, images have no statistics, and
    only columns whose values repeat have a dictionary. Splitting the bytes of brightness and
    inverse variance makes them 22 % smaller, in the same time (simulated sky, zstd).

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
        Of the rows, with the metadata of the file.
    """
    leaves = {leaf: field.name for field in schema for leaf in leaf_paths(field)}
    images = {leaf for leaf, column in leaves.items() if column in (*_PNGS, *_ARRAYS)}
    plain = {leaf for leaf in leaves if leaves[leaf] in (*_PNGS, *UNCOMPRESSED_COLUMNS)}
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression={leaf: "none" if leaf in plain else "zstd" for leaf in leaves},
            use_dictionary=[leaf for leaf in leaves if leaf in REPEATED_COLUMNS],
            write_statistics=[leaf for leaf in leaves if leaf not in images],
            use_byte_stream_split=[leaf for leaf in leaves if leaf.startswith(_FLOATS)],
        ) as writer,
    ):
        yield writer
