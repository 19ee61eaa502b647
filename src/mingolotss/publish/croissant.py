"""Croissant: the dataset described for machines, as JSON-LD.

Follows the Croissant format 1.1 (MLCommons, http://mlcommons.org/croissant/1.1). The provenance is
in PROV-O (W3C, https://www.w3.org/TR/prov-o/), as the section "Provenance Representation" has it.
The files are listed with their SHA-256; the record set ``records`` reads the manifest, and
``images`` the stamps where they are Parquet. The record set ``channels`` names the channels of
images that have some, and ``planes`` reads their table. The record set ``classes`` names the
tags of a dataset, or the classes that have votes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.hats_catalogue import find_catalogue, is_hats
from mingolotss.dataset.layout import BuildFolder, DatasetFolder
from mingolotss.dataset.masks import MASK
from mingolotss.dataset.provenance import Provenance
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import is_image
from mingolotss.image.masks import BACKGROUND, OTHER, OWN
from mingolotss.io.files import sha256_file
from mingolotss.io.parquet import read_schema
from mingolotss.publish.citation import (
    AUTHORS_NOT_NAMED,
    cited_dois,
    dataset_address,
    dataset_citation,
)
from mingolotss.publish.licence import Licence, read_licence
from mingolotss.publish.summary import DatasetSummary
from mingolotss.recipe.metadata import DOI_ADDRESS, Author

__all__ = ["render_croissant"]

_Json = dict[str, object]
# The context of appendix 1 of the specification, with the three terms that mlcroissant 1.1 also
# expects (path, repeated and replace), and the namespaces that are used here besides.
_CONTEXT: _Json = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#", "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"}, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "excludes": "cr:excludes",
    "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5",
    "name": {"@container": "@language"}, "parentField": "cr:parentField", "path": "cr:path",
    "readLines": "cr:readLines", "recordSet": "cr:recordSet", "references": "cr:references",
    "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "samplingRate": "cr:samplingRate", "sdVersion": "cr:sdVersion", "separator": "cr:separator",
    "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
    "unArchive": "cr:unArchive", "value": "cr:value",
}  # fmt: skip

_ENCODING = {
    ".parquet": "application/x-parquet", ".csv": "text/csv", ".gz": "application/gzip",
    ".tar": "application/x-tar", ".h5": "application/x-hdf5", ".toml": "application/toml",
    ".png": "image/png", ".json": "application/json",
}  # fmt: skip
_PROGRAM, _IMAGE = "mingolotss", "sc:ImageObject"
_SPLIT_TYPES = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
_IMAGES, _SPLITS, _STAMPS, _CHANNELS = "images", "splits", "stamp-files", "channels"
_CLASSES = "classes"
_MEANING = {
    "tags": f"the labels of all tags of the source, which the record set {_CLASSES} names",
    "votes": f"a fraction of the votes for each class, in the order of the record set {_CLASSES}",
    "votes_total": "the number of votes",
}
_LABELS = {"label", "class", "tags", "votes"}  # columns of labels


def render_croissant(summary: DatasetSummary, digests: Mapping[str, str] | None = None) -> str:
    """Return the Croissant description of a build or an export.

    Parameters
    ----------
    summary : DatasetSummary
    digests : mapping of str to str, optional
        SHA-256 of files, by their name relative to the folder, that need not be read again.
    """
    folder, provenance = DatasetFolder(summary.folder), summary.provenance
    stated = provenance.metadata
    stamps = stamp_files(summary.folder)
    paths = dict.fromkeys([*folder.described_files(), *stamps])
    files = [_file(folder, path, digests or {}) for path in paths]
    content: _Json = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": _name(provenance),
        "description": f"{stated.title}. {stated.description}",
        "license": _licence(read_licence(stated.licence), folder),
        "url": dataset_address(stated) or folder.name_of(folder.card),
        "sameAs": f"{DOI_ADDRESS}{stated.doi}" if stated.doi and stated.url else "",
        "identifier": f"{DOI_ADDRESS}{stated.doi}" if stated.doi else "",
        "citeAs": dataset_citation(provenance),
        "citation": [*stated.citation],
        "creator": [*map(_creator, stated.authors)] or _organisation(AUTHORS_NOT_NAMED),
        "funding": [*stated.funding],
        "version": stated.version or _version_of_content(folder, digests or {}),
        "datePublished": stated.date or provenance.date,
        "dateCreated": provenance.date,
        "keywords": [*stated.keywords] or _keywords(summary),
        "isLiveDataset": False,
        "isBasedOn": [f"{DOI_ADDRESS}{doi}" for doi in cited_dois(stated)],
        "prov:wasDerivedFrom": _inputs(folder, provenance),
        "prov:wasGeneratedBy": _activity(folder, provenance),
        "distribution": files + _stamp_set(folder, stamps),
        "recordSet": _record_sets(summary, folder, stamps),
    }
    content = {key: value for key, value in content.items() if value not in ("", [])}
    return json.dumps(content, indent=1)


def _name(provenance: Provenance) -> str:
    name = provenance.recipe.name
    return f"{name}-simulated" if provenance.simulated else name


def _licence(licence: Licence, folder: DatasetFolder) -> object:
    """Return the address of a licence, or of the file with its terms."""
    if licence.url:
        return licence.url
    return {
        "@type": "sc:CreativeWork",
        "name": licence.spdx or ("terms in words" if licence.is_known else "not known"),
        "description": licence.text or "The licence of this dataset is not known.",
        "url": folder.name_of(folder.licence),
    }


def _creator(author: Author) -> _Json:
    if author.name:
        return _organisation(author.name)
    person: _Json = {
        "@type": "sc:Person",
        "name": author.name_in_order,
        "familyName": author.family,
        "givenName": author.given,
        "identifier": author.orcid_address,
        "affiliation": _organisation(author.affiliation) if author.affiliation else "",
    }
    return {key: value for key, value in person.items() if value != ""}


def _organisation(name: str) -> _Json:
    return {"@type": "sc:Organization", "name": name}


def _version_of_content(folder: DatasetFolder, digests: Mapping[str, str]) -> str:
    """Return a version that says which content it is, and that nobody has released it.

    Semantic Versioning 2.0.0 has 0.0.0 before any release, and leaves what follows "+" to the
    builder: here the beginning of the SHA-256 of the manifest.
    """
    name = folder.name_of(folder.manifest)
    digest = digests.get(name) or sha256_file(folder.manifest)
    return f"0.0.0+manifest.{digest[:12]}"


def _keywords(summary: DatasetSummary) -> list[str]:
    keywords = ["radio astronomy", "galaxies"]
    if summary.classes:
        keywords.append("morphology")
    return ["simulated", *keywords] if summary.provenance.simulated else keywords


def _inputs(folder: DatasetFolder, provenance: Provenance) -> list[_Json]:
    """Describe what the dataset was made from: the catalogue and the images."""
    name = f"catalogue {provenance.catalogue}" if provenance.catalogue else "catalogue"
    catalogue = f"{name}, {provenance.rows} rows"
    if provenance.limit:
        catalogue += " (the first of the file)"
    images = f"images of the service {provenance.service.partition(':')[0]}"
    if provenance.simulated:
        images = f"simulated {images}"
    candidates = BuildFolder(folder.path).candidates
    sha256 = provenance.catalogue_sha256
    entities = [
        _entity(f"urn:sha256:{sha256}", catalogue, sha256=sha256)
        if sha256
        else _entity("_:catalogue", catalogue),
        _entity("_:images", images),
    ]  # fmt: skip
    if candidates.is_file():
        entities[1]["description"] = f"{candidates.name} lists each image with its SHA-256."
    return entities


def _entity(identifier: str, label: str, **more: object) -> _Json:
    return {"@id": identifier, "@type": "prov:Entity", "prov:label": label, "name": label, **more}


def _activity(folder: DatasetFolder, provenance: Provenance) -> _Json:
    """Describe the build: its inputs, the recipe, the program with its version, and the day."""
    version = read_package_versions(folder.path).get(_PROGRAM, "of unknown version")
    activity: _Json = {
        "@type": "prov:Activity",
        "prov:label": f"{_PROGRAM} build with the recipe {provenance.recipe.name}",
        "prov:used": [
            *({"@id": entity["@id"]} for entity in _inputs(folder, provenance)),
            {"@id": folder.name_of(folder.recipe)},
        ],
        "prov:wasAssociatedWith": {
            "@type": "prov:SoftwareAgent",
            "prov:label": f"{_PROGRAM} {version}",
            "name": _PROGRAM,
            "softwareVersion": version,
        },
    }
    if provenance.date:  # the time of day is not recorded, so that equal builds are equal
        activity["prov:startedAtTime"] = {"@type": "xsd:date", "@value": provenance.date}
    return activity


def _file(folder: DatasetFolder, path: Path, digests: Mapping[str, str]) -> _Json:
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


def _stamp_set(folder: DatasetFolder, stamps: Sequence[Path]) -> list[_Json]:
    """Describe the Parquet files of images together, so that one record set reads them all."""
    if not stamps:
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": _STAMPS,
            "name": _STAMPS,
            "encodingFormat": _ENCODING[".parquet"],
            "includes": _pattern(folder, stamps[0]),
        }
    ]


def _pattern(folder: DatasetFolder, first: Path) -> str:
    """Return the pattern of the Parquet files of images, relative to the folder."""
    if not is_hats(folder.path):
        return f"{folder.name_of(first.parent)}/*.parquet"
    catalogue = find_catalogue(folder.path).folder
    return f"{folder.name_of(catalogue.path)}/{catalogue.partition_pattern()}"


def _record_sets(
    summary: DatasetSummary, folder: DatasetFolder, stamps: Sequence[Path]
) -> list[_Json]:
    """Describe the tables: the manifest, the images with their columns, and the splits."""
    shape = StampShape.of_recipe(summary.provenance.recipe)
    manifest, planes = folder.name_of(folder.manifest), folder.name_of(folder.channels)
    sets = [
        _record_set("records", f"one record for each row of {manifest}",
                    {"fileObject": {"@id": manifest}}, read_schema(folder.manifest)),
    ]  # fmt: skip
    if stamps:
        source: _Json = {"fileSet": {"@id": _STAMPS}}
        schema = read_schema(stamps[0])
        sets.append(_record_set(_IMAGES, "one record for each image", source, schema, shape))
    if summary.vectors is not None:
        sets.append(_class_set(summary.classes))
    if shape.channels:
        sets.append(_channel_set(shape))
        if folder.channels.is_file():
            sets.append(
                _record_set("planes", "one record for each image and channel",
                            {"fileObject": {"@id": planes}}, read_schema(folder.channels))
            )  # fmt: skip
    splits = in_order(summary.splits)
    return [*sets, _split_set(splits)] if splits else sets


def _record_set(
    name: str, description: str, source: _Json, schema: pa.Schema, shape: StampShape | None = None
) -> _Json:
    """Describe the columns of a table, and the shape of its images if it has some."""
    fields: list[_Json] = []
    for column in schema:
        if pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type):
            fields.append(_list_field(name, source, column))
        elif shape is not None and column.name == "pixels":
            fields.append(_pixels_field(name, source, column, shape))
        elif pa.types.is_struct(column.type) and not is_image(column.type):
            fields.append(_flux_field(name, source, column))
        elif (field := _field(name, source, column)) is not None:
            fields.append(field)
    return {
        "@type": "cr:RecordSet", "@id": name, "name": name, "description": description,
        "field": fields,
    }  # fmt: skip


def _field(record_set: str, source: _Json, column: pa.Field) -> _Json | None:
    """Describe one column of a table; None for bytes, of which Croissant has no type."""
    is_list = pa.types.is_list(column.type)
    kind = _type_of(column.type.value_type if is_list else column.type)
    if kind is None:
        return None
    extract: _Json = {**source, "extract": {"column": column.name}}
    if pa.types.is_struct(column.type):
        extract["transform"] = {"jsonPath": "bytes"}
    field: _Json = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "dataType": _data_type(column.name, kind),
        "source": extract,
    }
    if column.name == MASK.name and kind == _IMAGE:
        field["description"] = f"{BACKGROUND}: background, {OWN}: this source, {OTHER}: another one"
    if is_list:
        field |= {"isArray": True, "arrayShape": "-1"}
    if column.name in _MEANING:
        field["description"] = _MEANING[column.name]
    if column.name == "split":
        field["references"] = {"field": {"@id": f"{_SPLITS}/name"}}
    return field


def _data_type(name: str, kind: str) -> str | list[str]:
    """Return the type of a column, with what it means for learning (Croissant 1.1, "ML types")."""
    if name == MASK.name and kind == _IMAGE:
        return [kind, "cr:SegmentationMask"]
    return [kind, "cr:Label"] if name in _LABELS else kind


def _pixels_field(record_set: str, source: _Json, column: pa.Field, shape: StampShape) -> _Json:
    """Describe the pixels of images that are no PNG files.

    Croissant has no type for bytes, and mlcroissant gives those of a text as they are. HATS has
    lists of lists of numbers.
    """
    dtype = "cr:Float32" if shape.is_float else "cr:UInt8"
    is_lists = pa.types.is_list(column.type)
    description = f"the bytes of an array of {shape.dtype}, little-endian, in C order"
    return {
        "@type": "cr:Field", "@id": f"{record_set}/{column.name}", "name": column.name,
        "description": "the pixels as lists of numbers" if is_lists else description,
        "dataType": dtype if is_lists else ["sc:Text", dtype], "isArray": True,
        "arrayShape": ",".join(map(str, shape.axes)),
        "source": {**source, "extract": {"column": column.name}},
    }  # fmt: skip


def _flux_field(record_set: str, source: _Json, column: pa.Field) -> _Json:
    """Describe the column of the Multimodal Universe: lists with one element for each channel."""
    name = f"{record_set}/{column.name}"
    members: list[_Json] = []
    for child in column.type:
        kind, depth = child.type, 0
        while pa.types.is_list(kind):
            kind, depth = kind.value_type, depth + 1
        members.append(
            {
                "@type": "cr:Field", "@id": f"{name}/{child.name}", "name": child.name,
                "dataType": _type_of(kind), "isArray": True, "arrayShape": ",".join(["-1"] * depth),
                "source": {
                    **source, "extract": {"column": column.name},
                    "transform": {"jsonPath": child.name},
                },
            }
        )  # fmt: skip
    return {"@type": "cr:Field", "@id": name, "name": column.name, "subField": members}


def _class_set(classes: Sequence[str]) -> _Json:
    """Name the classes that the numbers of tags, or the fractions of votes, stand for."""
    label, name = f"{_CLASSES}/label", f"{_CLASSES}/name"
    fields: list[_Json] = [
        {"@type": "cr:Field", "@id": label, "name": "label", "dataType": "sc:Integer"},
        {"@type": "cr:Field", "@id": name, "name": "name", "dataType": "sc:Text"},
    ]
    return {
        "@type": "cr:RecordSet", "@id": _CLASSES, "name": _CLASSES,
        "description": "the classes of the dataset by their labels",
        "key": {"@id": label}, "field": fields,
        "data": [{label: number, name: one} for number, one in enumerate(classes)],
    }  # fmt: skip


def _channel_set(shape: StampShape) -> _Json:
    """Name the channels of an image in their order."""
    name, plane = f"{_CHANNELS}/name", f"{_CHANNELS}/plane"
    fields: list[_Json] = [
        {"@type": "cr:Field", "@id": name, "name": "name", "dataType": "sc:Text"},
        {"@type": "cr:Field", "@id": plane, "name": "plane", "dataType": "sc:Integer",
         "description": "the first index of the array of an image"},
    ]  # fmt: skip
    axes = " x ".join(map(str, shape.axes))
    return {
        "@type": "cr:RecordSet", "@id": _CHANNELS, "name": _CHANNELS,
        "description": f"the channels of an image, which is an array of {axes} ({shape.dtype})",
        "key": {"@id": name}, "field": fields,
        "data": [{name: one, plane: index} for index, one in enumerate(shape.channels)],
    }  # fmt: skip


def _list_field(record_set: str, source: _Json, column: pa.Field) -> _Json:
    """Describe a column of lists of records, such as that of the channels of an image."""
    name = f"{record_set}/{column.name}"
    members = []
    for child in column.type.value_type:
        member = _field(name, source, child)
        if member is not None:
            transform = {"jsonPath": child.name}
            member["source"] = {
                **source, "extract": {"column": column.name}, "transform": transform,
            }  # fmt: skip
            members.append(member)
    return {"@type": "cr:Field", "@id": name, "name": column.name, "isArray": True,
            "arrayShape": "-1", "subField": members}  # fmt: skip


def _type_of(kind: pa.DataType) -> str | None:
    if pa.types.is_struct(kind):
        return _IMAGE
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    if pa.types.is_floating(kind):
        return "sc:Float"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    return "sc:Integer" if pa.types.is_integer(kind) else "sc:Text"


def _split_set(splits: Sequence[str]) -> _Json:
    """Describe the splits by name, and by address if Croissant has one for each of them."""
    name, url = f"{_SPLITS}/name", f"{_SPLITS}/url"
    fields: list[_Json] = [
        {"@type": "cr:Field", "@id": name, "name": "name", "dataType": "sc:Text"}
    ]
    rows = [{name: split} for split in splits]
    if set(splits) <= _SPLIT_TYPES.keys():
        fields.append({"@type": "cr:Field", "@id": url, "name": "url", "dataType": "sc:URL"})
        rows = [{name: split, url: _SPLIT_TYPES[split]} for split in splits]
    return {
        "@type": "cr:RecordSet", "@id": _SPLITS, "name": _SPLITS,
        "description": "the splits of the dataset", "dataType": "cr:Split",
        "key": {"@id": name}, "field": fields, "data": rows,
    }  # fmt: skip
