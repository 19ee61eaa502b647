"""Measure the rates of docs/explanation/performance.md: ``make bench``, or ``bench.py --help``.

All data is made in a temporary folder and removed, or kept in that of ``--data``. The programs of
a table take turns; it gives medians, with the lowest and the highest round in brackets. Compare
ratios within one run: rates depend on the machine and its load. What is printed is Markdown that
can be pasted into an issue.

Examples::

    bench.py --only mosaics                   # beside other programs
    bench.py --only mosaics,startup --before ../old     # beside another checkout
    bench.py --only mosaics --busy            # while other processes use each core
    bench.py --instructions --before ../old   # counted by valgrind
    bench.py --write docs/explanation/performance.md    # replace the tables of the page
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import machine
import page
from cases import Cases
from instructions import instructions_table
from rounds import Program, compare_versions, marginal_table, table, take_turns, with_version

HERE = Path(__file__).resolve().parent
SCRIPTS = {
    "loader": "bench_readers.py",
    "remote": "bench_remote.py",
    "streaming": "bench_tiles.py",
    "collections": "bench_hats.py",
}
TABLES = ("mosaics", "packed", "folder", "startup", "surveys", "dask", "million", *SCRIPTS)
USUAL = ("mosaics", "packed", "folder", "startup", "surveys", "dask")
COMMANDS_PER_ROUND = 5  # short commands are run more often


class Bench:
    """Makes the tables, one after the other.

    Parameters
    ----------
    cases : Cases
    rounds : int
    checkouts : sequence of Path
        Source trees of mingolotss that take turns with this one; at most one.
    """

    def __init__(self, cases: Cases, rounds: int, checkouts: Sequence[Path]) -> None:
        self._cases, self._rounds, self._checkouts = cases, rounds, checkouts
        self.tables: dict[str, str] = {}

    def make(self, name: str) -> None:
        """Make the tables of a name, and print them."""
        cases, many = self._cases, self._cases.sources
        if name == "mosaics":
            runs = self._measure(name, "Mosaics", cases.mosaics())
            few = self._measure("few", "Fewer sources", cases.few_and_many(many // 4))
            self._add("further", "Each further source", marginal_table(few, runs, next(iter(few))))
        elif name == "startup":
            self._measure(name, "Short commands", cases.startup(),
                          rounds=COMMANDS_PER_ROUND * self._rounds)  # fmt: skip
        elif name in SCRIPTS:
            self._run_script(name)
        else:
            programs: dict[str, tuple[str, Callable[[], list[Program]]]] = {
                "packed": ("Compressed mosaics", cases.packed),
                "folder": ("A folder of cutouts", cases.folders),
                "dask": ("Dask", cases.dask),
                "surveys": ("Several surveys", cases.surveys),
                "million": ("A million sources", cases.million),
            }
            title, make = programs[name]
            self._measure(name, title, make())

    def count_instructions(self, names: Sequence[str]) -> None:
        """Make the table of instructions per source, of plain and of packed mosaics."""
        cases = self._cases
        builds = {
            "mosaics": partial(cases.build, "plain", "1"),
            "packed": partial(cases.build_packed, "packed", "1"),
        }
        builds = {name: build for name, build in builds.items() if name in names}
        counts = instructions_table(builds, cases.base, self._checkouts)
        self._add("instructions", "Instructions", counts)

    def _measure(
        self, name: str, title: str, programs: list[Program], rounds: int | None = None
    ) -> dict[str, list]:  # type: ignore[type-arg]
        """Let programs take turns, and add a table."""
        before = [
            with_version(program, checkout)
            for checkout in self._checkouts
            for program in programs
            if program.checkout
        ]
        start, rounds = machine.load(), rounds or self._rounds
        with tempfile.TemporaryDirectory(prefix="outputs-", dir=self._cases.base) as outputs:
            runs = take_turns([*programs, *before], rounds, Path(outputs))
        load = f"Rounds: {rounds}. Load: {start} before, {machine.load()} after."
        parts = [table(runs, programs[0].name), compare_versions(runs), load]
        self._add(name, title, "\n\n".join(part for part in parts if part))
        return runs

    def _run_script(self, name: str) -> None:
        """Run a script that prints its own tables, and lets another checkout take turns."""
        command = [sys.executable, str(HERE / SCRIPTS[name]), "--rounds", str(self._rounds)]
        command += [word for one in self._checkouts for word in ("--before", str(one))]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
        ended = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        self._add(name, name.capitalize(), _as_markdown(ended.stdout))

    def _add(self, name: str, title: str, text: str) -> None:
        self.tables[name] = text
        print(f"### {title}\n\n{text}\n", flush=True)


def _as_markdown(text: str) -> str:
    """Return what a script printed: tables in Markdown as they are, others as a block."""
    is_markdown = any(line.startswith("|") for line in text.splitlines())
    return text.strip() if is_markdown else f"```text\n{text.strip()}\n```"


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sources", type=int, default=20000, help="on the mosaics")
    parser.add_argument("--only", help=f"of {', '.join(TABLES)}; the usual ones are the first "
                        f"{len(USUAL)}", default=",".join(USUAL))  # fmt: skip
    parser.add_argument("--million", action="store_true", help="also a million sources")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT",
                        help="another source tree, whose builds take turns with these")  # fmt: skip
    parser.add_argument("--busy", action="store_true", help="keep each core busy meanwhile")
    parser.add_argument("--instructions", action="store_true",
                        help="only count those of mosaics and packed, by valgrind")  # fmt: skip
    parser.add_argument("--write", type=Path, metavar="FILE",
                        help="write the tables too; a page with marks gets them there")  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR",
                        help="keep the images there, and use those that are there")  # fmt: skip
    parser.add_argument("--cutana", default=os.environ.get("CUTANA_PYTHON"),
                        help="a Python that has cutana")  # fmt: skip
    given = parser.parse_args()
    given.only = [*given.only.split(","), *(["million"] if given.million else [])]
    if unknown := set(given.only) - set(TABLES):
        parser.error(f"--only {min(unknown)}: there is {', '.join(TABLES)}")
    if given.before and not list(given.before.glob("src/mingolotss/image/_kernel/kernel*.so")):
        parser.error(f"--before {given.before}: it has no src/mingolotss with a compiled kernel; "
                     "install it with pip install -e")  # fmt: skip
    return given


def main() -> None:
    """Measure what the options name."""
    given = parse()
    checkouts = [given.before.resolve()] if given.before else []
    facts = machine.describe(HERE.parent.resolve())
    facts += [f"Before: {machine.version(one)}." for one in checkouts]
    facts.append(f"Load at the start: {machine.load()}; "
                 f"busy processes: {machine.cores() if given.busy else 0}.")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="mingolotss-bench-") as temporary:
        base = (given.data or Path(temporary)).resolve()
        base.mkdir(parents=True, exist_ok=True)
        bench = Bench(Cases(base, given.sources, given.cutana), given.rounds, checkouts)
        bench.tables["machine"] = "\n".join(facts)
        print(bench.tables["machine"], end="\n\n", flush=True)
        if given.instructions:
            bench.count_instructions(given.only)
        else:
            with machine.busy(machine.cores() if given.busy else 0):
                for name in given.only:
                    bench.make(name)
    if given.write:
        page.write(given.write, bench.tables)


if __name__ == "__main__":
    main()
