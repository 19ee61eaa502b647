"""LoTSS DR1 mosaics on disk, cut to the pixel as ASTRON's archive cuts them.

GAVO DaCHS cuts between the pixels of two opposite corners of a rectangle in RA and Dec, and ends
where the mosaic ends; its cutouts are 241 x 241 pixels in the middle of a field and less square
far off it. A build with this service equals one that fetched its cutouts, which the service
``mosaics`` (240 x 240, the source in the middle pixel) does not always.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mingolotss.candidates.cutouts import Outcome
from mingolotss.errors import ImageError, ServiceError
from mingolotss.model import Cutout, Source
from mingolotss.service.base import CutoutRequest
from mingolotss.service.local.mosaic_file import MosaicFile
from mingolotss.service.local.mosaics import MosaicsService

__all__ = ["LotssDr1MosaicsService", "corner_box"]

Box = tuple[int, int, int, int]


class LotssDr1MosaicsService(MosaicsService):
    """Mosaics under one folder, cut as the archive cuts."""

    def cutouts(self, wanted: Sequence[CutoutRequest], size_deg: float) -> Sequence[Outcome]:
        """Cut many pieces out of the mosaics."""
        return [self._try(one, size_deg) for one in wanted]

    def _try(self, wanted: CutoutRequest, size_deg: float) -> Outcome:
        try:
            return self._piece(wanted, size_deg)
        except (ImageError, ServiceError) as error:
            return error

    def _piece(self, wanted: CutoutRequest, size_deg: float) -> Cutout:
        mosaic, rms = self._pair(wanted.candidate.image, wanted.candidate.rms)
        y0, y1, x0, x1 = corner_box(mosaic, wanted.source, size_deg)
        noise = None if rms is None else rms.box(y0, y1, x0, x1)
        return Cutout(mosaic.box(y0, y1, x0, x1), noise, mosaic.wcs, (x0, y0))


def corner_box(mosaic: MosaicFile, source: Source, size_deg: float) -> Box:
    """Return (y0, y1, x0, x1) of the archive's cutout, ends left out, inside the mosaic.

    Raises
    ------
    ImageError
        The mosaic's projection does not reach there.
    """
    half_dec = size_deg / 2
    half_ra = half_dec / max(math.cos(math.radians(source.dec)), 1e-5)
    x, y = mosaic.wcs.to_pixel(
        [source.ra - half_ra, source.ra + half_ra], [source.dec - half_dec, source.dec + half_dec]
    )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ImageError(f"cut {source.name}: its place is not on the image's projection")
    ny, nx = mosaic.shape
    return *_span(y, ny), *_span(x, nx)


def _span(corners: np.ndarray[tuple[int], np.dtype[np.float64]], length: int) -> tuple[int, int]:
    """Return first and last + 1 along an axis; one pixel where nothing is left."""
    pixels = np.round(corners + 1)  # as the archive rounds: in pixels from 1
    first = min(max(1, int(pixels.min())), length) - 1
    last = min(length, max(1, int(pixels.max())))
    return first, max(last, first + 1)
