"""The contrast of a picture as the query of its address.

>>> query = contrast_query(Contrast(noise=1e-4, low=-2e-4, high=5e-3))
>>> query
'noise=0.0001&low=-0.0002&high=0.005'
>>> parse_contrast({"noise": "1e-4", "low": "0", "high": "0.005"})
Contrast(noise=0.0001, low=0.0, high=0.005)
>>> parse_contrast({"noise": "1e-4", "low": "1", "high": "nan"}) is None
True
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from mingolotss.qa.report.colours import Contrast

__all__ = ["contrast_query", "parse_contrast"]

_MAX_LENGTH = 30  # characters of a number
_LARGEST = 1e40  # more than any float32; differences and ratios of such numbers are finite


def contrast_query(contrast: Contrast) -> str:
    """Return a contrast as the query of an address, to six digits."""
    return urlencode({key: f"{value:.6g}" for key, value in contrast._asdict().items()})


def parse_contrast(query: Mapping[str, str]) -> Contrast | None:
    """Return the contrast in the query of an address, or None if it has no valid one."""
    try:
        values = [float(query[key][:_MAX_LENGTH]) for key in Contrast._fields]
    except (KeyError, ValueError):
        return None
    contrast = Contrast(*values)
    is_finite = all(abs(value) <= _LARGEST for value in contrast)
    is_valid = is_finite and contrast.noise >= 1 / _LARGEST and contrast.low < contrast.high
    return contrast if is_valid else None
