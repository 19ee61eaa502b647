"""ESA's Cutana, uint8 output to Zarr: ``cutana_uint8.py MOSAICS CATALOGUE SOURCES OUT``.

Image and rms map are two channels of one cutout of 150 x 150 pixels, on two workers. Run it with
a Python that has cutana (an environment of its own: it pins other versions). Prints one JSON line.
"""

import contextlib
import json
import shutil
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS
from cutana import get_default_config
from cutana.orchestrator import Orchestrator


def catalogue_of(mosaics: str, catalogue: str, sources: str, out: Path) -> Path:
    """Write the catalogue as Cutana reads it: the files of every source beside its place."""
    table = pd.read_parquet(catalogue).head(int(sources))
    paths = sorted(Path(mosaics).glob("*-mosaic.fits"))
    homes = np.full(len(table), "", object)
    for path in paths:
        header = fits.getheader(path)
        x, y = WCS(header).all_world2pix(table["RA"], table["DEC"], 0, quiet=True)
        inside = (x >= 0) & (x < header["NAXIS1"]) & (y >= 0) & (y < header["NAXIS2"])
        homes[inside] = str([str(path), str(path).replace(".fits", "-rms.fits")])
    wanted = pd.DataFrame({
        "SourceID": table["Source_Name"], "RA": table["RA"], "Dec": table["DEC"],
        "diameter_pixel": 150, "fits_file_paths": homes,
    })  # fmt: skip
    path = out / "catalogue.csv"
    wanted.to_csv(path, index=False)
    return path


def main(mosaics: str, catalogue: str, sources: str, out: str) -> None:
    """Run Cutana from its catalogue to its output."""
    folder = Path(out)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = get_default_config()
    config.source_catalogue = str(catalogue_of(mosaics, catalogue, sources, folder))
    config.output_dir = str(folder / "out")
    config.output_format, config.data_type = "zarr", "uint8"
    config.target_resolution, config.max_workers = 150, 2
    config.loadbalancer.initial_workers = 2
    config.loadbalancer.skip_memory_calibration_wait = True
    config.loadbalancer.main_process_memory_reserve_gb = 1.0
    config.apply_flux_conversion, config.console_log_level = False, "ERROR"
    config.selected_extensions = [{"name": "PRIMARY", "ext": "PrimaryHDU"}]
    config.channel_weights = {"PRIMARY": [1.0]}
    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        result = Orchestrator(config).run()
    seconds = time.perf_counter() - start
    done = int(result.get("completed_sources", result.get("total_sources", 0)))
    if result.get("status") != "completed" or not done:
        raise SystemExit(f"Cutana did not finish: {result}")
    print(json.dumps({"sources": done, "seconds": seconds}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
