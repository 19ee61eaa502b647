"""Read the beam of a radio image from its header.

>>> read_beam(b"BMAJ    = 1.5D-3 / deg".ljust(80) + b"BMIN    = .001".ljust(80))
(5.4, 3.6, 0.0)
"""

from __future__ import annotations

import re

from mingolotss.sky.fits_header import header_cards
from mingolotss.sky.wcs_cards import read_wcs_cards

__all__ = ["read_beam"]

_HISTORY = re.compile(
    rb"\b(BMAJ|BMIN|BPA) *= *([-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?)(?![\w.])"
)


def read_beam(header: bytes) -> tuple[float, float, float] | None:
    """Return the beam's major and minor axis (FWHM, arcsec) and position angle (deg).

    None if neither the cards nor the history of the header have BMAJ and BMIN (deg).
    """
    values = read_wcs_cards(header).values
    beam = {key: value for key, value in values.items() if isinstance(value, float)}
    if "BMAJ" not in beam or "BMIN" not in beam:
        # AIPS writes the beam into HISTORY. Every run of CLEAN adds a line, and the last counts.
        history = b"\n".join(header_cards(header))
        beam = {
            key.decode(): float(value.upper().replace(b"D", b"E"))
            for key, value in _HISTORY.findall(history)
        }
    if "BMAJ" not in beam or "BMIN" not in beam:
        return None
    return beam["BMAJ"] * 3600, beam["BMIN"] * 3600, beam.get("BPA", 0.0)
