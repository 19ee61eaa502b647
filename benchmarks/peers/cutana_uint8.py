"""ESA's Cutana, uint8 output to Zarr: ``cutana_uint8.py MOSAICS CATALOGUE SOURCES OUT WORKERS``.

Of every source the image and the rms map are read, 150 x 150 pixels, and the image is written,
stretched linearly (Cutana's default) to uint8. Cutana resizes cutouts to `target_resolution`; here
they have this size already, so that it only copies them.

It starts a process for each set of files, four here, and at most one fewer at a time than the
machine has cores. With WORKERS "own" this stays so; with a number, Cutana is told that there is one
core more than workers. Its settings are otherwise those with which it is fastest: a catalogue in
Parquet, no look into the files before, no waiting for measurements of memory.

Cutana tells the channels of a source by the names of Euclid's bands in those of the files, so links
stand in for them. Run it with a Python that has cutana (an environment of its own: it pins other
versions). Prints one JSON line; what was written is counted, since a run in which every source
fails is "completed", too.
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
import zarr
from astropy.io import fits
from astropy.wcs import WCS
from cutana import get_default_config
from cutana.orchestrator import Orchestrator
from cutana.system_monitor import SystemMonitor

BANDS = ("VIS", "NIR-H")


def catalogue_of(mosaics: str, catalogue: str, sources: str, out: Path) -> Path:
    """Write the catalogue as Cutana reads it: the files of every source beside its place."""
    links = out / "links"
    links.mkdir()
    table = pd.read_parquet(catalogue).head(int(sources))
    paths = sorted(Path(mosaics).glob("*-mosaic.fits"))
    homes = np.full(len(table), "", object)
    for path in paths:
        header = fits.getheader(path)
        x, y = WCS(header).all_world2pix(table["RA"], table["DEC"], 0, quiet=True)
        inside = (x >= 0) & (x < header["NAXIS1"]) & (y >= 0) & (y < header["NAXIS2"])
        pair = path, Path(str(path).replace(".fits", "-rms.fits"))
        names = [links / f"{path.stem}-{band}.fits" for band in BANDS]
        for name, file in zip(names, pair, strict=True):
            name.symlink_to(file.absolute())
        homes[inside] = str([str(name) for name in names])
    wanted = pd.DataFrame({
        "SourceID": table["Source_Name"], "RA": table["RA"], "Dec": table["DEC"],
        "diameter_pixel": 150, "fits_file_paths": homes,
    })  # fmt: skip
    path = out / "catalogue.parquet"
    wanted.to_parquet(path, index=False)
    return path


def written(out: Path) -> int:
    """Count the images that are there and have something in them."""
    found = 0
    for path in out.rglob("*.zarr"):
        images = zarr.open(path, mode="r")["images"][:]
        found += int(np.count_nonzero(images.reshape(len(images), -1).any(1)))
    return found


def main(mosaics: str, catalogue: str, sources: str, out: str, workers: str) -> None:
    """Run Cutana from its catalogue to its output."""
    begin = time.perf_counter()
    count = 2 if workers == "own" else int(workers)
    if workers != "own":
        SystemMonitor.get_cpu_count = lambda _: count + 1
    folder = Path(out)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = get_default_config()
    config.source_catalogue = str(catalogue_of(mosaics, catalogue, sources, folder))
    config.output_dir = str(folder / "out")
    config.output_format, config.data_type = "zarr", "uint8"
    config.target_resolution, config.max_workers = 150, count
    config.loadbalancer.initial_workers = count
    config.loadbalancer.skip_memory_calibration_wait = True
    config.loadbalancer.main_process_memory_reserve_gb = 1.0
    config.skip_fits_check = True  # it is 5 % faster so
    config.apply_flux_conversion = False
    config.log_level = config.console_log_level = "ERROR"
    config.selected_extensions = [{"name": band, "ext": "PrimaryHDU"} for band in BANDS]
    config.channel_weights = dict(zip(BANDS, ([1.0], [0.0]), strict=True))
    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        result = Orchestrator(config).run()
    end = time.perf_counter()
    done = written(folder / "out")
    if result.get("status") != "completed" or done != int(sources):
        raise SystemExit(f"Cutana wrote {done} of {sources} cutouts: {result}")
    aside = start - begin + time.perf_counter() - end
    print(json.dumps({"sources": done, "seconds": end - start, "aside": aside}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
