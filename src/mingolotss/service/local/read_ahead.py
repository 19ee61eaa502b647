"""Fetch the pixels under many cutouts before they are cut, from mosaics at an address."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from mingolotss.candidates.requests import CutoutRequests
from mingolotss.errors import ImageError, ServiceError
from mingolotss.model import Ints
from mingolotss.service.local.copied_mosaic import CopiedImage
from mingolotss.service.local.mosaic_windows import Boxes
from mingolotss.service.local.squares import first_pixel, side_pixels
from mingolotss.service.remote_mosaic import RemoteMosaics
from mingolotss.sky.footprint import find_pixels

__all__ = ["fetch_ahead"]

_MOST_BYTES, _MOST_IMAGES = 1 << 29, 32  # of the cutouts together, and of their mosaics


def fetch_ahead(
    mosaics: RemoteMosaics[CopiedImage], requests: CutoutRequests, size_deg: float
) -> int:
    """Fetch the pixels under the first cutouts of many, as many as a copy keeps.

    Nothing is raised: an error is met again when the cutout is made.

    Parameters
    ----------
    mosaics : RemoteMosaics
    requests : CutoutRequests
        The address of an image or an rms map that is not needed may be "".
    size_deg : float, deg

    Returns
    -------
    int
        The number of these cutouts, at least 1.
    """
    # The requests of one mosaic stand together. Only so many of its neighbours are opened as may
    # be used, and the cutouts are counted up to the limit as if they did not overlap.
    _, firsts = np.unique(requests.image_index, return_index=True)
    index = requests.image_index[
        : np.append(np.sort(firsts), len(requests))[: _MOST_IMAGES + 1][-1]
    ]
    members = {
        (address, number): np.flatnonzero(index == number)
        for number in np.unique(index).tolist()
        for address in requests.images[number][1:]
        if address
    }
    unread = mosaics.open_all({address: None for address, _ in members})
    sizes, sides = np.zeros(len(index), np.int64), {}
    for (address, _), rows in members.items():
        if address in unread:
            continue
        with suppress(ImageError, ServiceError):
            mosaic = mosaics.get(address)
            sides[address] = mosaic, side_pixels(mosaic, size_deg, address)
            sizes[rows] += sides[address][1] ** 2 * mosaic.layout.dtype.itemsize
    count = max(1, int(np.searchsorted(sizes.cumsum(), _MOST_BYTES, "right")))
    needs: dict[str, Ints] = {}
    for (address, _), all_rows in members.items():
        if address in sides:
            (mosaic, side), rows = sides[address], all_rows[all_rows < count]
            x, y = find_pixels(mosaic.wcs, mosaic.shape, requests.ra[rows], requests.dec[rows])
            boxes = Boxes.on(mosaic.shape, first_pixel(y, side), first_pixel(x, side), side)
            ranges = mosaic.ranges(*boxes)
            needs[address] = np.concatenate([needs.get(address, ranges[:0]), ranges])
    mosaics.fetch(needs)
    return count
