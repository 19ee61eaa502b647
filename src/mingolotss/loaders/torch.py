"""``MingoLoTSS`` and ``MLFR``: dataset classes for PyTorch, and the class that all of them share.

Code written for the original classes, or for torchvision's datasets, runs unchanged; torchvision
itself is not needed. What is not here: the classes of other published datasets (``mirabest.py``,
``frdeep.py``), reading files (``arrays.py``), downloading them (``download.py``).

>>> import tempfile
>>> MingoLoTSS(tempfile.mkdtemp())
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: load a dataset from ...
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mingolotss.dataset.image_stack import gather
from mingolotss.dataset.label_targets import Target, default_target
from mingolotss.dataset.label_words import label_facts
from mingolotss.dataset.sample_summary import image_kind
from mingolotss.dataset.split_names import check_split
from mingolotss.errors import InputError, MingoError, clean_text
from mingolotss.io.optional import optional_class
from mingolotss.io.summaries import Summary
from mingolotss.loaders.arrays import merge_samples, open_samples
from mingolotss.loaders.augmentation import Turns
from mingolotss.loaders.device import BatchOptions, DeviceBatches
from mingolotss.loaders.published_class import Groups, PublishedClass
from mingolotss.loaders.recognition import binary_of_dataset
from mingolotss.loaders.reused_memory import ReusedMemory
from mingolotss.loaders.sample_names import SampleNames
from mingolotss.loaders.torch_items import TorchItems
from mingolotss.loaders.transforms import (
    JointTransform,
    Transform,
    check_masks,
    check_transforms,
)

if TYPE_CHECKING:
    import torch
    from torch.utils.data import Dataset
else:
    Dataset = optional_class("torch.utils.data", "Dataset", extra="torch")

__all__ = ["MLFR", "BinaryDataset", "MingoLoTSS", "StampDataset"]


class StampDataset(PublishedClass, TorchItems, Dataset):  # torch's base class is untyped here
    """The class that all datasets for PyTorch share: radio galaxies with their labels.

    Attributes
    ----------
    data : uint8 array, shape (n, ny, nx, 1) or (n, ny, nx, channels)
    target : {"index", "multi-hot", "soft"}
        What the targets are.
    targets : list of int, or float32 tensor, shape (n, number of classes)
        The number of the class of each image; or its tags or fractions of votes.
    classes : list of str
    class_to_idx : dict of str to int
    channels : list of str
        The name of each channel; empty for a dataset without channels.
    sources, filenames, splits : list of str
        Name of each image's source, of its file and of its split.
    table : pyarrow.Table
        The metadata of each image.

    Raises
    ------
    DatasetError
        `root` holds no dataset, or a damaged one.
    InputError
        The dataset has no such split or class, or no image in it; the message lists the splits.

    Notes
    -----
    A slice, ``dataset[:100]``, and `take` give a dataset of some of the samples. Images in files
    stay there: a pickled dataset names the files, and a worker process that is started by spawn or
    forkserver maps them itself.
    """

    def __init__(
        self,
        root: str | Path,
        train: bool | str = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        *,
        split: str | None = None,
        tensors: bool | torch.dtype = False,
        merge: Groups | None = None,
        channels: str | Sequence[str] | None = None,
        masks: bool = False,
        transforms: JointTransform | None = None,
        target: Target | None = None,
        return_metadata: bool = False,
        published_names: bool | None = None,
        url: str | Path | None = None,
        sha256: str = "",
    ) -> None:
        """Open the samples of one split.

        Parameters
        ----------
        root : path
            A folder that ``mingolotss build`` or ``export`` wrote, a folder of batches or one that
            contains it, or where to download to.
        train : bool or str
            The training set, or else the test set; or the name of a split, like `split`.
        transform : callable, optional
            Applied to each image: a PIL image of mode L, or RGB for three channels; or a tensor if
            `tensors` is set. Channels that no mode of PIL holds, float32 or of another number than
            one or three, are an array of shape (ny, nx, channels), as ToTensor takes it.
        target_transform : callable, optional
            Applied to each target: a label, an int, or a tensor.
        download : bool
            Fetch the published dataset, or `url`, unless `root` holds it already.
        split : str, optional
            A split by name ("val", "all", "train+val", "not fold-3"), in the place of `train`.
        tensors : bool or torch.dtype
            Give tensors of shape (channels, ny, nx), one for a dataset without channels, and skip
            PIL. True is float32 from 0 to 1, as
            torchvision's ToTensor gives; ``torch.uint8`` is the pixels as they are. Images that are
            float32 themselves, in Jy/beam, stay in Jy/beam, and their PIL mode is F.
        merge : mapping of str to sequence of str or int, optional
            New classes made of old ones, by name or by label; the rest is left out.
        channels : str or sequence of str, optional
            Only these channels of a dataset with channels, in this order.
        masks : bool
            Give (image, mask, label): which pixels are the source's own. A mask is a PIL image of
            mode L, or a uint8 tensor of shape (ny, nx) if `tensors` is set, with the values 0
            (background), 1 (this source) and 2 (another source).
        transforms : callable, optional
            With `masks`: applied to each image and its mask together, ``transforms(image, mask)``,
            and returns both; `transform` follows. If torchvision is installed, the mask is a
            ``torchvision.tv_tensors.Mask``, which the transforms of torchvision, version 2, turn,
            flip and crop like the image, and never blur.
        target : {"index", "multi-hot", "soft"}, optional
            The number of the class, an int; or a float32 tensor of a value for each class: 0 or 1
            for ``BCEWithLogitsLoss``, or fractions for ``CrossEntropyLoss``. By default "index" for
            single classes, "multi-hot" for tags and "soft" for votes. Single classes can be had as
            each of these, and votes as "index". An unlabelled image has -1, or NaN for "soft".
        return_metadata : bool
            Give a last value with each image: its row of `table` as a dict, in which a missing
            number is NaN, a missing integer -1 and a missing text "", so that a DataLoader can
            collate it.
        published_names : bool, optional
            Use the names of the classes in the published batches. Those of classes 1 and 2 of
            MingoLoTSS are interchanged there, and are corrected by default; classes for other
            published datasets use the names of the batches by default.
        url : str or path, optional
            An archive that ``mingolotss export --archive`` wrote, or that was published: an
            address, with its `sha256`, or a path. Fetched, checked and unpacked into `root` unless
            that holds the dataset already.
        sha256 : str
            Of the archive, hexadecimal.
        """
        import torch

        self.split = _split_name(root, train, split)
        self.train = self.split == "train"
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = transforms
        self.return_metadata = return_metadata
        self._gives_masks = masks
        check_transforms(transforms, f"open {root}", masks=masks)
        if tensors not in (False, True, torch.float32, torch.uint8):
            raise InputError(f"open {root}: tensors={tensors}; give torch.float32 or torch.uint8")
        self._gives_tensors = tensors is not False
        self._scale = tensors in (True, torch.float32)
        if download or url is not None:
            self.root = str(Path(root).expanduser())
            self.download(url, sha256)
        if published_names is None:
            published_names = self._published_names
        place = self._place(root)
        samples = open_samples(
            place, self.split, channels=channels, target=target, published_names=published_names
        )
        self._check_dataset(place, samples.classes)
        self.root = str(Path(root).expanduser())
        groups = merge if merge is not None else self._groups(place, samples.classes)
        if groups is not None:
            samples = merge_samples(samples, groups, f"open {root}")
        if tensors is torch.uint8 and samples.images.dtype != np.uint8:
            raise InputError(f"open {root}: its images are float32; give tensors=torch.float32")
        check_masks(f"open {root}", masks=masks, has_masks=samples.masks is not None)
        self._images = samples.images
        self._masks = samples.masks
        self.channels = list(samples.channels)
        self.classes = list(samples.classes)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.target = samples.target or default_target(samples.vectors)
        self.targets = (
            samples.labels.tolist() if self.target == "index" else torch.from_numpy(samples.targets)
        )
        self._opened = SampleNames(
            samples, self.split, merge=groups, published_names=published_names
        )
        self._rows = np.arange(len(samples), dtype=np.int32)
        self._metadata = None
        self._reused = ReusedMemory()

    def __getstate__(self) -> dict[str, Any]:
        # Another process reads the metadata when it needs them: a pickle has to stay small, see
        # `SampleNames`.
        return vars(self) | {"_metadata": None}

    def to(
        self,
        device: str | torch.device,
        *,
        batch_size: int = 64,
        shuffle: bool = True,
        drop_last: bool = False,
        turns: Turns = "none",
        mirror: bool = False,
        shift: float = 0.0,
        seed: int = 0,
    ) -> DeviceBatches:
        """Copy all images and targets to a device, and return their batches, made there.

        Parameters
        ----------
        device : str or torch.device
            "cuda", "cpu", ...
        batch_size : int
            Images of a batch.
        shuffle : bool
            Draw a new order for each epoch.
        drop_last : bool
            Leave out a last batch that is smaller than the others.
        turns : {"none", "quarter", "any"}
            Turn each image about its centre, by a multiple of 90 degrees or by any angle.
        mirror : bool
            Mirror every second image, on average.
        shift : float, px
            Shift each image by up to this many pixels along either axis.
        seed : int
            Of the order and of the changes of the images.

        Returns
        -------
        DeviceBatches
            An iterable of (images, targets), or (images, masks, targets) with ``masks=True``: the
            images are float32, from 0 to 1, as ``tensors=True`` gives them.

        Raises
        ------
        InputError
            The dataset has transforms or metadata for each item, which are no tensors; or a value
            is out of range.
        """
        import torch

        options = BatchOptions(batch_size, shuffle, drop_last, turns, mirror, shift, seed)
        if self._is_transformed() or self.return_metadata:
            raise InputError(
                f"copy {type(self).__name__} to {device}: it has transforms or metadata for each "
                "item; open it without them, and give turns=, mirror= or shift= here"
            )
        images = torch.from_numpy(gather(self._images, range(len(self))))
        images = images if self.channels else images.unsqueeze(1)
        masks = None
        if self._gives_masks:
            masks = torch.from_numpy(self._mask_rows(range(len(self)))).to(device)
        targets = torch.as_tensor(self._targets_of(range(len(self))))
        return DeviceBatches(images.to(device), targets.to(device), masks, options)

    def __repr__(self) -> str:
        # The first and the last lines are those of torchvision's datasets.
        lines = [
            f"Dataset {type(self).__name__}",
            f"    Number of datapoints: {len(self)}",
            f"    Split: {self.split}",
            f"    Root Location: {clean_text(self.root)}",
            f"    Items: {self._item_kind()}",
            *([f"    Channels: {clean_text(', '.join(self.channels))}"] if self.channels else []),
            *_class_lines(self.counts(), "Tags" if self.target == "multi-hot" else "Classes"),
            f"    Transforms (if any): {_indented(self.transform)}",
            f"    Target Transforms (if any): {_indented(self.target_transform)}",
        ]
        if self.transforms is not None:
            lines.insert(-2, f"    Transforms of image and mask: {_indented(self.transforms)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str | None:
        try:
            samples = self._samples()
            stamps = samples.pictures()
        except MingoError:  # `data` and `targets` do not belong together: the text says what it can
            return None
        facts = {"split": self.split, "root": self.root, "items": self._item_kind()}
        if self.channels:
            facts["channels"] = ", ".join(self.channels)
        for name in ("transforms", "transform", "target_transform"):
            if (transform := getattr(self, name)) is not None:
                facts[name] = " ".join(repr(transform).split())
        facts |= label_facts(samples.labels, samples.classes, samples.vectors)
        title = f"{type(self).__name__}: {image_kind(self._images)}"
        return Summary(title, facts, samples.label_table(), stamps).html()


def _split_name(root: object, train: object, split: object) -> str:
    """Return the split that the arguments `train` and `split` of a dataset class name."""
    if split is not None:
        name = check_split(split, f"open {root}")
        if isinstance(train, str) and train != name:
            raise InputError(f"open {root}: train={train!r} and split={name!r}; give one of them")
        return name
    if isinstance(train, str):
        return check_split(train, f"open {root}")
    if isinstance(train, bool | int | np.bool_) and train in (0, 1):
        return "train" if train else "test"
    raise InputError(
        f"open {root}: train={train!r:.80}; give True for the training set, False for the test "
        "set, or the name of a split"
    )


def _class_lines(counts: Mapping[str, int], title: str) -> list[str]:
    """Return the number of images of each class or tag in lines that break between them."""
    items = [f"{clean_text(name)} {count:,}" for name, count in counts.items()] or ["none"]
    text = f"{title}: " + ", ".join(item.replace(" ", "\N{NO-BREAK SPACE}") for item in items)
    lines = textwrap.wrap(
        text, 92, initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _indented(transform: Callable[..., object] | None) -> str:
    return repr(transform).replace("\n", "\n" + " " * 8)


class MingoLoTSS(StampDataset, recipe="mingolotss"):
    """Radio galaxies of Mingo et al. 2019 (MNRAS 488, 2701), or any dataset made by mingolotss.

    It opens the published batches of other datasets, too.

    Examples
    --------
    Images and labels for a loop over batches; ``transform`` and ``train`` are those of torchvision:

    >>> import mingolotss
    >>> from torch.utils.data import DataLoader
    >>> train = mingolotss.MingoLoTSS("demo", train=True, tensors=True)
    >>> images, labels = next(iter(DataLoader(train, batch_size=16)))
    >>> images.shape, labels.shape
    (torch.Size([16, 1, 150, 150]), torch.Size([16]))
    """


class BinaryDataset(StampDataset):
    """FRI (0) against FRII (1), as the recipe of the dataset names them; all others are left out.

    A dataset with these two classes alone is taken as it is. Of a dataset of tags all images stay:
    each is one of the two, both or neither.
    """

    def _groups(self, place: str | Path, classes: tuple[str, ...]) -> Groups | None:
        action = f"open {place} with {type(self).__name__}"
        return binary_of_dataset(Path(place).expanduser(), classes, action)


class MLFR(BinaryDataset, MingoLoTSS):
    """FRI (0) against FRII (1): classes 0, 1, 2 and class 4 of MingoLoTSS; all others are left out.

    Of other datasets, the classes that their recipe names in ``binary``. An export with these two
    classes alone is taken as it is.

    Examples
    --------
    >>> import mingolotss
    >>> train = mingolotss.MLFR("demo", train=True)
    >>> train.classes, train.counts()
    (['FRI', 'FRII'], {'FRI': 23, 'FRII': 7})
    """
