"""Croissant: the dataset described for machines, as JSON-LD.

Follows the Croissant format 1.0 (MLCommons, http://mlcommons.org/croissant/1.0). The files are
listed with their SHA-256; the record set ``records`` reads the manifest, and ``images`` the
stamps where they are Parquet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.layout import DatasetFolder, stamp_files
from mingolotss.io.files import sha256_file
from mingolotss.io.parquet import read_schema
from mingolotss.publish.summary import NO_LICENCE, DatasetSummary

__all__ = ["render_croissant"]

_CONTEXT: dict[str, object] = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex",
    "repeated": "cr:repeated", "replace": "cr:replace", "separator": "cr:separator",
    "equivalentProperty": "cr:equivalentProperty", "samplingRate": "cr:samplingRate",
    "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip

_ENCODING = {
    ".parquet": "application/x-parquet", ".csv": "text/csv", ".gz": "application/gzip",
    ".tar": "application/x-tar", ".h5": "application/x-hdf5", ".toml": "application/toml",
    ".png": "image/png", ".json": "application/json",
}  # fmt: skip
_TYPES = {"string": "sc:Text", "double": "sc:Float", "bool": "sc:Boolean"}


def render_croissant(summary: DatasetSummary, digests: Mapping[str, str] | None = None) -> str:
    """Return the Croissant description of a build or an export.

    Parameters
    ----------
    summary : DatasetSummary
    digests : mapping of str to str, optional
        SHA-256 of files, by their name relative to the folder, that need not be read again.
    """
    folder = DatasetFolder(summary.folder)
    files = folder.described_files()
    recipe = summary.provenance.recipe
    stamps = stamp_files(summary.folder)
    record_sets = [_record_set(folder, "records", [folder.manifest])]
    if stamps:
        record_sets.append(_record_set(folder, "images", stamps))
    content: dict[str, object] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": recipe.name,
        "description": f"{summary.provenance.title}. {summary.provenance.description}",
        "license": recipe.licence or NO_LICENCE,
        "url": recipe.catalogue.url or "https://lofar-surveys.org",
        "citeAs": "; ".join(recipe.citation),
        "creator": {"@type": "sc:Organization", "name": "built with mingolotss"},
        "version": "1.0.0",
        "keywords": ["radio galaxies", "morphology", "astronomy"],
        "isLiveDataset": False,
        "distribution": [_file(folder, path, digests or {}) for path in files],
        "recordSet": record_sets,
    }
    return json.dumps({key: value for key, value in content.items() if value != ""}, indent=1)


def _file(folder: DatasetFolder, path: Path, digests: Mapping[str, str]) -> dict[str, str]:
    """Describe one file."""
    name = folder.name_of(path)
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _ENCODING.get(path.suffix, "application/octet-stream"),
        "sha256": digests.get(name) or sha256_file(path),
    }


def _record_set(folder: DatasetFolder, name: str, paths: Sequence[Path]) -> dict[str, object]:
    """Describe the columns of a table in one or several files, by the first of them."""
    source, schema = folder.name_of(paths[0]), read_schema(paths[0])
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"one record per source, from {source}"
        + (f" and {len(paths) - 1} more" if len(paths) > 1 else ""),
        "field": [_field(name, source, column) for column in schema],
    }


def _field(record_set: str, source: str, column: pa.Field) -> dict[str, object]:
    """Describe one column of a file."""
    extract: dict[str, object] = {
        "fileObject": {"@id": source},
        "extract": {"column": column.name},
    }
    kind = _TYPES.get(str(column.type), "sc:Integer")
    if pa.types.is_struct(column.type):
        extract["transform"] = {"jsonPath": "bytes"}
        kind = "sc:ImageObject"
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "dataType": kind,
        "source": extract,
    }
