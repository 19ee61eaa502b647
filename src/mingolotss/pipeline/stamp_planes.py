"""The brightness, the noise and the zeroed pixels of stamps, from the pixels that they are made of.

A stamp has lost its brightness to clip, mask and scaling. These are the arrays before that, on the
pixels of the stamp: means of blocks, where the recipe has the step ``bin``. They are needed for
FITS files only, and computed beside the stamps from the same windows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mingolotss.errors import ImageError, RecipeError
from mingolotss.image.masks import Masks
from mingolotss.image.pixels import block_mean
from mingolotss.model import Floats
from mingolotss.pipeline.stamp_windows import (
    STAMPS_PER_STACK,
    Group,
    stack_windows,
    stamp_windows,
)
from mingolotss.pipeline.stamps import Stamps
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import Stack, StampPixels, finish, noise_of_blocks, run_steps
from mingolotss.recipe.zeroed_pixels import run_and_mark

__all__ = ["StampPlane", "repeat_steps", "stamp_planes"]


@dataclass(frozen=True, slots=True)
class StampPlane:
    """One channel of a stamp before the steps of the recipe.

    Attributes
    ----------
    brightness : float32 array, shape (side, side), in the unit of the image
        NaN where there is no data.
    rms : float32 array, shape (side, side), in the unit of the image
    marks : uint8 array, shape (side, side)
        As `mingolotss.recipe.zeroed_pixels.run_and_mark` returns them.
    repeatable : bool
        Whether the steps of the recipe, applied to these arrays, give the stamp to the bit.
    """

    brightness: npt.NDArray[np.float32]
    rms: npt.NDArray[np.float32]
    marks: npt.NDArray[np.uint8]
    repeatable: bool


def stamp_planes(stamps: Stamps, recipe: Recipe) -> dict[int, StampPlane]:
    """Return the planes of the stamps of a chunk, by the index of the source.

    Parameters
    ----------
    stamps : Stamps
        As `mingolotss.pipeline.stamps.make_stamps` returns them; the images that they were made
        from can still be read.
    recipe : Recipe
        That they were made with.
    """
    placement = stamps.placement
    if placement is None or not len(placement.rows):
        return {}
    planes: dict[int, StampPlane] = {}
    windows = stamp_windows(
        placement.cutouts, placement.chosen, placement.boxes, placement.estimates
    )
    for group in windows:
        members = np.array(
            [index for index in group.indices if stamps.encoded[placement.rows[index]] is not None],
            np.int64,
        )
        places = np.searchsorted(group.indices, members)
        for start in range(0, len(members), STAMPS_PER_STACK):
            some = slice(start, start + STAMPS_PER_STACK)
            rows = placement.rows[members[some]]
            stack = _stack(group, places[some], recipe, placement.noise.relative[members[some]])
            if stamps.masks is not None:
                stack = replace(stack, source_mask=stamps.masks.masks[rows])
            of_stack = _planes(stack, recipe, stamps.pixels_sha256[rows])
            planes |= zip(rows.tolist(), of_stack, strict=True)
    return planes


def _stack(
    group: Group, members: npt.NDArray[np.int64], recipe: Recipe, bin_noise: Floats
) -> Stack:
    """Return some stamps of a group before the first step, as `make_stamps` has them."""
    images = stack_windows([group.images[index] for index in members.tolist()])
    noise = stack_windows([group.noises[index] for index in members.tolist()])
    return Stack(images, noise, recipe.stamp.pixels, bin_noise=bin_noise.reshape(-1, 1, 1))


def _planes(stack: Stack, recipe: Recipe, digests: npt.NDArray[np.object_]) -> Iterator[StampPlane]:
    """Yield the planes of a stack; the steps have run on it before."""
    factor = stack.image.shape[-1] // stack.side
    image, noise = stack.image, stack.noise
    with np.errstate(all="ignore"):  # NaN, infinite and very large pixels are data here
        _, marks = run_and_mark(stack, recipe.step_list)
        if factor > 1:
            image = block_mean(image, factor)
            noise = noise_of_blocks(noise, factor, stack.bin_noise)
        brightness = image.astype(np.float32)
        rms = np.broadcast_to(noise, image.shape).astype(np.float32)
    # The arrays are those that the steps ran on, unless pixels were averaged or rounded.
    is_same = factor == 1 and image.dtype == noise.dtype == np.float32
    for index, digest in enumerate(digests):
        mask = None if stack.source_mask is None else stack.source_mask[index]
        repeatable = is_same or _steps_give(digest, brightness[index], rms[index], recipe, mask)
        yield StampPlane(brightness[index], rms[index], marks[index], repeatable)


def repeat_steps(
    brightness: npt.NDArray[np.float32],
    rms: npt.NDArray[np.float32],
    recipe: Recipe,
    source_mask: Masks | None = None,
) -> StampPixels | None:
    """Return the stamp that the steps of a recipe give, None if a step cannot handle the pixels.

    Parameters
    ----------
    brightness, rms : float32 array, shape (side, side), in the unit of the image
        On the pixels of the stamp, native byte order.
    recipe : Recipe
    source_mask : uint8 array, shape (side, side), optional
        The mask of the stamp, for a recipe with masks.

    Returns
    -------
    uint8 or little-endian float32 array, shape (side, side), or None
    """
    masks = None if source_mask is None else source_mask[None]
    stack = Stack(brightness[None], rms[None], recipe.stamp.pixels, source_mask=masks)
    try:
        with np.errstate(all="ignore"):
            (pixels,), _ = finish(run_steps(stack, recipe.step_list), recipe.stamp.kind)
    except (ImageError, RecipeError):
        return None
    stamp: StampPixels = pixels if pixels.dtype == np.uint8 else pixels.astype("<f4", copy=False)
    return stamp


def _steps_give(
    digest: str,
    brightness: npt.NDArray[np.float32],
    rms: npt.NDArray[np.float32],
    recipe: Recipe,
    source_mask: Masks | None,
) -> bool:
    """Return whether the steps of a recipe give the stamp whose pixels have this SHA-256."""
    stamp = repeat_steps(brightness, rms, recipe, source_mask)
    return stamp is not None and hashlib.sha256(stamp.tobytes()).hexdigest() == digest
