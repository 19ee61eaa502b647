"""Frames are those of astropy, and a frame that is not of the sky is refused."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, FK4NoETerms, Galactic, SkyCoord
from astropy.time import Time

from mingolotss.sky.frames import celestial_frame, from_icrs, to_icrs


@pytest.mark.parametrize(
    ("longitude", "radesys", "equinox", "expected"),
    [
        ("RA", "FK5", 2000.0, FK5(equinox="J2000")), ("RA", "FK5", 1975.5, FK5(equinox="J1975.5")),
        ("RA", "FK4", 1950.0, FK4(equinox="B1950")), ("RA", "", 1900.0, FK4(equinox="B1900")),
        ("RA", "FK4-NO-E", 1950.0, FK4NoETerms(equinox="B1950")), ("GLON", "", None, Galactic()),
        ("RA", "", 1984.0, FK5(equinox=Time(1984.0, format="jyear"))),
    ],
)  # fmt: skip
def test_positions_are_those_of_astropy(longitude, radesys, equinox, expected):
    """In both directions, for one position and for many."""
    frame = celestial_frame(longitude, radesys, equinox)
    lon, lat = np.array([0.1, 120.0, 266.4]), np.array([-89.0, 0.0, 45.0])
    icrs = SkyCoord(lon, lat, unit="deg", frame=expected).icrs
    np.testing.assert_array_equal(to_icrs(frame, lon, lat), (icrs.ra.deg, icrs.dec.deg))
    native = SkyCoord(lon, lat, unit="deg").transform_to(expected).spherical
    np.testing.assert_array_equal(from_icrs(frame, lon, lat), (native.lon.deg, native.lat.deg))


@pytest.mark.parametrize(("radesys", "equinox"), [("ICRS", None), ("", None), ("ICRS", 1950.0)])
def test_icrs_needs_no_frame(radesys, equinox):
    """Positions pass unchanged, with right ascension from 0 to 360 degrees."""
    assert celestial_frame("RA", radesys, equinox) is None
    assert from_icrs(None, np.array([-1.0]), np.array([2.0])) == (np.array([-1.0]), np.array([2.0]))
    assert to_icrs(None, np.array([-1.0]), np.array([2.0])) == (np.array([359.0]), np.array([2.0]))


@pytest.mark.parametrize(
    ("longitude", "radesys", "words"),
    [("ELON", "FK5", "ELON"), ("TLON", "", "TLON"), ("HPLN", "", "HPLN"), ("MALN", "", "MALN"),
     ("", "", "kind"), ("RA", "MOON", "MOON"), ("RA", "fk5", "fk5")],
)  # fmt: skip
def test_other_frames_are_refused(longitude, radesys, words):
    """Ecliptic ones too, which astropy takes for equatorial ones; the Earth, the Sun and Mars."""
    with pytest.raises(ValueError, match=words):
        celestial_frame(longitude, radesys, None)
