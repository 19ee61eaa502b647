"""Whether images are simulated: the service says so, or the header of an image on disk does.

A service whose images are simulated has the attribute ``simulated = True``. The FITS files of
`mingolotss.simulate` say it themselves, so that a service that reads them from a folder need not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from mingolotss.service.base import ImageService
from mingolotss.sky.header_facts import SIMULATED_ORIGIN

__all__ = ["has_simulated_images", "is_simulated_file"]

_CARD = 80
_HEADER_BYTES = 20 * 2880  # of the file; a compressed image has its cards in the second header
_MARK = f"ORIGIN  = '{SIMULATED_ORIGIN}".encode()
_MOST_FILES = 64
_GZIP = b"\x1f\x8b"


def has_simulated_images(service: ImageService, images: Iterable[str]) -> bool:
    """Return whether the images of a service are simulated.

    Parameters
    ----------
    service : ImageService
    images : iterable of str
        Their addresses; of files on disk the first few are opened.
    """
    if getattr(service, "simulated", False):
        return True
    return any(map(is_simulated_file, islice(images, _MOST_FILES)))


def is_simulated_file(image: str) -> bool:
    """Return whether an image on disk says that it is simulated; False if it cannot be read."""
    if "://" in image:
        return False
    try:
        with Path(image).open("rb") as file:
            start = file.read(_HEADER_BYTES)
        if start.startswith(_GZIP):
            start = zlib.decompressobj(31).decompress(start, _HEADER_BYTES)
    except (OSError, ValueError, zlib.error):  # ValueError: NUL in the path
        return False
    return _MARK in start and any(start.startswith(_MARK, at) for at in range(0, len(start), _CARD))
