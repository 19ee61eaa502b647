"""Angles on the sphere equal those of astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, angular_separation
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.sky.angles import offset_position, separation_arcsec, unit_vectors

RA, DEC = st.floats(-180, 360), st.floats(-90, 90)


@settings(max_examples=300)
@given(RA, DEC, RA, DEC)
def test_separations_are_those_of_astropy_to_the_last_bit(ra1, dec1, ra2, dec2):
    """The last bit can decide which field is chosen."""
    with u.set_enabled_equivalencies([]):
        expected = angular_separation(ra1 * u.deg, dec1 * u.deg, ra2 * u.deg, dec2 * u.deg)
    assert separation_arcsec(ra1, dec1, ra2, dec2) == expected.to_value(u.deg) * 3600


def test_separations_across_ra_0_at_poles_and_opposite():
    """Simple formulas fail at RA 0, at the poles, and for tiny and for the largest angles."""
    separations = separation_arcsec(
        [359.9999, 0, 12, 0, 5],
        [0, 90, 45, 0, 1],
        [0.0001, 180, 12, 180, 5],
        [0, 90, 45 + 1e-9 / 3600, 0, 1],
    )
    np.testing.assert_allclose(separations[[0, 1, 3, 4]], [0.72, 0, 180 * 3600, 0], atol=1e-9)
    np.testing.assert_allclose(separations[2], 1e-9, rtol=1e-2)


def test_unit_vectors():
    """X to RA 0, y to RA 90, z to the pole; dot products are cosines of separations."""
    np.testing.assert_allclose(unit_vectors([0, 90, 5], [0, 0, 90]), np.eye(3), atol=1e-15)
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 50), rng.uniform(-90, 90, 50)
    dots = unit_vectors(ra, dec) @ unit_vectors(10.0, 20.0)
    angles = np.radians(separation_arcsec(ra, dec, 10.0, 20.0) / 3600)
    np.testing.assert_allclose(dots, np.cos(angles), atol=1e-14)


@pytest.mark.parametrize("position", [(10.0, 0.0), (359.9999, 60.0), (0.0, 89.999), (200.0, -90.0)])
@pytest.mark.parametrize("angle", [0.0, 45.0, 90.0, 180.0, 300.0])
def test_offset_positions_are_those_of_astropy(position, angle):
    ra, dec = offset_position(*position, angle, 30.0)
    true = SkyCoord(*position, unit="deg").directional_offset_by(angle * u.deg, 30 * u.arcsec)
    assert SkyCoord(ra, dec, unit="deg").separation(true).arcsec < 1e-6
    assert 0 <= ra < 360
