"""The HEALPix pixels of positions (Gorski et al. 2005, ApJ 622, 759), in the nested scheme.

>>> nested_pixels(np.array([0.0, 120.5]), np.array([10.0, -90.0]), 4096).tolist()
[80479027, 150994944]
"""

from __future__ import annotations

import numpy as np

from mingolotss.model import Floats, Ints
from mingolotss.sky.compiled_libraries import healpix

__all__ = ["nested_pixels"]


def nested_pixels(ra: Floats, dec: Floats, nside: int) -> Ints:
    """Return the pixel of each position, as `astropy_healpix.lonlat_to_healpix` does.

    Parameters
    ----------
    ra, dec : float64 array, any shape, deg
    nside : int
        Pixels along the side of one of the twelve base pixels.

    Returns
    -------
    int64 array of that shape
    """
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    pixels, _, _ = healpix().lonlat_to_healpix_nested(lon, lat, np.intc(nside))
    return np.asarray(pixels, np.int64)
