r"""Where the centres of stamps are on the sky and how their columns are turned, by their own WCS.

>>> table = pa.table({
...     "wcs": ["CTYPE1  = 'RA---SIN'\nCTYPE2  = 'DEC--SIN'\nCDELT1  = -0.1\nCDELT2  = 0.1"],
...     "crpix1": [76.0], "crpix2": [76.0],
... })
>>> places = stamp_places(table, 76.0)
>>> [abs(float(values[0].round(6))) for values in places]
[0.0, 0.0, 0.0]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mingolotss.errors import NoWCSError
from mingolotss.io.arrow_values import fill_null, numpy_of
from mingolotss.model import Floats
from mingolotss.sky.angles import position_angle
from mingolotss.sky.fits_header import CARD
from mingolotss.sky.wcs import SkyWCS

__all__ = ["StampPlaces", "stamp_places"]


class StampPlaces(NamedTuple):
    """The centres and directions of stamps; NaN where a stamp has no WCS.

    Attributes
    ----------
    ra, dec : float array, shape (n,), deg, ICRS
        Of the centre.
    angle_deg : float array, shape (n,)
        Position angle of the columns there, from north to east.
    """

    ra: Floats
    dec: Floats
    angle_deg: Floats


def stamp_places(table: pa.Table, centre: float) -> StampPlaces:
    """Read the places of stamps from their WCS.

    Parameters
    ----------
    table : Table
        The columns ``wcs``, ``crpix1`` and ``crpix2`` of a manifest.
    centre : float
        The place in the stamp, in both directions, in pixels from 1.
    """
    # Strategy: the stamps of one mosaic have one WCS, apart from the reference pixel. Its cards are
    # read once, with the reference pixel at 0, and the pixels of all these stamps are transformed
    # together, each relative to its own reference pixel.
    places = np.full((3, len(table)), np.nan)
    texts = table["wcs"].combine_chunks().dictionary_encode()
    code = numpy_of(fill_null(texts.indices, -1))
    x, y = (centre - np.asarray(numpy_of(table[name]), float) for name in ("crpix1", "crpix2"))
    order = np.argsort(code, kind="stable")
    order = order[code[order] >= 0]
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(order) else []:
        try:
            wcs = SkyWCS.from_header(_header(texts.dictionary[int(code[rows[0]])].as_py()))
        except NoWCSError:
            continue
        ra, dec = wcs.to_sky(x[rows] - 1, y[rows] - 1)
        places[:, rows] = ra, dec, position_angle(ra, dec, *wcs.to_sky(x[rows] - 1, y[rows]))
    return StampPlaces(*places)


def _header(text: str) -> bytes:
    cards = [*text.split("\n"), "CRPIX1  = 0.0", "CRPIX2  = 0.0"]
    return b"".join(card.encode("ascii", "replace").ljust(CARD)[:CARD] for card in cards)
