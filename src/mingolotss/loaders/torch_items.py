"""``TorchItems``: the items of a dataset for PyTorch, one by one or a batch at a time.

What is not here: the samples that they are made of (``torch_samples.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from PIL import Image

from mingolotss.dataset.image_stack import ImageArray, gather, unit_range
from mingolotss.dataset.indexing import sample_index
from mingolotss.dataset.sample_table import without_nulls
from mingolotss.image.masks import Masks
from mingolotss.loaders.collate import batch_rows
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
        if not self._gives_tensors or type(self).__getitem__ is not TorchItems.__getitem__:
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

    def _as_item(self, mask: Masks) -> object:
        """Return a mask as an item has it, before any transform."""
        import torch

        is_tensor = self._gives_tensors or self.transforms is not None
        return torch.from_numpy(mask) if is_tensor else _pil_image(mask)

    def _mask_batch(self, indices: Sequence[int]) -> torch.Tensor:
        """Return the masks at `indices` as a new tensor, shape (k, ny, nx)."""
        import torch

        return torch.from_numpy(self._mask_rows(indices))

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
