"""The pixels under stamps: where each lies in its cutout, and which windows go in one stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.selection import SourcePixel
from mingolotss.errors import ImageError
from mingolotss.image.noise import background2d_noise, sigma_clipped_noise
from mingolotss.image.pixels import take_window, window_start
from mingolotss.image.windows import WindowArray
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints
from mingolotss.recipe.model import NoiseSettings, RecentreSettings, Recipe, StampSettings

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
    """Where stamps lie in their cutouts, as columns of shape (n,).

    Attributes
    ----------
    y0, x0 : int64 array, px
        First row and column; negative where the stamp begins before its cutout.
    side : int64 array, px
    recentred : bool array
        The stamp is centred on the source and not on the middle of the cutout.
    """

    y0: Ints
    x0: Ints
    side: Ints
    recentred: Bools


class Group(NamedTuple):
    """Stamps of one size and type, which can be stacked.

    Attributes
    ----------
    members : int64 array, shape (k,)
        Which of the stamps these are.
    images : WindowArray
        Their pixels, shape (side, side) each.
    noises : WindowArray
        Their noise: windows of the same shape, or single values of shape (1, 1).
    """

    members: Ints
    images: WindowArray
    noises: WindowArray


def stamp_box(cutout: Cutout, place: SourcePixel, recipe: Recipe) -> tuple[int, int, int, bool]:
    """Return where the stamp lies in a cutout: first row and column, side, whether recentred.

    Raises
    ------
    ImageError
        The pixel size of the recipe is no multiple of the image's, the rms map is of another size,
        or the source's place is not on the image's projection.
    """
    _, boxes = _box_of(cutout, place, recipe)
    return int(boxes.y0[0]), int(boxes.x0[0]), int(boxes.side[0]), bool(boxes.recentred[0])


def window_of(cutout: Cutout, place: SourcePixel, recipe: Recipe) -> Group:
    """Return the pixels under the stamp of one cutout; raises what `stamp_box` raises."""
    cutouts, boxes = _box_of(cutout, place, recipe)
    (group,) = stamp_windows(cutouts, np.array([0]), boxes, recipe.noise)
    return group


def _box_of(cutout: Cutout, place: SourcePixel, recipe: Recipe) -> tuple[CutoutArray, StampBoxes]:
    cutouts = CutoutArray.from_outcomes([cutout])
    if cutouts.errors:
        raise cutouts.errors[0]
    if not np.isfinite(place).all():
        raise ImageError("the source's place is not on the image's projection")
    side = np.array([stamp_side(cutout, recipe.stamp)])
    positions = np.array(place).reshape(3, 1)
    return cutouts, place_stamps(cutouts, np.array([0]), positions, side, recipe.recentre)


def stamp_side(cutout: Cutout, settings: StampSettings) -> int:
    """Return how many pixels of a cutout, or of a whole image, a stamp takes on a side.

    Raises
    ------
    ImageError
        The pixel size of the recipe is no multiple of the image's.
    """
    pixel, scale = settings.pixel_arcsec, cutout.wcs.pixel_scale_arcsec
    factor = round(pixel / scale) if pixel else 1
    if pixel and (factor < 1 or abs(pixel / (factor * scale) - 1) > 0.01):
        raise ImageError(
            f"the recipe's {pixel:g} arcsec pixels are no whole number of the image's "
            f"{scale:g} arcsec pixels"
        )
    return settings.pixels * factor


def place_stamps(
    cutouts: CutoutArray,
    indices: Ints,
    positions: Floats,
    side: Ints,
    settings: RecentreSettings,
) -> StampBoxes:
    """Return where stamps lie in some of the cutouts.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        Which of the cutouts.
    positions : float64 array, shape (3, n)
        x and y (px) and separation (arcsec), as in `mingolotss.candidates.selection.SourcePixel`.
    side : int64 array, shape (n,), px
        What `stamp_side` returns for each.
    settings : RecentreSettings
    """
    x, y, separation = positions
    ny, nx = cutouts.ny[indices], cutouts.nx[indices]
    recentred = np.zeros(len(indices), bool)
    if settings.enabled:
        far = separation > settings.separation_arcsec
        recentred = (np.minimum(ny, nx) < side) | far
    y0, x0 = (
        np.where(recentred, window_start(n, side, at), window_start(n, side))
        for n, at in ((ny, y), (nx, x))
    )
    return StampBoxes(y0, x0, side, recentred)


def noise_of(cutout: Cutout, settings: NoiseSettings) -> FloatImage:
    """Return the noise of a cutout: a map of its shape, or one value of shape (1, 1), Jy/beam."""
    method = settings.method_for(has_rms_map=cutout.rms is not None)
    if method == "rms-map" and cutout.rms is not None:
        return cutout.rms
    if method == "background2d":
        return background2d_noise(cutout.image, box=settings.box, sigma=settings.sigma)
    return sigma_clipped_noise(cutout.image, sigma=settings.sigma, iterations=settings.iterations)


class _Boxes(NamedTuple):
    """Boxes of k planes: the pixels of n cutouts, or their noise.

    Attributes
    ----------
    planes : list of float array
    plane_index : int64 array, shape (n,)
        The plane of each box.
    y0, x0, ny, nx : int64 array, shape (n,), px
    """

    planes: list[FloatImage]
    plane_index: Ints
    y0: Ints
    x0: Ints
    ny: Ints
    nx: Ints

    def windows(self, indices: Ints, y: Ints, x: Ints, side: int) -> WindowArray:
        """Return windows of some boxes; one that leaves its box is copied, NaN past the edge."""
        # Windows that lie in their box are views: only their place in the plane is computed, for
        # all at once. The few others become planes of their own, appended to the list.
        planes = list(self.planes)
        plane_index, y0, x0, ny, nx = (column[indices] for column in self[1:])
        contiguous = np.array([one.strides[1] == one.itemsize for one in planes])[plane_index]
        inside = contiguous & (y >= 0) & (x >= 0) & (y + side <= ny) & (x + side <= nx)
        top, left = y0 + y, x0 + x
        for index in np.flatnonzero(~inside).tolist():
            rows, columns = (slice(a[index], a[index] + n[index]) for a, n in ((y0, ny), (x0, nx)))
            box = planes[plane_index[index]][rows, columns]
            plane_index[index], top[index], left[index] = len(planes), 0, 0
            planes.append(take_window(box, int(y[index]), int(x[index]), side))
        return WindowArray(planes, plane_index, y=top, x=left, side=side)


def stamp_windows(
    cutouts: CutoutArray, indices: Ints, boxes: StampBoxes, settings: NoiseSettings
) -> Iterator[Group]:
    """Yield the windows of stamps and their noise, those of one size and type together.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        The cutout of each stamp.
    boxes : StampBoxes
        Where each stamp lies in its cutout.
    settings : NoiseSettings
    """
    columns = (
        column[indices]
        for column in (cutouts.plane_index, cutouts.y0, cutouts.x0, cutouts.ny, cutouts.nx)
    )
    images = _Boxes([plane.image for plane in cutouts.planes], *columns)
    noises = _noise_boxes(images, cutouts, indices, settings)
    # Stamps go into one stack if four numbers agree: the side, whether the noise is one value, and
    # the types of both arrays. Mostly all agree; otherwise unique rows of the numbers are groups.
    single_value = (noises.ny == 1) & (noises.nx == 1)
    types = (np.array([one.dtype.num for one in b.planes])[b.plane_index] for b in (images, noises))
    kinds = np.stack([boxes.side, single_value, *types], axis=1)
    alike = (kinds == kinds[:1]).all()
    kind = np.zeros(len(indices)) if alike else np.unique(kinds, axis=0, return_inverse=True)[1]
    for number in np.unique(kind).tolist():
        members = np.flatnonzero(kind.ravel() == number)
        y, x, side = boxes.y0[members], boxes.x0[members], int(boxes.side[members[0]])
        corner = np.zeros_like(y)
        yield Group(
            members,
            images.windows(members, y, x, side),
            noises.windows(members, corner, corner, 1)
            if single_value[members[0]]
            else noises.windows(members, y, x, side),
        )


def _noise_boxes(
    images: _Boxes, cutouts: CutoutArray, indices: Ints, settings: NoiseSettings
) -> _Boxes:
    """Return the noise of some cutouts: boxes of rms maps, or estimates as planes of their own."""
    has_map = [
        one.rms is not None and settings.method_for(has_rms_map=True) == "rms-map"
        for one in cutouts.planes
    ]
    planes = [
        one.rms if mapped and one.rms is not None else one.image
        for one, mapped in zip(cutouts.planes, has_map, strict=True)
    ]
    noises = _Boxes(planes, *(column.copy() for column in images[1:]))
    for index in np.flatnonzero(~np.array(has_map, bool)[noises.plane_index]).tolist():
        noise = noise_of(cutouts.cutout(int(indices[index])), settings)
        for column, number in zip(noises[1:], (len(planes), 0, 0, *noise.shape), strict=True):
            column[index] = number
        planes.append(noise)
    return noises
