"""``MingoLoTSS`` and ``MLFR``: dataset classes for PyTorch.

Code written for the original class, or for torchvision's datasets, runs unchanged; torchvision
itself is not needed. What is not here: reading files (``arrays.py``), fetching them
(``download.py``).

>>> import tempfile
>>> MingoLoTSS(tempfile.mkdtemp())
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: load a dataset from ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from mingolotss.dataset.image_stack import Stack
from mingolotss.dataset.samples import FRI_OR_FRII, MINGO_CLASSES, PUBLISHED_CLASSES
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import open_arrays
from mingolotss.loaders.buffers import Buffers
from mingolotss.loaders.collate import Batch

__all__ = ["MLFR", "MingoLoTSS"]

Groups = Mapping[str, Sequence[str | int]]


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
        Keep the published dataset's names of classes 1 and 2, which it has the wrong way round.
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

    base_folder = "mingo-batches-py"
    url = "http://www.jb.man.ac.uk/research/ascaife/mingo-batches-python.tar.gz"
    filename = "mingo-batches-python.tar.gz"
    tgz_md5 = "5e72717d9208fea2a4712ec8b4cde9cf"
    train_list: ClassVar[list[list[str]]] = [
        ["data_batch_1", "e200acffacbc1610d11217b63257b921"],
        ["data_batch_2", "5f5ed63afb6f8eecd252ba963dec4eab"],
        ["data_batch_3", "009456395dcec2c6a585922e434a317c"],
        ["data_batch_4", "5133a3bc91fd4eb0e9e180477a2425bb"],
        ["data_batch_5", "c9b62438cba5e79d27ec981b3ca6888e"],
    ]
    test_list: ClassVar[list[list[str]]] = [["test_batch", "bf465bf0eaa1fcace224455a64da6a55"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "eda6b8c53f5e91ac1c5ed91c0b9eda4a",
    }

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        *,
        split: str | None = None,
        tensors: bool | torch.dtype = False,
        merge: Groups | None = None,
        published_names: bool = False,
        url: str | Path | None = None,
        sha256: str = "",
    ) -> None:
        self.root = str(Path(root).expanduser())
        self.train = train
        self.split = split or ("train" if train else "test")
        self.transform = transform
        self.target_transform = target_transform
        self._dtype = torch.float32 if tensors is True else tensors or None
        if self._dtype not in (None, torch.float32, torch.uint8):
            raise InputError(f"open {root}: tensors={tensors}; give torch.float32 or torch.uint8")
        if download or url is not None:
            self.download(url, sha256)
        arrays = open_arrays(self.root, self.split, published_names=published_names)
        groups = merge if merge is not None else self._groups(arrays.classes)
        if groups is not None:
            arrays = arrays.merge(groups)
        if self._dtype is torch.uint8 and arrays.images.dtype != np.uint8:
            raise InputError(f"open {root}: its images are float32; give tensors=torch.float32")
        self._images = arrays.images
        self._buffers = Buffers()
        self.targets: list[int] = arrays.labels.tolist()
        self.classes = list(arrays.classes)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.sources = list(arrays.sources)

    def _groups(self, classes: tuple[str, ...]) -> Groups | None:
        """Say which classes to make of those there are; None for those."""
        return None

    def download(self, url: str | Path | None = None, sha256: str = "") -> bool:
        """Fetch the published dataset, or `url`, into the root unless it holds one already."""
        from mingolotss.loaders.download import PUBLISHED, Archive, download

        archive = PUBLISHED if url is None else Archive(str(url), sha256)
        return download(Path(self.root), archive)

    @property
    def data(self) -> NDArray[np.uint8]:
        """The images as one array; what is changed in it is seen in the items."""
        if isinstance(self._images, Stack) or not self._images.flags.writeable:
            self._images = np.array(self._images)
        return self._images[..., None]

    @data.setter
    def data(self, images: NDArray[np.uint8]) -> None:
        self._images = images.reshape(images.shape[:3])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return one image and its label."""
        if self._dtype is not None:
            return self.__getitems__([index])[0]
        pixels = np.ascontiguousarray(self._images[index])
        raw = ("L", "L") if pixels.dtype == np.uint8 else ("F", "F;32NF")
        image = Image.frombuffer(raw[0], pixels.shape[::-1], pixels, "raw", raw[1], 0, 1)
        return self._transformed(image, self.targets[index])

    def __getitems__(self, indices: Sequence[int]) -> Sequence[tuple[Any, Any]]:
        """Return many images with their labels: what a DataLoader asks for, a batch at a time."""
        if self._dtype is None:
            return [self[index] for index in indices]
        block = self._block(indices)
        targets = [self.targets[index] for index in indices]
        if self.transform is None and self.target_transform is None:
            return Batch(block, targets)
        return [self._transformed(*pair) for pair in zip(block, targets, strict=True)]

    def _block(self, indices: Sequence[int]) -> torch.Tensor:
        """Return the images at `indices` as one tensor, shape (k, 1, ny, nx)."""
        shape = (len(indices), *self._images.shape[1:])
        pixels = self._buffers.take(shape, self._images.dtype)
        if isinstance(self._images, Stack):
            self._images.gather(indices, pixels)
        else:
            np.take(self._images, np.asarray(indices), axis=0, out=pixels, mode="wrap")
        block = torch.from_numpy(pixels)
        if self._dtype is torch.float32 and block.dtype is torch.uint8:
            floats = torch.from_numpy(self._buffers.take(shape, np.float32))
            block = floats.copy_(block).div_(255)
        return block.unsqueeze(1)

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
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


def _indented(transform: Any) -> str:
    return repr(transform).replace("\n", "\n" + " " * 8)


class MLFR(MingoLoTSS):
    """FRI (0) against FRII (1): classes 0, 1, 2 and class 4; all others are left out.

    An export with these two classes alone is taken as it is.
    """

    def _groups(self, classes: tuple[str, ...]) -> Groups | None:
        if classes == tuple(FRI_OR_FRII):
            return None
        known = (MINGO_CLASSES[: len(classes)], PUBLISHED_CLASSES[: len(classes)])
        if classes not in known or len(classes) < 5:
            raise InputError(
                f"open {self.root}: MLFR knows the classes of MingoLoTSS, not these: "
                f"{', '.join(classes) or 'none'}; use MingoLoTSS(..., merge=...)"
            )
        return FRI_OR_FRII
