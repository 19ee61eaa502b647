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

import copy
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, SupportsIndex

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.image_stack import ImageArray, ImageStack, gather, take_images, unit_range
from mingolotss.dataset.indexing import sample_index, select_texts
from mingolotss.dataset.label_targets import Target, default_target, positive_weights
from mingolotss.dataset.label_words import label_facts
from mingolotss.dataset.layout import BatchFolder, split_of_batch
from mingolotss.dataset.published import (
    archive_name,
    base_folder,
    namings,
    published_archive,
    published_files,
    published_names,
    published_recipe,
)
from mingolotss.dataset.sample_summary import image_kind
from mingolotss.dataset.sample_table import without_nulls
from mingolotss.dataset.samples import Arrays, class_counts, class_weights
from mingolotss.dataset.split_names import check_split
from mingolotss.errors import DatasetError, InputError, MingoError, clean_text
from mingolotss.image.masks import Masks
from mingolotss.io.optional import optional_class
from mingolotss.io.summaries import Summary
from mingolotss.loaders.arrays import merge_samples, open_samples
from mingolotss.loaders.collate import batch_rows
from mingolotss.loaders.device import BatchOptions, DeviceBatches, Turns
from mingolotss.loaders.recognition import Expected, binary_of_dataset
from mingolotss.loaders.sample_names import SampleNames
from mingolotss.loaders.selected_rows import RowArray, matching_rows
from mingolotss.loaders.transforms import (
    JointTransform,
    Transform,
    TransformedSamples,
    check_masks,
    check_transforms,
)
from mingolotss.model import Ints

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from torch.utils.data import Dataset
else:
    Dataset = optional_class("torch.utils.data", "Dataset", extra="torch")

__all__ = ["MLFR", "BinaryDataset", "MingoLoTSS", "StampDataset"]

Groups = Mapping[str, Sequence[str | int]]


class StampDataset(TransformedSamples, Dataset):  # torch's base class is untyped here
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

    # Attributes of the original classes; `__init_subclass__` takes their values from the recipe.
    base_folder: ClassVar[str]
    url: ClassVar[str]
    filename: ClassVar[str]
    tgz_md5: ClassVar[str]
    train_list: ClassVar[list[list[str]]]
    test_list: ClassVar[list[list[str]]]
    meta: ClassVar[dict[str, str]]

    _recipe: ClassVar[str]
    _merged: ClassVar[Mapping[str, Sequence[str]]] = {}  # by published names
    _expected: ClassVar[Expected | None] = None  # None: the class opens any dataset
    _published_names = False

    def __init_subclass__(
        cls,
        *,
        recipe: str = "",
        expected: Expected | None = None,
        merge: Mapping[str, Sequence[str]] | None = None,
        **options: object,
    ) -> None:
        """Take the attributes of the original class from a recipe.

        Parameters
        ----------
        recipe : str
            That of the dataset which the class downloads.
        expected : Expected, optional
            The dataset, if the class opens no other one.
        merge : mapping of str to sequence of str, optional
            The classes of the class and those of the dataset that they are made of, by the names
            in the published batches.
        **options
            Of further base classes.
        """
        super().__init_subclass__(**options)
        if merge is not None:
            cls._merged = merge
        if expected is not None:
            cls._expected, cls._published_names, recipe = expected, True, expected.recipe
        if recipe:
            cls._recipe, cls.base_folder = recipe, base_folder(recipe)
            published, files = published_archive(recipe), published_files(recipe)
            cls.url, cls.tgz_md5 = published.url, published.md5
            cls.filename = archive_name(recipe)
            meta = BatchFolder(Path()).meta.name
            cls.meta = {"filename": meta, "key": "label_names", "md5": files.pop(meta, "")}
            splits = {name: split_of_batch(name) for name in files}
            cls.train_list = [[name, files[name]] for name in files if splits[name] == "train"]
            cls.test_list = [[name, files[name]] for name in files if splits[name] == "test"]

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
        self._images: ImageArray | ImageStack = samples.images
        self._masks: ImageArray | ImageStack | None = samples.masks  # of all that were opened
        self.channels = list(samples.channels)
        self.classes = list(samples.classes)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.target: Target = samples.target or default_target(samples.vectors)
        self.targets = (
            samples.labels.tolist() if self.target == "index" else torch.from_numpy(samples.targets)
        )
        # The names of all samples that were opened, and the rows of those that `data` has now:
        # None if these are not known.
        self._opened = SampleNames(
            samples, self.split, merge=groups, published_names=published_names
        )
        self._rows: npt.NDArray[np.integer] | None = np.arange(len(samples), dtype=np.int32)
        self._metadata: list[dict[str, object]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Another process reads the metadata when it needs them: a pickle has to stay small, see
        # `SampleNames`.
        return vars(self) | {"_metadata": None}

    def _place(self, root: str | Path) -> str | Path:
        """Return where the dataset is: `root`, or the folder of the published batches in it."""
        if self._expected is None or not isinstance(root, str | os.PathLike):
            return root
        return self._expected.find(Path(root).expanduser()) or root

    def _check_dataset(self, place: str | Path, classes: tuple[str, ...]) -> None:
        """Refuse another published dataset than the one that the class is for."""
        if self._expected is None:
            return
        if reason := self._expected.difference(Path(place).expanduser(), classes):
            raise DatasetError(
                f"open {place}: {reason}; give another root, or download=True, or open it with "
                "MingoLoTSS, which opens any dataset"
            )

    def _groups(self, place: str | Path, classes: tuple[str, ...]) -> Groups | None:
        """Return the groups that `classes` are merged into, or None to keep them."""
        if not self._merged:
            return None
        recipe = published_recipe(self._recipe)
        if classes not in namings(recipe):
            raise InputError(
                f"open {place} with {type(self).__name__}: it needs the classes of {recipe.title}, "
                f"and there are {', '.join(classes) or 'none'}; open it with "
                "MingoLoTSS(..., merge=...)"
            )
        label_of = published_names(self._recipe).index
        return {name: tuple(map(label_of, old)) for name, old in self._merged.items()}

    def download(self, url: str | Path | None = None, sha256: str = "") -> bool:
        """Download the published dataset, or `url`, unless the root holds it already.

        Returns
        -------
        bool
            Whether anything was downloaded.
        """
        from mingolotss.loaders.download import Archive, download

        if url is not None:
            archive = Archive(str(url), sha256, expected=self._expected)
        elif self.url:
            listed = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
            files = {f"{self.base_folder}/{name}": md5 for name, md5 in listed if md5}
            archive = Archive(self.url, self.tgz_md5, files, self._expected)
        else:
            raise InputError(
                f"download {type(self).__name__}: no address of {self.filename} is known; give its "
                "path or address as url=, or extract it and give the folder"
            )
        return download(Path(self.root), archive)

    @property
    def data(self) -> ImageArray:
        """The images as one array, shape (n, ny, nx, 1), or (n, ny, nx, channels).

        A change in it shows in the items.
        """
        # The original class has a writable array in `data`, and users change it in place. Images
        # that are views of a mapped file are copied into memory at the first use, and the copy
        # replaces them.
        if isinstance(self._images, ImageStack) or not self._images.flags.writeable:
            self._images = np.array(self._images)
        images = self._images
        last = images[..., None] if images.ndim == 3 else images.transpose(0, 2, 3, 1)
        return RowArray.of(last, self._rows, self._opened)

    @data.setter
    def data(self, images: ImageArray) -> None:
        new = np.asarray(images)
        last = ((len(self.channels),),) if self.channels else ((), (1,))
        if new.ndim not in (3, 4) or new.shape[3:] not in last:
            raise InputError(
                f"set the data of {type(self).__name__}: an array of shape {new.shape}; give "
                f"images of shape (n, ny, nx, {len(self.channels) or 1})"
            )
        if new.dtype != np.uint8 and new.dtype.kind != "f":
            raise InputError(
                f"set the data of {type(self).__name__}: an array of {new.dtype}; give uint8, or "
                "float32 for images that are no grey levels"
            )
        new = new.transpose(0, 3, 1, 2) if self.channels else new.reshape(new.shape[:3])
        new = new.astype(new.dtype if new.dtype == np.uint8 else np.float32, copy=False)
        if isinstance(images, RowArray) and images.owner is self._opened:
            self._rows = images.rows
        elif self._rows is not None:
            matches = matching_rows(new, np.asarray(self._images))
            self._rows = None if matches is None else self._rows[matches]
        self._images, self._metadata = new, None

    @property
    def masks(self) -> Masks | None:
        """The mask of each image, uint8 array, shape (n, ny, nx): a copy; None without masks."""
        return None if self._masks is None else self._mask_rows(range(len(self)))

    @property
    def targets(self) -> Any:
        """What is learned for each image: a list of int, or a tensor with a row for each image.

        A selection of the targets can be assigned together with that of `data`.
        """
        return self._targets

    @targets.setter
    def targets(self, targets: Any) -> None:
        import torch

        if self.target == "index":
            self._targets: Any = targets
            return
        rows = torch.as_tensor(targets, dtype=torch.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.classes):
            raise InputError(
                f"set the targets of {type(self).__name__}: shape {tuple(rows.shape)}; give a row "
                f"of {len(self.classes)} values for each image, as target={self.target!r} has"
            )
        self._targets = rows

    @property
    def sources(self) -> list[str]:
        """The name of each image's source."""
        return list(select_texts(self._opened.texts()[0], self._known_rows()))

    @property
    def filenames(self) -> list[str]:
        """The name of each image's file, as the dataset has it."""
        return list(select_texts(self._opened.texts()[1], self._known_rows()))

    @property
    def splits(self) -> list[str]:
        """The split of each image."""
        return list(select_texts(self._opened.texts()[2], self._known_rows()))

    @property
    def table(self) -> pa.Table:
        """The metadata of each image, a row each, in the order of the images.

        The columns are ``source``, ``label``, ``class``, ``split`` and ``image_file``, and the
        others of the manifest where the dataset has one. ``label`` and ``class`` are those of
        `targets`; ``manifest_class`` is the class in the manifest, before any merging.

        Raises
        ------
        InputError
            `data` and `targets` have different lengths, or `data` was replaced by other images.
        """
        return self._samples().table

    def take(self, selection: npt.ArrayLike | range) -> Self:
        """Return a dataset of some of the samples: indices, or a boolean per sample.

        Raises
        ------
        InputError
            It is neither, or there are no such samples.
        """
        images, rows = take_images(self._images, selection)
        result = copy.copy(self)
        result.__dict__.update(
            _images=images,
            _targets=self._targets_of(rows.tolist()),
            _rows=None if self._rows is None else self._rows[rows],
            _metadata=None,
        )
        return result

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
        masks = self._mask_batch(range(len(self))).to(device) if self._gives_masks else None
        targets = torch.as_tensor(self._targets_of(range(len(self))))
        return DeviceBatches(images.to(device), targets.to(device), masks, options)

    def counts(self) -> dict[str, int]:
        """Count the images of each class, or with each tag."""
        if self.target == "multi-hot":
            counts = map(int, self._vectors().counts())
            return dict(zip(self.classes, counts, strict=True))
        return class_counts(self._labels(), self.classes)

    def weights(self) -> torch.Tensor:
        """Weigh classes so that each counts the same, for ``CrossEntropyLoss(weight=...)``.

        Returns
        -------
        float32 tensor, shape (number of classes,)
            n / (classes * count), as ``Arrays.weights``.
        """
        import torch

        return torch.from_numpy(class_weights(self._expected_counts())).float()

    def positive_weights(self) -> torch.Tensor:
        """Weigh the images of each class against all others, for ``pos_weight``.

        Returns
        -------
        float32 tensor, shape (number of classes,)
            For ``BCEWithLogitsLoss(pos_weight=...)``, as ``Arrays.positive_weights``.
        """
        import torch

        labelled = self._labels() >= 0 if self.target == "index" else self._vectors().is_labelled
        weights = positive_weights(self._expected_counts(), int(np.count_nonzero(labelled)))
        return torch.from_numpy(weights).float()

    def _expected_counts(self) -> Sequence[float]:
        """Return the number of images in each class; of votes the sum of their fractions."""
        if self.target == "index":
            return list(self.counts().values())
        return [float(count) for count in self._vectors().counts()]

    def _vectors(self) -> LabelVectors:
        """Return the targets, which are a row for each image, as they are now."""
        values = self._targets.numpy()
        if self.target == "multi-hot":
            return LabelVectors.of_tags(values)
        return LabelVectors.of_votes(values, np.full(len(values), np.nan))

    def _labels(self) -> Ints:
        """Return the label of each image as it is now, -1 where there is no single class."""
        if self.target == "index":
            return np.array([int(target) for target in self.targets], np.int64)
        if self._rows is None or len(self._rows) != len(self._targets):
            return self._vectors().single_labels().astype(np.int64)
        labels: Ints = self._opened.labels()[0][self._rows]
        return labels

    def _known_rows(self) -> npt.NDArray[np.integer]:
        if self._rows is None:
            raise InputError(
                f"look up the sources of {type(self).__name__}: its data was replaced by images "
                "that are not in the dataset; assign a selection, for example "
                "dataset.data = dataset.data[mask]"
            )
        return self._rows

    def _samples(self) -> Arrays:
        """Return the samples as they are now."""
        rows = self._known_rows()
        labels = self._labels()
        if len(rows) != len(labels):
            raise InputError(
                f"look up the samples of {type(self).__name__}: data has {len(rows)} images and "
                f"targets has {len(labels)} labels; select the same samples of both"
            )
        names = (select_texts(texts, rows) for texts in self._opened.texts())
        vectors = self._opened.labels()[1]
        if vectors is not None:
            vectors = self._vectors() if vectors.kind == "tags" else vectors.take(rows)
        return Arrays(
            self._images,
            labels,
            tuple(self.classes),
            *names,
            channels=tuple(self.channels),
            vectors=vectors,
            target=self.target,
            root=self._opened.root,
        )

    def _targets_of(self, indices: Sequence[int]) -> Any:
        """Return the targets of some images: a list of labels, or a new tensor of their rows."""
        targets = self._targets
        if self.target == "index":
            return [targets[index] for index in indices]
        return targets[list(indices)]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        """Return one image with its label, or the samples of a slice as a dataset."""
        if type(index) is not int:
            place = sample_index(index, len(self), type(self).__name__)
            if isinstance(place, range):
                return self.take(place)
            index = place
        if self._gives_tensors:
            image: object = self._batch([index])[0]
        else:
            image = _pil_image(self._images[index])
        sample: tuple[object, ...]
        if not self._gives_masks:
            sample = self._transformed(image, self.targets[index])
        else:
            mask = self._mask_rows([index])[0]
            sample = self._transformed_with_mask(image, self._as_item(mask), self.targets[index])
        return (*sample, self._metadata_of(index)) if self.return_metadata else sample

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return many images with their labels: a DataLoader asks for a batch at a time."""
        if not self._gives_tensors or type(self).__getitem__ is not StampDataset.__getitem__:
            return [self[index] for index in indices]  # a subclass has items of its own
        # One call gathers the whole batch into one tensor, and `batch_rows` lets the DataLoader's
        # collate function return it without another copy (measurements in ``collate.py``).
        images = batch_rows(self._batch(indices))
        samples: list[Any]
        targets = self._targets_of(indices)
        if self.target != "index":
            targets = targets.unbind()  # small rows, which are soon stacked again
        if self._gives_masks:
            masks = batch_rows(self._mask_batch(indices))
            samples = list(zip(images, masks, targets, strict=True))
        else:
            samples = list(zip(images, targets, strict=True))
        if self._is_transformed():
            apply = self._transformed_with_mask if self._gives_masks else self._transformed
            samples = [apply(*sample) for sample in samples]
        if not self.return_metadata:
            return samples
        return [
            (*sample, self._metadata_of(index))
            for sample, index in zip(samples, indices, strict=True)
        ]

    def _metadata_of(self, index: int) -> dict[str, object]:
        """Return the metadata of one image as a dict that can be collated."""
        if self._metadata is None:
            self._metadata = without_nulls(self.table).to_pylist()
        # All but the label is read once. `targets` is a list that a user may change at any time.
        if self.target != "index":
            return self._metadata[index]
        label = int(self.targets[index])
        name = self.classes[label] if label >= 0 else ""
        return self._metadata[index] | {"label": label, "class": name}

    def _batch(self, indices: Sequence[int]) -> torch.Tensor:
        """Return the images at `indices` as a new tensor, shape (k, channels, ny, nx)."""
        import torch

        images = gather(self._images, indices)
        batch = torch.from_numpy(unit_range(images) if self._scale else images)
        return batch if self.channels else batch.unsqueeze(1)

    def _mask_rows(self, indices: Sequence[int]) -> Masks:
        """Return the masks at `indices` as a new array, shape (k, ny, nx)."""
        rows = self._known_rows()
        if self._masks is None:
            raise RuntimeError("a dataset without masks is asked for one")
        if self._masks.shape[1:] != self._images.shape[-2:]:
            raise InputError(
                f"look up the masks of {type(self).__name__}: its data was replaced by images of "
                f"{self._images.shape[-1]} x {self._images.shape[-2]} pixels, and the masks have "
                f"{self._masks.shape[2]} x {self._masks.shape[1]}; crop both with transforms="
            )
        masks = gather(self._masks, rows[np.asarray(indices, np.intp)].tolist())
        return np.asarray(masks, np.uint8)

    def _as_item(self, mask: Masks) -> object:
        """Return a mask as an item has it, before any transform."""
        import torch

        is_tensor = self._gives_tensors or self.transforms is not None
        return torch.from_numpy(mask) if is_tensor else _pil_image(mask)

    def _mask_batch(self, indices: Sequence[int]) -> torch.Tensor:
        """Return the masks at `indices` as a new tensor, shape (k, ny, nx)."""
        import torch

        return torch.from_numpy(self._mask_rows(indices))

    def describe(self) -> Summary:
        """Return a table of the classes: images in each split, weights, medians of size and flux.

        It is text where it is printed, and HTML in a notebook.
        """
        return self._samples().describe()

    def plot(
        self, n: int | Sequence[int] = 12, *, columns: int | None = None, seed: int | None = None
    ) -> Figure:
        """Draw stamps with their names and classes; see `mingolotss.plot`."""
        return self._samples().plot(n, columns=columns, seed=seed)

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

    def _item_kind(self) -> str:
        """Say what an item is, before any transform."""
        ny, nx = self._images.shape[-2:]
        count, dtype = len(self.channels), self._images.dtype
        if self._gives_tensors:
            kind = "float32" if self._scale else "uint8"
            image = f"{kind} tensor of shape ({count or 1}, {ny}, {nx})"
        elif _pil_mode(count, dtype) is None:
            image = f"{dtype} array of shape ({ny}, {nx}, {count})"
        else:
            image = f"PIL image of {nx} x {ny} pixels"
        mask, target = "", "int"
        if self._gives_masks:
            is_tensor = self._gives_tensors or self.transforms is not None
            mask = f", uint8 tensor of shape ({ny}, {nx})" if is_tensor else ", PIL image of mode L"
        if self.target != "index":
            target = f"float32 tensor of shape ({len(self.classes)},)"
        return f"({image}{mask}, {target}{', dict' if self.return_metadata else ''})"


def _pil_mode(channels: int, dtype: np.dtype[np.uint8 | np.float32]) -> tuple[str, str] | None:
    """Return the mode of PIL of an image and how its bytes are stored; None if there is no mode."""
    if dtype == np.uint8:
        return {0: ("L", "L"), 1: ("L", "L"), 3: ("RGB", "RGB")}.get(channels)
    return ("F", "F;32NF") if channels < 2 else None


def _pil_image(pixels: ImageArray) -> Image.Image | ImageArray:
    """Return an image as PIL has it; as an array (ny, nx, channels) if PIL has no mode for it."""
    channels = len(pixels) if pixels.ndim == 3 else 0
    mode = _pil_mode(channels, pixels.dtype)
    if channels:
        pixels = pixels.transpose(1, 2, 0)
    pixels = np.ascontiguousarray(pixels)
    if mode is None:
        return pixels
    return Image.frombuffer(mode[0], pixels.shape[1::-1], pixels, "raw", mode[1], 0, 1)


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
    """
