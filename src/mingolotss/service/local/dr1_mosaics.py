"""LoTSS DR1 mosaics on this machine, cut to the pixel as ASTRON's archive cuts them.

GAVO DaCHS cuts between the pixels of two opposite corners of a rectangle in RA and Dec, and ends at
the edge of the mosaic. For 6 arcmin its cutouts have 241 x 241 pixels in the middle of a field, and
are less square far from it. A build with this service is identical to one that downloaded its
cutouts; one with the service ``mosaics`` (240 x 240 pixels, the source in the middle pixel) is not
always.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mingolotss.candidates.cutouts import Outcome
from mingolotss.errors import ImageError, ServiceError
from mingolotss.model import Cutout, Floats, Source
from mingolotss.service.base import CutoutRequest
from mingolotss.service.local.mosaic_file import MosaicFile
from mingolotss.service.local.mosaics import MosaicsService

__all__ = ["LotssDr1MosaicsService", "corner_box"]


class LotssDr1MosaicsService(MosaicsService):
    """Mosaics in one folder, cut as the archive cuts."""

    NAME = "lotss-dr1-mosaics"

    def cutouts(self, requests: Sequence[CutoutRequest], size_deg: float) -> Sequence[Outcome]:
        """Cut rectangles out of the mosaics, one by one."""
        return [self._try_rectangle(request, size_deg) for request in requests]

    def _try_rectangle(self, request: CutoutRequest, size_deg: float) -> Outcome:
        try:
            return self._rectangle(request, size_deg)
        except (ImageError, ServiceError) as error:
            return error

    def _rectangle(self, request: CutoutRequest, size_deg: float) -> Cutout:
        mosaic, rms_map = self._pair(request.candidate.image, request.candidate.rms)
        y0, y1, x0, x1 = corner_box(mosaic, request.source, size_deg)
        rms = None if rms_map is None else rms_map.box(y0, y1, x0, x1)
        return Cutout(mosaic.box(y0, y1, x0, x1), rms, mosaic.wcs, (x0, y0))


def corner_box(mosaic: MosaicFile, source: Source, size_deg: float) -> tuple[int, int, int, int]:
    """Return the archive's cutout as the arguments (y0, y1, x0, x1) of `MosaicFile.box`.

    Parameters
    ----------
    mosaic : MosaicFile
    source : Source
    size_deg : float, deg
        Side of the cutout.

    Raises
    ------
    ImageError
        A corner is not on the projection of the mosaic.
    """
    # The archive's rectangle is half a size to each side in Dec, and in RA by 1 / cos(Dec) more;
    # only its two opposite corners are transformed to pixels. Near the pole the cosine is limited.
    half_dec = size_deg / 2
    half_ra = half_dec / max(math.cos(math.radians(source.dec)), 1e-5)
    x, y = mosaic.wcs.to_pixel(
        [source.ra - half_ra, source.ra + half_ra], [source.dec - half_dec, source.dec + half_dec]
    )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ImageError(f"cut {source.name}: its position is not on the image's projection")
    ny, nx = mosaic.shape
    return *_span(y, ny), *_span(x, nx)


def _span(corners: Floats, length: int) -> tuple[int, int]:
    """Return first pixel and last + 1 on one axis; at least one pixel."""
    pixels = np.round(corners + 1)  # the archive rounds pixel numbers that count from 1
    first = min(max(1, int(pixels.min())), length) - 1
    last = min(length, max(1, int(pixels.max())))
    return first, max(last, first + 1)
