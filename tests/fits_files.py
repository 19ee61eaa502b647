"""Small FITS files whose pixels all have one value, for tests of names."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
from astropy.io import fits

from mingolotss.sky.wcs import simple_header

SIDE = 32


def fits_bytes(value: float, ra: float = 180.0, dec: float = 50.0) -> bytes:
    """Return a FITS file of 32 x 32 pixels around a position, with one brighter pixel."""
    header = fits.Header.fromstring(
        simple_header(ra, dec, shape=(SIDE, SIDE), scale_arcsec=1.5).decode()
    )
    hdu = fits.PrimaryHDU(np.full((SIDE, SIDE), value, "f4"))
    hdu.header.extend(card for card in header.cards if card.keyword not in hdu.header)
    hdu.data[16, 16] = value + 100
    stream = io.BytesIO()
    hdu.writeto(stream)
    return stream.getvalue()


def put(path: Path, value: float, ra: float = 180.0, dec: float = 50.0) -> None:
    """Write such a file; with gzip or fpack if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = fits_bytes(value, ra, dec)
    name = path.name.lower()
    if name.endswith(".gz"):
        raw = gzip.compress(raw)
    path.write_bytes(raw)
    if name.endswith(".fz"):
        with fits.open(path) as hdus:
            data, header = np.array(hdus[0].data), hdus[0].header.copy()
        image = fits.CompImageHDU(data, header, compression_type="RICE_1", quantize_level=-0.5)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, overwrite=True)
