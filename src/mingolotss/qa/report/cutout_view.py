"""Looking at a cutout: stretches, colours, contours and what else is drawn over it.

Everything here is drawn north up as far as the image is: FITS row 0 at the bottom. Overlays are
in pixels of the picture, x to the right and y down from the upper left corner.

>>> picture, low, high = stretch(np.array([[0.0, 1e-3]], np.float32), "linear", 1e-4)
>>> picture.tolist(), round(high, 6)
([[43, 255]], 0.001)
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.selection import SourcePixel, source_pixels
from mingolotss.model import Cutout, FloatImage, Source
from mingolotss.pipeline.stamp_windows import noise_of, stamp_box
from mingolotss.recipe.model import Recipe
from mingolotss.sky.angles import unit_vectors

__all__ = [
    "STRETCHES",
    "Overlay",
    "colour_png",
    "colour_webp",
    "noise_level",
    "overlay",
    "sky_grid",
    "stretch",
]

STRETCHES = ("linear", "asinh", "log")
_GAP = 0  # the colour index of a pixel that was never observed: transparent
_CELLS = 8
_ROUND = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)  # arcsec


def stretch(
    image: FloatImage, kind: str, noise: float
) -> tuple[npt.NDArray[np.uint8], float, float]:
    """Map brightness to colour indices 1 to 255; NaN becomes 0.

    ``linear`` and ``asinh`` (linear in the noise, logarithmic above; Lupton et al. 2004, PASP
    116, 133) begin two times the noise below zero, ``log`` at the noise; all end at the peak.

    Parameters
    ----------
    image : float array, shape (ny, nx), Jy/beam
    kind : {"linear", "asinh", "log"}
    noise : float, Jy/beam

    Returns
    -------
    indices : uint8 array, shape (ny, nx)
        FITS row 0 first.
    low, high : float, Jy/beam
        What the ends of the scale stand for.
    """
    data = np.asarray(image, np.float64)
    seen = np.isfinite(data)
    noise = noise if noise > 0 and math.isfinite(noise) else 1e-6
    peak = float(data[seen].max()) if seen.any() else noise
    low = noise if kind == "log" else -2 * noise
    high = max(peak, low + noise)
    with np.errstate(invalid="ignore"):
        clipped = np.clip(data, low, high)
        if kind == "linear":
            level = (clipped - low) / (high - low)
        elif kind == "log":
            level = np.log(clipped / low) / math.log(high / low)
        else:
            bottom, top = math.asinh(low / noise), math.asinh(high / noise)
            level = (np.arcsinh(clipped / noise) - bottom) / (top - bottom)
        return np.where(seen, 1 + level * 254, _GAP).astype(np.uint8), low, high


def noise_level(cutout: Cutout, recipe: Recipe) -> float:
    """Return the median noise of a cutout, Jy/beam."""
    noise = noise_of(cutout, recipe.noise)
    seen = noise[np.isfinite(noise) & (noise > 0)]
    return float(np.median(seen)) if seen.size else 0.0


def colour_png(indices: npt.NDArray[np.uint8], colours: str = "inferno") -> bytes:
    """Return colour indices as a PNG file, north up, pixels never observed transparent."""
    from PIL import Image

    picture = Image.fromarray(indices[::-1])
    picture.putpalette(_palette(colours))
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=3, transparency=_GAP)
    return data.getvalue()


def colour_webp(indices: npt.NDArray[np.uint8], colours: str = "inferno") -> bytes:
    """Return colour indices as a WebP file, a tenth of the PNG's size; for reports."""
    from PIL import Image

    table = np.frombuffer(_palette(colours), np.uint8).reshape(256, 3)
    flipped = indices[::-1]
    alpha = np.where(flipped == _GAP, 0, 255).astype(np.uint8)
    data = io.BytesIO()
    pixels = np.dstack([table[flipped], alpha])
    Image.fromarray(pixels).save(data, "WEBP", quality=72, method=2)
    return data.getvalue()


@cache
def _palette(colours: str) -> bytes:
    """Return 256 RGB colours; the first is not used."""
    import matplotlib as mpl

    table = mpl.colormaps[colours](np.linspace(0, 1, 255))[:, :3]
    return bytes(3) + (table * 255).round().astype(np.uint8).tobytes()


@dataclass(frozen=True)
class Overlay:
    """What is drawn over a cutout, in pixels of the picture.

    Attributes
    ----------
    nx, ny : int
    contour : str
        SVG path at the recipe's clipping level, "" if it does not clip.
    sigma : float
        That level, in noise.
    box : tuple of float
        x, y, side of the stamp.
    x, y : float
        The catalogue position.
    north, east : tuple of float
        Unit vectors.
    beam : tuple of float or None
        Semi-axes in pixels, and the turn in degrees, clockwise, from the x axis.
    beam_text : str
    bar : tuple of (float, str)
        Length of the scale bar in pixels, and what it stands for.
    recentred : bool
    """

    nx: int
    ny: int
    contour: str
    sigma: float
    box: tuple[float, float, float]
    x: float
    y: float
    north: tuple[float, float]
    east: tuple[float, float]
    beam: tuple[float, float, float] | None
    beam_text: str
    bar: tuple[float, str]
    recentred: bool

    @property
    def view(self) -> tuple[float, float, float, float]:
        """Return x, y, width and height that hold the cutout and the stamp's outline."""
        x, y, side = self.box
        left, top = min(0.0, x), min(0.0, y)
        return left, top, max(self.nx, x + side) - left, max(self.ny, y + side) - top


def overlay(cutout: Cutout, source: Source, recipe: Recipe, *, contour: bool = True) -> Overlay:
    """Find out what to draw over a source's cutout.

    Raises
    ------
    ImageError
        The stamp cannot be placed.
    """
    ny, nx = cutout.image.shape
    place = source_pixels([cutout], np.array([source.ra]), np.array([source.dec]))[0]
    y0, x0, side, recentred = stamp_box(cutout, place, recipe)
    north, east = _compass(cutout, place)
    sigma = next((s.get("sigma", 3.0) for name, s in recipe.step_list if name == "clip"), 0.0)
    scale = cutout.wcs.pixel_scale_arcsec
    beam, text = _beam(cutout, north)
    return Overlay(
        nx, ny,
        _contour(cutout, noise_of(cutout, recipe.noise), sigma) if contour and sigma else "",
        sigma,
        (x0, ny - y0 - side, side),
        place.x + 0.5, ny - 0.5 - place.y,
        north, east, beam, text, _bar(nx, scale), recentred,
    )  # fmt: skip


def sky_grid(cutout: Cutout) -> list[list[list[float]]]:
    """Return unit vectors to the sky on a grid of pixels, shape (9, 9, 3), the corners included.

    Between them a straight line is within a thousandth of an arcsecond for cutouts of a degree
    tenth; unlike angles, vectors have no seam.
    """
    ny, nx = cutout.image.shape
    x, y = np.meshgrid(
        np.linspace(-0.5, nx - 0.5, _CELLS + 1), np.linspace(-0.5, ny - 0.5, _CELLS + 1)
    )
    ra, dec = cutout.wcs.to_sky(x + cutout.origin[0], y + cutout.origin[1])
    vectors: list[list[list[float]]] = unit_vectors(ra, dec).tolist()
    return vectors


def _compass(cutout: Cutout, place: SourcePixel) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return unit vectors to the north and the east, in the picture."""
    x, y = place.x + cutout.origin[0], place.y + cutout.origin[1]
    ra, dec = (float(v) for v in cutout.wcs.to_sky(x, y))
    step = 10 / 3600
    found = []
    for towards in ((ra, dec + step), (ra + step / max(math.cos(math.radians(dec)), 1e-6), dec)):
        px, py = (float(v) for v in cutout.wcs.to_pixel(*towards))
        length = math.hypot(px - x, py - y) or math.nan
        found.append(((px - x) / length, -(py - y) / length))
    return found[0], found[1]


def _beam(
    cutout: Cutout, north: tuple[float, float]
) -> tuple[tuple[float, float, float] | None, str]:
    if cutout.wcs.beam is None:
        return None, "beam not in the header"
    major, minor, pa = cutout.wcs.beam
    scale = cutout.wcs.pixel_scale_arcsec
    up = math.degrees(math.atan2(north[1], north[0]))  # -90 where north is up
    text = f'{major:.3g}" beam'
    if not math.isclose(major, minor, rel_tol=0.01):
        text = f'{major:.3g}" by {minor:.3g}" beam, PA {pa:.0f}°'
    return (major / 2 / scale, minor / 2 / scale, up - pa), text


def _bar(nx: int, scale: float) -> tuple[float, str]:
    """Return a round length of about a quarter of the picture."""
    room = nx * scale / 4
    nice = [size for size in _ROUND if size <= room] or [1]
    length = nice[-1]
    return length / scale, f'{length}"' if length < 60 else f"{length // 60}'"


def _contour(cutout: Cutout, noise: FloatImage, sigma: float) -> str:
    """Return the lines where the image is `sigma` times the noise as an SVG path."""
    from contourpy import contour_generator

    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.asarray(cutout.image, float) / np.where(noise > 0, noise, np.nan)
    lines: Any = contour_generator(z=np.ma.masked_invalid(ratio)).lines(sigma)
    ny = ratio.shape[0]
    parts = []
    for line in lines:
        if len(line) < 4:
            continue
        points = np.column_stack([line[:, 0] + 0.5, ny - 0.5 - line[:, 1]])
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points))
    return "".join(parts)
