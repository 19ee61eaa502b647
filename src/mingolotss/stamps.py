"""Stamps of a chunk of sources, made as stacks: windows gathered, steps run, images encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.errors import ImageError
from mingolotss.model import Cutout, FloatImage
from mingolotss.noise import background2d_noise, sigma_clipped_noise
from mingolotss.pixels import fill_window, take_window, window_start
from mingolotss.recipe import Recipe
from mingolotss.selection import Place
from mingolotss.stamp import Stack, finish, run_steps
from mingolotss.task import Offer, Task, Work
from mingolotss.writers.png import encode_png

__all__ = ["STACK", "make_stamps", "noise_of", "preview", "stamp_box"]

STACK = 16  # stamps at once: 1.4 MB of float32 stays in the cache; 64 take twice as long each


@dataclass(frozen=True, slots=True)
class _Window:
    """Where a source's stamp lies in its cutout, and the noise there."""

    work: Work
    image: FloatImage
    noise: FloatImage
    y0: int
    x0: int
    side: int

    @property
    def kind(self) -> tuple[int, int, int, bool]:
        """Return what windows of one stack have in common."""
        flat = self.noise.shape == (1, 1)
        return self.image.dtype.num, self.noise.dtype.num, self.side, flat  # in any byte order


def make_stamps(works: Sequence[Work], task: Task) -> None:
    """Make the stamps of the chosen cutouts, in stacks of one type and size."""
    groups: dict[tuple[int, int, int, bool], list[_Window]] = {}
    for work in works:
        if work.chosen is None:
            continue
        try:
            window = _window(work, work.chosen, task.recipe)
        except ImageError as error:
            work.reject("stamp", str(error))
            work.chosen.verdict = str(error)
            continue
        groups.setdefault(window.kind, []).append(window)
    for members in groups.values():
        for start in range(0, len(members), STACK):
            _finish(members[start : start + STACK], task.recipe)


def _window(work: Work, offer: Offer, recipe: Recipe) -> _Window:
    cutout, place = offer.cutout, offer.place
    if cutout is None or place is None:
        raise ImageError("no pixels")  # only what has both is chosen
    y0, x0, side, work.recentred = stamp_box(cutout, place, recipe)
    return _Window(work, cutout.image, noise_of(cutout, recipe), y0, x0, side)


def stamp_box(cutout: Cutout, place: Place, recipe: Recipe) -> tuple[int, int, int, bool]:
    """Return where the stamp lies in a cutout: first row and column, side, whether recentred.

    Raises
    ------
    ImageError
        The recipe's pixels are no whole number of the image's.
    """
    side = recipe.stamp.pixels * _factor(recipe, cutout)
    ny, nx = cutout.image.shape
    recentre = recipe.recentre.enabled and (
        min(ny, nx) < side or place.separation_arcsec > recipe.recentre.separation_arcsec
    )
    y0 = window_start(ny, side, place.y if recentre else None)
    x0 = window_start(nx, side, place.x if recentre else None)
    return y0, x0, side, recentre


def preview(cutout: Cutout, place: Place, recipe: Recipe) -> npt.NDArray[Any]:
    """Return the stamp that a build makes of one cutout, shape (side, side)."""
    y0, x0, side, _ = stamp_box(cutout, place, recipe)
    image, noise = take_window(cutout.image, y0, x0, side), noise_of(cutout, recipe)
    if noise.shape != (1, 1):
        noise = take_window(noise, y0, x0, side)
    stack = run_steps(Stack(image[None], noise[None], recipe.stamp.pixels), recipe.step_list)
    pixels: npt.NDArray[Any] = finish(stack, recipe.stamp.kind)[0][0]
    return pixels


def _factor(recipe: Recipe, cutout: Cutout) -> int:
    """Return how many of the image's pixels one of the stamp's has on a side."""
    wanted, scale = recipe.stamp.pixel_arcsec, cutout.wcs.pixel_scale_arcsec
    factor = round(wanted / scale) if wanted else 1
    if wanted and (factor < 1 or abs(wanted / (factor * scale) - 1) > 0.01):
        raise ImageError(
            f"the recipe's {wanted:g} arcsec pixels are no whole number of the image's "
            f"{scale:g} arcsec pixels"
        )
    return factor


def noise_of(cutout: Cutout, recipe: Recipe) -> FloatImage:
    """Return the noise of a cutout: a map of its shape, or one value of shape (1, 1)."""
    settings = recipe.noise
    if settings.method == "rms-map" and cutout.rms is not None:
        return cutout.rms
    method = settings.otherwise if settings.method == "rms-map" else settings.method
    if method == "background2d":
        return background2d_noise(cutout.image, box=settings.box, sigma=settings.sigma)
    return sigma_clipped_noise(cutout.image, sigma=settings.sigma, iterations=settings.iterations)


def _gather(windows: Sequence[_Window]) -> Iterator[FloatImage]:
    """Give the images of windows of one kind as a stack, then their noise."""
    first = windows[0]
    shape = len(windows), first.side, first.side
    images = np.empty(shape, first.image.dtype.newbyteorder("="))
    for one, window in zip(images, windows, strict=True):
        fill_window(one, window.image, window.y0, window.x0)
    yield images
    if first.noise.shape == (1, 1):
        yield np.stack([window.noise for window in windows])
        return
    noise = np.empty(shape, first.noise.dtype.newbyteorder("="))
    for one, window in zip(noise, windows, strict=True):
        fill_window(one, window.noise, window.y0, window.x0)
    yield noise


def _finish(windows: Sequence[_Window], recipe: Recipe) -> None:
    """Run the recipe's steps on a stack and hand each source its stamp."""
    images, noise = _gather(windows)
    with np.errstate(invalid="ignore"):
        peaks = np.fmax.reduce(images, axis=(-2, -1)).tolist()
    floors = _floors(noise).tolist()
    stack = run_steps(Stack(images, noise, recipe.stamp.pixels), recipe.step_list)
    pixels, blank = finish(stack, recipe.stamp.kind)
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    encode = encode_png if recipe.stamp.kind == "uint8" else _raw
    works = (window.work for window in windows)
    for work, one, peak, floor, nothing in zip(
        works, little, peaks, floors, blank.tolist(), strict=True
    ):
        work.peak_jy, work.noise_jy, work.blank = peak, floor, nothing
        work.image = encode(one)
        work.pixels_sha256 = hashlib.sha256(one.data).hexdigest()


def _floors(noise: FloatImage) -> FloatImage:
    """Return the median noise of each of a stack; every fifth pixel on a side says enough."""
    sparse = noise[:, ::5, ::5].reshape(len(noise), -1)
    finite = np.isfinite(sparse)
    if finite.all():
        median: FloatImage = np.median(sparse, 1)
    else:
        median = np.nanmedian(np.where(finite.any(1, keepdims=True), sparse, 0), 1)
    return median


def _raw(pixels: FloatImage) -> bytes:
    return pixels.tobytes()
