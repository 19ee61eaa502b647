"""What to draw over the picture of a cutout: contours, the stamp's outline, beam, directions.

Everything is in pixels of the picture, x to the right and y down from the upper left corner. FITS
row 0 is at the bottom of the picture, so north is up as far as it is in the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.selection import SourcePixel, source_pixel
from mingolotss.io.optional import import_optional
from mingolotss.model import Cutout, FloatImage, Source
from mingolotss.pipeline.stamp_geometry import StampPlace
from mingolotss.pipeline.stamp_windows import StampBox, noise_of, stamp_box
from mingolotss.qa.report.scale_bars import LENGTHS_ARCSEC, longest_bar
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import MASK_RADIUS
from mingolotss.sky.angles import unit_vectors
from mingolotss.sky.stamp_grid import TangentGrids

__all__ = [
    "SCALE_BARS",
    "Beam",
    "Circle",
    "Overlay",
    "noise_level",
    "overlay",
    "scale_bar",
    "sky_grid",
]

_GRID_CELLS = 8
SCALE_BARS = tuple((n, f'{n}"' if n < 60 else f"{n // 60}'") for n in LENGTHS_ARCSEC if n >= 1)
"""Length, arcsec, and label of each scale bar."""


def noise_level(cutout: Cutout, recipe: Recipe) -> float:
    """Return the median noise of a cutout, Jy/beam; 0 if it is not known."""
    noise = noise_of(cutout, recipe.noise)
    valid = noise[np.isfinite(noise) & (noise > 0)]
    return float(np.median(valid)) if valid.size else 0.0


class Beam(NamedTuple):
    """The ellipse of the beam: semi-axes in pixels, clockwise angle from the x axis in degrees."""

    rx: float
    ry: float
    angle: float


class Circle(NamedTuple):
    """A circle in pixels of the picture."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Overlay:
    """The lines to draw over a cutout, in pixels of the picture.

    Attributes
    ----------
    nx, ny : int
        Size of the picture.
    pixel_arcsec : float
        Size of a pixel.
    contour : str
        SVG path at the recipe's clipping level; "" if the recipe does not clip.
    sigma : float
        The clipping level in units of the noise.
    box : tuple of float
        x, y and side of the stamp; of a turned one, before it is turned about the source.
    corners : sequence of (float, float)
        Of the stamp, in their order.
    masks : tuple of Circle
        The edges of the recipe's masks.
    x, y : float
        The catalogue position.
    north, east : tuple of float
        Unit vectors; NaN off the projection.
    beam : Beam or None
        None if the header does not give it.
    beam_text : str
        The beam in words.
    bar : tuple of (float, str)
        Length of the scale bar in pixels, and its label.
    recentred : bool
        Whether the stamp is recentred by padding.
    """

    nx: int
    ny: int
    pixel_arcsec: float
    contour: str
    sigma: float
    box: tuple[float, float, float]
    corners: Sequence[tuple[float, float]]
    masks: tuple[Circle, ...]
    x: float
    y: float
    north: tuple[float, float]
    east: tuple[float, float]
    beam: Beam | None
    beam_text: str
    bar: tuple[float, str]
    recentred: bool

    @property
    def outline(self) -> str:
        """The outline of the stamp as an SVG path."""
        return f"M{'L'.join(f'{x:.2f} {y:.2f}' for x, y in self.corners)}z"

    @property
    def outline_width(self) -> float:
        """The width in pixels of a square around the source that contains the outline."""
        return 2 * max(max(abs(x - self.x), abs(y - self.y)) for x, y in self.corners)

    @property
    def view(self) -> tuple[float, float, float, float]:
        """Return x, y, width and height of a view of the cutout and the stamp's outline."""
        x, y, side = self.box
        x0, y0 = min(0.0, x), min(0.0, y)
        return x0, y0, max(self.nx, x + side) - x0, max(self.ny, y + side) - y0


def overlay(
    cutout: Cutout,
    source: Source,
    recipe: Recipe,
    *,
    contour: bool = True,
    place: StampPlace | None = None,
) -> Overlay:
    """Return the lines to draw over the cutout of a source.

    Parameters
    ----------
    cutout : Cutout
    source : Source
    recipe : Recipe
    contour : bool
        Whether to trace the contour at the clipping level; needs contourpy.
    place : StampPlace, optional
        Where the stamp is, for a recipe that resamples.

    Raises
    ------
    ImageError
        The stamp has no place in the cutout.
    """
    ny, nx = cutout.image.shape
    pixel = source_pixel(cutout, source.ra, source.dec)
    if place is not None and recipe.stamp.resampling:
        box, corners, masks, recentred = _resampled_stamp(cutout, place, recipe)
    else:
        window = stamp_box(cutout, pixel, recipe)
        box = (window.x0, ny - window.y0 - window.side, window.side)
        left, top, side = box
        right, bottom = left + side, top + side
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        masks, recentred = _masks(window, recipe, ny), window.recentred
    north, east = _compass(cutout, pixel)
    sigma = recipe.clip_sigma or 0.0
    beam, beam_text = _beam(cutout, north, east)
    return Overlay(
        nx=nx,
        ny=ny,
        pixel_arcsec=cutout.wcs.pixel_scale_arcsec,
        contour=_contour(cutout, noise_of(cutout, recipe.noise), sigma)
        if contour and sigma
        else "",
        sigma=sigma,
        box=box,
        corners=corners,
        masks=masks,
        x=pixel.x + 0.5,
        y=ny - 0.5 - pixel.y,
        north=north,
        east=east,
        beam=beam,
        beam_text=beam_text,
        bar=_bar_in_pixels(nx, cutout.wcs.pixel_scale_arcsec),
        recentred=recentred,
    )


def sky_grid(cutout: Cutout) -> list[list[list[float]]]:
    """Return unit vectors to the sky on a grid of pixels that includes the corners.

    Linear interpolation between them is exact to a thousandth of an arcsecond for cutouts of 0.1
    degrees. Vectors, unlike angles, have no discontinuity.

    Returns
    -------
    list, shape (9, 9, 3)
    """
    ny, nx = cutout.image.shape
    x, y = np.meshgrid(
        np.linspace(-0.5, nx - 0.5, _GRID_CELLS + 1), np.linspace(-0.5, ny - 0.5, _GRID_CELLS + 1)
    )
    ra, dec = cutout.wcs.to_sky(x + cutout.origin[0], y + cutout.origin[1])
    vectors: list[list[list[float]]] = unit_vectors(ra, dec).tolist()
    return vectors


def _resampled_stamp(
    cutout: Cutout, place: StampPlace, recipe: Recipe
) -> tuple[tuple[float, float, float], list[tuple[float, float]], tuple[Circle, ...], bool]:
    """Return the box, the corners and the masks of a stamp with a grid of its own.

    The last value is False: such a stamp is not recentred by padding.
    """
    ny, side = cutout.image.shape[0], recipe.stamp.pixels
    scale = place.pixel_scale_arcsec
    if not scale > 0:
        scale = recipe.stamp.pixel_arcsec or cutout.wcs.pixel_scale_arcsec
    ra, dec, scales, angle = (
        np.array([value]) for value in (place.ra, place.dec, scale, place.angle_deg)
    )
    grids = TangentGrids(ra, dec, scales, angle, side)
    # The corners, and the middle of the pixel of the source.
    low, high, middle = -0.5, side - 0.5, float(side // 2)
    x, y = np.array([low, high, high, low, middle]), np.array([low, low, high, high, middle])
    sky = grids.to_sky(np.array([0]), x, y)
    px, py = cutout.wcs.to_pixel(sky[0][0], sky[1][0])
    px, py = px - cutout.origin[0] + 0.5, ny - 0.5 - (py - cutout.origin[1])
    corners = list(zip(px[:4].tolist(), py[:4].tolist(), strict=True))
    pixel = scale / cutout.wcs.pixel_scale_arcsec
    centre_x, centre_y = float(px[4]), float(py[4])
    box = (centre_x - (middle + 0.5) * pixel, centre_y - (high - middle) * pixel, side * pixel)
    circles = [
        Circle(centre_x, centre_y, radius * pixel)
        for name, settings in recipe.step_list
        if name == "mask" and isinstance(radius := settings.get("radius", MASK_RADIUS), int | float)
    ]
    return box, corners, tuple(circles), False


def _masks(box: StampBox, recipe: Recipe, ny: int) -> tuple[Circle, ...]:
    """Return the edges of the recipe's masks over a stamp, in a cutout of `ny` rows."""
    # The radius of a mask after the step `bin` is in binned pixels. Its centre is the middle of the
    # pixel side // 2, as `image.pixels.disc` has it.
    circles, pixel = [], 1
    for name, settings in recipe.step_list:
        if name == "bin":
            pixel = box.side // recipe.stamp.pixels
        radius = settings.get("radius", MASK_RADIUS)
        if name == "mask" and isinstance(radius, int | float):
            centre = (box.side // pixel // 2 + 0.5) * pixel
            circles.append(Circle(box.x0 + centre, ny - box.y0 - centre, radius * pixel))
    return tuple(circles)


def _compass(cutout: Cutout, pixel: SourcePixel) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return unit vectors to the north and to the east, in the picture; NaN where there is none."""
    x, y = pixel.x + cutout.origin[0], pixel.y + cutout.origin[1]
    ra, dec = (math.radians(float(angle)) for angle in cutout.wcs.to_sky(x, y))
    # The directions are those to two points 10 arcsec away, by the WCS, so they hold for every
    # projection and rotation. The points are found with vectors, which holds at the poles, too.
    here = np.array([math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)])
    east = np.array([-math.sin(ra), math.cos(ra), 0.0])
    directions = []
    for tangent in (np.cross(here, east), east):
        towards = here + math.radians(10 / 3600) * tangent
        position = (
            math.atan2(towards[1], towards[0]),
            math.atan2(towards[2], math.hypot(*towards[:2])),
        )
        px, py = (float(value) for value in cutout.wcs.to_pixel(*map(math.degrees, position)))
        length = math.hypot(px - x, py - y) or math.nan
        directions.append(((px - x) / length, -(py - y) / length))
    return directions[0], directions[1]


def _beam(
    cutout: Cutout, north: tuple[float, float], east: tuple[float, float]
) -> tuple[Beam | None, str]:
    """Return the beam to draw, and in words."""
    if cutout.wcs.beam is None:
        return None, "beam not in the header"
    major, minor, pa = cutout.wcs.beam
    scale = cutout.wcs.pixel_scale_arcsec
    # A position angle runs from north to east, and the angles of SVG run clockwise, since y points
    # down. With both vectors this also holds for an image with east to the right.
    turn = math.radians(pa)
    x, y = (math.cos(turn) * n + math.sin(turn) * e for n, e in zip(north, east, strict=True))
    angle = math.degrees(math.atan2(y, x))
    text = f'{major:.3g}" beam'
    if not math.isclose(major, minor, rel_tol=0.01):
        text = f'{major:.3g}" by {minor:.3g}" beam, PA {pa:.0f}°'
    return Beam(major / 2 / scale, minor / 2 / scale, angle), text


def scale_bar(width_arcsec: float) -> tuple[float, str]:
    """Return the length, arcsec, and the label of a bar of up to a quarter of a picture."""
    return next((bar for bar in SCALE_BARS if bar[0] == longest_bar(width_arcsec)), SCALE_BARS[0])


def _bar_in_pixels(nx: int, scale: float) -> tuple[float, str]:
    """Return the length in pixels and the label of the scale bar of a picture."""
    length, label = scale_bar(nx * scale)
    return length / scale, label


def _contour(cutout: Cutout, noise: FloatImage, sigma: float) -> str:
    """Return the lines where the image is `sigma` times the noise as an SVG path."""
    contourpy = import_optional("contourpy", "draw contours", extra="web")
    # The image is divided by its noise, so that one level is the clipping threshold everywhere,
    # also where the noise varies. Pixels without noise or value are masked, and the lines end
    # there.
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.asarray(cutout.image, float) / np.where(noise > 0, noise, np.nan)
    lines = contourpy.contour_generator(z=np.ma.masked_invalid(ratio)).lines(sigma)
    ny = ratio.shape[0]
    parts = []
    for line in lines:
        if len(line) < 4:
            continue
        points = np.column_stack([line[:, 0] + 0.5, ny - 0.5 - line[:, 1]])
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points))
    return "".join(parts)
