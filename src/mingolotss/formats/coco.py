"""COCO: PNG files ``SPLIT/NAME.png`` with ``annotations/instances_SPLIT.json``, for detectors.

The layout and the JSON are those of the instances of COCO (https://cocodataset.org/#format-data),
which pycocotools, torchvision's CocoDetection and detectron2 read. An image has at most two
annotations, made of its mask: its source, in the category of its class, and all pixels of other
sources together, which is a crowd in a category of its own. Detectors leave crowds out. The
categories are numbered from 1. A source with several tags is one annotation of the category
``source``, whose attributes have the tags: no annotation has two categories, and the same pixels
twice would be two sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import VECTOR_COLUMNS
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import select
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader, Format, check_kind, reading_export
from mingolotss.formats.class_names import (
    read_channel_names,
    read_class_names,
    write_channel_names,
    write_class_names,
)
from mingolotss.formats.coco_rle import decode_rle, encode_rles
from mingolotss.formats.image_files import check_distinct, check_splits
from mingolotss.formats.places import find_coco
from mingolotss.formats.png_metadata import label_entries, labels_of_metadata
from mingolotss.formats.stored_names import true_splits
from mingolotss.image.masks import BACKGROUND, OTHER, OWN, Masks
from mingolotss.io.documents import parse_json
from mingolotss.io.file_names import is_file_name
from mingolotss.io.files import read_bounded, write_bytes
from mingolotss.io.optional import import_optional
from mingolotss.io.png import decode_pngs
from mingolotss.model import Ints

__all__ = ["COCO", "read_coco", "write_coco"]

_Json = dict[str, Any]
_LARGEST = 4 << 30  # bytes of the annotations of a split; those of a million sources
_SOURCE, _OTHER, _UNLABELLED = "source", "other source", "unlabelled source"


def write_coco(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write the images of every split, and its annotations.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        The images have no masks, or PNG cannot hold them; pycocotools is not installed; two images
        would be one file, or a split is called like a file of the export.
    """
    check_kind(records, header, is_png=True)
    masks = records.masks()
    if masks is None:
        raise InputError(
            f"export {header.name} as coco: its images have no masks, of which boxes and "
            "segmentations are made; build it with a recipe that has [mask], or use png"
        )
    coco_mask = import_optional("pycocotools.mask", f"write {folder}", extra="coco")
    export = ExportFolder(folder)
    splits = records.texts("split")
    paths = [
        export.picture_folder(split) / export.png_name(name)
        for split, name in zip(splits, records.texts("image_file"), strict=True)
    ]
    check_distinct(paths, records, export, header)
    own = [export.classes, export.channel_names, export.annotation_folder]
    check_splits(records.split_rows(), own, export, header)
    for path, png in zip(paths, records.encoded(), strict=True):
        write_bytes(path, png)
    categories = _Categories.of(records)
    images = _images(records, [path.name for path in paths], masks)
    annotations = _annotations(coco_mask, images, masks, categories.of_sources(records), categories)
    for split, rows in records.split_rows().items():
        content = {
            "info": {"description": f"{header.title}: {split}" if split else header.title},
            "licenses": [{"id": 1, "name": header.license, "url": ""}],
            "categories": categories.to_json(),
            "images": [images[row] for row in rows.tolist()],
            "annotations": [one for row in rows.tolist() for one in annotations[row]],
        }
        write_bytes(export.annotations(split), json.dumps(content).encode())
    write_class_names(export.classes, records.classes)
    write_channel_names(export.channel_names, records.channels)


@dataclass(frozen=True, slots=True)
class _Categories:
    """The categories of an export, numbered from 1.

    Attributes
    ----------
    names : list of str
        Of the classes of a source; only `_SOURCE` if there is no single class.
    other, unlabelled : int
        Numbers of the categories of other sources, and of sources without a class: 0 if every
        source has one.
    """

    names: list[str]
    other: int
    unlabelled: int

    @classmethod
    def of(cls, records: Records) -> _Categories:
        labels = records.labels
        is_single = bool(records.classes) and bool((labels >= 0).any())
        names = [*records.classes] if is_single else [_SOURCE]
        other = len(names) + 1
        return cls(names, other, other + 1 if is_single and (labels < 0).any() else 0)

    def of_sources(self, records: Records) -> list[int]:
        """Return the category of each source."""
        if self.names == [_SOURCE]:
            return [1] * len(records)
        return [label + 1 if label >= 0 else self.unlabelled for label in records.labels.tolist()]

    def to_json(self) -> list[_Json]:
        """Return the list of categories."""
        names = [(name, _SOURCE) for name in self.names] + [(_OTHER, _OTHER)]
        names += [(_UNLABELLED, _SOURCE)] if self.unlabelled else []
        return [
            {"id": number, "name": name, "supercategory": group}
            for number, (name, group) in enumerate(names, start=1)
        ]


def _images(records: Records, files: Sequence[str], masks: Masks) -> list[_Json]:
    """Return the entry of each image: its row in the catalogue, its source and labels, too."""
    ny, nx = masks.shape[1:]
    labels, vectors = records.labels.tolist(), records.vectors
    entries = [{"label": None if label < 0 else label} for label in labels]
    if vectors is not None:
        entries = label_entries(labels, vectors, records.classes)
    columns = (
        records.table["row"].to_pylist(), files, records.texts("source"),
        records.texts("image_file"), entries,
    )  # fmt: skip
    return [
        {
            "id": row + 1, "file_name": file, "width": nx, "height": ny, "license": 1,
            "row": row, "source": source, "image_file": name, **entry,
        }
        for row, file, source, name, entry in zip(*columns, strict=True)
    ]  # fmt: skip


def _annotations(
    coco_mask: Any,
    images: Sequence[_Json],
    masks: Masks,
    sources: Sequence[int],
    categories: _Categories,
) -> list[list[_Json]]:
    """Return the annotations of each image: the source, then other sources."""
    annotations: list[list[_Json]] = [[] for _ in images]
    kinds = (OWN, sources, 0), (OTHER, [categories.other] * len(images), 1)
    for value, numbers, is_crowd in kinds:
        rles = encode_rles(coco_mask, masks == value)
        areas, boxes = coco_mask.area(rles).tolist(), coco_mask.toBbox(rles).tolist()
        columns = zip(annotations, images, numbers, rles, areas, boxes, strict=True)
        for own, image, category, rle, area, box in columns:
            vectors = {name: image[name] for name in VECTOR_COLUMNS.names if name in image}
            attributes = {} if is_crowd or not vectors else {"attributes": vectors}
            if area:
                # No annotation has the number 0, which pycocotools takes for none.
                own.append({
                    "id": 2 * image["id"] - 1 + is_crowd, "image_id": image["id"],
                    "category_id": category, "bbox": box, "area": area, "segmentation": rle,
                    "iscrowd": is_crowd, **attributes,
                })  # fmt: skip
    return annotations


@dataclass(frozen=True, slots=True)
class _Sample:
    """One image with its annotations."""

    file: Path
    entry: Mapping[str, Any]
    annotations: Sequence[Mapping[str, Any]]

    def mask(self, axes: tuple[int, int]) -> Masks:
        """Return its mask; the errors are those of `decode_rle`."""
        mask = np.full(axes, BACKGROUND, np.uint8)
        for one in self.annotations:
            shape = decode_rle(one["segmentation"], axes)
            mask[shape > 0] = OTHER if one["iscrowd"] else OWN
        return mask


def read_coco(path: Path, split: str = "all") -> Arrays:
    """Read images, labels and masks, in the order of the catalogue.

    Parameters
    ----------
    path : Path
        The folder.
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        An image or the annotations are damaged.
    InputError
        There is no such split.
    """
    export = ExportFolder(path)
    classes, channels = read_class_names(export.classes), read_channel_names(export.channel_names)
    files = export.annotation_files()
    splits = true_splits(path, [export.split_of_annotations(file) for file in files])
    in_split = select(splits, split, str(path))
    samples: list[_Sample] = []
    names: list[str] = []
    with reading_export(path, "COCO"):
        for file, name in compress(zip(files, splits, strict=True), in_split):
            own = list(_samples(file, export.picture_folder(export.split_of_annotations(file))))
            samples += own
            names += [name] * len(own)
        order = np.argsort([int(one.entry["row"]) for one in samples], kind="stable").tolist()
        samples = [samples[index] for index in order]
        names = [names[index] for index in order]
        pngs = [read_bounded(sample.file) for sample in samples]
        sources, image_files = (
            tuple(_text(one.entry, key) for one in samples) for key in ("source", "image_file")
        )
        labels, vectors = _read_labels([one.entry for one in samples], classes)
    images = decode_pngs(pngs, [str(one.file) for one in samples], len(channels) or None)
    with reading_export(path, "COCO"):
        ny, nx = images.shape[-2:]
        masks = [sample.mask((ny, nx)) for sample in samples]
    return Arrays(
        images, labels, classes, sources, image_files, tuple(names),
        channels=channels, vectors=vectors,
        masks=np.stack(masks) if masks else np.zeros((0, ny, nx), np.uint8),
    )  # fmt: skip


def _read_labels(
    entries: Sequence[Mapping[str, Any]], classes: Sequence[str]
) -> tuple[Ints, LabelVectors | None]:
    """Return the labels of images, and their tags or votes.

    Raises
    ------
    LookupError, TypeError, ValueError
        An entry has no label, or one that is no number.
    """
    if any(name in entry for entry in entries for name in VECTOR_COLUMNS.names):
        return labels_of_metadata(entries, classes)
    labels = [-1 if entry["label"] is None else int(entry["label"]) for entry in entries]
    return np.array(labels, np.int64), None


def _text(entry: Mapping[str, Any], key: str) -> str:
    text = entry[key]
    if not isinstance(text, str):
        raise TypeError(f"an image whose {key} is {text!r:.40}")
    return text


def _samples(file: Path, folder: Path) -> Iterator[_Sample]:
    """Give the images of a file of annotations, which are in `folder`.

    Raises
    ------
    OSError, ValueError, LookupError
        It cannot be read, or is no such file.
    """
    content = parse_json(read_bounded(file, _LARGEST))
    if not isinstance(content, dict):
        raise ValueError(f"{file.name} is no object of JSON")  # noqa: TRY004 - of the file
    annotations: dict[object, list[_Json]] = {}
    for annotation in content["annotations"]:
        annotations.setdefault(annotation["image_id"], []).append(annotation)
    for entry in content["images"]:
        name = entry["file_name"]
        if not isinstance(name, str) or not is_file_name(name):
            raise ValueError(f"{file.name} names the image {name!r:.80}")
        yield _Sample(folder / name, entry, annotations.get(entry["id"], ()))


COCO = Format(
    write_coco,
    find_coco,
    read_coco,
    (
        'pycocotools.coco.COCO("FOLDER/annotations/instances_train.json")  # of FOLDER/train',
        'mingolotss.MingoLoTSS("FOLDER", masks=True)',
    ),
)
