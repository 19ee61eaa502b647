"""astropy's `Cutout2D`, source by source, as its documentation has it: image and rms, in memory.

``cutout2d.py MOSAICS CATALOGUE SOURCES``: the files are opened for every source, as programs that
walk down a catalogue do. Which mosaic holds a source is found before, and not counted. Prints one
JSON line.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS


def main(mosaics: str, catalogue: str, sources: str) -> None:
    """Cut the first sources out of the mosaic that holds them."""
    begin = time.perf_counter()
    table = pq.read_table(catalogue).slice(0, int(sources))
    paths = sorted(Path(mosaics).glob("*-mosaic.fits"))
    footprints = {path: WCS(fits.getheader(path)) for path in paths}
    places = SkyCoord(table["RA"].to_numpy(), table["DEC"].to_numpy(), unit="deg")
    homes = [min(paths, key=lambda p: SkyCoord(*footprints[p].wcs.crval, unit="deg").separation(
        place)) for place in places]  # fmt: skip
    start = time.perf_counter()
    for place, path in zip(places, homes, strict=True):
        with fits.open(path) as image, fits.open(str(path).replace(".fits", "-rms.fits")) as rms:
            wcs = WCS(image[0].header)
            one = Cutout2D(image[0].data, place, 150, wcs=wcs, mode="partial", copy=True)
            two = Cutout2D(rms[0].data, place, 150, wcs=wcs, mode="partial", copy=True)
            assert one.data.shape == two.data.shape == (150, 150)
    seconds, aside = time.perf_counter() - start, start - begin
    print(json.dumps({"sources": len(homes), "seconds": seconds, "aside": aside}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
