"""A part of a mosaic in memory, and the windows of many cutouts in it.

>>> import numpy as np
>>> pixels = np.ones((200, 300), np.float32)
>>> part = MosaicPart(pixels, 1000, 2000, np.array([True]), CoverageMap(pixels))
>>> part.fully_observed(np.array([1010]), np.array([2020]), 150).tolist()
[True]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mingolotss.image.coverage import CoverageMap
from mingolotss.model import Bools, FloatImage, Ints

__all__ = ["MosaicPart", "nothing"]


@dataclass(frozen=True, slots=True)
class MosaicPart:
    """Pixels of a mosaic that hold some boxes.

    Attributes
    ----------
    pixels : float array, shape (ny, nx)
        Only the pixels of the boxes are sure to be those of the mosaic.
    y0, x0 : int, px
        Where the first pixel is in the mosaic.
    usable : bool array, shape (n,)
        Which of the boxes could be read.
    coverage : CoverageMap
        Of `pixels`.
    """

    pixels: FloatImage
    y0: int
    x0: int
    usable: Bools
    coverage: CoverageMap

    def fully_observed(self, y0: Ints, x0: Ints, side: int) -> Bools:
        """Return which squares of the mosaic are known to be finite throughout and not all 0.

        Parameters
        ----------
        y0, x0 : int64 array, shape (n,), px
            First row and first column of usable squares in the mosaic.
        side : int, px

        Returns
        -------
        bool array, shape (n,)
            False means unknown.
        """
        return self.coverage.is_covered(y0 - self.y0, x0 - self.x0, side)

    def inside(self, top: int, bottom: int, left: int, right: int) -> FloatImage:
        """Return the rows top to bottom and the columns left to right of the mosaic as a view."""
        return self.pixels[top - self.y0 : bottom - self.y0, left - self.x0 : right - self.x0]


def nothing(count: int) -> MosaicPart:
    """Return a part without any of the boxes."""
    pixels = np.zeros((0, 0), np.float32)
    return MosaicPart(pixels, 0, 0, np.zeros(count, bool), CoverageMap(pixels))
