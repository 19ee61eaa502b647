"""Make four synthetic LoTSS mosaics and a catalogue: ``make_mosaics.py DIR SOURCES [SIDE]``.

Each mosaic is a SIN projection of 1.5 arcsec pixels with its rms map: noise of about 70 uJy/beam
correlated on a 6 arcsec beam, NaN outside a circle, and a double source at every catalogued
place. They do not overlap, so every source has one candidate, as the peers expect.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.sky.wcs import SkyWCS, simple_header

SCALE = 1.5  # arcsec
BEAM = 6.0  # arcsec
FIELDS = {"P180+48": (180.0, 48.0), "P187+48": (187.0, 48.0), "P180+53": (180.0, 53.0),
          "P187+53": (187.0, 53.0)}  # fmt: skip
TILE = 1000
DOUBLES = 5000  # drawn in each mosaic; catalogues of more sources use the same sky


def noise_tile(rng: np.random.Generator) -> np.ndarray:
    """Return a square of correlated noise that can be laid side by side, float32, Jy/beam."""
    wave = np.fft.rfft2(rng.normal(size=(TILE, TILE)))
    ky, kx = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
    sigma = BEAM / SCALE / 2.355
    tile = np.fft.irfft2(wave * np.exp(-2 * (np.pi * sigma) ** 2 * (kx**2 + ky**2)))
    return (tile / tile.std() * 7e-5).astype(np.float32)


def draw(image: np.ndarray, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
    """Add a double source at every place."""
    reach = np.arange(-40, 41)
    for cx, cy in zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True):
        if not (40 <= cx < image.shape[1] - 40 and 40 <= cy < image.shape[0] - 40):
            continue
        at, angle, flux = rng.uniform(3, 20), rng.uniform(0, np.pi), rng.lognormal(-6, 1)
        for arm in (-at, at):
            gx = np.exp(-((reach - arm * np.cos(angle)) ** 2) / 18)
            gy = np.exp(-((reach - arm * np.sin(angle)) ** 2) / 18)
            image[cy - 40 : cy + 41, cx - 40 : cx + 41] += flux * gy[:, None] * gx[None]


def write_fits(path: Path, image: np.ndarray, header: bytes) -> None:
    """Write a float32 image with the WCS cards of `header`, a beam and a unit."""
    first = ["SIMPLE  =                    T", "BITPIX  =                  -32"]
    first += [f"BMAJ    = {BEAM / 3600:20.13E}", f"BMIN    = {BEAM / 3600:20.13E}"]
    first += ["BPA     =                  0.0", "BUNIT   = 'JY/BEAM '"]
    cards = "".join(card.ljust(80) for card in first).encode() + header
    with path.open("wb") as stream:
        stream.write(cards + b" " * (-len(cards) % 2880))
        for row in range(0, len(image), 500):
            stream.write(image[row : row + 500].astype(">f4").tobytes())
        stream.write(b"\0" * (-image.nbytes % 2880))


def places(sources: int, side: int) -> dict[str, np.ndarray]:
    """Return name, position, size and flux of every source, spread evenly over the mosaics."""
    rng = np.random.default_rng(7)
    radius = np.sqrt(rng.uniform(0, 1, sources)) * side * 0.47
    angle = rng.uniform(0, 2 * np.pi, sources)
    x, y = radius * np.cos(angle) + side / 2, radius * np.sin(angle) + side / 2
    which = rng.integers(0, 4, sources)
    ra, dec = np.empty(sources), np.empty(sources)
    for index, (lon, lat) in enumerate(FIELDS.values()):
        header = simple_header(lon, lat, shape=(side, side), scale_arcsec=SCALE)
        mine = which == index
        ra[mine], dec[mine] = SkyWCS.from_header(header).to_sky(x[mine], y[mine])
    names = np.array([f"SIM{i:08d}" for i in range(sources)])
    return {"Source_Name": names, "RA": ra, "DEC": dec}


def write_catalogue(path: Path, sources: int, side: int) -> None:
    """Write a Parquet catalogue."""
    pq.write_table(pa.table(places(sources, side)), path)


def main(folder: Path, sources: int, side: int = 8000, seed: int = 1) -> None:
    """Write four mosaics, their rms maps and ``catalogue-SOURCES.parquet``.

    Another seed gives another observation of the same places: other pixels on the same grid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    tile = noise_tile(rng)
    y, x = np.ogrid[:side, :side]
    far = np.hypot(x - side / 2, y - side / 2).astype(np.float32) / (side / 2)
    rise = 1 + far**4
    drawn = places(4 * DOUBLES, side)
    for field, (lon, lat) in FIELDS.items():
        header = simple_header(lon, lat, shape=(side, side), scale_arcsec=SCALE)
        repeats = -(-side // TILE)
        image = np.tile(np.roll(tile, rng.integers(0, TILE, 2), (0, 1)), (repeats, repeats))
        image = image[:side, :side] * rise
        sx, sy = SkyWCS.from_header(header).to_pixel(drawn["RA"], drawn["DEC"])
        inside = np.isfinite(sx) & (sx > 0) & (sx < side) & (sy > 0) & (sy < side)
        draw(image, sx[inside], sy[inside], rng)
        image[far > 0.99] = np.nan
        write_fits(folder / f"{field}-mosaic.fits", image, header)
        rms = 7e-5 * rise
        rms[far > 0.99] = np.nan
        write_fits(folder / f"{field}-mosaic-rms.fits", rms.astype(np.float32), header)
    write_catalogue(folder / f"catalogue-{sources}.parquet", sources, side)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *(int(word) for word in sys.argv[3:]))
