"""An rms map of another piece of sky is never the noise of an image."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from fits_files import put
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError
from mingolotss.model import Source
from mingolotss.service.base import CutoutRequest, fetch_cutouts, open_service, search_all

SOURCES = Catalogue.from_columns(["A"], [180.0], [50.0])
NAMES = {"folder": "A_P1-mosaic", "mosaics": "P1-mosaic", "lotss-dr1-mosaics": "P1-mosaic"}


def outcome(service, folder, change):
    """Return what a service gives for an image and its rms map, whose header is changed first."""
    put(folder / f"{NAMES[service]}.fits", 1)
    put(folder / f"{NAMES[service]}-rms.fits", 2)
    with fits.open(folder / f"{NAMES[service]}-rms.fits", mode="update") as hdus:
        change(hdus[0].header)
    opened = open_service(f"{service}:{folder}")
    candidates = search_all(opened, SOURCES, 0.01)[0]
    requests = [CutoutRequest(candidate, Source(0, "A", 180.0, 50.0)) for candidate in candidates]
    return next(iter(fetch_cutouts(opened, requests, 0.01)))


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize(
    ("cards", "distance"),
    [
        ({"CRPIX1": 21.5}, "5"), ({"CRVAL2": 50.1}, "240"), ({"CDELT1": 1.5 / 3600}, "31"),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, r"\d+(\.\d+)?(e\+\d+)?"),
    ],
)  # fmt: skip
def test_an_rms_map_of_another_place_is_an_error(tmp_path, service, cards, distance):
    """The message has the distance; CRPIX1 of the image is 16.5, its pixels 1.5 arcsec."""
    error = outcome(service, tmp_path, lambda header: header.update(cards))
    assert isinstance(error, ImageError)
    with pytest.raises(ImageError, match=f"-rms.fits: the rms map is {distance} pixels away"):
        raise error


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize(
    "cards", [{"CRPIX1": 16.6}, {"BUNIT": "Jy/beam"}, {"CRVAL1": -180.0}, {"RADESYS": "FK5"}]
)
def test_rounding_and_other_cards_do_not_matter(tmp_path, service, cards):
    """The same place in other words, to a pixel."""
    cutout = outcome(service, tmp_path, lambda header: header.update(cards))
    assert np.nanmin(cutout.rms) == 2


def test_the_rms_map_of_a_cutout_needs_no_wcs(tmp_path):
    """Some programs write the noise without one."""
    cutout = outcome("folder", tmp_path, lambda header: header.remove("CTYPE1"))
    assert np.nanmin(cutout.rms) == 2
