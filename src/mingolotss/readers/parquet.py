"""Read stamps from Parquet: a build's ``stamps/part-*.parquet`` or an export for Hugging Face.

What is not here: batches (``batches.py``), other formats (``exports.py``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mingolotss.errors import DatasetError
from mingolotss.readers.pngs import decode_all
from mingolotss.readers.samples import MINGO_CLASSES, Arrays, concatenate

__all__ = ["files", "read_parquet"]

_TEXTS = ("source", "image_file", "split", "class")


def files(root: Path) -> list[Path]:
    """List the Parquet files of stamps at `root`: itself, or in its ``stamps`` or ``data``."""
    if root.is_file():
        return [root] if root.suffix == ".parquet" else []
    for folder, pattern in (("stamps", "part-*"), ("data", "*"), (".", "part-*")):
        found = sorted((root / folder).glob(f"{pattern}.parquet"))
        if found:
            return found
    return []


def read_parquet(paths: Sequence[Path], split: str = "all") -> Arrays:
    """Read the stamps of one split, in the order of the files.

    Parameters
    ----------
    paths : sequence of path
    split : str
        A value of the column ``split``, or "all".

    Raises
    ------
    DatasetError
        A file is no Parquet, lacks a column, or holds something else than PNGs of one size.
    """
    tables = [_read(path) for path in paths]
    classes = _classes(tables)
    return concatenate(
        [_part(path, table, split, classes) for path, table in zip(paths, tables, strict=True)]
    )


def _part(path: Path, table: pa.Table, split: str, classes: tuple[str, ...]) -> Arrays:
    if split != "all":
        table = table.filter(pc.equal(table["split"], split))
    texts = {name: tuple(table[name].fill_null("").to_pylist()) for name in _TEXTS}
    pngs = pc.struct_field(table["image"], "bytes").to_pylist()
    names = [f"{path}, {name or 'an image'}" for name in texts["image_file"]]
    labels = table["label"].fill_null(-1).to_numpy().astype(np.int64)
    images = decode_all(pngs, names)
    return Arrays(images, labels, classes, texts["source"], texts["image_file"], texts["split"])


def _read(path: Path) -> pa.Table:
    """Read the columns that matter, with the types that matter; absent texts are empty."""
    try:
        schema = pq.read_schema(path)
        columns = [name for name in ("image", "label", *_TEXTS) if name in schema.names]
        table = pq.read_table(path, columns=columns, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"read {path}: not a whole Parquet file ({error}); fetch it again"
        ) from error
    for name, right in (("image", _is_image), ("label", pa.types.is_integer)):
        if name not in schema.names or not right(schema.field(name).type):
            found = schema.field(name).type if name in schema.names else "absent"
            raise DatasetError(
                f"read {path}: the column {name!r} should hold {_MEANS[name]} and is {found}; "
                "fetch or build it again"
            )
    for name in _TEXTS:
        column = table[name] if name in schema.names else pa.nulls(len(table), pa.string())
        table = table.drop_columns([name] if name in schema.names else [])
        table = table.append_column(name, column.cast(pa.string()))
    return table.replace_schema_metadata(schema.metadata)


_MEANS = {"image": "PNG bytes (struct<bytes: binary, path: string>)", "label": "integers"}


def _is_image(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and any(
        kind.field(i).name == "bytes" and pa.types.is_binary(kind.field(i).type)
        for i in range(kind.num_fields)
    )


def _classes(tables: Sequence[pa.Table]) -> tuple[str, ...]:
    """Name the classes: from the Hugging Face header, else from the rows."""
    header = json.loads((tables[0].schema.metadata or {}).get(b"huggingface", b"{}"))
    label = header.get("info", {}).get("features", {}).get("label", {})
    if label.get("names"):
        return tuple(label["names"])
    named: dict[int, str] = {}
    for table in tables:
        pairs = pa.table([table["label"], table["class"]], ["label", "class"])
        for row in pairs.group_by(["label", "class"]).aggregate([]).to_pylist():
            if row["label"] is not None and row["label"] >= 0:
                named[row["label"]] = row["class"] or f"class {row['label']}"
    if all(MINGO_CLASSES[label : label + 1] == (name,) for label, name in named.items()):
        return MINGO_CLASSES if named else ()
    return tuple(named.get(label, f"class {label}") for label in range(max(named, default=-1) + 1))
