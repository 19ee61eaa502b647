"""Export many small stamps as HATS and as Parquet, in turn: rate, memory and the time to open.

``bench_hats.py [--sources N] [--side PIXELS] [--rounds N] [--workers N] [--build FOLDER]`` makes a
build of that many stamps (``make_parts.py``) in a temporary folder, or takes one that is there, and
exports it in both formats, each in a process of its own. The times are those of the whole export,
without the start of Python and its imports. The memory is the largest of the process, without the
page cache and the code of the libraries.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from watch import watch

FORMATS = ("parquet", "hats")


def export_once(build: str, form: str, out: str, workers: int) -> None:
    """Export a build, and print the number of images and the seconds as a line of JSON."""
    from mingolotss.pipeline.executors.local import threads
    from mingolotss.pipeline.exporting import export

    start, cpu = time.perf_counter(), time.process_time()
    with threads(workers) as mapper:
        done = export(build, form, out, fresh=True, mapper=mapper)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps({"sources": done.images, "seconds": seconds, "cpu": cpu}))


def open_collection(folder: Path) -> None:
    """Print how long it takes to open a collection, with this program and with LSDB."""
    from mingolotss.loaders.tiles import open_tiles

    start = time.perf_counter()
    open_tiles(folder, "all")
    print(f"ShuffledTiles opens it in {time.perf_counter() - start:.2f} s")
    try:
        import lsdb
    except ImportError:
        print("LSDB is not installed here")
        return
    start = time.perf_counter()
    lsdb.open_catalog(folder)
    print(f"LSDB opens it in {time.perf_counter() - start:.2f} s")


def main(build: Path, rounds: int, workers: int, folder: Path) -> None:
    """Export in turn, and print the medians."""
    runs: dict[str, list[dict[str, float]]] = {form: [] for form in FORMATS}
    for _ in range(rounds):
        for form in FORMATS:
            command = [sys.executable, __file__, "--one", form, "--build", str(build)]
            options = ["--out", str(folder / form), "--workers", str(workers)]
            ended = watch([*command, *options])
            runs[form].append({**ended.report, "peak": ended.peak})
            one = runs[form][-1]
            print(f"{form}: {one['seconds']:.1f} s", file=sys.stderr)
    print("format    sources/s   CPU s   memory MB")
    for form in FORMATS:
        rate, cpu, peak = (
            statistics.median(values)
            for values in zip(
                *((one["sources"] / one["seconds"], one["cpu"], one["peak"]) for one in runs[form]),
                strict=True,
            )
        )
        print(f"{form:8} {rate:10,.0f} {cpu:7.1f} {peak / 1e6:11,.0f}")
    open_collection(folder / "hats")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=32, help="of a stamp, px")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="threads")
    parser.add_argument("--build", type=Path, help="a build that is there")
    parser.add_argument("--one", choices=FORMATS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        export_once(str(given.build), given.one, str(given.out), given.workers)
        raise SystemExit
    with tempfile.TemporaryDirectory(prefix="bench-hats-") as temporary:
        place = given.build or Path(temporary) / "build"
        if given.build is None:
            script = Path(__file__).with_name("make_parts.py")
            sizes = ["--sources", str(given.sources), "--side", str(given.side)]
            subprocess.run([sys.executable, str(script), str(place), *sizes], check=True)
        main(place, given.rounds, given.workers, Path(temporary))
