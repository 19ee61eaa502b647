"""The masks of the stamps of a chunk, and what is measured in them.

A mask says which pixels of a stamp are emission of its source, and which of another one. It is on
the pixels of the stamp: the brightness and the noise that it is made from are those that the steps
of the recipe get, averaged where the stamp has larger pixels than its image. Only recipes with
``[mask]`` have masks; `mingolotss.image.masks` has the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.catalogue.components import NearComponents
from mingolotss.image.masks import (
    BACKGROUND,
    OTHER,
    OWN,
    Masks,
    PixelEllipses,
    farthest_pixels,
    inside_polygon,
    peak_of_mask,
    share_emission,
)
from mingolotss.image.pixels import block_mean
from mingolotss.model import FloatImage, Floats, Ints, Objects
from mingolotss.pipeline.common_beam import beam_of
from mingolotss.pipeline.stamp_windows import (
    STAMPS_PER_STACK,
    Group,
    StampBoxes,
    stack_windows,
    stamp_windows,
)
from mingolotss.recipe.mask_settings import MaskSettings
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import noise_of_blocks
from mingolotss.sky.beams import FWHM, Beam, beam_covariance
from mingolotss.sky.header_facts import header_facts, jy_per_beam
from mingolotss.sky.stamp_grid import ImageGrids

__all__ = ["MaskInputs", "StampMasks", "make_masks"]

_BEAM_AREA = math.pi / (4 * math.log(2))  # of a Gaussian, in units of major times minor axis


@dataclass(frozen=True, slots=True)
class MaskInputs:
    """What the masks of n sources are made from, beside the pixels.

    Attributes
    ----------
    components : NearComponents
        Near each of the n sources.
    ra, dec : float64 array, shape (n,), deg, ICRS
        The positions of the catalogue.
    broadening : float64 array, shape (n, 2, 2), arcsec^2, or None
        As `mingolotss.pipeline.prepare.Prepared.broadening`.
    """

    components: NearComponents
    ra: Floats
    dec: Floats
    broadening: Floats | None = None


@dataclass(frozen=True, slots=True)
class StampMasks:
    """The masks of the stamps of n sources.

    Attributes
    ----------
    masks : uint8 array, shape (n, side, side)
        `BACKGROUND`, `OWN` and `OTHER`; background everywhere for a source without a stamp.
    pixels, other_pixels : int32 array, shape (n,)
        Number of pixels of the source, and of other sources.
    las_arcsec : float64 array, shape (n,)
        Largest angular size: between the centres of the two pixels of the source that are farthest
        apart, less the beam in that direction in quadrature. NaN without pixels, as the next two.
    flux_mjy : float64 array, shape (n,)
        The sum of the pixels of the source, divided by the area of the beam. NaN where the beam is
        not known, or the unit is no multiple of Jy/beam.
    core_distance_arcsec : float64 array, shape (n,)
        From the position of the catalogue to the brightest part of the source.
    origin : object array of str or None, shape (n,)
        What the mask was made from; None where no component belongs to the source.
    """

    masks: Masks
    pixels: npt.NDArray[np.int32]
    other_pixels: npt.NDArray[np.int32]
    las_arcsec: Floats
    flux_mjy: Floats
    core_distance_arcsec: Floats
    origin: Objects

    def take(self, rows: Ints) -> StampMasks:
        """Return the masks of some of the sources."""
        return StampMasks(*(getattr(self, name)[rows] for name in StampMasks.__slots__))

    @classmethod
    def stored(cls, masks: Masks) -> StampMasks:
        """Return masks that exist, without what was measured in them."""
        return replace(cls.empty(len(masks), 1), masks=masks)

    @classmethod
    def empty(cls, n: int, side: int) -> StampMasks:
        """Return masks of background."""
        return cls(
            np.zeros((n, side, side), np.uint8),
            np.zeros(n, np.int32),
            np.zeros(n, np.int32),
            np.full(n, np.nan),
            np.full(n, np.nan),
            np.full(n, np.nan),
            np.full(n, None),
        )


def make_masks(
    inputs: MaskInputs,
    cutouts: CutoutArray,
    rows: Ints,
    chosen: Ints,
    boxes: StampBoxes,
    estimates: Mapping[int, FloatImage],
    relative_noise: Floats,
    grids: ImageGrids,
    recipe: Recipe,
) -> StampMasks:
    """Make the masks of the stamps of a chunk.

    Parameters
    ----------
    inputs : MaskInputs
        Of n sources.
    cutouts : CutoutArray
    rows, chosen : int64 array, shape (k,)
        The source of each stamp among the n, and its cutout.
    boxes : StampBoxes
        Where the k stamps lie in their cutouts.
    estimates : mapping of int to float array
        As for `stamp_windows`.
    relative_noise : float64 array, shape (k,)
        As `mingolotss.recipe.steps.Stack.bin_noise`.
    grids : ImageGrids
        Of the k stamps.
    recipe : Recipe
        Of the reference channel.
    """
    result = StampMasks.empty(len(inputs.components), grids.side)
    for group in stamp_windows(cutouts, chosen, boxes, estimates):
        for start in range(0, len(group.indices), STAMPS_PER_STACK):
            places = np.arange(start, min(start + STAMPS_PER_STACK, len(group.indices)))
            members = group.indices[places]
            image, noise = _planes(group, places, relative_noise[members], grids.side)
            masks = _mask_stack(image, noise, inputs, rows[members], members, grids, recipe.mask)
            result.masks[rows[members]] = masks
            steps = grids.steps_arcsec(members)
            for place, (row, member) in enumerate(zip(rows[members], members, strict=True)):
                facts = header_facts(cutouts.planes[cutouts.plane_index[chosen[member]]].wcs)
                beam = recipe.beam.beam or beam_of(facts)
                one = _Measured(image[place], masks[place], steps[place], beam, facts.unit or "")
                _measure(result, one, int(row), int(member), grids, inputs)
    return result


def _planes(
    group: Group, places: Ints, relative: Floats, side: int
) -> tuple[FloatImage, FloatImage]:
    """Return brightness and noise on the pixels of some stamps of a group."""
    image = stack_windows([group.images[index] for index in places.tolist()])
    noise = stack_windows([group.noises[index] for index in places.tolist()])
    factor = image.shape[-1] // side
    with np.errstate(all="ignore"):  # NaN, infinite and very large pixels are data here
        if factor > 1:
            image = block_mean(image, factor)
            noise = noise_of_blocks(noise, factor, relative.reshape(-1, 1, 1))
    return image, noise


def _mask_stack(
    image: FloatImage,
    noise: FloatImage,
    inputs: MaskInputs,
    rows: Ints,
    members: Ints,
    grids: ImageGrids,
    settings: MaskSettings,
) -> Masks:
    """Return the masks of a stack of stamps."""
    with np.errstate(all="ignore"):
        bright = np.isfinite(image)
        if settings.sigma:
            bright &= image > settings.sigma * noise
    nearer, own, other = (np.zeros(image.shape, bool) for _ in range(3))
    for index, (row, member) in enumerate(zip(rows.tolist(), members.tolist(), strict=True)):
        y, x = np.nonzero(bright[index])
        of_source, of_others = _distances(
            inputs.components, row, member, grids, x.astype(float), y.astype(float)
        )
        is_nearer = of_source <= of_others
        is_own = (of_source <= 1) & is_nearer
        if settings.dynamic_range and is_own.any():
            values = image[index, y, x]
            faint = ~(values > values[is_own].max() / settings.dynamic_range)
            bright[index, y[faint], x[faint]] = False
        nearer[index, y, x] = is_nearer
        own[index, y, x] = is_own
        other[index, y, x] = (of_others <= 1) & ~is_nearer
    if settings.source == "components":
        return share_emission(bright, nearer, own, other)
    masks = np.full(image.shape, BACKGROUND, np.uint8)
    masks[bright & other] = OTHER
    masks[bright & own] = OWN
    return masks


def _distances(
    near: NearComponents, row: int, member: int, grids: ImageGrids, x: Floats, y: Floats
) -> tuple[Floats, Floats]:
    """Return the distance of pixels to the nearest component of a source, and of all others.

    Returns
    -------
    of_source, of_others : float64 array, shape (m,)
        As `PixelEllipses.nearest`. Outside a polygon it is infinite.
    """
    index, is_own = near.of_source(row)
    components = near.components
    is_polygon = components.is_polygon(index)
    ends = components.axis_ends(index)
    px, py = grids.to_pixel(member, ends[0].ravel(), ends[1].ravel())
    points = np.stack([px, py]).reshape(2, 3, -1)
    centre = points[:, 0]
    major = (points[:, 1] - centre) * components.major[index]
    minor = (points[:, 2] - centre) * components.minor[index]
    # Only components that reach the stamp count, so that the mask does not depend on how many more
    # were looked for.
    with np.errstate(invalid="ignore"):
        reach = np.fmax(np.hypot(*major), np.hypot(*minor)) + 1
        beyond = np.fmax(np.fmax(-centre, centre - (grids.side - 1)), 0)
        on_stamp = np.hypot(*beyond) <= reach
    ellipses = PixelEllipses.from_axes(centre, major, minor)
    distances = []
    for side in (is_own & on_stamp, ~is_own & on_stamp):
        nearest = ellipses.take(side & ~is_polygon).nearest(x, y)
        for polygon in index[is_polygon & side].tolist():
            corners = grids.to_pixel(member, *components.corners(polygon))
            np.fmin(nearest, _from_polygon(x, y, *corners), out=nearest)
        distances.append(nearest)
    return distances[0], distances[1]


def _from_polygon(x: Floats, y: Floats, corner_x: Floats, corner_y: Floats) -> Floats:
    """Return the relative distance of pixels from the middle of a polygon, infinite outside.

    The square of the distance is divided by that of the farthest corner.
    """
    if not np.isfinite(corner_x).all():
        return np.full(len(x), np.inf)
    dx, dy = corner_x - corner_x.mean(), corner_y - corner_y.mean()
    distance = (x - corner_x.mean()) ** 2 + (y - corner_y.mean()) ** 2
    inside = inside_polygon(x, y, corner_x, corner_y)
    reach = max(float((dx**2 + dy**2).max()), 1e-12)
    return np.where(inside, np.minimum(distance / reach, 1.0), np.inf)


class _Measured(NamedTuple):
    """One stamp in which something is measured.

    Attributes
    ----------
    image : float array, shape (side, side)
    mask : uint8 array, shape (side, side)
    steps : float64 array, shape (2, 2), arcsec
        As `StampGrids.steps_arcsec`.
    beam : Beam or None
        That the brightness refers to.
    unit : str
        Of the brightness.
    """

    image: FloatImage
    mask: Masks
    steps: Floats
    beam: Beam | None
    unit: str


def _measure(
    result: StampMasks,
    stamp: _Measured,
    row: int,
    member: int,
    grids: ImageGrids,
    inputs: MaskInputs,
) -> None:
    """Enter what is measured in the mask of one stamp."""
    image, mask, steps, beam, unit = stamp
    own = mask == OWN
    _, is_own = inputs.components.of_source(row)
    if is_own.any():
        result.origin[row] = inputs.components.components.link
    result.pixels[row] = np.count_nonzero(own)
    result.other_pixels[row] = np.count_nonzero(mask == OTHER)
    peak = peak_of_mask(image, own)
    if peak is None:
        return
    between = farthest_pixels(own, steps)
    length = float(np.hypot(*between))
    result.las_arcsec[row] = length
    if beam is not None:
        covariance = beam_covariance(*beam)
        if inputs.broadening is not None:
            covariance = covariance + inputs.broadening[row]
        direction = between / length if length else between
        width = FWHM**2 * float(direction @ covariance @ direction)
        result.las_arcsec[row] = math.sqrt(max(length**2 - width, 0.0))
        pixels_per_beam = _BEAM_AREA * beam.area / abs(float(np.linalg.det(steps)))
        total = float(image[own].sum(dtype=float)) * jy_per_beam(unit)
        result.flux_mjy[row] = 1000 * total / pixels_per_beam
    ra, dec = inputs.ra[row : row + 1], inputs.dec[row : row + 1]
    x, y = grids.to_pixel(member, ra, dec)
    offset = steps @ np.array([peak[1] - x[0], peak[0] - y[0]])
    result.core_distance_arcsec[row] = np.hypot(*offset)
