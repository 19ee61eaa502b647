"""The compiled modules of astropy and astropy-healpix, without the packages around them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.wcs import WcsError, Wcsprm
from astropy_healpix import lonlat_to_healpix

from mingolotss.sky import compiled_libraries
from mingolotss.sky.compiled_libraries import healpix, wcslib
from mingolotss.sky.healpix_index import nested_pixels

_TRANSFORM = """
import sys
import numpy as np
from mingolotss.sky.wcs import SkyWCS, simple_header
header = simple_header(10.0, 60.0, shape=(240, 240), scale_arcsec=1.5)
wcs = SkyWCS.from_header(header)
pixels = wcs.to_pixel(np.array([10.01, 9.98]), np.array([60.0, 60.01]))
"""


def _python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_a_transformation_needs_no_more_of_astropy_than_wcslib():
    """A process that only transforms pixels imports one module of astropy, which is compiled."""
    code = "print(*sorted(m for m in sys.modules if m.partition('.')[0] == 'astropy'))"
    assert _python(_TRANSFORM + code) == ["astropy.wcs._wcs"]


def test_astropy_has_the_same_module_when_it_comes_later():
    """Its classes are the same, and its transformations give the same bits."""
    later = """
import astropy.wcs
from astropy.io import fits
from mingolotss.sky.compiled_libraries import wcslib
assert astropy.wcs.Wcsprm is wcslib().Wcsprm and astropy.wcs.WcsError is wcslib().WcsError
own = astropy.wcs.WCS(fits.Header.fromstring(header.decode()))
x, y = own.all_world2pix(np.array([10.01, 9.98]), np.array([60.0, 60.01]), 0)
print(x.tobytes() == pixels[0].tobytes(), y.tobytes() == pixels[1].tobytes())
"""
    assert _python(_TRANSFORM + later) == ["True", "True"]


def test_the_module_of_a_package_that_is_imported_is_used():
    assert (wcslib().Wcsprm, wcslib().WcsError) == (Wcsprm, WcsError)


@pytest.mark.parametrize("name", ["mingolotss.image.windows", "json.decoder"])
def test_a_module_that_is_not_compiled_is_imported_with_its_package(name):
    """So that another version of the library, with other files, works all the same."""
    code = (
        "import sys; from mingolotss.sky import compiled_libraries as c; "
        f"module = c._compiled_module({name!r}); "
        f"print(module is sys.modules[{name!r}], {name.rpartition('.')[0]!r} in sys.modules)"
    )
    assert _python(code) == ["True", "True"]


def test_a_library_that_is_not_installed_is_missed_as_usual():
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        compiled_libraries._compiled_module("no_such_library._core")
    assert "no_such_library._core" not in sys.modules


@pytest.mark.parametrize("nside", [1, 4096, 1 << 29])
def test_pixels_are_those_of_astropy_healpix(nside):
    """Bit for bit, also at the poles and for longitudes beyond the circle."""
    rng = np.random.default_rng(nside)
    ra = np.concatenate([rng.uniform(-10, 370, 20_000), [0.0, 360.0, -0.0, 180.0]])
    dec = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000))), [90.0, -90.0, 0, 0]])
    expected = lonlat_to_healpix(ra * u.deg, dec * u.deg, nside, order="nested")
    pixels = nested_pixels(ra, dec, nside)
    assert pixels.dtype == np.int64
    assert np.array_equal(pixels, expected)


def test_healpix_is_imported_alone():
    code = (
        "import sys; from mingolotss.sky.compiled_libraries import healpix; healpix(); "
        "print(*sorted(m for m in sys.modules if m.startswith('astropy')))"
    )
    assert _python(code) == ["astropy_healpix._core"]
    assert healpix().lonlat_to_healpix_nested is not None
