"""Batches like those of MNIST and CIFAR: pickled dicts of images and labels.

As in the published dataset there are ``data_batch_1``... for training, ``test_batch`` and
``batches.meta``, each a dict that the original's loader reads, with a list of checksums and an
archive. A build writes them from its parts, an export from its records. Not here: how a pickle is
opened without running it (``safe_pickle.py``).

>>> batch_of_rows(5805, train=5, rows=1000, total=5805)[[0, 4999, 5000]].tolist()
[0, 4, 5]
>>> batch_label(0, 5), batch_label(5, 5)
('training batch 1 of 5', 'testing batch 1 of 1')
>>> [batch.name for batch in list_batches(["train", "val", "test"], 2)]
['data_batch_1', 'data_batch_2', 'val_batch', 'test_batch']
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.checksums import write_checksums
from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_names import LABEL_NAMES, TAGS_NAME, VOTES_NAME
from mingolotss.dataset.layout import (
    BatchFolder,
    DatasetFolder,
    batch_name,
    split_batch_name,
    split_of_batch,
)
from mingolotss.dataset.published import absent_files, names_of_images
from mingolotss.dataset.samples import Arrays, concatenate
from mingolotss.dataset.split_names import select
from mingolotss.dataset.stamp_shape import channel_names
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.archive import write_tar
from mingolotss.formats.base import ExportHeader, Format, check_kind
from mingolotss.formats.batch_layout import CHANNEL_NAMES, MASKS, BatchContent, BatchLayout
from mingolotss.formats.label_arrays import vectors_of_arrays
from mingolotss.formats.places import find_batches
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.formats.stored_names import true_splits
from mingolotss.image.masks import Masks
from mingolotss.io.files import largest_expansion, md5_and_sha256_file
from mingolotss.model import Ints

if TYPE_CHECKING:  # batches are read without pyarrow
    from mingolotss.dataset.records import Records

__all__ = [
    "BATCHES",
    "Batch",
    "batch_label",
    "batch_of_rows",
    "existing_batches",
    "finish_batches",
    "list_batches",
    "published_batches",
    "read_batch",
    "read_batches",
    "read_label_names",
    "write_batches",
]

_EXPORT_TRAIN = 5  # training batches of an export
_NO_LABEL = 1 << 31  # larger than any label
_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_NUMBER = 8  # bytes of a pixel of any type
_MOST_CLASSES = 10_000  # that get a name if a dataset has none


class Batch(NamedTuple):
    """One file of a dataset in batches.

    Attributes
    ----------
    name : str
        Its file name.
    label : str
        Its description, which is stored in it.
    split : str
    """

    name: str
    label: str
    split: str


def list_batches(splits: Sequence[str], train: int) -> list[Batch]:
    """List the batches of a dataset in the order in which they are listed and archived.

    Parameters
    ----------
    splits : sequence of str
        The splits of the dataset.
    train : int
        The number of batches of the training split.
    """
    # The test batch of the original is the last of all. A dataset in splits of other names, folds
    # for example, has neither training nor test batches: each split is one batch with its name.
    has_both = {"train", "test"} <= set(splits)
    numbered = [
        Batch(batch_name(index, train), batch_label(index, train), split)
        for index, split in enumerate([*["train"] * train, "test"])
    ]
    others = [
        Batch(split_batch_name(split), f"{split} batch 1 of 1", split)
        for split in splits
        if not (has_both and split in ("train", "test"))
    ]
    return [*numbered[:-1], *others, numbered[-1]] if has_both else others


def published_batches(names: Sequence[str]) -> list[Batch]:
    """Describe the batches of a published list, in its order.

    >>> published_batches(["train_batch", "test_batch"])[0].label
    'training batch 1 of 1'
    """
    training = [name for name in names if split_of_batch(name) == "train"]
    batches = []
    for name in names:
        split = split_of_batch(name)
        label = "testing batch 1 of 1" if split == "test" else f"{split} batch 1 of 1"
        if name in training:
            label = batch_label(training.index(name), len(training))
        batches.append(Batch(name, label, split))
    return batches


def batch_of_rows(n: int, *, train: int, rows: int, total: int) -> Ints:
    """Return the batch of every catalogue row; the number `train` is the test batch.

    Parameters
    ----------
    n : int
        Rows in the catalogue.
    train, rows, total : int
        `train` batches of `rows` rows each from a catalogue of `total` rows; other catalogues in
        proportion.

    Returns
    -------
    int64 array, shape (n,)
    """
    rows_per_batch = max(1, n * rows // total)
    batches: Ints = np.minimum(np.arange(n) // rows_per_batch, train)
    return batches


def batch_label(index: int, train: int) -> str:
    """Return the description of a batch that is stored in it."""
    if index == train:
        return "testing batch 1 of 1"
    return f"training batch {index + 1} of {train}"


def finish_batches(
    folder: BatchFolder,
    batches: Iterable[Path],
    classes: Sequence[str],
    archive: Path,
    layout: BatchLayout,
    *,
    side: int,
    size: int,
    channels: Sequence[str] = (),
) -> dict[Path, str]:
    """Write what belongs to the batches: the class names, the checksums and the archive.

    Parameters
    ----------
    folder : BatchFolder
    batches : iterable of Path
        The batches in `folder`, in the order in which they are listed and archived. They may be
        written while it is iterated.
    classes : sequence of str
        Name of each label.
    archive : Path
        The archive to write.
    layout : BatchLayout
    side : int, px
        Of an image.
    size : int
        The number of images in the largest batch.
    channels : sequence of str
        Their names; none for images without an axis of channels.

    Returns
    -------
    dict of Path to str
        The SHA-256 of each batch and of the class names.
    """
    layout.write_meta(folder.meta, classes, side=side, size=size, channels=channels)
    # Both libraries release the GIL: a batch is hashed while it is compressed into the archive, and
    # further ones are written.
    digests: dict[Path, Future[tuple[str, str]]] = {}
    with ThreadPoolExecutor(2) as pool:

        def files() -> Iterator[Path]:
            for path in chain(batches, [folder.meta]):
                digests[path] = pool.submit(md5_and_sha256_file, path)
                yield path
            md5 = {path.name: digest.result()[0] for path, digest in digests.items()}
            write_checksums(folder.checksums, md5)
            yield folder.checksums

        write_tar(archive, layout.members(folder, files()), compression="zlib-ng")
    return {path: digest.result()[1] for path, digest in digests.items()}


def write_batches(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write records as batches: the training split in five, each other split in one.

    A training split of fewer than five images has a batch for each of them. The published split
    gives the batches of the build again, byte for byte.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader
        Names the folder of the batches and the archive.

    Raises
    ------
    InputError
        The images are float32 without channels, or the pickles of the recipe cannot hold float32.
    """
    check_kind(records, header, is_png=False)
    if records.is_float and header.layout.pickle.protocol == 3:
        raise InputError(
            f"export {header.name} as {header.format}: its images are float32, and batches of "
            "protocol 3 are uint8; use another format, or batches.pickle.protocol = 4"
        )
    shape = records.shape
    dataset = DatasetFolder(folder)
    batches = dataset.batches(header.folder)
    paths, side, sizes = [], 0, []
    for name, label, part in _batches_of_records(records, header):
        path = batches.batch(name)
        images = part.images().astype(shape.dtype, copy=False)
        side = max(side, images.shape[-1])
        files, sources, fields = (
            part.texts(column) for column in ("image_file", "source", "field")
        )
        rows = images.reshape(len(part), math.prod(images.shape[1:]) if len(part) else 0)
        masks = part.masks()
        content = BatchContent(
            label, rows, part.labels.tolist(), files, sources, fields, shape.channels,
            None if masks is None else masks.reshape(len(part), side * side if len(part) else 0),
            part.vectors,
        )  # fmt: skip
        header.layout.write_batch(path, content)
        paths.append(path)
        sizes.append(len(part))
    finish_batches(
        batches, paths, records.classes, dataset.batch_archive(header.archive), header.layout,
        side=side, size=max(sizes), channels=shape.channels,
    )  # fmt: skip


def _batches_of_records(records: Records, header: ExportHeader) -> list[tuple[str, str, Records]]:
    """Give each batch's file name, its description and its records, the test batch last."""
    images = header.layout.published
    if images is not None and header.split_plan == "published":
        own = np.array(records.texts("batch"))
        published = published_batches(images.batch_names)
        return [(batch.name, batch.label, records.take(own == batch.name)) for batch in published]
    rows = records.split_rows()
    has_both = {"train", "test"} <= set(rows)
    training = _train_rows(records, rows["train"]) if has_both else []
    parts = iter(training)
    return [
        (name, label, records.take(next(parts) if training and split == "train" else rows[split]))
        for name, label, split in list_batches([*rows], len(training))
    ]


def _train_rows(records: Records, rows: Ints) -> list[Ints]:
    """Divide the training rows as the build did if its batches fit, else into five equal parts."""
    # The build divides catalogue rows, and rejected sources leave its batches unequal. Those
    # batches are used again only if their records are exactly the training split; after another
    # split they mean nothing.
    batches = np.array(records.texts("batch"))
    names = [name for name in set(batches.tolist()) if name and split_of_batch(name) == "train"]
    if np.array_equal(np.flatnonzero(np.isin(batches, names)), rows):
        by_number = sorted(names, key=lambda name: (len(name), name))
        return [np.flatnonzero(batches == name) for name in by_number]
    return np.array_split(rows, min(_EXPORT_TRAIN, len(rows)))


def read_batches(path: Path, split: str = "all") -> Arrays:
    """Read the batches of one split, in the order of their numbers.

    Parameters
    ----------
    path : Path
        Folder with ``data_batch_1``... or ``train_batch``, ``test_batch``, and ``batches.meta``.
        Without the latter, the classes are called by their labels.
    split : str
        As for ``load``; a batch called ``NAME_batch`` is the split NAME.

    Raises
    ------
    DatasetError
        A batch is absent or is not what a batch is, or its parts disagree.
    InputError
        There is no such split.
    """
    folder = BatchFolder(path)
    files = existing_batches(folder)
    splits = true_splits(path.parent, [split_of_batch(file.name) for file in files])
    in_split = select(splits, split, str(path))
    if not in_split.any():
        raise DatasetError(f"read {path}: no batch of {split!r}; fetch or build it again")
    classes = read_label_names(path) or _numbered_classes(files)
    selected = compress(zip(files, splits, strict=True), in_split)
    samples = [_read_samples(file, name, classes) for file, name in selected]
    # An empty list of images does not say how large they are.
    return concatenate([one for one in samples if len(one)] or samples[:1])


def read_batch(path: Path) -> Arrays:
    """Read one batch by its path, with the class names of its folder.

    Raises
    ------
    DatasetError
        It is no batch, or its parts disagree.
    """
    classes = read_label_names(path.parent) or _numbered_classes([path])
    return _read_samples(path, split_of_batch(path.name), classes)


def existing_batches(folder: BatchFolder) -> list[Path]:
    """List the batches: training by number, others by name, the test batch last.

    Numbers leave no gap, and a dataset with numbers has a test batch. The other batches are each a
    split of their own. A published dataset has all of its files.

    Raises
    ------
    DatasetError
        One of them is absent.
    """
    numbered, others = folder.training_files(), folder.split_files()
    test = [folder.test] if folder.test.is_file() else []
    if not _has_record(folder):
        meta = [folder.meta] if folder.meta.is_file() else []
        _refuse_absent(folder, absent_files([*meta, *numbered, *others, *test]))
    if not numbered and not others:
        _refuse_absent(folder, ["data_batch_1 (or train_batch)"])
    expected = [folder.training(index) for index in range(len(numbered))]
    if numbered:
        test = [folder.test]
    _refuse_absent(folder, [path.name for path in (*expected, *test) if not path.is_file()])
    return [*expected, *others, *test]


def _refuse_absent(folder: BatchFolder, names: Sequence[str]) -> None:
    if names:
        verb = "is" if len(names) == 1 else "are"
        raise DatasetError(
            f"read {folder.path}: {', '.join(names)} {verb} missing; fetch or build the dataset "
            "again (download=True or url= of a dataset class fetches it)"
        )


def _has_record(folder: BatchFolder) -> bool:
    """Return whether a build or an export wrote the batches: it leaves checksums, or its recipe."""
    return folder.checksums.is_file() or DatasetFolder(folder.path.parent).recipe.is_file()


def read_label_names(path: Path) -> tuple[str, ...]:
    """Read the name of each label from a folder of batches; none if it has no such file.

    Raises
    ------
    DatasetError
        The file is damaged, or holds no names.
    """
    meta = BatchFolder(path).meta
    if not meta.is_file():
        return ()
    content = load_pickle(meta)
    names = content.get("label_names") if isinstance(content, dict) else None
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"read {meta}: no list of label_names in it; fetch or build it again")
    return tuple(map(_text, names))


def _numbered_classes(files: Iterable[Path]) -> tuple[str, ...]:
    """Return a name for each label in batches without names of the classes: its number.

    All batches are read, so that each split has the same classes.
    """
    largest = -1
    for path in files:
        batch = _read_dict(path)
        labels = _read_labels(path, batch, len(_read_images(path, batch)))
        largest = max(largest, int(labels.max(initial=-1)))
    return tuple(map(str, range(min(largest, _MOST_CLASSES) + 1)))


def _read_samples(path: Path, split: str, classes: tuple[str, ...]) -> Arrays:
    batch = _read_dict(path)
    images = _read_images(path, batch)
    channels = _read_channels(path, batch)
    labels = _read_labels(path, batch, len(images))
    filenames = _read_texts(batch.get("filenames"), len(images))
    sources = _read_texts(batch.get("src_ids"), len(images)) or names_of_images(filenames, classes)
    splits = (split,) * len(images)
    return Arrays(
        images, labels, classes, sources, filenames, splits, channels=channels,
        masks=_read_masks(path, batch, images),
        vectors=_read_vectors(path, batch, len(images), len(classes)),
    )  # fmt: skip


def _read_masks(path: Path, batch: Mapping[Any, Any], images: ImageArray) -> Masks | None:
    """Return the masks of a batch, shape (n, side, side); None if it has none."""
    if MASKS not in batch:
        return None
    data, side = batch[MASKS], images.shape[-1]
    count = len(images) * side * side
    if isinstance(data, list) and len(data) == len(images):
        # With one row for each image, the array is as large as that of the images, whose size was
        # compared with that of the file.
        is_plain = all(_is_row(row) and np.size(row) == side * side for row in data)
        data = np.asarray(data, np.uint8 if not data else None) if is_plain else None
    if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.size == count:
        masks: Masks = data.reshape(len(images), side, side)
        return masks
    raise DatasetError(
        f"read {path}: 'masks' should be uint8 with {side * side} pixels for each image; fetch or "
        "build it again"
    )


def _read_dict(path: Path) -> dict[Any, Any]:
    """Read a batch, which is a dict with images."""
    batch = load_pickle(path)
    if not isinstance(batch, dict) or "data" not in batch:
        raise DatasetError(f"read {path}: no dict with 'data' in it; fetch or build it again")
    return batch


def _read_labels(path: Path, batch: Mapping[Any, Any], count: int) -> Ints:
    """Return the labels of the `count` images of a batch, -1 for all of them if it has none."""
    stored = batch.get("labels", batch.get("fine_labels"))
    if stored is None:
        return np.full(count, -1)
    labels = _integers(stored)
    if labels.shape != (count,) or (labels.size and labels.dtype.kind not in "iu"):
        raise DatasetError(
            f"read {path}: {count} images and labels of shape {labels.shape}, "
            f"type {labels.dtype}; fetch or build it again"
        )
    return labels.astype(np.int64)


def _read_vectors(
    path: Path, batch: Mapping[Any, Any], count: int, n_classes: int
) -> LabelVectors | None:
    """Return the tags or votes of the `count` images of a batch."""
    arrays = {name: _numbers(batch[name], name) for name in LABEL_NAMES if name in batch}
    try:
        if arrays and not count:  # an empty list does not say how many classes there are
            arrays = {
                name: arrays[name].reshape(0, n_classes)
                for name in (TAGS_NAME, VOTES_NAME)
                if name in arrays
            }
        return vectors_of_arrays(arrays, count, n_classes)
    except ValueError as error:
        raise DatasetError(f"read {path}: {error}; fetch or build it again") from error


def _numbers(values: object, name: str) -> npt.NDArray[np.generic]:
    """Return an array, or a list of numbers or of lists of numbers as one; empty if it is none."""
    if isinstance(values, np.ndarray):
        return values
    rows = values if isinstance(values, list) else [()]
    if not all(isinstance(row, list) for row in rows):
        rows = [rows]
    # numpy would look into lists of lists, which may hold each other any number of times.
    is_flat = len({*map(len, rows)}) <= 1
    is_flat = is_flat and all(isinstance(one, int | float) for row in rows for one in row)
    is_tags = name == TAGS_NAME
    if not is_flat or (is_tags and any(abs(one) > 1 for row in rows for one in row)):
        return np.empty(0)
    return np.array(values, np.int8 if is_tags else np.float64)


def _integers(labels: object) -> npt.NDArray[np.generic]:
    """Return an array, or a list of numbers as one; an empty array if it is none of these."""
    if isinstance(labels, (list, tuple)):
        # numpy would look into lists of lists, which may hold each other any number of times
        is_flat = all(isinstance(label, (int, np.integer)) for label in labels)
        is_small = is_flat and all(abs(int(label)) < _NO_LABEL for label in labels)
        return np.array([int(label) for label in labels] if is_small else [], np.int64)
    return labels if isinstance(labels, np.ndarray) else np.empty(0, np.int64)


def _is_row(row: object) -> bool:
    """Return whether `row` is an array, or a list of numbers and no lists."""
    if isinstance(row, (list, tuple)):
        return all(isinstance(value, (int, np.integer)) for value in row)
    return isinstance(row, np.ndarray) and row.dtype != object


def _read_channels(path: Path, batch: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the names of the channels of a batch; none if its images have no such axis."""
    if CHANNEL_NAMES not in batch:
        return ()
    names = batch[CHANNEL_NAMES]
    try:
        return channel_names(_read_texts(names, len(names) if isinstance(names, list) else -1))
    except ValueError as error:
        raise DatasetError(f"read {path}: {error}; fetch or build it again") from error


def _read_images(path: Path, batch: Mapping[Any, Any]) -> ImageArray:
    """Return the images of a batch as shape (n, side, side), or (n, channels, side, side).

    They are stored as rows of all their pixels or as squares, in one array or in a list.
    """
    data, names = batch["data"], batch.get("filenames")
    channels = len(_read_channels(path, batch))
    axes = (channels,) if channels else ()
    if isinstance(data, list) and not data and isinstance(names, list) and not names:
        return np.empty((0, *axes, 1, 1), np.uint8)  # a batch of which no image was written
    # numpy refuses rows of unequal length with an error that names no file, so the shapes in a list
    # are compared first. A row that is no list of numbers counts as one of another shape.
    listed = data if isinstance(data, list) else ()
    shapes = {np.shape(row) if _is_row(row) else () for row in listed} or {()}
    is_stack = isinstance(data, np.ndarray) or (len(shapes) == 1 and shapes != {()})
    stacked = len(listed) * max(map(math.prod, shapes)) * _LARGEST_NUMBER
    if is_stack and stacked > largest_expansion(path.stat().st_size):
        raise DatasetError(
            f"read {path}: {len(listed):,} images in it, the same ones again and again, like a "
            "bomb; fetch it again from a source you trust"
        )
    rows: ImageArray = np.asarray(data) if is_stack else np.empty(0, np.uint8)
    side = _side_of_planes(rows.shape[1:], channels) if channels else _side_of(rows.shape[1:])
    is_float = bool(channels) and rows.dtype == np.float32
    if (rows.dtype != np.uint8 and not is_float) or not side:
        kind = f"{rows.dtype} of shape {rows.shape}" if rows.ndim > 1 else f"rows of {shapes}"
        square = f"{channels} square planes" if channels else "one square image"
        raise DatasetError(
            f"read {path}: 'data' should be uint8, {square} a row, and is {kind:.80}; "
            "fetch or build it again"
        )
    return rows.reshape(-1, *axes, side, side)


def _side_of_planes(shape: tuple[int, ...], channels: int) -> int:
    """Return the side of a square image of several planes that is stored in this shape, 0 if none.

    >>> [_side_of_planes(shape, 3) for shape in [(67500,), (3, 150, 150), (3, 22500)]]
    [150, 150, 0]
    >>> [_side_of_planes(shape, 3) for shape in [(), (22500,), (150, 150, 3), (3, 0, 0)]]
    [0, 0, 0, 0]
    """
    side = math.isqrt(math.prod(shape) // channels)
    is_stored = shape in ((channels * side * side,), (channels, side, side))
    return side if is_stored else 0


def _side_of(shape: tuple[int, ...]) -> int:
    """Return the side of a square image of one channel that is stored in this shape, 0 if none.

    >>> [_side_of(shape) for shape in [(22500,), (150, 150), (1, 150, 150), (150, 150, 1)]]
    [150, 150, 150, 150]
    >>> [_side_of(shape) for shape in [(), (7500,), (3, 50, 50), (150, 100), (1, 0)]]
    [0, 0, 0, 0, 0]
    """
    sizes = [size for size in shape if size != 1]
    if len(sizes) == 1:
        side = math.isqrt(sizes[0])
        return side if side * side == sizes[0] else 0
    return sizes[0] if len(sizes) == 2 and sizes[0] == sizes[1] else 0


def _read_texts(values: object, count: int) -> tuple[str, ...]:
    """Return the names of `count` images, or none if `values` are not such names."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, (list, tuple)) or len(values) != count:
        return ()
    if not all(isinstance(value, (str, bytes)) for value in values):
        return ()
    return tuple(map(_text, values))


def _text(value: str | bytes) -> str:
    """Return a plain string that every other program can store: no half of a surrogate pair."""
    text = value.decode("latin1") if isinstance(value, bytes) else str(value)
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


BATCHES = Format(
    write_batches,
    find_batches,
    read_batches,
    ('mingolotss.MingoLoTSS("FOLDER")  # or the original class, with its md5 table',),
    ('mingolotss.MingoLoTSS("FOLDER")',),
)
