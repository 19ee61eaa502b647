"""Batches of a dataset that lies on a device as a whole: shuffled, turned and shifted there.

The images stay uint8 until their batch is made, so 100,000 stamps of 150 x 150 pixels take 2.3 GB.
No worker process and no copy between devices takes part in an epoch. The order and the changes of
the images are drawn on the CPU, so that they are the same on every device.

>>> import torch
>>> images = torch.arange(8, dtype=torch.uint8).reshape(2, 1, 2, 2)
>>> batches = DeviceBatches(images, torch.tensor([0, 1]), None, BatchOptions(2, shuffle=False))
>>> ((pixels, labels),) = batches
>>> (pixels[1] * 255).tolist(), labels.tolist(), len(batches)
([[[4.0, 5.0], [6.0, 7.0]]], [0, 1], 1)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray, gather, gather_unit_range, unit_range
from mingolotss.errors import InputError
from mingolotss.loaders.augmentation import Changes, Stack, Turns, sample_in_threads, sampled
from mingolotss.loaders.reused_memory import ReusedMemory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["BatchOptions", "DeviceBatches"]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How the batches of a dataset on a device are made; the parameters of `StampDataset.to`."""

    batch_size: int = 64
    shuffle: bool = True
    drop_last: bool = False
    turns: Turns = "none"
    mirror: bool = False
    shift: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"make batches: batch_size={self.batch_size}; give 1 or more")
        if self.turns not in ("none", "quarter", "any"):
            raise InputError(f"make batches: turns={self.turns!r}; give 'none', 'quarter' or 'any'")
        if self.seed < 0:
            raise InputError(f"make batches: seed={self.seed}; give 0 or more")
        if not (math.isfinite(self.shift) and self.shift >= 0):
            raise InputError(f"make batches: shift={self.shift}; give 0 or more pixels")


class DeviceBatches:
    """The batches of a dataset on a device; `StampDataset.to` makes them.

    An iteration is an epoch, and gives (images, targets), or (images, masks, targets) for a dataset
    with masks: float32 tensors of shape (k, channels, ny, nx), from 0 to 1 or in Jy/beam; uint8
    masks of shape (k, ny, nx); and the targets of the dataset.

    Attributes
    ----------
    images : uint8 or float32 tensor, shape (n, channels, ny, nx)
        On the device, as the dataset has them.
    targets : int64 tensor, shape (n,), or float32 tensor, shape (n, number of classes)
    masks : uint8 tensor, shape (n, ny, nx), or None
    options : BatchOptions
    epoch : int
        The number of the next epoch, from 0: the order and the changes follow from it and the seed.

    Notes
    -----
    Images that are turned by any angle or shifted are interpolated, bilinearly, and what comes in
    at the edge is 0; masks take the nearest pixel. Quarter turns and mirrors are exact.
    """

    def __init__(
        self, images: Tensor, targets: Tensor, masks: Tensor | None, options: BatchOptions
    ) -> None:
        ny, nx = images.shape[-2:]
        if options.turns == "quarter" and ny != nx:
            raise InputError(
                f"make batches: images of {nx} x {ny} pixels cannot be turned by 90 degrees; give "
                "turns='any' or 'none'"
            )
        self.images, self.targets, self.masks, self.options = images, targets, masks, options
        self.epoch = 0
        self._reused = ReusedMemory()

    def __len__(self) -> int:
        count = len(self.images) / self.options.batch_size
        return math.floor(count) if self.options.drop_last else math.ceil(count)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        import torch

        size, generator = self.options.batch_size, torch.Generator()
        seeds = np.random.SeedSequence([self.options.seed, self.epoch])
        generator.manual_seed(int(seeds.generate_state(1)[0]))
        self.epoch += 1
        n = len(self.images)
        order = torch.randperm(n, generator=generator) if self.options.shuffle else torch.arange(n)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # which starts none if unused
            for start in range(0, len(self) * size, size):
                yield self._batch(order[start : start + size], generator, pool)

    def _batch(
        self, rows: Tensor, generator: torch.Generator, pool: Executor
    ) -> tuple[Tensor, ...]:
        """Return the samples at `rows`, on the device."""
        options = self.options
        changes = Changes.draw(
            len(rows), options.turns, mirror=options.mirror, shift=options.shift,
            generator=generator,
        )  # fmt: skip
        if self.images.device.type == "cpu":
            images, masks = self._on_cpu(rows, changes, pool)
        else:
            images, masks = self._on_accelerator(rows.to(self.images.device), changes)
        targets = self.targets[rows.to(self.targets.device)]
        return (images, targets) if masks is None else (images, masks, targets)

    def _on_accelerator(self, rows: Tensor, changes: Changes) -> tuple[Tensor, Tensor | None]:
        """Make a batch of whole tensors."""
        import torch

        images = changes.move(self.images[rows])
        images = images if images.dtype == torch.float32 else images.float().div_(255)
        masks = None if self.masks is None else changes.move(self.masks[rows])
        if changes.sampled is None:
            return images, masks
        images = sampled(images, changes.sampled, "bilinear")
        if masks is not None:
            masks = sampled(masks[:, None].float(), changes.sampled, "nearest")[:, 0]
            masks = masks.to(torch.uint8)
        return images, masks

    def _on_cpu(
        self, rows: Tensor, changes: Changes, pool: Executor
    ) -> tuple[Tensor, Tensor | None]:
        """Make a batch with numpy, which takes one thread, as `unit_range` says why."""
        import torch

        stored, places = self.images.numpy(), rows.tolist()
        images = self._reused((len(places), *stored.shape[1:]), np.dtype(np.float32))
        masks = None if self.masks is None else changes.move(gather(self.masks.numpy(), places))
        if changes.sampled is not None:
            pixels = changes.move(gather(stored, places))
            stacks = [Stack(pixels, unit_range, "bilinear", images)]
            if masks is not None:
                unchanged, masks = masks[:, None], np.empty_like(masks)
                stacks.append(Stack(unchanged, _as_float, "nearest", masks[:, None]))
            sample_in_threads(stacks, changes.sampled, pool, torch.get_num_threads())
        elif changes.are_moves:
            images = unit_range(changes.move(gather(stored, places)), images)
        else:
            gather_unit_range(stored, places, images)
        return torch.from_numpy(images), None if masks is None else torch.from_numpy(masks)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape))
        return (
            f"<DeviceBatches: {shape} {self.images.dtype} on {self.images.device}, {self.options}>"
        )


def _as_float(masks: ImageArray) -> NDArray[np.float32]:
    return masks.astype(np.float32)
