"""Time the program beside its peers, in one run: ``make bench``, or ``bench.py --help``.

Everything is made on the spot under a temporary folder and removed. Contestants take turns, so
that whatever else the machine does falls on all of them; the table gives medians, and what counts
is the ratios.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_folder
import make_mosaics
import survey_cases
from watch import watch

HERE = Path(__file__).parent
BUILD = "lotss,formats=parquet"
COLUMNS = (
    "what", "sources", "sources/s", "us a source", "peak memory", "ours is faster by",
    "whole command, s",
)  # fmt: skip
Contestants = dict[str, Callable[[], dict[str, Any]]]


def script(name: str, *arguments: object, python: str = sys.executable) -> Any:
    """Return a contestant: a program of this folder, run with the page cache warm."""
    command = [python, str(HERE / name), *map(str, arguments)]
    return lambda: watch(command, stderr=subprocess.DEVNULL)


def warm(folder: Path) -> None:
    """Read every file once, so that the first contestant is not the one who waits for the disk."""
    for path in folder.glob("*.fits*"):
        with path.open("rb") as stream:
            while stream.read(1 << 24):
                pass


def take_turns(contestants: Contestants, rounds: int, data: Path) -> dict[str, dict[str, float]]:
    """Run everyone in turn, `rounds` times; return the medians."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, contestant in contestants.items():
            warm(data)
            found = contestant()
            found["rate"] = found["sources"] / found["seconds"]
            runs[name].append(found)
            print(f"round {number + 1}: {name}: {found['rate']:.0f}/s", file=sys.stderr)
    return {
        name: {
            key: statistics.median(one[key] for one in found)
            for key in ("sources", "seconds", "rate", "wall", "peak")
        }
        for name, found in runs.items()
    }


def table(title: str, results: dict[str, dict[str, float]], base: str) -> str:
    """Return results as a Markdown table; ratios are to `base`.

    The last column is a whole command's, with the interpreter's start and all imports.
    """
    lines = [
        f"### {title}",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
    ]
    for name, one in results.items():
        ratio = results[base]["rate"] / one["rate"]
        lines.append(
            f"| {name} | {one['sources']:,.0f} | {one['rate']:,.0f} | {1e6 / one['rate']:,.0f} | "
            f"{one['peak'] / 2**20:,.0f} MB | {ratio:.2f} | {one['wall']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Return one line about this machine."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [li.split(":")[1] for li in info.read_text().splitlines() if "model name" in li]
        cpu = names[0].strip() if names else cpu
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return f"{cpu}, {cores} cores, Python {platform.python_version()}, load before: {load:.1f}"


def rivals(folder: Path, sources: int, cutana: str | None) -> Contestants:
    """Return ours and Cutana; few sources are run, too, where what is paid once weighs more."""
    catalogue, out = folder / f"catalogue-{sources}.parquet", folder.parent / "out"
    found: Contestants = {
        "mingolotss, 2 processes, Parquet": script(
            "ours.py", catalogue, f"mosaics:{folder}", BUILD, "processes2", out
        )
    }
    if cutana:
        found["Cutana 0.4.0, uint8 Zarr"] = script(
            "peers/cutana_uint8.py", folder, catalogue, sources, folder.parent / "cut",
            python=cutana,
        )  # fmt: skip
    return found


def mosaics(folder: Path, sources: int, cutana: str | None) -> Contestants:
    """Return the contestants on four mosaics."""
    make_mosaics.main(folder, sources)
    catalogue = folder / f"catalogue-{sources}.parquet"
    service, out = f"mosaics:{folder}", folder.parent / "out"
    found = rivals(folder, sources, cutana) | {
        "mingolotss, 2 threads": script("ours.py", catalogue, service, BUILD, 2, out),
        "mingolotss, 1 thread": script("ours.py", catalogue, service, BUILD, 1, out),
        "mingolotss, 1 thread, numpy alone": script(
            "ours.py", catalogue, service, BUILD, "numpy1", out
        ),
        "grouped memory-map slices to .npy": script(
            "peers/grouped_slices.py", folder, catalogue, folder.parent / "npy"
        ),
        "astropy Cutout2D per source, in memory": script(
            "peers/cutout2d.py", folder, catalogue, 200
        ),
    }
    if shutil.which(os.environ.get("CC", "cc")):
        found["the floor: compiled kernel, 2 threads, no records"] = script(
            "peers/compiled_floor.py", folder, catalogue, out
        )
    return found


def packed(folder: Path, sources: int) -> Contestants:
    """Return the same build from fpack'd mosaics (astropy's Rice, tiles of 128 x 128)."""
    from astropy.io import fits

    small = folder.parent / "packed"
    small.mkdir(exist_ok=True)
    for path in folder.glob("*.fits"):
        with fits.open(path) as plain:
            tiles = fits.CompImageHDU(
                plain[0].data, plain[0].header, compression_type="RICE_1", tile_shape=(128, 128)
            )
            fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(
                small / f"{path.name}.fz", overwrite=True
            )
    make_mosaics.write_catalogue(small / "few.parquet", sources, 8000)
    ours = script(
        "ours.py", small / "few.parquet", f"mosaics:{small}", BUILD, "processes2", small / "out"
    )
    same = script(
        "ours.py", small / "few.parquet", f"mosaics:{folder}", BUILD, "processes2", small / "out"
    )
    return {"plain mosaics": same, "fpack'd mosaics": ours}


def folders(base: Path) -> Contestants:
    """Return the build of `mingolotss`, every product, from folders of cutouts."""
    found: Contestants = {}
    for sources in (1000, 5805):
        folder = base / f"folder-{sources}"
        make_folder.main(folder, sources)
        for workers in ("processes2", "2"):
            kind = "processes" if workers == "processes2" else "threads"
            found[f"{sources:,} sources, 2 {kind}"] = script(
                "ours.py", folder / "catalogue.fits", f"folder:{folder}", "mingolotss", workers,
                base / "out",
            )  # fmt: skip
    return found


def workers(folder: Path, sources: int) -> Contestants:
    """Return the same build on one and on two Dask workers."""
    catalogue, out = folder / f"catalogue-{sources}.parquet", folder.parent / "out"
    make_mosaics.write_catalogue(catalogue, sources, 8000)
    return {
        f"{n} Dask worker{'s' * (n > 1)}": script(
            "ours.py", catalogue, f"mosaics:{folder}", BUILD, f"dask{n}", out
        )
        for n in (2, 1)
    }


def main() -> None:
    """Run what was asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sources", type=int, default=20000)
    parser.add_argument("--million", action="store_true", help="also 1,000,000 sources, once")
    parser.add_argument("--only", default="mosaics,folder,dask,packed,surveys")
    parser.add_argument("--cutana", default=os.environ.get("CUTANA_PYTHON"),
                        help="a Python that has cutana")  # fmt: skip
    chosen = parser.parse_args()
    only, base = chosen.only.split(","), Path(tempfile.mkdtemp(prefix="mingolotss-bench-"))
    data = base / "mosaics"
    print(f"{machine()}; medians of {chosen.rounds} interleaved rounds\n", flush=True)
    try:
        if only != ["surveys"] or chosen.million:
            ours = mosaics(data, chosen.sources, chosen.cutana)
            first = next(iter(ours))
        if "mosaics" in only:
            print(table("Mosaics", take_turns(ours, chosen.rounds, data), first), flush=True)
            n = chosen.sources // 4
            make_mosaics.write_catalogue(data / f"catalogue-{n}.parquet", n, 8000)
            found = take_turns(rivals(data, n, chosen.cutana), chosen.rounds, data)
            print(table("Few sources", found, first), flush=True)
        if "dask" in only:
            found = take_turns(workers(data, 5 * chosen.sources), chosen.rounds, data)
            print(table("Dask", found, next(iter(found))), flush=True)
        if "packed" in only:
            found = take_turns(packed(data, chosen.sources), chosen.rounds, data)
            print(table("Compressed mosaics", found, next(iter(found))), flush=True)
        if "folder" in only:
            found = take_turns(folders(base), chosen.rounds, base / "folder-5805")
            print(table("A folder of cutouts", found, next(iter(found))), flush=True)
        if "surveys" in only:
            cases, folder = survey_cases.write_cases(base, chosen.sources // 10, script)
            found = take_turns(cases, chosen.rounds, folder)
            print(table("Several surveys", found, survey_cases.PLAIN), flush=True)
        if chosen.million:
            n = 1_000_000
            make_mosaics.write_catalogue(data / f"catalogue-{n}.parquet", n, 8000)
            many = script("ours.py", data / f"catalogue-{n}.parquet", f"mosaics:{data}", BUILD,
                          "processes2", base / "out")  # fmt: skip
            found = take_turns({f"{chosen.sources:,} sources": ours[first], f"{n:,} sources": many},
                               1, data)  # fmt: skip
            print(table("A million", found, f"{chosen.sources:,} sources"), flush=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
