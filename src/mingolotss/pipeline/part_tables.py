"""The reader of the tables of all parts, which `mingolotss.pipeline.part_table` builds.

`mingolotss.pipeline.assemble` puts their rows in the order of the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST, further_fields
from mingolotss.io.parquet import count_rows, read_schema, read_table

__all__ = ["PartTables"]

# Of a build whose tables are kept in memory: 0.3 GB. `mingolotss.pipeline.assemble` needs as much
# when it puts them in the order of the catalogue.
MAX_SOURCES_IN_MEMORY = 1 << 19


class PartTables:
    """Reads the tables of a build's parts.

    The tables of a small build are kept in memory and read as soon as their parts are finished,
    while the workers still make other parts. Reading them all at the end, in one process, took a
    tenth of the time of assembling. The tables of a large build are read when they are needed.

    Parameters
    ----------
    out : Path
        The build's folder.
    n_parts, n_sources : int
        Number of parts and of sources of the build.
    """

    def __init__(self, out: Path, n_parts: int, n_sources: int) -> None:
        self._is_small = n_sources <= MAX_SOURCES_IN_MEMORY
        self._paths = [BuildFolder(out).part(index) for index in range(n_parts)]
        self._tables: dict[int, pa.Table] = {}
        self._new: set[int] = set()

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, index: int) -> None:
        """Note that a worker has just written a part; read its table if all fit into memory."""
        self._new.add(index)
        if self._is_small:
            self._tables[index] = read_table(self._paths[index], is_own=True)

    def is_new(self, index: int) -> bool:
        """Return whether the part was made in this run, not found in the folder."""
        return index in self._new

    @cached_property
    def total(self) -> int:
        """Return the number of rows of all tables."""
        tables = self._tables
        return sum(
            len(tables[index]) if index in tables else count_rows(path)
            for index, path in enumerate(self._paths)
        )

    @cached_property
    def manifest_schema(self) -> pa.Schema:
        """Return the columns of the manifest, with those of the recipe and the catalogue."""
        return pa.schema([*MANIFEST, *further_fields(self._schema)])

    @cached_property
    def candidate_schema(self) -> pa.Schema:
        """Return the columns of the table of candidates."""
        return pa.schema(list(self._schema.field("offers").type.value_type))

    @property
    def _schema(self) -> pa.Schema:
        table = self._tables.get(0)
        return read_schema(self._paths[0]) if table is None else table.schema

    def manifest_rows(self) -> pa.Table | None:
        """Return the rows of the manifest in the order of the parts, which is not the catalogue's.

        None unless all tables are in memory.
        """
        if len(self._tables) < len(self):
            return None
        names = self.manifest_schema.names
        tables = (self._tables[index].select(names) for index in range(len(self)))
        return pa.concat_tables([table.replace_schema_metadata() for table in tables])

    def read(self, index: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of the table of a part."""
        table = self._tables.get(index)
        return read_table(self._paths[index], columns) if table is None else table.select(columns)

    def stamps_sha256(self, index: int) -> str:
        """Return the checksum of a part's stamps, which the worker wrote into the table."""
        table = self._tables.get(index)
        schema = read_schema(self._paths[index]) if table is None else table.schema
        metadata: dict[bytes, bytes] = schema.metadata or {}
        return metadata.get(b"stamps_sha256", b"").decode()
