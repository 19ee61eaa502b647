"""Stretches and colours of the pictures.

A picture is made of colour indices: 0 is a pixel that was never observed and is drawn transparent,
1 to 255 go from dark to bright.

>>> contrast = contrast_of(noise=1e-4, peak=1e-3)
>>> stretch(np.array([[0.0, 1e-3]], np.float32), "linear", contrast).tolist()
[[43, 255]]
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image

from mingolotss.image.pixels import minmax, to_uint8
from mingolotss.model import Bools, FloatImage

__all__ = [
    "STRETCHES",
    "ColourIndices",
    "Contrast",
    "as_png",
    "as_webp",
    "coloured",
    "composite",
    "contrast_of",
    "displayed",
    "finite_range",
    "scale_linearly",
    "stretch",
]

ColourIndices = npt.NDArray[np.uint8]

STRETCHES = ("linear", "asinh", "log")
_UNOBSERVED = 0
_SIGMA = 1.4826  # standard deviations in a median absolute deviation of normal noise


class Contrast(NamedTuple):
    """The brightness at the ends of the colours, and the noise that the stretches refer to.

    Attributes
    ----------
    noise, low, high : float, Jy/beam
        All finite, ``noise > 0`` and ``low < high``.
    """

    noise: float
    low: float
    high: float


def contrast_of(noise: float, peak: float) -> Contrast:
    """Return the contrast from two times the noise below zero to the peak, Jy/beam.

    Either may be unknown, 0 or NaN. A peak in the noise becomes two times the noise.
    """
    noise = noise if noise > 0 and math.isfinite(noise) else 1e-6
    return Contrast(noise, -2 * noise, max(2 * noise, peak))


def stretch(image: FloatImage, kind: str, contrast: Contrast) -> ColourIndices:
    """Map brightness to colour indices.

    ``asinh`` is linear in the noise and logarithmic above it (Lupton et al. 2004, PASP 116, 133).
    ``log`` begins at the noise if the contrast begins at or below zero.

    Parameters
    ----------
    image : float array, shape (ny, nx), Jy/beam
    kind : {"linear", "asinh", "log"}
    contrast : Contrast

    Returns
    -------
    uint8 array, shape (ny, nx)
        FITS row 0 first.
    """
    data = np.asarray(image, np.float64)
    noise, low, high = contrast
    if kind == "log":
        low = low if low > 0 else noise
        high = max(high, low * (1 + 1e-6))
    with np.errstate(invalid="ignore"):
        clipped = np.clip(data, low, high)
        if kind == "linear":
            level = (clipped - low) / (high - low)
        elif kind == "log":
            bottom, top = math.log(low), math.log(high)
            level = (np.log(clipped) - bottom) / (top - bottom)
        else:
            bottom, top = math.asinh(low / noise), math.asinh(high / noise)
            level = (np.arcsinh(clipped / noise) - bottom) / (top - bottom)
        return _indices(level, np.isfinite(data))


def finite_range(image: FloatImage) -> tuple[float, float]:
    """Return the smallest and the largest finite value of an image; (0, 0) if there is none."""
    values = image[np.isfinite(image)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def scale_linearly(image: FloatImage, low: float, high: float) -> ColourIndices:
    """Map an image linearly from `low` to `high`, for rms maps."""
    level = np.clip(np.nan_to_num((image - low) / (high - low or 1.0)), 0, 1)
    return _indices(level, np.isfinite(image))


def _indices(level: FloatImage, observed: Bools) -> ColourIndices:
    """Return the colour indices of levels from 0 to 1."""
    return np.where(observed, 1 + level * 254, _UNOBSERVED).astype(np.uint8)


def as_png(indices: ColourIndices, colours: str = "inferno") -> bytes:
    """Return colour indices as a PNG file, north up, pixels never observed transparent."""
    picture = Image.fromarray(indices[::-1])
    picture.putpalette(_palette(colours))
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=3, transparency=_UNOBSERVED)
    return data.getvalue()


def as_webp(indices: ColourIndices, colours: str = "inferno") -> bytes:
    """Return colour indices as a WebP file, which has a tenth of the PNG's size; for the report."""
    table = np.frombuffer(_palette(colours), np.uint8).reshape(256, 3)
    flipped = indices[::-1]
    alpha = np.where(flipped == _UNOBSERVED, 0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(np.dstack([table[flipped], alpha])).save(data, "WEBP", quality=72, method=2)
    return data.getvalue()


@cache
def _palette(colours: str) -> bytes:
    """Return 256 RGB colours; the first is not used."""
    table = mpl.colormaps[colours](np.linspace(0, 1, 255))[:, :3]
    return bytes(3) + (table * 255).round().astype(np.uint8).tobytes()


def coloured(png: bytes, gamma: float = 0.6) -> bytes:
    """Return a grey PNG file from `encode_png` in the colours "inferno".

    Only the header changes and a palette is inserted, so nothing is decoded: this takes 10 µs.
    Brightness is shown to the power `gamma`; below 1, faint tails become visible. A PNG file of
    another kind is returned unchanged.
    """
    if png[24:26] != b"\x08\x00" or png[12:16] != b"IHDR":
        return png
    header = b"IHDR" + png[16:25] + b"\x03" + png[26:29]
    palette = b"PLTE" + _grey_palette(gamma)
    return b"".join(
        (
            png[:12], header, struct.pack(">I", zlib.crc32(header)),
            struct.pack(">I", len(palette) - 4), palette, struct.pack(">I", zlib.crc32(palette)),
            png[33:],
        )
    )  # fmt: skip


@cache
def _grey_palette(gamma: float) -> bytes:
    """Return the RGB colours of the grey values 0 to 255."""
    table = mpl.colormaps["inferno"]((np.arange(256) / 255) ** gamma)[:, :3]
    return (table * 255).round().astype(np.uint8).tobytes()


def displayed(plane: npt.NDArray[np.uint8] | FloatImage) -> npt.NDArray[np.uint8]:
    """Return a plane as grey values.

    One of float32 is scaled from one standard deviation of its noise below the median, so that the
    noise stays dark, to its brightest pixel. NaN is black.
    """
    if plane.dtype == np.uint8:
        return np.asarray(plane, np.uint8)
    values = plane[np.isfinite(plane)]
    if not values.size:
        return np.zeros(plane.shape, np.uint8)
    median = np.median(values)
    lowest = max(values.min(), median - _SIGMA * np.median(np.abs(values - median)))
    filled = np.where(np.isfinite(plane), plane, lowest).astype(np.float32)
    return to_uint8(minmax(np.maximum(filled, lowest)))


def composite(
    planes: Sequence[npt.NDArray[np.uint8] | FloatImage], gamma: float = 0.6
) -> npt.NDArray[np.uint8]:
    """Return three planes as one picture in red, green and blue.

    Parameters
    ----------
    planes : sequence of uint8 or float32 array, shape (ny, nx)
        Red, green and blue.
    gamma : float
        Brightness is shown to this power; below 1, faint tails become visible.

    Returns
    -------
    uint8 array, shape (ny, nx, 3)
    """
    levels = ((np.arange(256) / 255) ** gamma * 255).round().astype(np.uint8)
    return np.dstack([levels[displayed(plane)] for plane in planes])
