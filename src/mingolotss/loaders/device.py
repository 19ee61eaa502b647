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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mingolotss.dataset.image_stack import unit_range
from mingolotss.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["BatchOptions", "DeviceBatches", "Turns"]

Turns = Literal["none", "quarter", "any"]


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
        order = order.to(self.images.device)
        for start in range(0, len(self) * size, size):
            yield self._batch(order[start : start + size], generator)

    def _batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return the samples at `rows`, on the device."""
        images = self._pixels(rows)
        masks = None if self.masks is None else self.masks.index_select(0, rows)
        images, masks = _changed(images, masks, self.options, generator)
        targets = self.targets.index_select(0, rows)
        return (images, targets) if masks is None else (images, masks, targets)

    def _pixels(self, rows: Tensor) -> Tensor:
        """Return images as float32, from 0 to 1 or in Jy/beam."""
        import torch

        if self.images.device.type == "cpu":  # in one thread, as `unit_range` says why
            return torch.from_numpy(unit_range(self.images.numpy()[rows.numpy()]))
        images = self.images.index_select(0, rows)
        return images if images.dtype == torch.float32 else images.float().div_(255)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape))
        return (
            f"<DeviceBatches: {shape} {self.images.dtype} on {self.images.device}, {self.options}>"
        )


def _changed(
    images: Tensor, masks: Tensor | None, options: BatchOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Turn, mirror and shift images and their masks alike, each image by other amounts."""
    import torch

    n, device = len(images), images.device
    is_mirrored = torch.rand(n, generator=generator) < 0.5 if options.mirror else None
    if options.turns == "any" or options.shift:
        angle = torch.zeros(n)
        if options.turns == "any":
            angle = torch.rand(n, generator=generator) * (2 * math.pi)
        shift = (torch.rand(n, 2, generator=generator) * 2 - 1) * options.shift
        sign = torch.ones(n) if is_mirrored is None else 1 - 2 * is_mirrored.float()
        grid = _grid(angle.to(device), shift.to(device), sign.to(device), images)
        images = _sampled(images, grid, "bilinear")
        masks = masks if masks is None else _sampled(masks[:, None].float(), grid, "nearest")[:, 0]
        return images, masks if masks is None else masks.to(torch.uint8)
    if is_mirrored is not None:
        is_mirrored = is_mirrored.to(device)
        images = torch.where(is_mirrored[:, None, None, None], images.flip(-1), images)
        if masks is not None:
            masks = torch.where(is_mirrored[:, None, None], masks.flip(-1), masks)
    if options.turns == "quarter":
        quarters = torch.randint(4, (n,), generator=generator).to(device)
        images = _quarter_turns(images, quarters)
        masks = None if masks is None else _quarter_turns(masks[:, None], quarters)[:, 0]
    return images, masks


def _sampled(images: Tensor, grid: Tensor, mode: str) -> Tensor:
    import torch

    return torch.nn.functional.grid_sample(images, grid, mode, "zeros", align_corners=False)


def _quarter_turns(images: Tensor, quarters: Tensor) -> Tensor:
    """Turn each image by a number of right angles, counter-clockwise, and copy no pixel wrongly."""
    import torch

    turned = images
    for count in (1, 2, 3):
        is_turned = (quarters == count)[:, None, None, None]
        turned = torch.where(is_turned, images.rot90(count, (-2, -1)), turned)
    return turned


def _grid(angle: Tensor, shift: Tensor, sign: Tensor, images: Tensor) -> Tensor:
    """Return where each pixel of changed images comes from, as `grid_sample` takes it.

    Parameters
    ----------
    angle : tensor, shape (n,), radian
        Counter-clockwise, in the pixels of the image.
    shift : tensor, shape (n, 2), px
        To the right and down, after the turn.
    sign : tensor, shape (n,)
        -1 for images that are mirrored, left to right, before the turn, and 1 for the others.
    images : tensor, shape (n, channels, ny, nx)

    Returns
    -------
    tensor, shape (n, ny, nx, 2)
        x and y from -1 to 1 between the edges of the image.
    """
    import torch

    # A pixel of the result, relative to the centre, is moved back and turned back. The sum of a
    # column for x and a row for y costs a fifth of the product of matrices in `affine_grid`.
    ny, nx = images.shape[-2:]
    across = torch.arange(nx, device=images.device) - (nx - 1) / 2 - shift[:, :1]
    down = torch.arange(ny, device=images.device) - (ny - 1) / 2 - shift[:, 1:]
    cosine, sine = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    grid = images.new_empty((len(images), ny, nx, 2))
    scale = sign[:, None] * (2 / nx)
    torch.add(
        (scale * cosine * across)[:, None], -(scale * sine * down)[..., None], out=grid[..., 0]
    )
    scale = torch.full_like(scale, 2 / ny)
    torch.add(
        (scale * sine * across)[:, None], (scale * cosine * down)[..., None], out=grid[..., 1]
    )
    return grid
