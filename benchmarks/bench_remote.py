"""Measure builds from far away and from a cold disk: ``bench_remote.py [--before CHECKOUT]``.

First, one mosaic of 8,000 x 8,000 pixels with its rms map behind a server that begins every answer
30 ms after the request (`range_server.py`), read by the services ``mosaics`` (during the build) and
``ranges`` (which keeps the cutouts), and from a server that sends one range in an answer. The table
gives sources a second, requests, and the bytes that travelled over those that are needed: the union
of the pixels of all cutouts, of image and rms map, counted here pixel by pixel. Then the mosaic on
this disk with a cold page cache, plain and packed, against a warm one.

``--before CHECKOUT`` (the sources of an older version) takes turns with this version, in reversed
order in every second round. All datasets must have equal pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.wcs import WCS
from make_mosaics import SCALE, draw, noise_tile, write_fits

HERE = Path(__file__).resolve().parent
CUTOUT = 240  # pixels
RECIPE = "lotss,formats=parquet"
CENTRE = 180.0, 48.0
MOSAIC, CATALOGUE = "P180+48-mosaic.fits", "catalogue.parquet"


def make_data(folder: Path, sources: int, side: int) -> None:
    """Write a mosaic, its rms map, both packed by fpack's method, and a catalogue."""
    from mingolotss.sky.wcs import SkyWCS, simple_header

    rng = np.random.default_rng(5)
    header = simple_header(*CENTRE, shape=(side, side), scale_arcsec=SCALE)
    tile, repeats = noise_tile(rng), -(-side // 1000)
    image = np.tile(tile, (repeats, repeats))[:side, :side].copy()
    radius = np.sqrt(rng.uniform(0, 1, sources)) * side * 0.47
    angle = rng.uniform(0, 2 * np.pi, sources)
    x, y = radius * np.cos(angle) + side / 2, radius * np.sin(angle) + side / 2
    draw(image, x, y, rng)
    rms = np.full((side, side), 7e-5, np.float32)
    for path in (folder / "plain", folder / "packed"):
        path.mkdir(parents=True)
    for name, pixels in (("-mosaic", image), ("-mosaic-rms", rms)):
        plain = folder / "plain" / f"P180+48{name}.fits"
        write_fits(plain, pixels, header)
        with fits.open(plain) as hdus:
            packed = fits.CompImageHDU(
                hdus[0].data, hdus[0].header, compression_type="RICE_1", tile_shape=(128, 128)
            )
            packed.writeto(folder / "packed" / f"{plain.name}.fz")
    ra, dec = SkyWCS.from_header(header).to_sky(x, y)
    names = [f"SIM{number:06d}" for number in range(sources)]
    pq.write_table(pa.table({"Source_Name": names, "RA": ra, "DEC": dec}), folder / CATALOGUE)


def needed_bytes(folder: Path) -> int:
    """Return the bytes of all pixels under cutouts, of image and rms map, each once."""
    table = pq.read_table(folder / CATALOGUE)
    with fits.open(folder / "plain" / MOSAIC) as hdus:
        wcs, covered = WCS(hdus[0].header), np.zeros(hdus[0].data.shape, bool)
    x, y = wcs.wcs_world2pix(table["RA"].to_numpy(), table["DEC"].to_numpy(), 0)
    for column, row in zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True):
        top, left = row - CUTOUT // 2, column - CUTOUT // 2
        covered[max(top, 0) : top + CUTOUT, max(left, 0) : left + CUTOUT] = True
    return 2 * 4 * int(covered.sum())


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Run a server in a process of its own; give its address."""
    command = [sys.executable, str(HERE / "range_server.py"), str(folder), *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def counts(url: str) -> dict[str, int]:
    """Return what a server was asked and has sent since the last time."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("GET", "/counts")
    parsed: dict[str, int] = json.load(connection.getresponse())
    connection.close()
    return parsed


def build(checkout: Path, folder: Path, service: str, workers: str) -> tuple[float, str]:
    """Build in a process of its own; return sources a second, and a digest of the pixels."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        script = checkout / "benchmarks" / "ours.py"
        command = [sys.executable, str(script), str(folder / CATALOGUE), service, RECIPE]
        run = subprocess.run(
            [*command, workers, str(Path(work, "out"))],
            env=environment, check=True, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        result = json.loads(run.stdout.splitlines()[-1])
        (manifest,) = Path(work).glob("out-*/manifest.parquet")
        columns = pq.read_table(manifest, columns=["source", "pixels_sha256"])
        rows = sorted(zip(*columns.to_pydict().values(), strict=True))
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()[:12]
    return result["written"] / result["seconds"], digest


def cool(folder: Path) -> None:
    """Drop the files of a folder from the page cache."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def in_turn(versions: dict[str, Path], round_number: int) -> list[tuple[str, Path]]:
    """Return the versions in their order, or in reversed order in every second round."""
    return list(versions.items())[:: -1 if round_number % 2 else 1]


def remote(given: argparse.Namespace, folder: Path, versions: dict[str, Path]) -> None:
    """Print the first table."""
    needed = needed_bytes(folder)
    print(f"{given.sources} sources, {needed / 1e6:.0f} MB needed; {given.latency:g} ms", end="")
    print(f", {given.mbytes:g} MB/s" if given.mbytes else "")
    _, expected = build(HERE.parent, folder, f"mosaics:{folder / 'plain'}", "processes2")
    line = str(given.latency), str(given.mbytes)
    for server, options in (("many ranges", ()), ("one range", ("--single",))):
        if server not in given.servers:
            continue
        for service in given.services:
            with serving(folder / "plain", *line, *options) as url:
                for round_number in range(given.rounds):
                    for name, checkout in in_turn(versions, round_number):
                        counts(url)
                        rate, digest = build(checkout, folder, f"{service}:{url}", "processes2")
                        sent = counts(url)
                        same = "equal pixels" if digest == expected else "OTHER PIXELS"
                        print(
                            f"{server:12} {service:8} {name:7} round {round_number + 1} "
                            f"{rate:8.1f} sources/s {sent['requests']:7,} requests "
                            f"{sent['bytes'] / needed:6.3f} of the needed bytes, {same}",
                            flush=True,
                        )


def cold(given: argparse.Namespace, folder: Path, versions: dict[str, Path]) -> None:
    """Print the second table."""
    for kind in ("plain", "packed"):
        rates: dict[tuple[str, str], list[float]] = {}
        for round_number in range(given.rounds):
            for name, checkout in in_turn(versions, round_number):
                for state in ("cold", "warm"):
                    if state == "cold":
                        cool(folder / kind)
                    rate, _ = build(checkout, folder, f"mosaics:{folder / kind}", given.workers)
                    rates.setdefault((name, state), []).append(rate)
        for (name, state), measured in rates.items():
            print(f"{kind:7} {name:7} {state} {statistics.median(measured):8.0f} sources/s")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path)
    parser.add_argument("--data", type=Path, help="a folder for the mosaics, kept")
    parser.add_argument("--sources", type=int, default=2000)
    parser.add_argument("--side", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--latency", type=float, default=30.0, help="ms")
    parser.add_argument("--mbytes", type=float, default=0.0, help="a second, 0: no limit")
    parser.add_argument("--services", nargs="*", default=["mosaics", "ranges"])
    parser.add_argument("--servers", nargs="*", default=["many ranges", "one range"])
    parser.add_argument("--workers", default="processes2")
    parser.add_argument("--only", choices=("remote", "cold"))
    given = parser.parse_args()
    versions = {"now": HERE.parent}
    if given.before:
        versions["before"] = given.before.resolve()
    folder = given.data or Path(tempfile.mkdtemp())
    try:
        if not (folder / CATALOGUE).exists():
            make_data(folder, given.sources, given.side)
        if given.only != "cold":
            remote(given, folder, versions)
        if given.only != "remote":
            cold(given, folder, versions)
    finally:
        if not given.data:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
