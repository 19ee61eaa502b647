"""Cards of windows of images, and projections that are fitted where cards cannot say all."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.sky.celestial import celestial_wcs
from mingolotss.sky.reference_cards import fit_cards, place_in_window, reference_cards
from mingolotss.sky.wcs import SkyWCS, simple_header
from mingolotss.sky.wcs_cards import read_wcs_cards


def cards_of(**values: float | str):
    header = fits.Header(list(values.items()))
    return reference_cards(celestial_wcs(read_wcs_cards(header.tostring().encode())))


TPV = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV2_1": 1.0}
CD = {"CD1_1": -1e-3, "CD2_2": 1e-3}


def test_polynomials_in_pixels_cannot_be_binned():
    """Wcslib applies those of TPV before CDELT: to pixels, unless the scale is in CD."""
    assert cards_of(**TPV, **CD).can_bin
    assert not cards_of(**TPV, CDELT1=-1e-3, CDELT2=1e-3).can_bin
    assert cards_of(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CDELT1=-1e-3, CDELT2=1e-3).can_bin


@pytest.mark.parametrize("factor", [1, 2, 3, 10])
def test_means_of_pixels_are_where_astropy_puts_their_middle(factor):
    """For every factor, even and odd, far from the reference pixel."""
    header = simple_header(10.0, 60.0, shape=(400, 400), scale_arcsec=200.0)
    wcs = SkyWCS.from_header(header)
    text = wcs.cards.text(factor)
    cards = fits.Header.fromstring(text, sep="\n")
    start, factors = np.array([31.0, -7.0]), np.array([factor, factor])
    reference = np.array([wcs.cards.crpix1, wcs.cards.crpix2])
    cards["CRPIX1"], cards["CRPIX2"] = place_in_window(reference, start, factors).tolist()
    x, y = np.meshgrid(np.arange(5.0), np.arange(5.0))
    there = WCS(cards).all_pix2world(x, y, 0)
    middle = (factor - 1) / 2
    expected = wcs.to_sky(start[0] + x * factor + middle, start[1] + y * factor + middle)
    np.testing.assert_allclose(there, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("factor", [1, 5])
def test_a_fit_states_its_error(factor):
    """Of a SIN image at 0.5 deg it is small, of larger pixels far from the middle it is not."""
    for scale, most in ((1.5, 1e-3), (60.0, 30.0)):
        wcs = SkyWCS.from_header(
            simple_header(359.99, -75.0, shape=(600, 600), scale_arcsec=scale / factor)
        )
        fitted = fit_cards(wcs, 20.0, 30.0, 40, factor)
        header = fits.Header.fromstring(fitted.text, sep="\n")
        header["CRPIX1"], header["CRPIX2"] = fitted.crpix1, fitted.crpix2
        x, y = np.meshgrid(np.arange(40.0), np.arange(40.0))
        ra, dec = WCS(header).all_pix2world(x, y, 0)
        middle = (factor - 1) / 2
        true = wcs.to_sky(20 + x * factor + middle, 30 + y * factor + middle)
        east = ((ra - true[0] + 180) % 360 - 180) * np.cos(np.radians(true[1]))
        distance = np.hypot(east, dec - true[1]) * 3600
        assert distance.max() <= fitted.error_arcsec * 1.1 + 1e-6
        assert fitted.error_arcsec < most


def test_no_positions_no_fit():
    """A window off the projection has no position to fit."""
    wcs = SkyWCS.from_header(simple_header(0.0, 0.0, shape=(9, 9), scale_arcsec=3600.0))
    assert fit_cards(wcs, 5000.0, 5000.0, 16) is None
