"""The pixels under stamps: where each lies in its cutout, and windows of one kind together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.selection import Place
from mingolotss.errors import ImageError
from mingolotss.image.noise import background2d_noise, sigma_clipped_noise
from mingolotss.image.pixels import take_window, window_start
from mingolotss.image.windows import WindowArray
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints
from mingolotss.recipe.model import Recipe

__all__ = [
    "Group",
    "StampBoxes",
    "noise_of",
    "place_stamps",
    "stamp_box",
    "stamp_side",
    "stamp_windows",
    "window_of",
]


class StampBoxes(NamedTuple):
    """Where stamps lie in their cutouts, shape (n,): first row and column, side, if recentred."""

    y0: Ints
    x0: Ints
    side: Ints
    recentred: Bools


class Group(NamedTuple):
    """Stamps of one size and type: which they are, their pixels and their noise."""

    members: Ints
    images: WindowArray
    noises: WindowArray


def stamp_box(cutout: Cutout, place: Place, recipe: Recipe) -> tuple[int, int, int, bool]:
    """Return where the stamp lies in a cutout: first row and column, side, whether recentred.

    Raises
    ------
    ImageError
        The recipe's pixels are no whole number of the image's, the rms map is of another size, or
        the source's place is not on the image's projection.
    """
    _, found = _alone(cutout, place, recipe)
    return int(found.y0[0]), int(found.x0[0]), int(found.side[0]), bool(found.recentred[0])


def window_of(cutout: Cutout, place: Place, recipe: Recipe) -> Group:
    """Return the pixels under the stamp of one cutout; raises what `stamp_box` does."""
    boxes, outlines = _alone(cutout, place, recipe)
    (group,) = stamp_windows(boxes, np.array([0]), outlines, recipe)
    return group


def _alone(cutout: Cutout, place: Place, recipe: Recipe) -> tuple[CutoutArray, StampBoxes]:
    boxes = CutoutArray.of([cutout])
    if boxes.errors:
        raise boxes.errors[0]
    if not np.isfinite(place).all():
        raise ImageError("the source's place is not on the image's projection")
    side = np.array([stamp_side(cutout, recipe)])
    places = np.array(place).reshape(3, 1)
    return boxes, place_stamps(boxes, np.array([0]), places, side, recipe)


def stamp_side(cutout: Cutout, recipe: Recipe) -> int:
    """Return how many pixels of a cutout, or of a whole image, a stamp takes on a side.

    Raises
    ------
    ImageError
        The recipe's pixels are no whole number of the image's.
    """
    wanted, scale = recipe.stamp.pixel_arcsec, cutout.wcs.pixel_scale_arcsec
    factor = round(wanted / scale) if wanted else 1
    if wanted and (factor < 1 or abs(wanted / (factor * scale) - 1) > 0.01):
        raise ImageError(
            f"the recipe's {wanted:g} arcsec pixels are no whole number of the image's "
            f"{scale:g} arcsec pixels"
        )
    return recipe.stamp.pixels * factor


def place_stamps(
    boxes: CutoutArray, offers: Ints, places: Floats, side: Ints, recipe: Recipe
) -> StampBoxes:
    """Return where stamps lie in some of the cutouts.

    Parameters
    ----------
    boxes : CutoutArray
    offers : int64 array, shape (n,)
        Which of them.
    places : float64 array, shape (3, n)
        As `mingolotss.candidates.selection.Place` has them: x and y (px), separation (arcsec).
    side : int64 array, shape (n,), px
        What `stamp_side` says of each.
    """
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
    return StampBoxes(y0, x0, side, recentred)


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
    """CutoutArray of images: the cutouts' own pixels, or their noise."""

    planes: list[FloatImage]
    which: Ints
    y0: Ints
    x0: Ints
    ny: Ints
    nx: Ints

    def windows(self, some: Ints, y: Ints, x: Ints, side: int) -> WindowArray:
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
        return WindowArray(planes, which, y=top, x=left, side=side)


def stamp_windows(
    boxes: CutoutArray, offers: Ints, outlines: StampBoxes, recipe: Recipe
) -> Iterator[Group]:
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
        yield Group(
            some,
            images.windows(some, y, x, side),
            noises.windows(some, corner, corner, 1)
            if value[some[0]]
            else noises.windows(some, y, x, side),
        )


def _noises(images: _Pixels, boxes: CutoutArray, offers: Ints, recipe: Recipe) -> _Pixels:
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
