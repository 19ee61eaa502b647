"""Stamps of a chunk of sources, made as stacks: windows gathered, steps run, images encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.errors import ImageError
from mingolotss.kernel import SIDES, SPARSE, grey_stamps, takes
from mingolotss.model import Cutout, FloatImage
from mingolotss.noise import background2d_noise, sigma_clipped_noise
from mingolotss.pixels import view_window, window_start
from mingolotss.recipe import Recipe
from mingolotss.selection import Place
from mingolotss.stamp import Fused, Stack, finish, fused, run_steps
from mingolotss.task import Offer, Task, Work
from mingolotss.writers.png import encode_png, encode_rows

__all__ = ["STACK", "make_stamps", "noise_of", "preview", "stamp_box"]

STACK = 16  # stamps at once: 1.4 MB of float32 stays in the cache; 64 take twice as long each


class _Window(NamedTuple):
    """A source, the pixels that its stamp is made of, and their noise: (side, side) or (1, 1)."""

    work: Work
    image: FloatImage
    noise: FloatImage

    @property
    def kind(self) -> tuple[Any, ...]:
        """Return what windows of one stack have in common; byte order does not matter."""
        image, noise = self.image, self.noise
        return image.dtype.num, image.shape, noise.dtype.num, noise.shape


def make_stamps(works: Sequence[Work], task: Task) -> None:
    """Make the stamps of the chosen cutouts, in stacks of one type and size."""
    groups: dict[tuple[Any, ...], list[_Window]] = {}
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
        steps = _fused(members[0], task.recipe)
        for start in range(0, len(members), STACK):
            some = members[start : start + STACK]
            made = _by_steps(some, task.recipe) if steps is None else _at_once(some, steps)
            _hand_out(some, made)


def _window(work: Work, offer: Offer, recipe: Recipe) -> _Window:
    cutout, place = offer.cutout, offer.place
    if cutout is None or place is None:
        raise ImageError("no pixels")  # only what has both is chosen
    image, noise, work.recentred = _under_stamp(cutout, place, recipe)
    return _Window(work, image, noise)


def _under_stamp(
    cutout: Cutout, place: Place, recipe: Recipe
) -> tuple[FloatImage, FloatImage, bool]:
    """Return the pixels that a stamp is made of, their noise, and whether it was recentred."""
    y0, x0, side, recentred = stamp_box(cutout, place, recipe)
    noise = noise_of(cutout, recipe)
    if noise.shape != (1, 1):
        noise = view_window(noise, y0, x0, side)
    return view_window(cutout.image, y0, x0, side), noise, recentred


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
    image, noise, _ = _under_stamp(cutout, place, recipe)
    first = Stack(_stacked([image]), _stacked([noise]), recipe.stamp.pixels)
    stack = run_steps(first, recipe.step_list)
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


@dataclass(frozen=True, slots=True)
class _Finished:
    """Stamps: their pixels, as they are stored, and what the manifest says of them."""

    pixels: npt.NDArray[Any]
    images: list[bytes]
    peaks: list[float]
    floors: list[float]
    blank: list[bool]


def _hand_out(windows: Sequence[_Window], made: _Finished) -> None:
    """Give each source its own."""
    rows = zip(windows, made.pixels, made.images, made.peaks, made.floors, made.blank, strict=True)
    for (work, _, _), one, image, peak, floor, nothing in rows:
        work.peak_jy, work.noise_jy, work.blank, work.image = peak, floor, nothing, image
        work.pixels_sha256 = hashlib.sha256(one.data).hexdigest()


def _fused(window: _Window, recipe: Recipe) -> Fused | None:
    """Return the recipe's steps as one, where they and windows of this kind can be so made."""
    image, noise = window.image, window.noise
    usual = recipe.stamp.kind == "uint8" and len(image) == recipe.stamp.pixels
    fit = takes(image) and noise.dtype.num == image.dtype.num and len(image) in SIDES
    return fused(recipe.step_list) if usual and fit else None


def _at_once(windows: Sequence[_Window], steps: Fused) -> _Finished:
    """Do what `_by_steps` does in one pass over the pixels, by the compiled loops."""
    _, images, noises = zip(*windows, strict=True)
    made = grey_stamps(images, noises, sigma=steps.sigma, radius=steps.radius, inside=steps.inside)
    return _Finished(
        made.pixels,
        [encode_rows(rows) for rows in made.rows],
        made.peaks.tolist(),
        made.floors.tolist(),
        made.blank.tolist(),
    )


def _by_steps(windows: Sequence[_Window], recipe: Recipe) -> _Finished:
    """Run the recipe's steps, whatever they are, on a stack."""
    _, *columns = zip(*windows, strict=True)
    images, noise = (_stacked(column) for column in columns)
    with np.errstate(invalid="ignore"):
        peaks = (np.fmax.reduce(images, axis=(-2, -1)) + 0).tolist()  # -0 is 0
    floors = _floors(noise).tolist()
    stack = run_steps(Stack(images, noise, recipe.stamp.pixels), recipe.step_list)
    pixels, blank = finish(stack, recipe.stamp.kind)
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    encode = encode_png if recipe.stamp.kind == "uint8" else _raw
    return _Finished(little, [encode(one) for one in little], peaks, floors, blank.tolist())


def _stacked(images: Sequence[FloatImage]) -> FloatImage:
    """Return images of one type and shape as a stack, native byte order."""
    return np.stack(images, dtype=images[0].dtype.newbyteorder("="))


def _floors(noise: FloatImage) -> FloatImage:
    """Return the median noise of each of a stack, of every fifth pixel on a side; 0 if unknown."""
    sparse = noise[:, ::SPARSE, ::SPARSE].reshape(len(noise), -1)
    finite = np.isfinite(sparse)
    if finite.all():
        median: FloatImage = np.median(sparse, 1)
    else:
        median = np.nanmedian(np.where(finite.any(1, keepdims=True), sparse, 0), 1)
    return median + 0  # -0 is 0


def _raw(pixels: FloatImage) -> bytes:
    return pixels.tobytes()
