"""Displacements of the same pixel in two images, compared with astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.sky.alignment import displacement, has_same_wcs
from mingolotss.sky.wcs import SkyWCS, simple_header

SHAPE = (40, 60)


@pytest.mark.parametrize("dec", [0.0, 60.0, 89.9])
@pytest.mark.parametrize("change", [("CRPIX1", 40.5), ("CRVAL2", 60.2), ("CROTA2", 5.0)])
def test_the_displacement_is_that_of_astropy(dec, change):
    """The largest separation at the centre and the corners, in pixels of 3 arcsec."""
    raw = simple_header(100.0, dec, shape=SHAPE, scale_arcsec=3.0, projection="TAN")
    first = fits.Header.fromstring(raw.decode())
    second = first.copy()
    second.update([change])
    sky = [
        WCS(header).pixel_to_world([29.5, 0, 59, 0, 59], [19.5, 0, 0, 39, 39])
        for header in (first, second)
    ]
    expected = sky[0].separation(sky[1]).arcsec.max() / 3.0
    headers = [header.tostring().encode() for header in (first, second)]
    wcs = [SkyWCS.from_header(header) for header in headers]
    assert displacement(*wcs, SHAPE) == pytest.approx(expected, rel=1e-6)
    assert not has_same_wcs(*headers)


def test_pixels_off_the_sky_are_not_displaced():
    """The corners of an image of the whole sky have no position in either header."""
    header = simple_header(100.0, 10.0, shape=SHAPE, scale_arcsec=6 * 3600.0, projection="SIN")
    wcs = SkyWCS.from_header(header)
    assert np.isnan(wcs.to_sky(0.0, 0.0)).any()
    assert displacement(wcs, SkyWCS.from_header(header), SHAPE) == 0
