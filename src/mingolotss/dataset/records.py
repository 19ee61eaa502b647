"""The records of a dataset as one table: every written source with its image and its row.

Read from a build's ``stamps`` or from an export's Parquet, in the order of the catalogue. The
images stay encoded (about 6 kB a source) until asked for. What is not here: rejections, which
have no image (``manifest.py``), and datasets without a manifest (``readers``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.export_notes import SPLIT_KEY
from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.layout import stamp_files
from mingolotss.dataset.provenance import read_settings
from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.errors import DatasetError

__all__ = ["Records", "read_records"]


@dataclass(frozen=True, slots=True)
class Records:
    """Written sources, one row each, sorted by catalogue row.

    Attributes
    ----------
    table : pyarrow.Table
        ``image`` (PNG) or ``pixels`` (float32 values), then the manifest's columns.
    classes : tuple of str
        Name of each label.
    origin : str
        Where they were read, for messages.
    """

    table: pa.Table
    classes: tuple[str, ...]
    origin: str

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def is_float(self) -> bool:
        """Say whether images are float32 in Jy/beam, not uint8."""
        return "pixels" in self.table.column_names

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Give the labels; -1 where there is none."""
        labels: npt.NDArray[np.int64] = self.table["label"].fill_null(-1).to_numpy().astype(int)
        return labels

    def texts(self, name: str) -> tuple[str, ...]:
        """Give a column of text, null as ""."""
        return tuple(text or "" for text in self.table[name].to_pylist())

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Give a column of numbers, null as NaN."""
        values: npt.NDArray[np.float64] = pc.cast(self.table[name], pa.float64()).to_numpy()
        return values

    def encoded(self) -> list[bytes]:
        """Give the images as they are stored: PNG files, or float32 values."""
        column = self.table["pixels"] if self.is_float else pc.struct_field(self.table["image"], 0)
        return [data or b"" for data in column.to_pylist()]

    def images(self) -> ImageArray:
        """Decode all images, shape (n, ny, nx), uint8 or float32.

        Raises
        ------
        DatasetError
            One is damaged, or of another size than the rest; the line says which.
        """
        return decode_stamps(self.encoded(), self.names(), is_float=self.is_float)

    def names(self) -> list[str]:
        """Name every image for an error: its file, and where it was read."""
        files = self.texts("image_file")
        return [f"{self.origin}, {name or f'image {i}'}" for i, name in enumerate(files)]

    def take(self, rows: npt.NDArray[Any]) -> Records:
        """Return some of the records: indices, or a boolean for each."""
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(self, table=self.table.take(pa.array(chosen)))

    def with_splits(self, names: Sequence[str], plan: str) -> Records:
        """Return the records in other splits; `plan` is recorded in the table."""
        at = self.table.column_names.index("split")
        table = self.table.set_column(at, "split", pa.array(list(names), pa.string()))
        metadata = (self.table.schema.metadata or {}) | {SPLIT_KEY: plan.encode()}
        return replace(self, table=table.replace_schema_metadata(metadata))

    @property
    def split_plan(self) -> str:
        """Give the plan by which the records were split; "" if they have the split of a build."""
        plan: bytes = (self.table.schema.metadata or {}).get(SPLIT_KEY, b"")
        return plan.decode()

    def split_rows(self) -> dict[str, npt.NDArray[np.int64]]:
        """Give the rows of each split, train first and test last."""
        names = np.array(self.texts("split"))
        return {name: np.flatnonzero(names == name) for name in in_order(set(names.tolist()))}


def read_records(root: Path) -> Records:
    """Read the records of a build, of a Parquet export or of one Parquet file.

    Raises
    ------
    DatasetError
        There are none, or a file is damaged or lacks a column.
    """
    paths = stamp_files(root)
    if not paths:
        raise DatasetError(
            f"read the records of {root}: no stamps/part-*.parquet and no data/*.parquet; give a "
            "folder that mingolotss build or export --format parquet wrote"
        )
    tables = []
    for path in paths:
        with StampFile(path) as stamps:
            tables.append(stamps.table())
    table = pa.concat_tables(tables)
    if table["row"].null_count == len(table):
        table = table.set_column(1, "row", pa.array(np.arange(len(table))))
    table = table.sort_by("row").replace_schema_metadata(tables[0].schema.metadata)
    settings = None if root.is_file() else read_settings(root)
    classes = _header_classes(table) or (settings.classes if settings else _row_classes(table))
    origin = str(paths[0] if len(paths) == 1 else paths[0].parent)
    return Records(table, tuple(classes), origin)


def _header_classes(table: pa.Table) -> tuple[str, ...]:
    """Read the class names from the header that Hugging Face `datasets` reads."""
    try:
        header = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        return tuple(header["info"]["features"]["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()


def _row_classes(table: pa.Table) -> tuple[str, ...]:
    """Name the classes by the rows; a label that no row has stays "class N"."""
    pairs = pa.table([table["label"], table["class"]], ["label", "class"])
    named = {
        row["label"]: row["class"] or f"class {row['label']}"
        for row in pairs.group_by(["label", "class"]).aggregate([]).to_pylist()
        if row["label"] is not None and row["label"] >= 0
    }
    return tuple(named.get(label, f"class {label}") for label in range(max(named, default=-1) + 1))
