"""The gallery at 100,000 sources: time of a page on the server's side, and memory.

``bench_gallery.py [SOURCES]`` makes a build folder of that many synthetic stamps (the parts, the
manifest and the candidates, as a build writes them), serves it with the real server in a process
of its own, asks for pages of every kind of filter over HTTP and prints the times and the
server's largest memory. Its exit code is 1 when a page takes 100 ms or memory passes 400 MB.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import part_name
from mingolotss.dataset.manifest import CANDIDATES, MANIFEST
from mingolotss.dataset.provenance import Provenance, write_provenance
from mingolotss.dataset.stamps import stamp_bytes, stamp_schema
from mingolotss.io.files import write_bytes
from mingolotss.io.parquet import write_table
from mingolotss.io.png import encode_png
from mingolotss.recipe.load import load_recipe

PART = 4096
LIMIT_MS, LIMIT_MB = 100, 400
PAGES = (
    "/gallery", "/gallery?page=2", "/gallery?page=833", "/gallery?class=6", "/gallery?class=3",
    "/gallery?class=3&page=100", "/gallery?why=undecided", "/gallery?why=any&page=7",
    "/gallery?case=4&split=test", "/gallery?name=99", "/gallery?state=open&class=7&page=40",
    "/source/50000?why=undecided", "/find?name=SIM0099",
)  # fmt: skip


def stamps(rng: np.random.Generator, n: int) -> list[bytes]:
    """Return n different stamps of two lobes and a few bright specks, as PNG."""
    y, x = np.mgrid[:150, :150] - 75
    found = []
    for _ in range(n):
        image = np.zeros((150, 150))
        angle, size = rng.uniform(0, np.pi), rng.uniform(4, 50)
        for arm in (-1, 1):
            dx, dy = x - arm * size * np.cos(angle), y - arm * size * np.sin(angle)
            image += np.exp(-(dx**2 + dy**2) / rng.uniform(30, 300))
        image += rng.random((150, 150)) * (rng.random((150, 150)) > 0.995)
        image[image < 0.08] = 0
        found.append(encode_png((image / image.max() * 255).astype(np.uint8)))
    return found


def make(folder: Path, n: int) -> None:
    """Write a build folder of n sources."""
    rng = np.random.default_rng(1)
    recipe = load_recipe("mingolotss")
    provenance = Provenance(
        recipe, "catalogue.fits", "0" * 64, "folder:none", n, 0, recipe.class_names
    )
    write_provenance(folder, provenance)
    share = np.array([797, 264, 195, 1709, 423, 123, 19, 995, 246, 1034]) / 5805
    label = rng.choice(10, n, p=share)
    case = rng.choice(5, n, p=[0.7, 0.15, 0.1, 0.045, 0.005])
    rows, names = np.arange(n), [f"SIM{i:07d}.12+123456.7" for i in range(n)]
    values = {
        "row": rows, "source": names, "ra": rng.uniform(0, 360, n),
        "dec": np.degrees(np.arcsin(rng.uniform(0, 0.9, n))), "label": label.astype(np.int16),
        "class": [recipe.class_names[i] for i in label], "size_arcsec": rng.gamma(3, 15, n),
        "flux_mjy": rng.gamma(1, 30, n), "status": ["written"] * n,
        "field": [f"P{i % 400:03d}+55" for i in rows], "map_file": [f"{i}.fits" for i in names],
        "image_file": [f"{name}_P000_55.png" for name in names], "case": case.astype(np.int8),
        "separation_arcsec": rng.uniform(0, 1, n), "percent_nan": np.zeros(n),
        "candidates": np.ones(n, np.int16), "recentred": rng.random(n) < 0.01,
        "blank": rng.random(n) < 0.001, "undecided": case == 4,
        "exceeds_stamp": rng.random(n) < 0.015, "decided_by": [None] * n,
        "noise_jy": np.full(n, 7e-5), "peak_jy": rng.gamma(1, 1e-2, n),
        "pixel_scale_arcsec": np.full(n, 1.5), "batch": ["data_batch_1"] * n,
        "split": ["test" if i % 7 == 0 else "train" for i in rows], "stage": [None] * n,
        "reason": [None] * n, "pixels_sha256": ["0" * 64] * n,
    }  # fmt: skip
    manifest = pa.table(values, schema=MANIFEST)
    write_table(folder / "manifest.parquet", manifest)
    offered = {
        "row": rows, "source": names, "field": values["field"], "verdict": ["chosen"] * n,
        "image": [f"/nowhere/{name}-mosaic.fits" for name in names], "rms": [""] * n,
    }  # fmt: skip
    nothing = [None] * n
    columns = {name: offered.get(name, nothing) for name in CANDIDATES.names}
    write_table(folder / "candidates.parquet", pa.table(columns, schema=CANDIDATES))
    pool = stamps(rng, 500)
    for part, start in enumerate(range(0, n, PART)):
        some = manifest.slice(start, PART)
        images = [{"bytes": pool[i % 500], "path": ""} for i in range(len(some))]
        schema = stamp_schema("uint8")
        first = pa.array(images, schema[0].type)
        columns = [first, *(column.combine_chunks() for column in some.columns)]
        table = pa.Table.from_arrays(columns, schema=schema)
        data = stamp_bytes(table)
        write_bytes(folder / "stamps" / part_name(part), data)


def memory_mb(process: int) -> float:
    """Return the largest memory that a process has had, MB (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


class Link:
    """One connection kept open, with the page's cookie."""

    def __init__(self, address: str) -> None:
        place, _, token = address.removeprefix("http://").partition("/?token=")
        self.link = http.client.HTTPConnection(place, timeout=60)
        self.link.request("GET", f"/?token={token}")
        answer = self.link.getresponse()
        answer.read()
        self.cookie = answer.headers["set-cookie"].split(";")[0]

    def get(self, path: str) -> tuple[float, bytes]:
        """Return the milliseconds that an answer took, and its body."""
        start = time.perf_counter()
        self.link.request("GET", path, headers={"Cookie": self.cookie})
        answer = self.link.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status)
        return (time.perf_counter() - start) * 1000, body


def measure(folder: Path, n: int) -> bool:
    """Serve the folder, print the table, return whether all is within the limits."""
    with subprocess.Popen(
        [sys.executable, "-m", "mingolotss", "review", str(folder), "--port", "0"],
        stdout=subprocess.PIPE, text=True, env=os.environ,
    ) as server:  # fmt: skip
        before = time.perf_counter()
        line = server.stdout.readline()
        link = Link(next(word for word in line.split() if word.startswith("http")))
        print(f"{n} sources; ready after {time.perf_counter() - before:.1f} s")
        print(f"{'page':<42}{'first ms':>9}{'median ms':>10}{'worst ms':>9}{'60 images ms':>13}")
        slowest = 0.0
        for page in PAGES:
            times, body = [], b""
            for _ in range(15):
                spent, body = link.get(page)
                times.append(spent)
            images = [part.split(b'"')[0].decode() for part in body.split(b'src="')[1:]]
            wanted = [address for address in images if address.startswith("/stamp/")]
            pictures = sum(link.get(address)[0] for address in wanted)
            median = statistics.median(times)
            slowest = max(slowest, times[0], median)
            print(f"{page:<42}{times[0]:9.1f}{median:10.1f}{max(times):9.1f}{pictures:13.1f}")
        memory = memory_mb(server.pid)
        server.terminate()
    print(f"slowest page {slowest:.1f} ms (limit {LIMIT_MS}), memory {memory:.0f} MB ({LIMIT_MB})")
    return slowest < LIMIT_MS and memory < LIMIT_MB


def main() -> None:
    """Make, measure, and say whether it is fast enough."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder, n)
        sys.exit(0 if measure(folder, n) else 1)


if __name__ == "__main__":
    main()
