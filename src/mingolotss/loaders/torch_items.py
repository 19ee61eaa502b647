"""``TorchItems``: the items of a dataset for PyTorch, one by one or a batch at a time.

What is not here: the samples that they are made of (``torch_samples.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from PIL import Image

from mingolotss.dataset.image_stack import ImageArray, gather, gather_unit_range, unit_range
from mingolotss.dataset.indexing import sample_index
from mingolotss.dataset.sample_table import without_nulls
from mingolotss.image.masks import Masks
from mingolotss.loaders.batch_tensors import TensorMemory
from mingolotss.loaders.collate import BatchSamples, Column
from mingolotss.loaders.reused_memory import ReusedMemory
from mingolotss.loaders.torch_samples import TorchSamples
from mingolotss.loaders.transforms import TransformedSamples

if TYPE_CHECKING:
    import torch

__all__ = ["TorchItems"]


class TorchItems(TorchSamples, TransformedSamples):
    """Samples as items: an image, its mask if wanted, its target, and its metadata if wanted.

    Attributes
    ----------
    return_metadata : bool
    """

    return_metadata: bool
    _gives_masks: bool
    _gives_tensors: bool  # False: PIL images
    _scale: bool  # tensors are float32, uint8 images from 0 to 1
    _reused: ReusedMemory  # of batches

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        """Return one image with its label, or the samples of a slice as a dataset."""
        if type(index) is not int:
            place = sample_index(index, len(self), type(self).__name__)
            if isinstance(place, range):
                return self.take(place)
            index = place
        if self._gives_tensors:
            image: object = self._image_tensor(index)
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
        if not self._gives_tensors or type(self).__getitem__ is not TorchItems.__getitem__:
            return [self[index] for index in indices]  # a subclass has items of its own
        # One call gathers the whole batch into one tensor, and the DataLoader's collate function
        # returns it without another copy (``collate.py``).
        is_transformed = self._is_transformed()
        columns = self._columns(indices, TensorMemory(self._reused, is_sent=not is_transformed))
        if not is_transformed:
            return BatchSamples.of(*columns)
        apply = self._transformed_with_mask if self._gives_masks else self._transformed
        count = 3 if self._gives_masks else 2
        samples = zip(*(rows for _, rows in columns), strict=True)
        return [(*apply(*sample[:count]), *sample[count:]) for sample in samples]

    def _columns(self, indices: Sequence[int], memory: TensorMemory) -> list[Column]:
        """Return images, masks, targets and metadata of samples, each with its rows."""
        shape = (len(indices), *self._images.shape[1:])
        if self._scale:
            images = memory(shape, np.dtype(np.float32))
            gather_unit_range(self._images, indices, images)
        else:
            gather(self._images, indices, memory(shape, self._images.dtype))
        tensors = [memory.tensor if self.channels else memory.tensor.unsqueeze(1)]
        if self._gives_masks:
            self._mask_rows(indices, memory)
            tensors.append(memory.tensor)
        targets = self._targets_of(indices)
        if self.target != "index":
            tensors.append(targets)
        columns: list[Column] = [(tensor, tensor.unbind()) for tensor in tensors]
        if self.target == "index":
            columns.append((targets, targets))
        if self.return_metadata:
            metadata = [self._metadata_of(index) for index in indices]
            columns.append((metadata, metadata))
        return columns

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

    def _image_tensor(self, index: int) -> torch.Tensor:
        """Return one image as a new tensor, shape (channels, ny, nx)."""
        import torch

        if self._scale and self._images.dtype == np.uint8:
            image = torch.from_numpy(unit_range(self._images[index]))
        else:
            image = torch.from_numpy(gather(self._images, [index]))[0]
        return image if self.channels else image.unsqueeze(0)

    def _as_item(self, mask: Masks) -> object:
        """Return a mask as an item has it, before any transform."""
        import torch

        is_tensor = self._gives_tensors or self.transforms is not None
        return torch.from_numpy(mask) if is_tensor else _pil_image(mask)

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
