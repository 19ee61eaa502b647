"""The third stage of a part: make the stamps of the chosen cutouts, encode and hash them.

Stamps are made as stacks of one size and type. Where the recipe's steps are the standard ones and
the compiled kernel is available, it does all of them in one pass; its output is bit-identical to
that of the steps. Everywhere else the steps run one after another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.selection import SourcePixel, source_pixels
from mingolotss.errors import ImageError
from mingolotss.image.compiled import NOISE_STRIDE, SIDES, grey_stamps, supports
from mingolotss.io.png import encode_png, encode_rows
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints, Objects
from mingolotss.pipeline.choice import Choices, Rejection
from mingolotss.pipeline.measure import Measured
from mingolotss.pipeline.stamp_windows import (
    Group,
    place_stamps,
    stamp_side,
    stamp_windows,
    window_of,
)
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import Recipe, StampSettings
from mingolotss.recipe.steps import (
    Stack,
    StampPixels,
    StandardSteps,
    as_standard_steps,
    finish,
    run_steps,
)

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["STACK", "Stamps", "make_stamp", "make_stamps", "preview"]

STACK = 16  # stamps at once: 1.4 MB of float32 stays in the cache; 64 take twice as long each


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamps of n sources.

    Attributes
    ----------
    images : object array of bytes or None, shape (n,)
        Each stamp as it is stored: PNG, or the bytes of its float32 pixels.
    pixels_sha256 : object array of str or None, shape (n,)
    recentred, blank : bool array, shape (n,)
    noise_jy, peak_jy : float64 array, shape (n,), Jy/beam
        Median noise under the stamp, and its brightest pixel before any step.
    rejections : dict of int to Rejection
        Sources whose chosen image cannot give a stamp.
    """

    images: Objects
    pixels_sha256: Objects
    recentred: Bools
    blank: Bools
    noise_jy: Floats
    peak_jy: Floats
    rejections: dict[int, Rejection]


def make_stamps(measured: Measured, choices: Choices, recipe: Recipe) -> Stamps:
    """Make the stamps of the chosen cutouts.

    Parameters
    ----------
    measured : Measured
        Of m candidates.
    choices : Choices
        For n sources among these candidates.
    recipe : Recipe
    """
    cutouts, n = measured.cutouts, len(choices.chosen)
    sides, problems = _stamp_sides(cutouts, recipe.stamp)
    has_choice = np.flatnonzero(choices.chosen >= 0)
    problem = cutouts.per_cutout(problems, "", object)[choices.chosen[has_choice]]
    stamps = Stamps(
        images=np.full(n, None),
        pixels_sha256=np.full(n, None),
        recentred=np.zeros(n, bool),
        blank=np.zeros(n, bool),
        noise_jy=np.full(n, np.nan),
        peak_jy=np.full(n, np.nan),
        rejections={
            int(row): Rejection("stamp", text)
            for row, text in zip(has_choice, problem, strict=True) if text
        },
    )  # fmt: skip
    rows = has_choice[problem == ""]
    chosen = choices.chosen[rows]
    positions = np.stack([measured.x, measured.y, measured.separation_arcsec])[:, chosen]
    boxes = place_stamps(
        cutouts, chosen, positions, cutouts.per_cutout(sides, 0)[chosen], recipe.recentre
    )
    stamps.recentred[rows] = boxes.recentred
    for group in stamp_windows(cutouts, chosen, boxes, recipe.noise):
        steps, members = _standard_steps(group, recipe), rows[group.members]
        stacks = _by_steps(group, recipe) if steps is None else _by_kernel(group, steps)
        for finished in stacks:
            some_rows, members = np.split(members, [len(finished.images)])
            _store(stamps, some_rows, finished)
    return stamps


def make_stamp(
    cutout: Cutout, position: SkyCoord, recipe: str | Path | Recipe = "mingolotss"
) -> StampPixels:
    """Make the stamp of one source from one cutout, exactly as a build makes it.

    Parameters
    ----------
    cutout : Cutout
        Pixels with their WCS and, if the recipe uses it, their rms map: what the method ``cutout``
        of a service returns.
    position : SkyCoord
        Position of the source.
    recipe : str, Path or Recipe
        The name of a shipped recipe, a TOML file, or a recipe.

    Returns
    -------
    uint8 or float32 array, shape (side, side)
        As the recipe says. Row 0 is the first row of the FITS image, the southern one.

    Raises
    ------
    ImageError
        The image cannot give a stamp of this recipe, or the position is not on its projection.
    """
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if cutout.rms is None and loaded.noise.method_for(has_rms_map=False) == "reject":
        raise ImageError("no rms map, which the recipe's noise needs")
    icrs = position.icrs
    (place,) = source_pixels([cutout], np.array([icrs.ra.deg]), np.array([icrs.dec.deg]))
    return preview(cutout, place, loaded)


def preview(cutout: Cutout, place: SourcePixel, recipe: Recipe) -> StampPixels:
    """Return the stamp that a build makes of one cutout, shape (side, side)."""
    group = window_of(cutout, place, recipe)
    first = Stack(_stacked(group.images), _stacked(group.noises), recipe.stamp.pixels)
    pixels, _ = finish(run_steps(first, recipe.step_list), recipe.stamp.kind)
    stamp: StampPixels = pixels[0]
    return stamp


def _stamp_sides(cutouts: CutoutArray, settings: StampSettings) -> tuple[list[int], list[str]]:
    """Return the side in pixels of a stamp on each plane, or 0 and the reason why there is none."""
    sides, problems = [], []
    for plane in cutouts.planes:
        try:
            side, problem = stamp_side(plane, settings), ""
        except ImageError as error:
            side, problem = 0, str(error)
        sides.append(side)
        problems.append(problem)
    return sides, problems


@dataclass(frozen=True, slots=True)
class _Finished:
    """A stack of stamps: the pixels, the images as they are stored, and columns of the manifest."""

    pixels: StampPixels
    images: list[bytes]
    peaks: FloatImage
    median_noise: FloatImage
    blank: Bools


def _store(stamps: Stamps, rows: Ints, finished: _Finished) -> None:
    """Enter a stack into the columns."""
    stamps.peak_jy[rows], stamps.noise_jy[rows] = finished.peaks, finished.median_noise
    stamps.blank[rows], stamps.images[rows] = finished.blank, finished.images
    digests = [hashlib.sha256(one.data).hexdigest() for one in finished.pixels]
    stamps.pixels_sha256[rows] = digests


def _standard_steps(group: Group, recipe: Recipe) -> StandardSteps | None:
    """Return the steps in the kernel's form, or None if the kernel cannot do this group."""
    image, noise, side = group.images[0], group.noises[0], group.images.side
    standard = recipe.stamp.kind == "uint8" and side == recipe.stamp.pixels
    fit = supports(image) and noise.dtype.num == image.dtype.num and side in SIDES
    return as_standard_steps(recipe.step_list) if standard and fit else None


def _by_kernel(group: Group, steps: StandardSteps) -> Iterator[_Finished]:
    """Do what `_by_steps` does in one pass over the pixels, by the compiled kernel."""
    for result in grey_stamps(
        group.images, group.noises,
        sigma=steps.sigma, radius=steps.radius, inside=steps.inside, stack=STACK,
    ):  # fmt: skip
        encoded = [encode_rows(rows) for rows in result.rows]
        yield _Finished(result.pixels, encoded, result.peaks, result.median_noise, result.blank)


def _by_steps(group: Group, recipe: Recipe) -> Iterator[_Finished]:
    """Run the recipe's steps, whatever they are, on stack after stack."""
    encode = encode_png if recipe.stamp.kind == "uint8" else _raw
    for start in range(0, len(group.members), STACK):
        stop = start + STACK
        images, noise = _stacked(group.images[start:stop]), _stacked(group.noises[start:stop])
        with np.errstate(invalid="ignore"):
            peaks = np.fmax.reduce(images, axis=(-2, -1)) + 0  # -0 is 0
        stack = run_steps(Stack(images, noise, recipe.stamp.pixels), recipe.step_list)
        pixels, blank = finish(stack, recipe.stamp.kind)
        little = pixels if pixels.dtype == np.uint8 else pixels.astype("<f4", copy=False)
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
