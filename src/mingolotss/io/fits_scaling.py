"""Physical values from the numbers in a FITS image: BSCALE, BZERO and BLANK.

This is the only place where they are applied, to whole images and to parts of mosaics, from plain,
compressed and remote files.

>>> unsigned = PixelScaling(zero=32768.0, blanks=(32767,))
>>> unsigned.apply(np.array([-32768, 0, 32767], ">i2")).tolist()
[0.0, 32768.0, nan]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.model import FloatImage

__all__ = ["PixelScaling"]

_SIGN_BIT = 1 << 63


@dataclass(frozen=True, slots=True)
class PixelScaling:
    """How stored numbers become physical values (FITS standard 4.0, sections 4.4.2.5 and 5.3).

    Attributes
    ----------
    scale, zero : float
        BSCALE and BZERO: the physical value is ``zero + scale * stored``.
    blanks : tuple of int
        Stored integers that mark an undefined pixel. Floats have none: NaN marks theirs, and a card
        BLANK in the header of a float image has no meaning.
    """

    scale: float = 1.0
    zero: float = 0.0
    blanks: tuple[int, ...] = ()

    @property
    def is_linear_identity(self) -> bool:
        """Return whether stored floats are the physical values."""
        return self.scale == 1.0 and self.zero == 0.0

    def with_blank(self, blank: int) -> PixelScaling:
        """Return this scaling with one more integer for undefined pixels."""
        return replace(self, blanks=(*self.blanks, blank))

    def apply(self, stored: npt.NDArray[Any]) -> FloatImage:
        """Return physical values, NaN where undefined.

        Parameters
        ----------
        stored : int or float array, any shape and byte order

        Returns
        -------
        float array, same shape
            Float32 for integers of 8 and 16 bits and for float32, float64 otherwise. Floats without
            scaling are returned as they are; all others are a new array in native byte order.
        """
        kind, size = stored.dtype.kind, stored.dtype.itemsize
        if kind == "f" and self.is_linear_identity:
            return stored
        # float32 has a mantissa of 24 bits: integers of 8 and 16 bits are exact in it, larger ones
        # need float64. The arithmetic is done in this type, as astropy does it.
        is_single = size <= 2 or (kind == "f" and size == 4)
        dtype: type[np.floating[Any]] = np.float32 if is_single else np.float64
        if size == 8 and kind == "i" and self.scale == 1.0 and self.zero == _SIGN_BIT:
            # Unsigned integers of 64 bits are stored with their highest bit inverted (section 5.2).
            # A float64 cannot hold every one; adding BZERO as a float would round twice.
            unsigned = stored.astype(np.int64).view(np.uint64) ^ np.uint64(_SIGN_BIT)
            values: FloatImage = unsigned.astype(dtype)
        else:
            values = stored.astype(dtype)
            with np.errstate(over="ignore", invalid="ignore"):
                if self.scale != 1.0:
                    values *= self.scale
                if self.zero != 0.0:
                    values += self.zero
        if kind != "f":
            for blank in self._blanks_of(stored.dtype):
                values[stored == blank] = np.nan
        return values

    def _blanks_of(self, dtype: np.dtype[Any]) -> list[int]:
        """Return the blanks that a type of integer can hold; the others mark no pixel."""
        limits = np.iinfo(dtype)
        return [blank for blank in self.blanks if limits.min <= blank <= limits.max]
