"""Which pixels become stamps: a stamp's box in its cutout, and windows that can be stacked.

A plane is a whole image, usually a mosaic that many cutouts share. A cutout is a rectangle of a
plane, a stamp's box is a square placed on the cutout, and a window is the pixels under the box:
a view of the plane, or a padded copy if the box leaves the cutout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.selection import SourcePixel
from mingolotss.errors import ImageError
from mingolotss.image.noise import background2d_noise, sigma_clipped_noise
from mingolotss.image.pixels import take_window, window_start
from mingolotss.image.windows import WindowArray
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints, Objects
from mingolotss.recipe.model import NoiseSettings, RecentreSettings, Recipe, StampSettings

__all__ = [
    "STAMPS_PER_STACK",
    "Group",
    "StampBox",
    "StampBoxes",
    "averaging_factor",
    "estimate_noise",
    "leaves_cutout",
    "needed_windows",
    "noise_methods",
    "noise_of",
    "place_stamp",
    "place_stamps",
    "stack_windows",
    "stamp_box",
    "stamp_side",
    "stamp_sides",
    "stamp_windows",
]

STAMPS_PER_STACK = 16  # 1.4 MB of float32 stays in the cache; with 64, a stamp takes twice as long


class StampBox(NamedTuple):
    """Where one stamp lies in its cutout; a row of `StampBoxes`."""

    y0: int
    x0: int
    side: int
    recentred: bool


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
    indices : int64 array, shape (k,)
        Which of the stamps that `stamp_windows` was called for.
    images : WindowArray
        Their pixels, shape (side, side) each.
    noises : WindowArray
        Their noise: windows of the same shape, or single values of shape (1, 1).
    """

    indices: Ints
    images: WindowArray
    noises: WindowArray


def stamp_box(cutout: Cutout, pixel: SourcePixel, recipe: Recipe) -> StampBox:
    """Return where the stamp lies in a cutout.

    Raises
    ------
    ImageError
        The pixel size of the recipe is no multiple of the image's, or the rms map is of another
        size.
    """
    _, boxes = place_stamp(cutout, pixel, recipe)
    return StampBox(*(column[0].item() for column in boxes))


def place_stamp(
    cutout: Cutout, pixel: SourcePixel, recipe: Recipe
) -> tuple[CutoutArray, StampBoxes]:
    """Return one cutout as an array, and where its stamp lies.

    Raises
    ------
    ImageError
        As `stamp_box`.
    """
    cutouts = CutoutArray.from_outcomes([cutout])
    if cutouts.errors:
        raise cutouts.errors[0]
    side = np.array([stamp_side(cutout, recipe.stamp)])
    positions = np.array(pixel).reshape(3, 1)
    return cutouts, place_stamps(cutouts, np.array([0]), positions, side, recipe.recentre)


def stamp_side(cutout: Cutout, settings: StampSettings) -> int:
    """Return the side of a stamp in pixels of a cutout, or of a whole image.

    The steps of the recipe reduce it to ``settings.pixels``.

    Raises
    ------
    ImageError
        The pixel size of the recipe is no multiple of the image's.
    """
    return settings.pixels * averaging_factor(settings, cutout.wcs.pixel_scale_arcsec)


def averaging_factor(settings: StampSettings, image_scale: float) -> int:
    """Return how many pixels of an image, along an axis, become one of the stamp.

    Parameters
    ----------
    settings : StampSettings
        Without resampling, or for an image that has been resampled already.
    image_scale : float, arcsec
        The side of a pixel of the image.

    Raises
    ------
    ImageError
        As `stamp_side`.
    """
    stamp_scale = settings.pixel_arcsec
    factor = round(stamp_scale / image_scale) if stamp_scale else 1
    if stamp_scale and (factor < 1 or abs(stamp_scale / (factor * image_scale) - 1) > 0.01):
        raise ImageError(
            f"the recipe's {stamp_scale:g} arcsec pixels are no whole number of the image's "
            f'{image_scale:g} arcsec pixels; stamp.resample = "adaptive" makes pixels of any size'
        )
    return factor


def stamp_sides(cutouts: CutoutArray, settings: StampSettings) -> tuple[list[int], list[str]]:
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
        The fields of `mingolotss.candidates.selection.SourcePixel`: x and y (px) and separation
        (arcsec).
    side : int64 array, shape (n,), px
        The value of `stamp_side` for each.
    settings : RecentreSettings
    """
    # A stamp is in the middle of its cutout. It is centred on the source instead if the source is
    # far from the middle, or if the cutout is smaller than the stamp, since the archive then cut
    # it at the edge of the image.
    x, y, separation = positions
    ny, nx = cutouts.ny[indices], cutouts.nx[indices]
    recentred = np.zeros(len(indices), bool)
    if settings.enabled:
        far = separation > settings.separation_arcsec
        recentred = (np.minimum(ny, nx) < side) | far
    y0 = np.where(recentred, window_start(ny, side, y), window_start(ny, side))
    x0 = np.where(recentred, window_start(nx, side, x), window_start(nx, side))
    return StampBoxes(y0, x0, side, recentred)


def leaves_cutout(cutouts: CutoutArray, indices: Ints, boxes: StampBoxes) -> Bools:
    """Return which stamps extend past their cutout, bool array, shape (n,)."""
    y1, x1 = boxes.y0 + boxes.side, boxes.x0 + boxes.side
    outside: Bools = (boxes.y0 < 0) | (boxes.x0 < 0)
    outside |= (y1 > cutouts.ny[indices]) | (x1 > cutouts.nx[indices])
    return outside


def needed_windows(
    cutouts: CutoutArray, indices: Ints, boxes: StampBoxes, settings: NoiseSettings
) -> Ints:
    """Return which pixels of some cutouts their stamps are made from.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        Which of the cutouts.
    boxes : StampBoxes
        Where the stamps lie in them.
    settings : NoiseSettings

    Returns
    -------
    int64 array, shape (n, 4), px
        First row, first column, rows and columns: under the stamp, or of the whole cutout where the
        noise is estimated on it, or where no stamp can be made.
    """
    use_map = settings.method_for(has_rms_map=True) == "rms-map"
    whole = cutouts.per_cutout(
        [plane.rms is None or not use_map for plane in cutouts.planes], True, bool
    )[indices]
    windows = []
    for start, size in ((boxes.y0, cutouts.ny[indices]), (boxes.x0, cutouts.nx[indices])):
        first, end = np.clip(start, 0, size), np.clip(start + boxes.side, 0, size)
        all_of_it = whole | (first >= end)
        windows.append((np.where(all_of_it, 0, first), np.where(all_of_it, size, end - first)))
    (y0, ny), (x0, nx) = windows
    return np.stack([y0, x0, ny, nx], axis=1)


def noise_of(cutout: Cutout, settings: NoiseSettings) -> FloatImage:
    """Return the noise of a cutout: a map of its shape, or one value of shape (1, 1), Jy/beam.

    Raises
    ------
    ImageError
        The noise of this cutout cannot be estimated.
    """
    method = settings.method_for(has_rms_map=cutout.rms is not None)
    if method == "rms-map" and cutout.rms is not None:
        return cutout.rms
    if method == "background2d":
        return background2d_noise(cutout.image, box=settings.box, sigma=settings.sigma)
    return sigma_clipped_noise(cutout.image, sigma=settings.sigma, iterations=settings.iterations)


def noise_methods(cutouts: CutoutArray, indices: Ints, settings: NoiseSettings) -> Objects:
    """Return in words how the noise of some cutouts comes about, an object array of str."""
    methods = [settings.method_for(has_rms_map=plane.rms is not None) for plane in cutouts.planes]
    taken: Objects = cutouts.per_cutout(methods, None, object)[indices]
    return taken


def estimate_noise(
    cutouts: CutoutArray, indices: Ints, settings: NoiseSettings
) -> tuple[dict[int, FloatImage], dict[int, ImageError]]:
    """Estimate the noise of those cutouts whose noise is not their rms map.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        Which of the cutouts.
    settings : NoiseSettings

    Returns
    -------
    estimates : dict of int to float array
        As `noise_of` returns it, by the index of the cutout.
    errors : dict of int to ImageError
        Why there is no estimate, by the index of the cutout.
    """
    use_map = settings.method_for(has_rms_map=True) == "rms-map"
    estimated = cutouts.per_cutout(
        [plane.rms is None or not use_map for plane in cutouts.planes], False, bool
    )
    estimates, errors = {}, {}
    for index in indices[estimated[indices]].tolist():
        try:
            estimates[index] = noise_of(cutouts.cutout(index), settings)
        except ImageError as error:
            errors[index] = error
    return estimates, errors


class _Rectangles(NamedTuple):
    """Rectangles of planes: the pixels of n cutouts, or their noise.

    Attributes
    ----------
    planes : list of float array, shape (height, width)
    plane_index : int64 array, shape (n,)
        The plane of each rectangle.
    y0, x0, ny, nx : int64 array, shape (n,), px
        First row and column in the plane, and the size.
    """

    planes: list[FloatImage]
    plane_index: Ints
    y0: Ints
    x0: Ints
    ny: Ints
    nx: Ints

    @property
    def dtypes(self) -> Ints:
        """Return the number of the type of each rectangle's pixels, shape (n,)."""
        return np.array([plane.dtype.num for plane in self.planes])[self.plane_index]

    def windows(self, indices: Ints, y: Ints, x: Ints, side: int) -> WindowArray:
        """Return windows of some rectangles, NaN past the edge of the rectangle.

        Parameters
        ----------
        indices : int64 array, shape (k,)
            The rectangle of each window.
        y, x : int64 array, shape (k,), px
            First row and column of each window in its rectangle; may lie outside.
        side : int, px
        """
        # Windows inside their rectangle are views: only their position in the plane is computed,
        # for all at once. The few that leave it, or whose plane the kernel cannot read, are copied
        # and padded one by one. Each copy becomes a plane of its own, appended to the list.
        planes = list(self.planes)
        plane_index, y0, x0, ny, nx = (column[indices] for column in self[1:])
        contiguous = np.array([plane.strides[1] == plane.itemsize for plane in planes])[plane_index]
        inside = contiguous & (y >= 0) & (x >= 0) & (y + side <= ny) & (x + side <= nx)
        plane_y, plane_x = y0 + y, x0 + x
        for index in np.flatnonzero(~inside).tolist():
            rows = slice(y0[index], y0[index] + ny[index])
            columns = slice(x0[index], x0[index] + nx[index])
            rectangle = planes[plane_index[index]][rows, columns]
            plane_index[index], plane_y[index], plane_x[index] = len(planes), 0, 0
            planes.append(take_window(rectangle, int(y[index]), int(x[index]), side))
        return WindowArray(planes, plane_index, y=plane_y, x=plane_x, side=side)


def stamp_windows(
    cutouts: CutoutArray, indices: Ints, boxes: StampBoxes, estimates: Mapping[int, FloatImage]
) -> Iterator[Group]:
    """Yield the windows of stamps and their noise, those of one size and type together.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        The cutout of each stamp.
    boxes : StampBoxes
        Where each stamp lies in its cutout.
    estimates : mapping of int to float array
        The noise of those cutouts that do not use their rms map, by the index of the cutout; see
        `estimate_noise`.
    """
    columns = (
        column[indices]
        for column in (cutouts.plane_index, cutouts.y0, cutouts.x0, cutouts.ny, cutouts.nx)
    )
    images = _Rectangles([plane.image for plane in cutouts.planes], *columns)
    noises = _noise_rectangles(images, cutouts, indices, estimates)
    # Stamps go into one stack if four numbers agree: the side, whether the noise is one value, and
    # the types of both arrays. Mostly all agree; otherwise the unique rows of the table of these
    # numbers are the groups.
    single_value = (noises.ny == 1) & (noises.nx == 1)
    traits = np.stack([boxes.side, single_value, images.dtypes, noises.dtypes], axis=1)
    if (traits == traits[:1]).all():
        group_index = np.zeros(len(indices), np.int64)
    else:
        group_index = np.unique(traits, axis=0, return_inverse=True)[1].ravel()
    for number in np.unique(group_index).tolist():
        members = np.flatnonzero(group_index == number)
        y, x, side = boxes.y0[members], boxes.x0[members], int(boxes.side[members[0]])
        image_windows = images.windows(members, y, x, side)
        if single_value[members[0]]:
            corner = np.zeros_like(y)
            noise_windows = noises.windows(members, corner, corner, 1)
        else:
            noise_windows = noises.windows(members, y, x, side)
        yield Group(members, image_windows, noise_windows)


def stack_windows(images: Sequence[FloatImage]) -> FloatImage:
    """Return images of one type and shape as one array, native byte order."""
    return np.stack(images, dtype=images[0].dtype.newbyteorder("="))


def _noise_rectangles(
    images: _Rectangles, cutouts: CutoutArray, indices: Ints, estimates: Mapping[int, FloatImage]
) -> _Rectangles:
    """Return the noise under some cutouts: rectangles of rms maps, or estimates.

    Parameters
    ----------
    images : _Rectangles
        The pixels of the n cutouts.
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        Which of the cutouts these are.
    estimates : mapping of int to float array
    """
    # Where the rms map is the noise, it has the same rectangle as the image. An estimate is
    # appended as a plane of its own. The list of planes then still has an entry for each image
    # without an rms map, so that the indices agree with those of the images: the image stands
    # there, and no rectangle refers to it.
    planes = [plane.image if plane.rms is None else plane.rms for plane in cutouts.planes]
    columns = [column.copy() for column in images[1:]]
    for index in np.flatnonzero(np.isin(indices, list(estimates))).tolist():
        noise = estimates[int(indices[index])]
        for column, number in zip(columns, (len(planes), 0, 0, *noise.shape), strict=True):
            column[index] = number
        planes.append(noise)
    return _Rectangles(planes, *columns)
