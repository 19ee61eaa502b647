"""The floor: open each mosaic once, slice every source out of the memory map, save stacks as .npy.

``grouped_slices.py MOSAICS CATALOGUE OUT``: image and rms of 150 x 150 pixels, nothing measured,
nothing encoded; what any program that reads these pixels has to do. Prints one JSON line.
"""

import json
import shutil
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.wcs import WCS

SIDE = 150


def main(mosaics: str, catalogue: str, out: str) -> None:
    """Cut every source out of its mosaic."""
    shutil.rmtree(out, ignore_errors=True)
    Path(out).mkdir(parents=True)
    table = pq.read_table(catalogue)
    ra, dec = table["RA"].to_numpy(), table["DEC"].to_numpy()
    start, done = time.perf_counter(), 0
    for path in sorted(Path(mosaics).glob("*-mosaic.fits")):
        with fits.open(path) as image, fits.open(str(path).replace(".fits", "-rms.fits")) as rms:
            x, y = WCS(image[0].header).all_world2pix(ra, dec, 0, quiet=True)
            ny, nx = image[0].data.shape
            half = SIDE // 2
            with np.errstate(invalid="ignore"):
                inside = (x > half) & (x < nx - half) & (y > half) & (y < ny - half)
            columns = np.rint(x[inside]).astype(int) - half
            rows = np.rint(y[inside]).astype(int) - half
            for kind, hdu in (("image", image[0]), ("rms", rms[0])):
                for first in range(0, len(rows), 4096):
                    corners = zip(rows[first:][:4096], columns[first:][:4096], strict=True)
                    stack = np.array([hdu.data[r : r + SIDE, c : c + SIDE] for r, c in corners])
                    np.save(f"{out}/{path.stem}-{kind}-{first}.npy", stack)
            done += len(rows)
    print(json.dumps({"sources": done, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
