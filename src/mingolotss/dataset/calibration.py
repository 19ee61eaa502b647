r"""Turn a stamp back into brightness on the sky, with the columns of its row of the manifest.

>>> import numpy as np
>>> row = {"scaling": "linear", "scale_min": 0.0, "scale_max": 51.0, "unit": "mJy/beam",
...        "wcs": "CTYPE1  = 'RA---SIN'\nCTYPE2  = 'DEC--SIN'\nCDELT1  = -0.1\nCDELT2  = 0.1",
...        "crpix1": 76.0, "crpix2": 76.0}
>>> [float(flux.round(6)) for flux in stamp_flux(np.array([[0, 1, 255]], np.uint8), row)[0]]
[0.0, 0.0003, 0.051]
>>> [float(angle.round(6)) for angle in stamp_wcs(row).all_pix2world(75, 75, 0)]
[0.0, 0.0]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError
from mingolotss.foreign import mute_warnings
from mingolotss.model import Floats
from mingolotss.sky.header_facts import jy_per_beam

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from mingolotss.recipe.model import Recipe

__all__ = ["stamp_flux", "stamp_wcs", "unit_beam"]


def stamp_wcs(row: Mapping[str, Any]) -> WCS:
    """Return the position on the sky of the pixels of a stamp.

    Parameters
    ----------
    row : mapping
        The row of the stamp in the manifest: a dictionary, a row of pandas, or anything else that
        gives the columns ``wcs``, ``crpix1`` and ``crpix2`` by name.

    Returns
    -------
    astropy.wcs.WCS
        Pixels are counted from 0, row 0 is that of the stored stamp: the southern one. The column
        ``wcs_error_arcsec`` says how exact it is: 0 for the WCS of the image itself, which is that
        of nearly all images.

    Raises
    ------
    InputError
        The row has no WCS: the build is of an older version, or the source was rejected.

    Examples
    --------
    >>> import mingolotss
    >>> row = mingolotss.load("demo").table.slice(0, 1).to_pylist()[0]
    >>> ra, dec = mingolotss.stamp_wcs(row).pixel_to_world_values(75, 75)
    >>> print(f"{ra:.3f} {dec:.3f}, {row['ra']:.3f} {row['dec']:.3f}")
    203.634 55.954, 203.634 55.954
    """
    from astropy.io import fits
    from astropy.wcs import WCS

    text, crpix1, crpix2 = _value(row, "wcs"), _number(row, "crpix1"), _number(row, "crpix2")
    if not text or math.isnan(crpix1) or math.isnan(crpix2):
        raise InputError(
            "position of a stamp: its row of the manifest has no wcs; build it again if it was "
            "written by an older version"
        )
    header = fits.Header.fromstring(str(text), sep="\n")
    header["CRPIX1"], header["CRPIX2"] = crpix1, crpix2
    with mute_warnings():  # astropy reports what it corrects
        return WCS(header)


def stamp_flux(pixels: npt.ArrayLike, row: Mapping[str, Any]) -> Floats:
    """Return the brightness of the pixels of a stamp.

    Parameters
    ----------
    pixels : uint8 or float array
        The stamp as it is stored, any shape; an image of Pillow, too.
    row : mapping
        The row of the stamp in the manifest, as for `stamp_wcs`, with the columns ``scaling``,
        ``scale_min``, ``scale_max``, ``scale_rms`` and ``unit``.

    Returns
    -------
    float64 array, Jy/beam
        In the unit of the image where that is another kind of unit. NaN where the scaling found no
        limits, since it then lost the brightness. Of a grey pixel it is the middle of the range of
        1/255 of the scale that became this grey, and for grey 0 its lower end, which is what the
        steps ``clip`` and ``mask`` set.

    Raises
    ------
    InputError
        The row does not say how the stamp was scaled, or the pixels are of another type.

    Examples
    --------
    >>> import mingolotss
    >>> stamps = mingolotss.load("demo")
    >>> row = stamps.table.slice(0, 1).to_pylist()[0]
    >>> flux = mingolotss.stamp_flux(stamps.images[0], row)
    >>> bool(abs(flux.max() - row["scale_max"]) <= row["scale_max"] / 255)  # one grey value
    True
    """
    stored = np.asarray(pixels)
    if stored.dtype != np.uint8 and stored.dtype.kind != "f":
        raise InputError(f"brightness of a stamp: pixels of {stored.dtype}, not uint8 or floats")
    scaling, unit = _value(row, "scaling"), _value(row, "unit")
    if scaling not in ("none", "linear", "asinh"):
        raise InputError(
            "brightness of a stamp: its row of the manifest does not say how it was scaled; a step "
            "of another package did it, or an older version wrote the build"
        )
    levels = stored.astype(float)
    if stored.dtype == np.uint8 and scaling != "none":
        # `to_uint8` truncates: only the largest pixel is 255.
        levels = np.where((stored > 0) & (stored < 255), levels + 0.5, levels) / 255
    factor = jy_per_beam(None if unit is None else str(unit))
    brightness = levels if scaling == "none" else _unscaled(levels, row)
    return brightness if math.isnan(factor) else brightness * factor


def unit_beam(row: Mapping[str, Any], recipe: Recipe) -> tuple[float, float, float]:
    """Return the beam that the brightness of a stamp in Jy/beam refers to.

    A sum of pixels divided by its area in pixels is a flux. It is the common beam of the recipe or
    that of the image. The beam of a resampled stamp, ``stamp_beam_major_arcsec``, is a little
    larger: resampling takes weighted means, and leaves the unit as it is.

    Parameters
    ----------
    row : mapping
        The row of the stamp in the manifest, or of one of its channels.
    recipe : Recipe
        Of the dataset, or of the channel.

    Returns
    -------
    major, minor : float, arcsec
    pa : float, deg
        NaN is not known.
    """
    common = recipe.beam.beam
    is_resampled = _value(row, "resampling") or _value(row, "status") == "resampled"
    if is_resampled and common is not None:
        return common.major_arcsec, common.minor_arcsec, common.pa_deg
    axes = "major_arcsec", "minor_arcsec", "pa_deg"
    of_image, of_stamp = (
        [_number(row, f"{name}_{axis}") for axis in axes] for name in ("beam", "stamp_beam")
    )
    major, minor, pa = of_image if is_resampled or math.isnan(of_stamp[0]) else of_stamp
    return major, minor, pa


def _unscaled(levels: Floats, row: Mapping[str, Any]) -> Floats:
    """Invert the scaling of `mingolotss.recipe.steps.Scaling`."""
    low, high, rms = (_number(row, name) for name in ("scale_min", "scale_max", "scale_rms"))
    if math.isnan(rms):
        linear: Floats = low + levels * (high - low)
        return linear
    curve: Floats = rms * np.sinh(levels * math.asinh(high / rms))
    return curve


def _value(row: Mapping[str, Any], name: str) -> object:
    """Return a value of a row, None where there is none."""
    try:
        value = row[name]
    except KeyError:
        return None
    value = value.as_py() if hasattr(value, "as_py") else value
    is_nan = isinstance(value, float) and math.isnan(value)  # how pandas has null
    return None if is_nan else value


def _number(row: Mapping[str, Any], name: str) -> float:
    value = _value(row, name)
    return float(value) if isinstance(value, (int, float)) else math.nan
