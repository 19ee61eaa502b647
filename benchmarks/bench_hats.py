"""Export many small stamps as HATS and as Parquet, in turn: rate, memory and the time to open.

``bench_hats.py [--sources N] [--side PIXELS] [--rounds N] [--workers N]
[--build FOLDER] [--before CHECKOUT]`` makes a
build of that many stamps (``make_parts.py``) in a temporary folder, or takes one that is there, and
exports it in both formats, each in a process of its own. The times are those of the whole export,
without the start of Python and its imports. The memory is the largest of the process, without the
page cache and the code of the libraries.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rounds import spread
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
    print(f"\nShuffledTiles opens it in {time.perf_counter() - start:.2f} s")
    try:
        import lsdb
    except ImportError:
        print("LSDB is not installed here")
        return
    start = time.perf_counter()
    lsdb.open_catalog(folder)
    print(f"LSDB opens it in {time.perf_counter() - start:.2f} s")


def main(build: Path, rounds: int, workers: int, folder: Path, checkouts: dict[str, Path]) -> None:
    """Export in turn, and print the medians."""
    names = [(form, kind) for form in FORMATS for kind in checkouts]
    runs: dict[tuple[str, str], list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for form, kind in names[:: -1 if number % 2 else 1]:
            command = [sys.executable, __file__, "--one", form, "--build", str(build)]
            options = ["--out", str(folder / f"{form}{kind}"), "--workers", str(workers)]
            ended = watch([*command, *options], {"PYTHONPATH": str(checkouts[kind] / "src")})
            runs[form, kind].append({**ended.report, "peak": ended.peak / 1e6})
            print(f"{form}{kind}: {ended.report['seconds']:.1f} s", file=sys.stderr)
    print("| format | images/s | processor, s | memory, MB |\n|---|---|---|---|")
    for (form, kind), rows in runs.items():
        cells = [spread((row["sources"] / row["seconds"] for row in rows), "{:,.0f}")]
        cells += [spread((row[key] for row in rows), "{:,.1f}") for key in ("cpu", "peak")]
        print(f"| {form}{kind} | {' | '.join(cells)} |")
    open_collection(folder / "hats")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=32, help="of a stamp, px")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="threads")
    parser.add_argument("--build", type=Path, help="a build that is there")
    parser.add_argument("--before", type=Path, help="another checkout, which takes turns")
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
        versions = {"": Path(__file__).resolve().parents[1]}
        versions |= {", before": given.before} if given.before else {}
        main(place, given.rounds, given.workers, Path(temporary), versions)
