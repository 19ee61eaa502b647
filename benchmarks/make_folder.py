"""Make a folder of synthetic cutouts and a catalogue of them: ``make_folder.py DIR SOURCES``.

Every source gets one image and one rms map of 240 x 240 pixels, as the archive serves them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

from mingolotss.sky.wcs import simple_header

FLAGS = ["FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D"]
SETS = [["FR1"], ["FR1", "NAT"], ["FR1", "WAT"], ["FR1", "Small"], ["FR2"], ["FR2", "Small"],
        ["D-D"], ["Indeterminate"], ["Indeterminate", "Small"], ["Small"]]  # fmt: skip


def fits_bytes(image: np.ndarray, header: bytes) -> bytes:
    """Return a float32 image as a FITS file with the WCS cards of `header`."""
    first = "SIMPLE  =                    T".ljust(80) + "BITPIX  =                  -32".ljust(80)
    cards = first.encode() + header
    cards += b" " * (-len(cards) % 2880)
    data = image.astype(">f4").tobytes()
    return cards + data + b"\0" * (-len(data) % 2880)


def main(folder: Path, sources: int, side: int = 240) -> None:
    """Write the cutouts and ``catalogue.fits``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(160, 230, sources), rng.uniform(46, 56, sources)
    names = [f"SIM{i:07d}" for i in range(sources)]
    y, x = np.mgrid[:side, :side] - side // 2
    for i, name in enumerate(names):
        centre = (side // 2, side // 2)
        header = simple_header(ra[i], dec[i], shape=(side, side), scale_arcsec=1.5, centre=centre)
        image = rng.normal(0, 7e-5, (side, side))
        angle = rng.uniform(0, np.pi)
        for arm in (-1, 1):
            at = arm * rng.uniform(5, 25)
            image += 5e-3 * np.exp(
                -((x - at * np.cos(angle)) ** 2 + (y - at * np.sin(angle)) ** 2) / 40
            )
        (folder / f"{name}_P1-mosaic.fits").write_bytes(fits_bytes(image, header))
        rms = np.full((side, side), 7e-5)
        (folder / f"{name}_P1-mosaic-rms.fits").write_bytes(fits_bytes(rms, header))
    table = Table({"Source_Name": names, "RA": ra, "DEC": dec})
    table["LM_dec_size"], table["LM_Flux"] = (
        rng.uniform(5, 200, sources),
        rng.uniform(1, 99, sources),
    )
    for flag in FLAGS:
        table[flag] = [flag in SETS[i % 10] for i in range(sources)]
    table.write(folder / "catalogue.fits", overwrite=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
