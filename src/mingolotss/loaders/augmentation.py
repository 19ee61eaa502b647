"""Turns, mirrors and shifts of a batch of images: exact ones, and those that interpolate.

What happens to each image is drawn on the CPU (`Changes.draw`), so that it is the same on every
device. Arrays of numpy are moved by numpy and tensors by torch, with the same result.

On the CPU each image is interpolated alone. torch then takes one thread for it, and threads of our
own share the images: torch's own threads wait for each other after each operation, and beside a
busy process a batch takes five times as long. The grid of one image stays in the cache of a core.

>>> images = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
>>> moved(images, np.array([1]), np.array([True])).tolist()
[[[[0, 2], [1, 3]]]]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.dataset.image_stack import ImageArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Changes", "SampledChanges", "Stack", "Turns", "moved", "sample_in_threads", "sampled"]

Turns = Literal["none", "quarter", "any"]
Mode = Literal["bilinear", "nearest"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What happens to each image of a batch: mirrored first, then turned, then shifted.

    Attributes
    ----------
    mirrored : bool array, shape (n,)
        Moved exactly, left to right.
    quarters : int array, shape (n,)
        Moved exactly, by turns of 90 degrees, counter-clockwise.
    sampled : SampledChanges or None
        What is interpolated after that.
    """

    mirrored: npt.NDArray[np.bool_]
    quarters: npt.NDArray[np.int64]
    sampled: SampledChanges | None

    @classmethod
    def draw(
        cls, n: int, turns: Turns, *, mirror: bool, shift: float, generator: torch.Generator
    ) -> Changes:
        """Draw the changes of `n` images, the shift from -`shift` to `shift` px."""
        import torch

        mirrored, quarters = torch.zeros(n, dtype=torch.bool), torch.zeros(n, dtype=torch.int64)
        if mirror:
            mirrored = torch.rand(n, generator=generator) < 0.5
        if turns == "quarter":
            quarters = torch.randint(4, (n,), generator=generator)
        if turns != "any" and not shift:
            return cls(mirrored.numpy(), quarters.numpy(), None)
        angle = torch.zeros(n)
        if turns == "any":
            angle = torch.rand(n, generator=generator) * (2 * math.pi)
        offset = (torch.rand(n, 2, generator=generator) * 2 - 1) * shift
        sign = torch.ones(n)
        if turns != "quarter":  # nothing has to come before, and one step does both
            sign, mirrored = 1 - 2 * mirrored.float(), torch.zeros_like(mirrored)
        return cls(mirrored.numpy(), quarters.numpy(), SampledChanges(angle, offset, sign))

    @property
    def are_moves(self) -> bool:
        """Whether an image is mirrored or turned exactly."""
        return bool(self.mirrored.any() or self.quarters.any())

    def move(self, images: Any) -> Any:
        """Mirror and turn images, shape (n, ..., ny, nx), exactly; see `moved`."""
        return moved(images, self.quarters, self.mirrored)


class Stack(NamedTuple):
    """Images to interpolate on the CPU.

    Attributes
    ----------
    pixels : array, shape (n, channels, ny, nx)
    convert : callable
        Gives some of them as float32.
    mode : {"bilinear", "nearest"}
    out : array, shape (n, channels, ny, nx)
        For the result.
    """

    pixels: ImageArray
    convert: Callable[[ImageArray], npt.NDArray[np.float32]]
    mode: Mode
    out: ImageArray


@dataclass(frozen=True, slots=True)
class SampledChanges:
    """Changes of a batch that are interpolated.

    Attributes
    ----------
    angle : tensor, shape (n,), radian
        Counter-clockwise, in the pixels of the image.
    shift : tensor, shape (n, 2), px
        To the right and down, after the turn.
    sign : tensor, shape (n,)
        -1 for images that are mirrored, left to right, before the turn, and 1 for the others.
    """

    angle: Tensor
    shift: Tensor
    sign: Tensor

    def coordinates(self, ny: int, nx: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return where each pixel of the changed images comes from, as two terms of a sum.

        Returns
        -------
        columns, rows : tensor, shape (n, 2, 1, nx) and (n, 2, ny, 1)
            Their sum is x and y, from -1 to 1 between the edges of the image.
        """
        import torch

        # A pixel of the result, relative to the centre, is moved back and turned back. The sum of a
        # column and a row costs a tenth of the product of matrices in `affine_grid`.
        angle, sign = self.angle.to(device)[:, None], self.sign.to(device)[:, None]
        shift = self.shift.to(device)
        across = torch.arange(nx, device=device) - (nx - 1) / 2 - shift[:, :1]
        down = torch.arange(ny, device=device) - (ny - 1) / 2 - shift[:, 1:]
        cosine, sine = torch.cos(angle), torch.sin(angle)
        to_x, to_y = sign * (2 / nx), torch.full_like(sign, 2 / ny)
        columns = torch.stack([to_x * cosine * across, to_y * sine * across], 1)
        rows = torch.stack([-(to_x * sine * down), to_y * cosine * down], 1)
        return columns[:, :, None], rows[..., None]


def moved(images: Any, quarters: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_]) -> Any:
    """Mirror and turn images without changing a pixel.

    Parameters
    ----------
    images : array or tensor, shape (n, ..., ny, nx)
    quarters : int array, shape (n,)
        Turns by 90 degrees, after mirroring.
    mirrored : bool array, shape (n,)

    Returns
    -------
    array or tensor
        A new one; `images` itself if no image is moved.
    """
    # Images that move alike are brought together, moved by one copy and put back in their places.
    kind = quarters + 4 * mirrored
    if not kind.any():
        return images
    import torch

    library: Any = np if isinstance(images, np.ndarray) else torch
    order = np.argsort(kind, kind="stable")
    sorted_images = images[order]
    result = library.empty_like(sorted_images)
    stops = np.cumsum(np.bincount(kind, minlength=8)).tolist()
    for number, (start, stop) in enumerate(zip([0, *stops], stops, strict=False)):
        part = sorted_images[start:stop]
        if number >= 4:
            part = library.flip(part, (-1,))
        result[start:stop] = library.rot90(part, number % 4, (-2, -1))
    return result[np.argsort(order)]


def sampled(images: Tensor, changes: SampledChanges, mode: Mode) -> Tensor:
    """Interpolate images on any device, with zeros beyond their edges.

    Parameters
    ----------
    images : float32 tensor, shape (n, channels, ny, nx)
    changes : SampledChanges
    mode : {"bilinear", "nearest"}
    """
    ny, nx = images.shape[-2:]
    columns, rows = changes.coordinates(ny, nx, images.device)
    return _sample(images, columns + rows, mode)


def sample_in_threads(
    stacks: Sequence[Stack], changes: SampledChanges, pool: Executor, threads: int
) -> None:
    """Interpolate images on the CPU as `sampled` does, one by one.

    Parameters
    ----------
    stacks : sequence of Stack
        Images, and their masks, which change alike.
    changes : SampledChanges
    pool : Executor
    threads : int
        In `pool`.
    """
    import torch

    n, (ny, nx) = len(stacks[0].pixels), stacks[0].pixels.shape[-2:]
    columns, rows = (one.numpy() for one in changes.coordinates(ny, nx, torch.device("cpu")))

    def sample(start: int, stop: int) -> None:
        grid = np.empty((1, 2, ny, nx), np.float32)
        for row in range(start, stop):
            np.add(columns[row], rows[row], out=grid[0])  # in one thread, however large
            for stack in stacks:
                pixels = torch.from_numpy(stack.convert(stack.pixels[row : row + 1]))
                result = _sample(pixels, torch.from_numpy(grid), stack.mode)
                stack.out[row] = result[0].numpy()

    step = math.ceil(n / (4 * threads))  # a slow thread has fewer
    for job in [pool.submit(sample, start, min(start + step, n)) for start in range(0, n, step)]:
        job.result()


def _sample(images: Tensor, grid: Tensor, mode: Mode) -> Tensor:
    """Sample images at x and y, the two planes of `grid`, shape (n, 2, ny, nx)."""
    import torch

    places = grid.permute(0, 2, 3, 1)
    return torch.nn.functional.grid_sample(images, places, mode, "zeros", align_corners=False)
