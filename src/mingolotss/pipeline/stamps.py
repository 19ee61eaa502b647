"""Stamps of a chunk of sources, made as stacks: steps run, images encoded and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.selection import Place
from mingolotss.errors import ImageError
from mingolotss.image.compiled import NOISE_STRIDE, SIDES, grey_stamps, supports
from mingolotss.io.png import encode_png, encode_rows
from mingolotss.model import Bools, Cutout, FloatImage, Ints
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.stamp_windows import (
    Group,
    place_stamps,
    stamp_side,
    stamp_windows,
    window_of,
)
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import Stack, StandardSteps, as_standard_steps, finish, run_steps

__all__ = ["STACK", "make_stamps", "preview"]

STACK = 16  # stamps at once: 1.4 MB of float32 stays in the cache; 64 take twice as long each


def make_stamps(chunk: Chunk) -> None:
    """Make the stamps of the chosen cutouts, in stacks of one type and size."""
    recipe, boxes = chunk.task.recipe, chunk.boxes
    sides = _sides(chunk)
    rows = np.flatnonzero(chunk.chosen >= 0)
    offers = chunk.chosen[rows]
    places = np.stack([chunk.x, chunk.y, chunk.separation])[:, offers]
    outlines = place_stamps(boxes, offers, places, boxes.each(sides, 0)[offers], recipe)
    chunk.recentred[rows] = outlines.recentred
    for group in stamp_windows(boxes, offers, outlines, recipe):
        steps, members = _fused(group, recipe), rows[group.members]
        for made in _by_steps(group, recipe) if steps is None else _by_kernel(group, steps):
            n = len(made.images)
            _hand_out(chunk, members[:n], made)
            members = members[n:]


def _sides(chunk: Chunk) -> list[int]:
    """Return how many pixels of each plane a stamp takes; reject sources of planes it cannot be."""
    sides = []
    for number, plane in enumerate(chunk.boxes.planes):
        try:
            sides.append(stamp_side(plane, chunk.task.recipe))
        except ImageError as error:
            sides.append(0)
            for offer in np.flatnonzero(chunk.boxes.which == number).tolist():
                if chunk.verdict[offer] == "chosen":
                    chunk.verdict[offer] = str(error)
                    chunk.reject(int(chunk.of[offer]), "stamp", str(error))
    return sides


def preview(cutout: Cutout, place: Place, recipe: Recipe) -> npt.NDArray[Any]:
    """Return the stamp that a build makes of one cutout, shape (side, side)."""
    group = window_of(cutout, place, recipe)
    first = Stack(_stacked(group.images), _stacked(group.noises), recipe.stamp.pixels)
    stack = run_steps(first, recipe.step_list)
    pixels: npt.NDArray[Any] = finish(stack, recipe.stamp.kind)[0][0]
    return pixels


@dataclass(frozen=True, slots=True)
class _Finished:
    """Stamps: their pixels, as they are stored, and what the manifest says of them."""

    pixels: npt.NDArray[Any]
    images: list[bytes]
    peaks: FloatImage
    median_noise: FloatImage
    blank: Bools


def _hand_out(chunk: Chunk, rows: Ints, made: _Finished) -> None:
    """Give each source its own."""
    chunk.peak_jy[rows], chunk.noise_jy[rows] = made.peaks, made.median_noise
    chunk.blank[rows], chunk.images[rows] = made.blank, made.images
    chunk.pixels_sha256[rows] = [hashlib.sha256(one.data).hexdigest() for one in made.pixels]


def _fused(group: Group, recipe: Recipe) -> StandardSteps | None:
    """Return the recipe's steps as one, where they and windows of this kind can be so made."""
    image, noise, side = group.images[0], group.noises[0], group.images.side
    usual = recipe.stamp.kind == "uint8" and side == recipe.stamp.pixels
    fit = supports(image) and noise.dtype.num == image.dtype.num and side in SIDES
    return as_standard_steps(recipe.step_list) if usual and fit else None


def _by_kernel(group: Group, steps: StandardSteps) -> Iterator[_Finished]:
    """Do what `_by_steps` does in one pass over the pixels, by the compiled kernel."""
    for made in grey_stamps(
        group.images, group.noises,
        sigma=steps.sigma, radius=steps.radius, inside=steps.inside, stack=STACK,
    ):  # fmt: skip
        encoded = [encode_rows(rows) for rows in made.rows]
        yield _Finished(made.pixels, encoded, made.peaks, made.median_noise, made.blank)


def _by_steps(group: Group, recipe: Recipe) -> Iterator[_Finished]:
    """Run the recipe's steps, whatever they are, on stack after stack."""
    encode = encode_png if recipe.stamp.kind == "uint8" else _raw
    for start in range(0, len(group.members), STACK):
        some = slice(start, start + STACK)
        images, noise = _stacked(group.images[some]), _stacked(group.noises[some])
        with np.errstate(invalid="ignore"):
            peaks = np.fmax.reduce(images, axis=(-2, -1)) + 0  # -0 is 0
        stack = run_steps(Stack(images, noise, recipe.stamp.pixels), recipe.step_list)
        pixels, blank = finish(stack, recipe.stamp.kind)
        little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        yield _Finished(little, [encode(one) for one in little], peaks, _median_noise(noise), blank)


def _stacked(images: Sequence[FloatImage]) -> FloatImage:
    """Return images of one type and shape as a stack, native byte order."""
    return np.stack(images, dtype=images[0].dtype.newbyteorder("="))


def _median_noise(noise: FloatImage) -> FloatImage:
    """Return the median noise of each of a stack, of every fifth pixel on a side; 0 if unknown."""
    sparse = noise[:, ::NOISE_STRIDE, ::NOISE_STRIDE].reshape(len(noise), -1)
    finite = np.isfinite(sparse)
    if finite.all():
        median: FloatImage = np.median(sparse, 1)
    else:
        median = np.nanmedian(np.where(finite.any(1, keepdims=True), sparse, 0), 1)
    return median + 0  # -0 is 0


def _raw(pixels: FloatImage) -> bytes:
    return pixels.tobytes()
