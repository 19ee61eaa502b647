"""The squares around sources, in pixels of a mosaic.

>>> first_pixel(np.array([10.2, np.nan]), side=4).tolist()[0]
8
"""

from __future__ import annotations

import math

import numpy as np

from mingolotss.errors import ImageError
from mingolotss.image.pixels import take_window
from mingolotss.model import FloatImage, Floats, Ints
from mingolotss.service.local.mosaic_file import MosaicFile

__all__ = ["clipped", "first_pixel", "padded_square", "side_pixels"]

_FAR = 2**40  # pixels: farther than any image reaches
_MAX_SIDE = 2**14  # pixels of a cutout: 1 GB of float32
_PADDED_PIXELS, _PADDED_RATIO = 2**22, 16  # of a cutout larger than its mosaic


def side_pixels(mosaic: MosaicFile, size_deg: float, image: str) -> int:
    """Return the side of a cutout in pixels of a mosaic.

    Parameters
    ----------
    mosaic : MosaicFile
    size_deg : float, deg
    image : str
        The address of the mosaic, for the message.

    Raises
    ------
    ImageError
        The pixels of the mosaic are so small that the cutout would be enormous.
    """
    scale = mosaic.wcs.pixel_scale_arcsec
    side = size_deg * 3600 / scale
    # A wrong pixel scale gives a small mosaic with gigabytes of padding around it.
    ny, nx = mosaic.shape
    limit = f"at most {_MAX_SIDE} can be cut"
    if side < _MAX_SIDE and side**2 > max(_PADDED_PIXELS, _PADDED_RATIO * ny * nx):
        side, limit = math.inf, f"the whole mosaic has {nx} x {ny}"
    if not side < _MAX_SIDE:
        raise ImageError(
            f"cut out of {image}: {size_deg * 60:g} arcmin are {size_deg * 3600 / scale:.3g} of "
            f"its pixels of {scale:.3g} arcsec, and {limit}; look at CDELT or CD in its "
            "header and at images.size_arcmin in the recipe",
            path=image,
        )
    return max(2, round(side))


def first_pixel(centre: Floats, side: int) -> Ints:
    """Return the first pixel, on one axis, of squares around positions.

    The source is in pixel ``side // 2`` of its square. For NaN the square is far away.
    """
    nearest = np.rint(np.where(np.isnan(centre), _FAR, centre)).clip(-_FAR, _FAR)
    first: Ints = nearest.astype(np.int64) - side // 2
    return first


def padded_square(mosaic: MosaicFile, y0: int, x0: int, side: int) -> FloatImage:
    """Read a square of a mosaic; pixels past the edge of the mosaic are NaN.

    Parameters
    ----------
    mosaic : MosaicFile
    y0, x0 : int, px
        First row and first column; some pixel of the square must be on the mosaic.
    side : int, px
    """
    box = clipped(mosaic, y0, x0, side)
    pixels = mosaic.box(*box)
    if pixels.shape == (side, side):
        return pixels
    return take_window(pixels, y0 - box[0], x0 - box[2], side)


def clipped(mosaic: MosaicFile, y0: int, x0: int, side: int) -> tuple[int, int, int, int]:
    """Return the part of a square that is on a mosaic, as the arguments of `MosaicFile.box`."""
    ny, nx = mosaic.shape
    return max(y0, 0), min(y0 + side, ny), max(x0, 0), min(x0 + side, nx)
