"""Stamps of a chunk of sources, made as stacks: windows gathered, steps run, images encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.boxes import Boxes
from mingolotss.chunk import Chunk
from mingolotss.errors import ImageError
from mingolotss.kernel import SIDES, SPARSE, grey_stamps, takes
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints
from mingolotss.noise import background2d_noise, sigma_clipped_noise
from mingolotss.pixels import take_window, window_start
from mingolotss.recipe import Recipe
from mingolotss.selection import Place
from mingolotss.stamp import Fused, Stack, finish, fused, run_steps
from mingolotss.windows import Windows
from mingolotss.writers.png import encode_png, encode_rows

__all__ = ["STACK", "make_stamps", "noise_of", "preview", "stamp_box"]

STACK = 16  # stamps at once: 1.4 MB of float32 stays in the cache; 64 take twice as long each


class _Outlines(NamedTuple):
    """Where stamps lie in their cutouts, shape (n,): first row and column, side, if recentred."""

    y0: Ints
    x0: Ints
    side: Ints
    recentred: Bools


class _Group(NamedTuple):
    """Stamps of one size and type: which they are, their pixels and their noise."""

    members: Ints
    images: Windows
    noises: Windows


def make_stamps(chunk: Chunk) -> None:
    """Make the stamps of the chosen cutouts, in stacks of one type and size."""
    recipe, boxes = chunk.task.recipe, chunk.boxes
    sides = _sides(chunk)
    rows = np.flatnonzero(chunk.chosen >= 0)
    offers = chunk.chosen[rows]
    places = np.stack([chunk.x, chunk.y, chunk.separation])[:, offers]
    outlines = _outlines(boxes, offers, places, boxes.each(sides, 0)[offers], recipe)
    chunk.recentred[rows] = outlines.recentred
    for group in _groups(boxes, offers, outlines, recipe):
        steps, members = _fused(group, recipe), rows[group.members]
        for made in _by_steps(group, recipe) if steps is None else _at_once(group, steps):
            n = len(made.images)
            _hand_out(chunk, members[:n], made)
            members = members[n:]


def _sides(chunk: Chunk) -> list[int]:
    """Return how many pixels of each plane a stamp takes; reject sources of planes it cannot be."""
    sides = []
    for number, plane in enumerate(chunk.boxes.planes):
        try:
            sides.append(_side(plane, chunk.task.recipe))
        except ImageError as error:
            sides.append(0)
            for offer in np.flatnonzero(chunk.boxes.which == number).tolist():
                if chunk.verdict[offer] == "chosen":
                    chunk.verdict[offer] = str(error)
                    chunk.reject(int(chunk.of[offer]), "stamp", str(error))
    return sides


def stamp_box(cutout: Cutout, place: Place, recipe: Recipe) -> tuple[int, int, int, bool]:
    """Return where the stamp lies in a cutout: first row and column, side, whether recentred.

    Raises
    ------
    ImageError
        The recipe's pixels are no whole number of the image's.
    """
    found = _outline(Boxes.of([cutout]), place, recipe)
    return int(found.y0[0]), int(found.x0[0]), int(found.side[0]), bool(found.recentred[0])


def preview(cutout: Cutout, place: Place, recipe: Recipe) -> npt.NDArray[Any]:
    """Return the stamp that a build makes of one cutout, shape (side, side)."""
    boxes = Boxes.of([cutout])
    outline = _outline(boxes, place, recipe)
    (group,) = _groups(boxes, np.array([0]), outline, recipe)
    first = Stack(_stacked(group.images), _stacked(group.noises), recipe.stamp.pixels)
    stack = run_steps(first, recipe.step_list)
    pixels: npt.NDArray[Any] = finish(stack, recipe.stamp.kind)[0][0]
    return pixels


def _outline(boxes: Boxes, place: Place, recipe: Recipe) -> _Outlines:
    """Return where the stamp lies in the only cutout."""
    side = np.array([_side(boxes.planes[0], recipe)])
    return _outlines(boxes, np.array([0]), np.array(place).reshape(3, 1), side, recipe)


def _outlines(boxes: Boxes, offers: Ints, places: Floats, side: Ints, recipe: Recipe) -> _Outlines:
    """Return where stamps lie in some of the cutouts; `places` has the rows of a `Place`."""
    x, y, separation = places
    ny, nx = boxes.ny[offers], boxes.nx[offers]
    recentred = np.zeros(len(offers), bool)
    if recipe.recentre.enabled:
        far = separation > recipe.recentre.separation_arcsec
        recentred = (np.minimum(ny, nx) < side) | far
    y0, x0 = (
        np.where(recentred, window_start(n, side, at), window_start(n, side))
        for n, at in ((ny, y), (nx, x))
    )
    return _Outlines(y0, x0, side, recentred)


def _side(cutout: Cutout, recipe: Recipe) -> int:
    """Return how many pixels of a cutout a stamp takes on a side."""
    return recipe.stamp.pixels * _factor(recipe, cutout)


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


class _Pixels(NamedTuple):
    """Boxes of images: the cutouts' own pixels, or their noise."""

    planes: list[FloatImage]
    which: Ints
    y0: Ints
    x0: Ints
    ny: Ints
    nx: Ints

    def windows(self, some: Ints, y: Ints, x: Ints, side: int) -> Windows:
        """Return windows of some boxes; one that leaves its box is copied, NaN past the edge."""
        planes = list(self.planes)
        which, y0, x0, ny, nx = (column[some] for column in self[1:])
        rowed = np.array([one.strides[1] == one.itemsize for one in planes])[which]
        inside = rowed & (y >= 0) & (x >= 0) & (y + side <= ny) & (x + side <= nx)
        top, left = y0 + y, x0 + x
        for index in np.flatnonzero(~inside).tolist():
            rows, columns = (slice(a[index], a[index] + n[index]) for a, n in ((y0, ny), (x0, nx)))
            box = planes[which[index]][rows, columns]
            which[index], top[index], left[index] = len(planes), 0, 0
            planes.append(take_window(box, int(y[index]), int(x[index]), side))
        return Windows(planes, which, y=top, x=left, side=side)


def _groups(boxes: Boxes, offers: Ints, outlines: _Outlines, recipe: Recipe) -> Iterator[_Group]:
    """Give the windows of stamps and their noise, those of one size and type together."""
    columns = (column[offers] for column in (boxes.which, boxes.y0, boxes.x0, boxes.ny, boxes.nx))
    images = _Pixels([plane.image for plane in boxes.planes], *columns)
    noises = _noises(images, boxes, offers, recipe)
    value = (noises.ny == 1) & (noises.nx == 1)  # not a map
    types = (np.array([one.dtype.num for one in p.planes])[p.which] for p in (images, noises))
    kinds = np.stack([outlines.side, value, *types], axis=1)
    alike = (kinds == kinds[:1]).all()
    kind = np.zeros(len(offers)) if alike else np.unique(kinds, axis=0, return_inverse=True)[1]
    for number in np.unique(kind).tolist():
        some = np.flatnonzero(kind.ravel() == number)
        y, x, side = outlines.y0[some], outlines.x0[some], int(outlines.side[some[0]])
        corner = np.zeros_like(y)
        yield _Group(
            some,
            images.windows(some, y, x, side),
            noises.windows(some, corner, corner, 1)
            if value[some[0]]
            else noises.windows(some, y, x, side),
        )


def _noises(images: _Pixels, boxes: Boxes, offers: Ints, recipe: Recipe) -> _Pixels:
    """Return the noise of some cutouts: boxes of rms maps, or what is estimated of each."""
    mapped = recipe.noise.method == "rms-map"
    planes = [one.rms if mapped and one.rms is not None else one.image for one in boxes.planes]
    found = _Pixels(planes, *(column.copy() for column in images[1:]))
    lacking = np.array([not mapped or one.rms is None for one in boxes.planes])[found.which]
    for index in np.flatnonzero(lacking).tolist():
        noise = noise_of(boxes.cutout(int(offers[index])), recipe)
        for column, number in zip(found[1:], (len(planes), 0, 0, *noise.shape), strict=True):
            column[index] = number
        planes.append(noise)
    return found


@dataclass(frozen=True, slots=True)
class _Finished:
    """Stamps: their pixels, as they are stored, and what the manifest says of them."""

    pixels: npt.NDArray[Any]
    images: list[bytes]
    peaks: FloatImage
    floors: FloatImage
    blank: Bools


def _hand_out(chunk: Chunk, rows: Ints, made: _Finished) -> None:
    """Give each source its own."""
    chunk.peak_jy[rows], chunk.noise_jy[rows] = made.peaks, made.floors
    chunk.blank[rows], chunk.images[rows] = made.blank, made.images
    chunk.pixels_sha256[rows] = [hashlib.sha256(one.data).hexdigest() for one in made.pixels]


def _fused(group: _Group, recipe: Recipe) -> Fused | None:
    """Return the recipe's steps as one, where they and windows of this kind can be so made."""
    image, noise, side = group.images[0], group.noises[0], group.images.side
    usual = recipe.stamp.kind == "uint8" and side == recipe.stamp.pixels
    fit = takes(image) and noise.dtype.num == image.dtype.num and side in SIDES
    return fused(recipe.step_list) if usual and fit else None


def _at_once(group: _Group, steps: Fused) -> Iterator[_Finished]:
    """Do what `_by_steps` does in one pass over the pixels, by the compiled loops."""
    for made in grey_stamps(
        group.images, group.noises,
        sigma=steps.sigma, radius=steps.radius, inside=steps.inside, stack=STACK,
    ):  # fmt: skip
        encoded = [encode_rows(rows) for rows in made.rows]
        yield _Finished(made.pixels, encoded, made.peaks, made.floors, made.blank)


def _by_steps(group: _Group, recipe: Recipe) -> Iterator[_Finished]:
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
        yield _Finished(little, [encode(one) for one in little], peaks, _floors(noise), blank)


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
