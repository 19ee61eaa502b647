"""The recipe `mingolotss` once more, slow and plain, from its description: what the tests trust.

One source at a time, whole images, astropy's WCS and SkyCoord, `numpy.pad`, Pillow's own
conversion to grey. Nothing of the package is used.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

NEAR = 15.0
SIDE = 150


def open_image(path: Path) -> tuple[np.ndarray, WCS]:
    """Return the first image of a file, two axes, and its place on the sky."""
    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore")
        for hdu in hdus:
            if hdu.is_image and hdu.header["NAXIS"] >= 2:
                data = hdu.data
                while data.ndim > 2:
                    data = data[0]
                return data.copy(), WCS(hdu.header).celestial
    raise ValueError(path)


def measure(path: Path, ra: float, dec: float) -> tuple[float, float]:
    """Return (separation in arcsec, percent NaN) of one file."""
    data, wcs = open_image(path)
    ny, nx = data.shape
    centre = wcs.pixel_to_world(nx // 2, ny // 2)
    separation = SkyCoord(ra, dec, unit="deg", frame="icrs").separation(centre).arcsec
    return float(separation), float(np.count_nonzero(np.isnan(data)) / data.size) * 100


def select(measured: dict[str, tuple[float, float]]) -> tuple[str, int]:
    """Return (field, case) for {field: (separation, percent NaN)}."""
    fields = sorted(measured)
    nearest = fields[int(np.argmin([measured[f][0] for f in fields]))]
    gaps = [measured[f][1] for f in fields]
    if len(fields) == 1:
        return fields[0], 0
    if sum(gaps) == 0:
        return nearest, 1
    if measured[nearest][1] == min(gaps):
        return nearest, 2
    if all(measured[f][0] < NEAR for f in fields):
        return min(fields, key=lambda f: (measured[f][1], measured[f][0], f)), 3
    return nearest, 4


def recentre(image: np.ndarray, rms: np.ndarray, x: float, y: float) -> list[np.ndarray]:
    """Pad both so that the source is in the middle, then to the stamp's size at least."""
    widths = []
    for n, at in zip(image.shape, (y, x), strict=True):
        before, after = at, n - at
        widths.append((int(after - before), 0) if after > before else (0, int(before - after)))
    padded = [np.pad(one, widths, constant_values=np.nan) for one in (image, rms)]
    short = [max(0, -(-(SIDE - n) // 2)) for n in padded[0].shape]
    return [np.pad(one, [(s, s) for s in short], constant_values=np.nan) for one in padded]


def crop(image: np.ndarray) -> np.ndarray:
    """Return the pixels under the stamp."""
    y0, x0 = image.shape[0] // 2 - SIDE // 2, image.shape[1] // 2 - SIDE // 2
    return image[y0 : y0 + SIDE, x0 : x0 + SIDE]


def stamp(image: np.ndarray, rms: np.ndarray) -> np.ndarray:
    """Return the finished image, uint8."""
    image, rms = image.copy(), rms.copy()
    image[np.isnan(image)] = 0
    rms[np.isnan(rms)] = 0
    image[image <= 3.0 * rms] = 0
    image = crop(image)
    for y in range(SIDE):
        for x in range(SIDE):
            if (y - 75) ** 2 + (x - 75) ** 2 > 75**2:
                image[y, x] = 0
    if not image.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    image /= image.max()
    image *= 255.0
    return np.asarray(Image.fromarray(image.astype(np.float32)).convert("L"))


def make(files: dict[str, tuple[Path, Path]], ra: float, dec: float) -> dict[str, object] | None:
    """Do the whole job for one source from {field: (image, rms map)}; None if it has none."""
    files = {
        field: pair for field, pair in files.items() if np.nan_to_num(open_image(pair[0])[0]).any()
    }
    if not files:
        return None
    measured = {field: measure(pair[0], ra, dec) for field, pair in files.items()}
    field, case = select(measured)
    image, wcs = open_image(files[field][0])
    rms, _ = open_image(files[field][1])
    off_centre = min(image.shape) < SIDE or measured[field][0] > NEAR
    if off_centre:
        x, y = wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg", frame="icrs"))
        image, rms = recentre(image, rms, float(x), float(y))
    return {
        "field": field,
        "case": case,
        "separation": measured[field][0],
        "percent_nan_cutout": measured[field][1],
        "percent_nan": 100 * float(np.isnan(crop(image)).mean()),
        "recentred": off_centre,
        "pixels": stamp(image, rms),
    }
