"""``MingoLoTSS`` and ``MLFR``: dataset classes for PyTorch.

Code written for the original class, or for torchvision's datasets, runs unchanged; torchvision
itself is not needed. What is not here: reading files (``arrays.py``), downloading them
(``download.py``).

>>> import tempfile
>>> MingoLoTSS(tempfile.mkdtemp())
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: load a dataset from ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

from mingolotss.dataset.image_stack import ImageArray, ImageStack, gather, unit_range
from mingolotss.dataset.layout import BatchFolder, split_of_batch
from mingolotss.dataset.published import (
    binary_groups,
    corrected_names,
    published_archive,
    published_names,
)
from mingolotss.errors import InputError
from mingolotss.io.optional import optional_class
from mingolotss.loaders.arrays import open_arrays
from mingolotss.loaders.collate import batch_rows

if TYPE_CHECKING:
    import torch
    from torch.utils.data import Dataset
else:
    Dataset = optional_class("torch.utils.data", "Dataset", extra="torch")

__all__ = ["MLFR", "MingoLoTSS"]

Groups = Mapping[str, Sequence[str | int]]
Transform = Callable[[Any], object]
_PUBLISHED = published_archive()
_FILES = [(PurePosixPath(path), md5) for path, md5 in _PUBLISHED.files.items()]


class MingoLoTSS(Dataset):  # torch's base class is untyped here
    """Radio galaxies of Mingo et al. 2019 (MNRAS 488, 2701), or any dataset made by mingolotss.

    Parameters
    ----------
    root : path
        A folder that ``mingolotss build`` or ``export`` wrote, one that holds
        ``mingo-batches-py``, or where to download to.
    train : bool
        The training set, or else the test set.
    transform : callable, optional
        Applied to each image: a PIL image of mode L, or a tensor if `tensors` is set.
    target_transform : callable, optional
        Applied to each label, an int.
    download : bool
        Fetch the published dataset, or `url`, unless `root` holds it already.
    split : str, optional
        A split by name ("val", "all"), in the place of `train`.
    tensors : bool or torch.dtype
        Give tensors of shape (1, ny, nx) and skip PIL. True is float32 from 0 to 1, as
        torchvision's ToTensor gives; ``torch.uint8`` is the pixels as they are. Images that are
        float32 themselves, in Jy/beam, stay in Jy/beam, and their PIL mode is F.
    merge : mapping of str to sequence of str or int, optional
        New classes made of old ones, by name or by label; the rest is left out.
    published_names : bool
        Use the published dataset's names of classes 1 and 2, which are interchanged there.
    url : str or path, optional
        An archive that ``mingolotss export --archive`` wrote: an address, with its `sha256`, or a
        path. Fetched, checked and unpacked into `root` unless that holds a dataset already.
    sha256 : str
        Of the archive, hexadecimal.

    Attributes
    ----------
    data : uint8 array, shape (n, ny, nx, 1)
    targets : list of int
    classes : list of str
    class_to_idx : dict of str to int
    sources : list of str
        Name of each image's source.

    Raises
    ------
    DatasetError
        `root` holds no dataset, or a damaged one.
    """

    # Attributes of the original class, with the values that stand in the recipe.
    base_folder = _FILES[0][0].parent.name
    url = _PUBLISHED.url
    filename = PurePosixPath(_PUBLISHED.url).name
    tgz_md5 = _PUBLISHED.md5
    train_list: ClassVar[list[list[str]]] = [
        [path.name, md5] for path, md5 in _FILES if split_of_batch(path.name) == "train"
    ]
    test_list: ClassVar[list[list[str]]] = [
        [path.name, md5] for path, md5 in _FILES if split_of_batch(path.name) == "test"
    ]
    meta: ClassVar[dict[str, str]] = {
        "filename": BatchFolder(Path(base_folder)).meta.name,
        "key": "label_names",
        "md5": _PUBLISHED.files[BatchFolder(Path(base_folder)).meta.as_posix()],
    }

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        *,
        split: str | None = None,
        tensors: bool | torch.dtype = False,
        merge: Groups | None = None,
        published_names: bool = False,
        url: str | Path | None = None,
        sha256: str = "",
    ) -> None:
        import torch

        self.root = str(Path(root).expanduser())
        self.train = train
        self.split = split or ("train" if train else "test")
        self.transform = transform
        self.target_transform = target_transform
        if tensors not in (False, True, torch.float32, torch.uint8):
            raise InputError(f"open {root}: tensors={tensors}; give torch.float32 or torch.uint8")
        self._gives_tensors = tensors is not False
        self._scale = tensors in (True, torch.float32)
        if download or url is not None:
            self.download(url, sha256)
        arrays = open_arrays(self.root, self.split, published_names=published_names)
        groups = merge if merge is not None else self._groups(arrays.classes)
        if groups is not None:
            arrays = arrays.merge(groups)
        if tensors is torch.uint8 and arrays.images.dtype != np.uint8:
            raise InputError(f"open {root}: its images are float32; give tensors=torch.float32")
        self._images: ImageArray | ImageStack = arrays.images
        self.targets: list[int] = arrays.labels.tolist()
        self.classes = list(arrays.classes)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.sources = list(arrays.sources)

    def _groups(self, classes: tuple[str, ...]) -> Groups | None:
        """Return the groups that `classes` are merged into, or None to keep them."""
        return None

    def download(self, url: str | Path | None = None, sha256: str = "") -> bool:
        """Download the published dataset, or `url`, unless the root holds a dataset already.

        Returns
        -------
        bool
            Whether anything was downloaded.
        """
        from mingolotss.loaders.download import PUBLISHED, Archive, download

        archive = PUBLISHED if url is None else Archive(str(url), sha256)
        return download(Path(self.root), archive)

    @property
    def data(self) -> ImageArray:
        """The images as one array, shape (n, ny, nx, 1); a change in it shows in the items."""
        # The original class has a writable array in `data`, and users change it in place. Images
        # that are views of a mapped file are copied into memory at the first use, and the copy
        # replaces them.
        if isinstance(self._images, ImageStack) or not self._images.flags.writeable:
            self._images = np.array(self._images)
        return self._images[..., None]

    @data.setter
    def data(self, images: ImageArray) -> None:
        self._images = images.reshape(images.shape[:3])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return one image and its label."""
        if self._gives_tensors:
            image: object = self._batch([index])[0]
        else:
            pixels = np.ascontiguousarray(self._images[index])
            mode, raw_mode = ("L", "L") if pixels.dtype == np.uint8 else ("F", "F;32NF")
            image = Image.frombuffer(mode, pixels.shape[::-1], pixels, "raw", raw_mode, 0, 1)
        return self._transformed(image, self.targets[index])

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Return many images with their labels: a DataLoader asks for a batch at a time."""
        if not self._gives_tensors:
            return [self[index] for index in indices]
        # One call gathers the whole batch into one tensor, and `batch_rows` lets the DataLoader's
        # collate function return it without another copy (measurements in ``collate.py``).
        images = batch_rows(self._batch(indices))
        targets = [self.targets[index] for index in indices]
        pairs = list(zip(images, targets, strict=True))
        if self.transform is None and self.target_transform is None:
            return pairs
        return [self._transformed(*pair) for pair in pairs]

    def _batch(self, indices: Sequence[int]) -> torch.Tensor:
        """Return the images at `indices` as a new tensor, shape (k, 1, ny, nx)."""
        import torch

        images = gather(self._images, indices)
        return torch.from_numpy(unit_range(images) if self._scale else images).unsqueeze(1)

    def _transformed(self, image: object, target: object) -> tuple[object, object]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"    Number of datapoints: {len(self)}",
            f"    Split: {self.split}",
            f"    Root Location: {self.root}",
            f"    Transforms (if any): {_indented(self.transform)}",
            f"    Target Transforms (if any): {_indented(self.target_transform)}",
        ]
        return "\n".join(lines)


def _indented(transform: Transform | None) -> str:
    return repr(transform).replace("\n", "\n" + " " * 8)


class MLFR(MingoLoTSS):
    """FRI (0) against FRII (1): classes 0, 1, 2 and class 4; all others are left out.

    An export with these two classes alone is taken as it is.
    """

    def _groups(self, classes: tuple[str, ...]) -> Groups | None:
        groups = binary_groups()
        if classes == tuple(groups):
            return None
        # a dataset may have the first classes only, if the others have no source
        known = [names[: len(classes)] for names in (corrected_names(), published_names())]
        needed = 1 + max(label for labels in groups.values() for label in labels)
        if classes not in known or len(classes) < needed:
            raise InputError(
                f"open {self.root}: MLFR knows the classes of MingoLoTSS, not these: "
                f"{', '.join(classes) or 'none'}; use MingoLoTSS(..., merge=...)"
            )
        return groups
