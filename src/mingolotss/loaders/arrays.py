"""``load()``: a dataset on disk as plain numpy arrays, whatever it was written as.

>>> load("no/such/place")
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: load a dataset from no/such/place: there is nothing there; ...
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mingolotss.dataset.image_stack import ImageArray, ImagePiece, ImageStack
from mingolotss.dataset.label_targets import Target, check_target
from mingolotss.dataset.layout import BatchFolder
from mingolotss.dataset.published import choose_names
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import check_split, in_order
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.batches import BATCHES, existing_batches
from mingolotss.formats.finding import datasets_at, find_datasets
from mingolotss.io.file_kinds import kind_of_file

__all__ = [
    "Arrays",
    "holds_dataset",
    "is_whole",
    "load",
    "merge_samples",
    "open_arrays",
    "open_samples",
]


def load(
    root: str | Path,
    split: str = "all",
    *,
    merge: Mapping[str, Sequence[str | int]] | None = None,
    channels: str | Sequence[str] | None = None,
    target: Target | None = None,
    published_names: bool = False,
) -> Arrays:
    """Load the images and labels of one split.

    Parameters
    ----------
    root : path
        A folder that ``mingolotss build`` or ``export`` wrote, in any format; a folder of batches,
        for example of MiraBest or FR-DEEP, or one that contains it; or one Parquet file.
    split : str
        "train", "test", "all", another split that the dataset has, several ("train+val"), or all
        but some ("not fold-3").
    merge : mapping of str to sequence of str or int, optional
        New classes made of old ones, by name or by label; the rest is left out.
    channels : str or sequence of str, optional
        Only these channels of a dataset with channels, in this order.
    target : {"index", "multi-hot", "soft"}, optional
        What ``targets`` of the result are: the number of the class, 0 or 1 for each class, or a
        fraction for each class. By default "index" for single classes, "multi-hot" for tags, and
        "soft" for votes. Single classes can be had as each of these, and votes as "index".
    published_names : bool
        Use the names of the classes in the published batches. Those of classes 1 and 2 of
        MingoLoTSS are interchanged there.

    Returns
    -------
    Arrays
        ``images`` (uint8, shape (n, ny, nx), or (n, channels, ny, nx) of a dataset with channels),
        ``labels`` (int64, shape (n,)), ``targets``, ``classes``, ``channels``, ``masks`` (uint8,
        shape (n, ny, nx), or None for a dataset without masks)...

    Raises
    ------
    DatasetError
        There is no dataset, or it is damaged.
    InputError
        The dataset has no such split, class or channel, or no image in it, or its labels are of
        another kind than `target`.

    Examples
    --------
    >>> import mingolotss
    >>> train = mingolotss.load("demo", "train")
    >>> train.images.shape, train.images.dtype
    ((100, 150, 150), dtype('uint8'))
    >>> two = mingolotss.load("demo", merge={"FRI": [0, 1, 2], "FRII": ["FRII"]})
    >>> two.classes, two.counts()
    (('FRI', 'FRII'), {'FRI': 25, 'FRII': 8})
    """
    samples = open_samples(
        root, split, merge=merge, channels=channels, target=target, published_names=published_names
    )
    masks = None if samples.masks is None else np.asarray(samples.masks)
    return replace(samples, images=np.asarray(samples.images), masks=masks)


def open_samples(
    root: str | Path,
    split: str,
    *,
    merge: Mapping[str, Sequence[str | int]] | None = None,
    channels: str | Sequence[str] | None = None,
    target: Target | None = None,
    published_names: bool = False,
) -> Arrays:
    """Load as ``load`` does, but leave the images in their files where the format allows it.

    The images and the masks are each an `ImageStack`. Its pickle names the files instead of the
    pixels, so that a worker process opens them itself.
    """
    if not isinstance(root, str | os.PathLike):
        raise InputError(f"open {root!r:.80}: give the path of a dataset, a text or a Path")
    place = Path(root).expanduser()
    split = check_split(split, f"open {root}")
    samples = open_arrays(place, split, published_names=published_names)
    if not len(samples):
        raise InputError(f"open {root}: no image in its split {split!r}; {_counts(place)}")
    # A worker process may have another working directory.
    origin = _DatasetOrigin(place.absolute(), split, _digest(samples))
    masks = samples.masks
    samples = replace(
        samples,
        images=_as_stack(samples.images).with_origin(origin),
        masks=None if masks is None else _as_stack(masks).with_origin(_MaskOrigin(origin)),
        root=origin.place,
        target=None if target is None else check_target(target, samples.vectors, f"open {root}"),
    )
    if channels is not None:
        samples = samples.select_channels(channels, f"open {root}")
    return samples if merge is None else merge_samples(samples, merge, f"open {root}")


def merge_samples(
    samples: Arrays, groups: Mapping[str, Sequence[str | int]], action: str
) -> Arrays:
    """Merge classes as `Arrays.merge` does, and refuse groups without any image."""
    merged = samples.merge(groups)
    if not len(merged):
        raise InputError(
            f"{action}: no image is of the classes in merge={dict(groups)!r:.200}; there are "
            f"{_list_counts(samples.counts())}"
        )
    return merged


def open_arrays(root: str | Path, split: str = "all", *, published_names: bool = False) -> Arrays:
    """Read a dataset as its format does: it may have no images, and they may be in their files."""
    arrays = _read(Path(root).expanduser(), split)
    return replace(arrays, classes=choose_names(arrays.classes, published=published_names))


@dataclass(frozen=True, slots=True)
class _DatasetOrigin:
    """The split of a dataset that a worker process opens.

    `digest` is that of the names and labels, by which a dataset that was replaced is noticed.
    """

    place: Path
    split: str
    digest: str

    def open(self) -> Sequence[ImagePiece]:
        """Open the pieces of the split.

        Raises
        ------
        DatasetError
            There is no dataset there, or not the same one.
        """
        return _as_stack(self.read().images).pieces

    def read(self) -> Arrays:
        """Read the samples of the split; the errors are those of `open`."""
        samples = open_arrays(self.place, self.split)
        if _digest(samples) != self.digest:
            raise DatasetError(
                f"open {self.place} in another process: its samples have changed since it was "
                "opened; open it again"
            )
        return samples


@dataclass(frozen=True, slots=True)
class _MaskOrigin:
    """The masks of the samples that a worker process opens."""

    dataset: _DatasetOrigin

    def open(self) -> Sequence[ImagePiece]:
        """Open the masks of the split; the errors are those of `_DatasetOrigin.open`."""
        masks = self.dataset.read().masks
        return [] if masks is None else _as_stack(masks).pieces


def _as_stack(images: ImageArray | ImageStack) -> ImageStack:
    return images if isinstance(images, ImageStack) else ImageStack([np.asarray(images)])


def _digest(samples: Arrays) -> str:
    """Return a checksum of the names and labels of samples."""
    digest = hashlib.sha256(samples.labels.tobytes())
    if samples.vectors is not None:
        digest.update(np.ascontiguousarray(samples.vectors.values).data)
    shapes = [str(samples.images.shape), *([] if samples.masks is None else ["masks"])]
    for texts in (samples.sources, samples.filenames, shapes):
        digest.update("\0".join(texts).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _counts(place: Path) -> str:
    """Return how many images each split has, for an error message."""
    splits = open_arrays(place).splits
    counts = {split: splits.count(split) for split in in_order(set(splits))}
    return f"it has {_list_counts(counts)}"


def _list_counts(counts: Mapping[str, int]) -> str:
    filled = [f"{count:,} in {name}" for name, count in counts.items() if count]
    return ", ".join(filled) or "none at all"


def holds_dataset(root: Path) -> bool:
    """Return whether `root` is a dataset, or has one under the names that mingolotss uses."""
    return next(datasets_at(root), None) is not None


def is_whole(place: Path) -> bool:
    """Return whether no batch is absent from a dataset; true of one that is not read from batches.

    Raises
    ------
    DatasetError
        Several datasets are in folders of `place`.
    """
    for dataset_format, path in find_datasets(place):
        if dataset_format is not BATCHES:
            return True
        try:
            existing_batches(BatchFolder(path))
        except DatasetError:
            return False
        return True
    return False


def _read(place: Path, split: str) -> Arrays:
    """Read the first dataset that is found; formats that need no decoding come first."""
    for dataset_format, path in find_datasets(place):
        return dataset_format.read(path, split)
    if place.is_dir():
        raise DatasetError(
            f"load a dataset from {place}: no known format; give a folder that mingolotss build or "
            "export wrote, or a folder of batches, or download=True to a dataset class"
        )
    if not place.exists():
        raise DatasetError(
            f"load a dataset from {place}: there is nothing there; give a folder that mingolotss "
            "build or export wrote, or download=True to a dataset class"
        )
    raise DatasetError(f"load a dataset from {place}: {_advice(place)}")


def _advice(path: Path) -> str:
    """Say what a file is that is no dataset, and what to do with it."""
    kind = kind_of_file(path)
    if kind.is_tar:
        return (
            f"{kind}; extract it and give the folder, or open it with "
            f"mingolotss.MingoLoTSS(FOLDER, url={str(path)!r}), which extracts it safely"
        )
    if kind.is_pickle:
        return f"{kind}, perhaps one batch; give the folder that contains it"
    return f"{kind}; give a folder that mingolotss build or export wrote, or a folder of batches"
