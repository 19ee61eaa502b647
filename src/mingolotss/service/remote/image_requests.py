"""What the address of a service asks for: an image, its pixels, and the server.

>>> split_request("CDS/P/NVSS?pixel=15@https://x.org/h", "hips", {"pixel"})
ImageRequest(name='CDS/P/NVSS', url='https://x.org/h', options={'pixel': '15'})
>>> odd_pixels(0.1, 1.5), odd_pixels(0.1, 15.0)
(241, 25)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from mingolotss.errors import InputError
from mingolotss.registry import nearest

__all__ = ["ImageRequest", "odd_pixels", "split_request"]


class ImageRequest(NamedTuple):
    """The parts of the argument of a service.

    Attributes
    ----------
    name : str
        Of a survey, a HiPS or a band; "" if there is none.
    url : str
        The server, "" for the usual one.
    options : mapping of str to str
    """

    name: str
    url: str
    options: Mapping[str, str]

    @property
    def pixel_arcsec(self) -> float:
        """Return the side of a pixel, arcsec; 0 if none is asked for."""
        return float(self.options.get("pixel", 0))


def split_request(argument: str, service: str, known: Collection[str]) -> ImageRequest:
    """Return the parts of ``NAME?OPTION=VALUE&OPTION=VALUE@URL``, or of an address alone.

    Parameters
    ----------
    argument : str
    service : str
        For messages.
    known : collection of str
        The options that the service has.

    Raises
    ------
    InputError
        An option is unknown, or the size of a pixel is no size.
    """
    if argument.startswith(("http://", "https://")):
        return ImageRequest("", argument, {})
    request, _, url = argument.partition("@")
    name, _, query = request.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in known:
            raise InputError(
                f"open the service {service}:{request}: no option is called {option!r}:"
                f"{nearest(option, known)} Known: {', '.join(sorted(known)) or 'none'}"
            )
    if "pixel" in options:
        _check_pixel(options["pixel"], f"open the service {service}:{request}")
    return ImageRequest(name, url, options)


def odd_pixels(size_deg: float, scale_arcsec: float) -> int:
    """Return an odd number of pixels on a side: the source is on the pixel in the centre."""
    side = max(3, round(size_deg * 3600 / scale_arcsec))
    return side + 1 - side % 2


def _check_pixel(text: str, action: str) -> None:
    try:
        is_size = 0 < float(text) < math.inf
    except ValueError:
        is_size = False
    if not is_size:
        raise InputError(f"{action}: pixel={text} is no size in arcsec, as in pixel=1.8")
