"""Parquet for Hugging Face `datasets`: ``data/SPLIT-00000-of-00001.parquet``.

The header names the features, so that ``load_dataset(FOLDER)`` gives an Image and a ClassLabel
without a script. The columns are those of the manifest.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.records import Records
from mingolotss.io.files import atomic_path

__all__ = ["write_huggingface"]

_SHARD = 50_000  # rows in a file: 300 MB of stamps
_TYPES = {"string": "string", "double": "float64", "bool": "bool"}


def write_huggingface(records: Records, out: Path, facts: dict[str, str]) -> None:
    """Write the files of every split.

    Parameters
    ----------
    records : Records
    out : path
        Folder.
    facts : dict of str
        Kept in each file's header.
    """
    header = _header(records, facts)
    for split, rows in records.split_rows().items():
        shards = range(0, len(rows), _SHARD)
        for number, start in enumerate(shards):
            table = records.take(rows[start : start + _SHARD]).table
            path = out / "data" / f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
            with atomic_path(path) as beside:
                pq.write_table(
                    _labelled(table).replace_schema_metadata(header),
                    beside,
                    compression="zstd",
                    row_group_size=1000,
                )


def _labelled(table: pa.Table) -> pa.Table:
    """Give labels the type that ClassLabel has."""
    at = table.column_names.index("label")
    return table.set_column(at, "label", table["label"].cast(pa.int64()))


def _header(records: Records, facts: dict[str, str]) -> dict[str, str]:
    """Describe the columns as `datasets` does (its Features, in the Arrow schema's metadata)."""
    features: dict[str, object] = {}
    for field in _labelled(records.table).schema:
        kind = _TYPES.get(str(field.type), str(field.type))
        features[field.name] = {"dtype": kind, "_type": "Value"}
    if not records.is_float:
        features["image"] = {"_type": "Image"}
    if records.classes:
        features["label"] = {"names": list(records.classes), "_type": "ClassLabel"}
    kept = {"mingolotss.facts": json.dumps(facts)}
    plan = (records.table.schema.metadata or {}).get(b"mingolotss.split")
    if plan:
        kept["mingolotss.split"] = plan.decode()
    return {"huggingface": json.dumps({"info": {"features": features}}), **kept}
