"""The tables of all parts of a build, as assembling them needs them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.io.parquet import count_rows, read_schema, read_table

__all__ = ["PartTables"]

FEW = 1 << 16  # sources whose tables are kept in memory


class PartTables:
    """The tables of a build's parts; each is read when it is needed.

    The tables of a small build are read as their parts are finished, and kept. Assembling runs in
    one process when all parts exist, and to read them then took a tenth of it.

    Parameters
    ----------
    out : Path
        The build's folder.
    parts, sources : int
        Number of parts and of sources of the build.
    """

    def __init__(self, out: Path, parts: int, sources: int) -> None:
        self._is_small = sources <= FEW
        self._paths = [BuildFolder(out).part(index) for index in range(parts)]
        self._loaded: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def load(self, index: int) -> None:
        """Read the table of a finished part if all tables fit into memory."""
        if self._is_small:
            self._loaded[index] = read_table(self._paths[index])

    @cached_property
    def total(self) -> int:
        """Return the number of rows of all tables."""
        loaded = self._loaded
        return sum(
            len(loaded[index]) if index in loaded else count_rows(path)
            for index, path in enumerate(self._paths)
        )

    @property
    def manifest(self) -> pa.Table | None:
        """Return the rows of the manifest, part after part, or None unless all are loaded."""
        if len(self._loaded) < len(self):
            return None
        parts = (self._loaded[index].select(MANIFEST.names) for index in range(len(self)))
        return pa.concat_tables([one.replace_schema_metadata() for one in parts])

    def read(self, index: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of the table of a part."""
        loaded = self._loaded.get(index)
        return read_table(self._paths[index], columns) if loaded is None else loaded.select(columns)

    def stamps_sha256(self, index: int) -> str:
        """Return the checksum of a part's stamps, which the worker wrote into the table."""
        loaded = self._loaded.get(index)
        schema = read_schema(self._paths[index]) if loaded is None else loaded.schema
        metadata: dict[bytes, bytes] = schema.metadata or {}
        return metadata.get(b"stamps_sha256", b"").decode()
