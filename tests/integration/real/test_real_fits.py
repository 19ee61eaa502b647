"""Real FITS files: the stamps of every image on the sky are astropy's pixels, bit for bit.

The files are not part of the repository. ``MINGOLOTSS_REAL_FITS`` names a folder of them, with
folders in it; nothing is fetched. Each file is read as a cutout (service ``folder``) and a mosaic
(service ``mosaics``). The stamps are float32, without steps, around positions on the image that
astropy's WCS gives.
"""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import ICRS
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

import mingolotss
from mingolotss.errors import ImageError

FOLDER = os.environ.get("MINGOLOTSS_REAL_FITS", "")
ENDS = (".fits", ".fit", ".fts", ".gz", ".fz")
FILES = sorted(p for p in Path(FOLDER or os.devnull).rglob("*") if p.name.lower().endswith(ENDS))
SIDE = 16
MAX_ARCMIN = 600
PLACES = ((0.5, 0.5), (0.25, 0.75), (0.02, 0.97), (0.9, 0.3))  # (x, y) as parts of the image

RECIPE = """
name = "real"
title = "pixels as they are"
formats = ["parquet"]
[catalogue]
name = "id"
ra = "ra"
dec = "dec"
[classes]
from = "none"
[images]
size_arcmin = {size!r}
image = "{image}"
rms = ""
checksums = "{checksums}"
[recentre]
enabled = {recentre}
separation_arcsec = 0.0
[noise]
method = "sigma-clipped"
[stamp]
pixels = 16
kind = "float32"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason="MINGOLOTSS_REAL_FITS names no folder with FITS files"),
]


@dataclass
class Image:
    """An image as astropy reads it, and positions on it.

    Attributes
    ----------
    pixels : float array, shape (ny, nx)
    x, y, ra, dec : float64 array
        The positions on the array (px from 0) and on the sky (deg, ICRS).
    size_arcmin, size_pixels : float
        The side of a cutout: 24 pixels, or as many as a recipe allows.
    """

    pixels: np.ndarray
    x: np.ndarray
    y: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    size_arcmin: float
    size_pixels: float

    def square(self, x0: int, y0: int) -> np.ndarray:
        """Return the stamp that begins at a pixel; NaN past the edge of the image."""
        padded = np.pad(self.pixels.astype("f4"), SIDE, constant_values=np.nan)
        ny, nx = self.pixels.shape
        if not (-SIDE <= x0 <= nx and -SIDE <= y0 <= ny):
            return np.full((SIDE, SIDE), np.nan, "f4")
        return padded[y0 + SIDE : y0 + 2 * SIDE, x0 + SIDE : x0 + 2 * SIDE]


def first_image(hdus: fits.HDUList) -> fits.ImageHDU | None:
    """Return the first image with two axes or more that has pixels."""
    images = (hdu for hdu in hdus if getattr(hdu, "is_image", False) and len(hdu.shape) >= 2)
    return next((hdu for hdu in images if min(hdu.shape) > 0), None)


def physical(path: Path, hdu: fits.ImageHDU) -> np.ndarray:
    """Return the pixels of an HDU as floats; BLANK as the FITS standard says it."""
    data = np.squeeze(hdu.data)
    if data.dtype.kind != "f":
        data = data.astype("f4" if data.dtype.itemsize <= 2 else "f8")
    blank = hdu.header.get("BLANK")
    with fits.open(path, do_not_scale_image_data=True) as hdus:
        stored = np.squeeze(first_image(hdus).data)
        if stored.dtype.kind != "f" and isinstance(blank, int):
            data = np.where(stored == blank, np.nan, data).astype(data.dtype)
    return data


def has_stale_checksums(path: Path) -> bool:
    """Tell whether astropy finds a sum in the file that is not that of its HDU."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(path, checksum=True) as hdus:
            first_image(hdus)
    return any("verification failed" in str(warning.message) for warning in caught)


def astropy_image(path: Path) -> Image | str:
    """Return the image of a file, or why astropy gives none with positions on the sky."""
    with fits.open(path) as hdus:
        hdu = first_image(hdus)
        if hdu is None or hdu.data is None:
            return "no image"
        if np.squeeze(hdu.data).ndim != 2:
            return f"{np.squeeze(hdu.data).ndim} axes"
        wcs = WCS(hdu.header, hdus).celestial
        if not wcs.has_celestial:
            return "no celestial WCS"
        pixels = physical(path, hdu)
        ny, nx = pixels.shape
        # At a third of a pixel no rule of rounding is near a tie.
        x, y = (np.floor([p[i] * n for p in PLACES]) + 0.3 for i, n in enumerate((nx, ny)))
        sky = wcs.pixel_to_world(x, y)
        sky = sky.transform_to(ICRS())
        back = np.array(wcs.world_to_pixel(sky))
        good = np.isfinite(sky.ra.deg) & (np.abs(back - [x, y]) < 1e-3).all(0)
        if not good.any():
            return "no position on the sky"
        scale = float(np.sqrt(proj_plane_pixel_area(wcs))) * 60
        size = max(min(24 * scale, MAX_ARCMIN), 0.01)
        sky = sky[good]
        return Image(pixels, x[good], y[good], sky.ra.deg, sky.dec.deg, size, size / scale)


def expected_of_mosaic(image: Image, i: int) -> np.ndarray:
    """Return the stamp with the pixel nearest to the source at SIDE // 2."""
    x0, y0 = (int(np.rint(axis[i])) - SIDE // 2 for axis in (image.x, image.y))
    stamp = image.square(x0, y0)
    side = round(image.size_pixels)
    if side < SIDE:  # the pixels of an all-sky image, around which a cutout is small
        before, after = SIDE // 2 - side // 2, SIDE // 2 - side // 2 + side
        stamp[:before], stamp[after:], stamp[:, :before], stamp[:, after:] = (np.nan,) * 4
    return stamp


def expected_of_cutout(image: Image, i: int) -> np.ndarray:
    """Return the stamp by the rule of the original program, as in tests/oracle.py.

    An axis is padded by ``int(n - 2x)`` before its first pixel, or ``int(2x - n)`` after its last
    one, then on both sides up to the length of the stamp, which is the middle of it.
    """
    start = []
    for n, at in zip(reversed(image.pixels.shape), (image.x[i], image.y[i]), strict=True):
        before = max(0, int((n - at) - at))
        length = n + before + max(0, int(at - (n - at)))
        more = max(0, -(-(SIDE - length) // 2))
        start.append((length + 2 * more) // 2 - SIDE // 2 - before - more)
    return image.square(*start)


def stamps_of(
    tmp_path: Path, path: Path, image: Image, service: str, checksums: str
) -> list[np.ndarray | str]:
    """Build from one file; return the stamp at each position, or why it was rejected."""
    work = tmp_path / f"{service}-{checksums}"
    (work / "in").mkdir(parents=True)
    names = [f"S{i}" for i in range(len(image.x))]
    suffix = "".join(s for s in path.suffixes[-2:] if s.lower() in (".gz", ".fz")).lower()
    files = ["P1-mosaic.fits"] if service == "mosaics" else [f"{n}.fits{suffix}" for n in names]
    for name in files:
        shutil.copy(path, work / "in" / name)
    rows = zip(names, image.ra.tolist(), image.dec.tolist(), strict=True)
    text = "id,ra,dec\n" + "".join(f"{n},{ra!r},{dec!r}\n" for n, ra, dec in rows)
    (work / "catalogue.csv").write_text(text)
    recipe = work / "recipe.toml"
    by_name = service == "folder"
    form = "{source}.fits" if by_name else "{source}_{field}-mosaic.fits"
    settings = {"size": image.size_arcmin, "image": form, "checksums": checksums}
    recipe.write_text(RECIPE.format(**settings, recentre=str(by_name).lower()))
    mingolotss.build(
        recipe, catalogue=work / "catalogue.csv", service=f"{service}:{work / 'in'}",
        out=work / "out",
    )  # fmt: skip
    manifest = pq.read_table(work / "out/manifest.parquet").to_pylist()
    outcomes = {row["source"]: row["reason"] or "" for row in manifest}
    for part in (work / "out/stamps").glob("*.parquet"):
        for row in pq.read_table(part).to_pylist():
            outcomes[row["source"]] = np.frombuffer(row["pixels"], "<f4").reshape(SIDE, SIDE)
    return [outcomes[name] for name in names]


def compare(
    tmp_path: Path, path: Path, image: Image, service: str, checksums: str = "cutouts"
) -> list[str]:
    """Return a line for each position whose stamp is not that of astropy."""
    expected_of = expected_of_cutout if service == "folder" else expected_of_mosaic
    lines = []
    for i, outcome in enumerate(stamps_of(tmp_path, path, image, service, checksums)):
        expected = expected_of(image, i)
        if isinstance(outcome, str):
            whole = image.pixels if service == "folder" else expected
            if not np.nan_to_num(whole).any() and "no finite non-zero pixel" in outcome:
                continue
            lines.append(f"{service} {image.x[i]}, {image.y[i]}: rejected: {outcome}")
        elif not np.array_equal(outcome, expected, equal_nan=True):
            different = np.sum(~((outcome == expected) | (np.isnan(outcome) & np.isnan(expected))))
            lines.append(f"{service} {image.x[i]}, {image.y[i]}: {different} pixels differ")
    return lines


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(FOLDER)) for path in FILES])
def test_stamps_are_those_of_astropy(tmp_path, path):
    """Equal pixels through both services, or astropy gives no position.

    A file that a program changed and whose checksums it left is rejected unless the recipe says so.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = astropy_image(path)
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"astropy: {type(error).__name__}: {error}")
    if isinstance(image, str):
        pytest.skip(f"astropy: {image}")
    for service in ("folder", "mosaics"):
        try:
            lines = compare(tmp_path, path, image, service)
        except ImageError as error:  # of the only mosaic
            lines = [str(error)]
        if lines and has_stale_checksums(path):
            assert all("SUM" in line and 'images.checksums = "none"' in line for line in lines)
            lines = compare(tmp_path, path, image, service, "none")
        assert lines == []
