"""How many instructions a source takes: ``bench.py --instructions``.

The counts do not depend on what else the machine does. valgrind runs a build in one thread with two
numbers of sources: the slope is what a source takes, and the rest is paid once, most of it for
imports. The processor that valgrind imitates has AVX2 and no AVX-512.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rounds import OUT, Program, with_version

__all__ = ["SIZES", "instructions_table"]

SIZES = 1000, 3000
_COUNT = re.compile(r"Collected : (\d+)")


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
    lines = ["| build | instructions per source | once, millions | relative |", "|---|---|---|---|"]
    for name, build in builds.items():
        first = 0.0
        for checkout in (None, *checkouts):
            counts = [_count(build(n), checkout, folder) for n in SIZES]
            each = (counts[1] - counts[0]) / (SIZES[1] - SIZES[0])
            once = (counts[0] - SIZES[0] * each) / 1e6
            first = first or each
            label = f"{name}, before" if checkout else name
            lines.append(f"| {label} | {each:,.0f} | {once:,.0f} | {each / first:.2f} |")
    return "\n".join(lines)


def _count(program: Program, checkout: Path | None, folder: Path) -> int:
    """Return the instructions of a whole job."""
    program = with_version(program, checkout) if checkout else program
    command = [str(folder / "out") if word == OUT else word for word in program.job]
    ended = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", *command],
        env={**os.environ, "PYTHONPATH": str(Path(str(program.checkout), "src")),
             "PYTHONHASHSEED": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    count = _COUNT.search(ended.stderr)
    if ended.returncode or count is None:
        raise SystemExit(f"{' '.join(command)} failed under valgrind:\n{ended.stderr[-2000:]}")
    return int(count[1])
