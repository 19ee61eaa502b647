"""Small surveys of one sky for the tests of channels, each with its own pixels and its own gaps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from mingolotss.sky.wcs import simple_header

SIDE, SCALE = 420, 1.5
FIELDS = {"P1": (150.0, 40.0), "P2": (152.0, 41.0)}
BEAMS = {"six": 6.0, "shifted": 9.0, "coarse": 20.0, "other": 7.0}


@dataclass
class ChannelSky:
    """The folders of the surveys, and the catalogue of the sources on them.

    `off` are the sources that only the survey ``shifted`` lacks.
    """

    root: Path
    names: list[str]
    ra: np.ndarray
    dec: np.ndarray
    off: list[str]

    @property
    def catalogue(self) -> Path:
        return self.root / "catalogue.fits"

    def service(self, survey: str) -> str:
        return f"mosaics:{self.root / survey}"


def channel_sky(root: Path, per_field: int = 12, seed: int = 1) -> ChannelSky:
    """Write mosaics of four surveys and a catalogue.

    ``shifted`` has the grid of ``six`` with another first pixel, and lacks the first tenth of the
    sources. ``coarse`` has pixels three times as large, ``other`` another projection.
    """
    rng, root = np.random.default_rng(seed), Path(root)
    n_off = max(1, 2 * per_field // 10 // 2)
    names, ra, dec, off = [], [], [], []
    for field, centre in FIELDS.items():
        header = simple_header(*centre, shape=(SIDE, SIDE), scale_arcsec=SCALE)
        x, y = rng.uniform(130, SIDE - 130, (2, per_field))
        x[:n_off], y[:n_off] = 20, rng.uniform(130, SIDE - 130, n_off)
        sky = WCS(fits.Header.fromstring(header.decode())).pixel_to_world(x, y)
        new = [f"{field}-S{number:03d}" for number in range(per_field)]
        names += new
        off += new[:n_off]
        ra += sky.ra.deg.tolist()
        dec += sky.dec.deg.tolist()
        places = np.stack([sky.ra.deg, sky.dec.deg], axis=1)
        shapes = {"six": (0, 0, SIDE, SIDE), "shifted": (70, 11, SIDE - 80, SIDE - 20)}
        for survey, (x0, y0, nx, ny) in shapes.items():
            own = fits.Header.fromstring(header.decode())
            own["CRPIX1"] -= x0
            own["CRPIX2"] -= y0
            _write(root / survey, field, own, (ny, nx), places, BEAMS[survey], rng)
        coarse = simple_header(*centre, shape=(150, 150), scale_arcsec=3 * SCALE)
        _write(root / "coarse", field, coarse, (150, 150), places, BEAMS["coarse"], rng)
        middle = (centre[0] + 0.01, centre[1] - 0.007)
        other = simple_header(*middle, shape=(480, 480), scale_arcsec=1.4, projection="TAN")
        _write(root / "other", field, other, (480, 480), places, BEAMS["other"], rng)
    table = Table({"Source_Name": names, "RA": ra, "DEC": dec})
    table.write(root / "catalogue.fits", overwrite=True)
    return ChannelSky(root, names, np.array(ra), np.array(dec), off)


def _write(
    folder: Path,
    field: str,
    header: fits.Header | bytes,
    shape: tuple[int, int],
    places: np.ndarray,
    beam_arcsec: float,
    rng: np.random.Generator,
) -> None:
    """Write one mosaic with its rms map: noise, and a Gaussian of 1 Jy/beam at each place."""
    folder.mkdir(parents=True, exist_ok=True)
    cards = header if isinstance(header, fits.Header) else fits.Header.fromstring(header.decode())
    cards["BMAJ"] = cards["BMIN"] = beam_arcsec / 3600
    cards["BPA"], cards["BUNIT"] = 0.0, "Jy/beam"
    wcs = WCS(cards)
    sigma = beam_arcsec / 2.3548 / (abs(wcs.wcs.cdelt[1]) * 3600)
    y, x = np.indices(shape)
    image = rng.normal(0, 1e-3, shape)
    for at_x, at_y in zip(*wcs.all_world2pix(*places.T, 0), strict=True):
        image += np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * sigma**2))
    rms = np.full(shape, 1e-3) * rng.uniform(0.9, 1.1, shape)
    for kind, data in (("", image), ("-rms", rms)):
        path = folder / f"{field}-mosaic{kind}.fits"
        fits.writeto(path, data.astype("f4"), cards, overwrite=True)
