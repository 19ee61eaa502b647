"""How many instructions a source takes, and where: ``bench.py --instructions``.

The counts do not depend on what else the machine does. valgrind runs a build in one thread with two
numbers of sources: the slope is what a source takes, and the rest is paid once, most of it for
imports. The processor that valgrind imitates has AVX2, and neither AVX-512 nor the instructions for
SHA-256 of newer ones, which need far fewer for the same bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rounds import OUT, Program, with_version

__all__ = ["instructions_of_objects", "instructions_table"]

SIZES = 1000, 3000
_PLACES = {
    "interpreter": re.compile(r"/(lib)?python3[^/]*$"),
    "numpy": re.compile(r"/numpy/"),
    "C library": re.compile(r"/lib[cm]\.so"),
    "compiled kernel": re.compile(r"/kernel[^/]*\.so"),
    "SHA-256": re.compile(r"/libcrypto"),
    "PNG": re.compile(r"/zlib_ng"),
    "Arrow": re.compile(r"/lib(arrow|parquet)"),
    "others": re.compile(""),
}


def instructions_table(
    builds: Mapping[str, Callable[[int], Program]], folder: Path, checkouts: Sequence[Path]
) -> str:
    """Return a Markdown table: what a source takes in each build, in each checkout.

    Parameters
    ----------
    builds : mapping of str to callable
        Each returns a build in one thread of so many sources.
    folder : Path
        For the outputs.
    checkouts : sequence of Path
        Source trees of mingolotss that are compared with this one; may be empty.

    Raises
    ------
    SystemExit
        There is no valgrind, or a build failed.
    """
    if not shutil.which("valgrind"):
        raise SystemExit("count instructions: there is no valgrind here; install it")
    titles = ["instructions per source", "all", "relative", *_PLACES, "once, millions"]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for name, build in builds.items():
        first = 0.0
        for checkout in (None, *checkouts):
            with tempfile.TemporaryDirectory(prefix="counted-", dir=folder) as outputs:
                few, many = (_count(build(size), checkout, Path(outputs)) for size in SIZES)
            each = {place: (many[place] - few[place]) / (SIZES[1] - SIZES[0]) for place in _PLACES}
            total = sum(each.values())
            first = first or total
            once = (few.total() - SIZES[0] * total) / 1e6
            cells = [f"{name}, before" if checkout else name, f"{total:,.0f}"]
            cells += [f"{total / first:.2f}", *(f"{count:,.0f}" for count in each.values())]
            lines.append(f"| {' | '.join(cells)} | {once:,.0f} |")
    return "\n".join(lines)


def _count(program: Program, checkout: Path | None, folder: Path) -> Counter[str]:
    """Return the instructions of a whole job in each place."""
    program = with_version(program, checkout) if checkout else program
    command = [str(folder / "out") if word == OUT else word for word in program.job]
    counts = folder / "callgrind.out"
    environment = {**os.environ, "PYTHONPATH": f"{program.checkout}/src", "PYTHONHASHSEED": "0",
                   "PYTHONDONTWRITEBYTECODE": ""}  # fmt: skip
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
    for prefix in ([], valgrind):  # the first run leaves compiled modules to the second one
        ended = subprocess.run(
            [*prefix, *command], env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{ended.stderr[-2000:]}")
    places: Counter[str] = Counter()
    with counts.open(encoding="utf-8", errors="replace") as lines:
        for path, number in instructions_of_objects(lines).items():
            places[next(name for name, one in _PLACES.items() if one.search(path))] += number
    return places


def instructions_of_objects(lines: Iterable[str]) -> Counter[str]:
    """Return the instructions in each program and library, from what callgrind writes.

    See "Callgrind Format Specification" in the manual of valgrind. A name has a number, and stands
    beside it once. The line after ``calls=`` repeats what the function that is called takes.
    """
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    path, is_call = "", False
    for line in lines:
        key, _, value = line.partition("=")
        if key in {"ob", "cob"}:
            number, _, name = value.strip().partition(" ")
            names[number] = name or names[number]
            path = names[number] if key == "ob" else path
        elif key == "calls":
            is_call = True
        elif line[0] in "0123456789+-*":
            counts[path] += 0 if is_call else int(line.split()[1])
            is_call = False
    return counts
