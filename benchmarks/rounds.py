"""Programs that take turns, and the tables of their medians.

Whatever else the machine does falls on all programs of a round, so that ratios are taken within a
round. Their order is reversed in every second round. A program is a command (`Program`), or a pass
over data within the process of a script; another version of mingolotss makes its passes in a
process of its own, one when it is asked (`OtherVersion`).

>>> spread([3.0, 1.0, 2.0], "{:.0f}")
'2 (1 to 3)'
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from watch import watch

__all__ = [
    "OUT",
    "OtherVersion",
    "Program",
    "Run",
    "answer",
    "compare_passes",
    "compare_versions",
    "marginal_table",
    "spread",
    "table",
    "take_turns",
    "with_version",
]

OUT = "OUT"  # in a command: a path in a new folder, another one for each run
Runs = Mapping[str, Sequence["Run"]]
Value = Callable[["Run"], float]
Pass = Callable[[], int]  # reads data once, and returns the number of images


@dataclass(frozen=True)
class Program:
    """One row of a table.

    Attributes
    ----------
    name : str
    job : list of str
        A command that prints the sources and the seconds of its inner job as JSON, without the
        start of the interpreter and imports; may be empty.
    command : list of str
        The same as a user types it. Empty: what `job` is, from its start to its end.
    checkout : Path, optional
        The source tree of mingolotss that both use; None for other programs.
    folder : Path, optional
        The images that it reads.
    """

    name: str
    job: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    checkout: Path | None = None
    folder: Path | None = None

    def run(self, outputs: Path) -> Run:
        """Run both; what they write goes into `outputs`, and stays there.

        To make files where many were just removed takes ext4 five times as long.
        """
        environment = {
            "PYTHONDONTWRITEBYTECODE": ""
        }  # compiled modules are part of an installation
        if self.checkout:
            environment["PYTHONPATH"] = str(self.checkout / "src")
        ended = [
            watch([_with_output(word, outputs) for word in command], environment)
            for command in (self.job, self.command)
            if command
        ]
        report, whole = ended[0].report, ended[-1]
        aside = 0.0 if self.command else report.get("aside", 0.0)
        return Run(
            report.get("sources", 0), report.get("seconds", 0.0), whole.wall - aside,
            whole.processor - aside, whole.peak,
        )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What one program did in one round.

    Attributes
    ----------
    sources : int
        0 for a command without an inner job.
    job, wall, processor : float, s
        The inner job, the whole command, and the processor of the whole command.
    peak : int
        Bytes of all its processes.
    """

    sources: int
    job: float
    wall: float
    processor: float
    peak: int


def _with_output(word: str, outputs: Path) -> str:
    return str(Path(tempfile.mkdtemp(dir=outputs)) / "out") if word == OUT else word


def with_version(program: Program, checkout: Path) -> Program:
    """Return a program of mingolotss as another checkout has it."""
    ours, theirs = (str(one / "benchmarks") for one in (program.checkout, checkout) if one)
    job = [word.replace(ours, theirs) for word in program.job]
    return replace(program, name=_before(program.name), job=job, checkout=checkout)


def _before(name: str) -> str:
    return f"{name}, before"


def take_turns(programs: Sequence[Program], rounds: int, outputs: Path) -> dict[str, list[Run]]:
    """Run all programs in turn, so many times; return the runs of each.

    Before each round the images are read, so that they are in the page cache.
    """
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(rounds):
        for folder in {program.folder for program in programs if program.folder}:
            _read_images(folder)
        for program in programs[:: -1 if number % 2 else 1]:
            run = program.run(outputs)
            runs[program.name].append(run)
            print(f"round {number + 1}: {program.name}: {run.wall:.2f} s", file=sys.stderr)
    return runs


def compare_passes(
    passes: Mapping[str, Pass], rounds: int, before: OtherVersion | None, title: str
) -> str:
    """Let passes take turns, and return a table of their medians; the first round is not counted.

    Parameters
    ----------
    passes : mapping of str to callable
        The first one is that to which times are relative.
    rounds : int
    before : OtherVersion, optional
        Its passes of the same names take turns with these.
    title : str
    """
    names = before.names if before else []
    others = {
        _before(name): partial(before.run, name) for name in names if before and name in passes
    }
    runs: dict[str, list[Run]] = {name: [] for name in (*passes, *others)}
    for number in range(rounds + 1):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            run = _run_pass(passes[name]) if name in passes else others[name]()
            if number:
                runs[name].append(run)
    lines = _head(f"{title}, load {os.getloadavg()[0]:.1f}", "images/s", "time, relative",
                  "processor, µs an image")  # fmt: skip
    base = next(iter(runs.values()))
    for name, rows in runs.items():
        used = spread((1e6 * run.processor / run.sources for run in rows), "{:.1f}")
        rate = spread(map(_rate, rows), "{:,.0f}")
        lines.append(_row(name, rate, _relative(_job_per_source, rows, base), used))
    return "\n\n".join(part for part in ("\n".join(lines), compare_versions(runs)) if part)


def _run_pass(one_pass: Pass) -> Run:
    used, start = _processor_seconds(), time.perf_counter()
    images = one_pass()
    seconds = time.perf_counter() - start
    return Run(images, seconds, 0.0, _processor_seconds() - used, 0)


def _processor_seconds() -> float:
    """Return what this process and those that it waited for have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # os.times() counts in 10 ms
    return time.process_time() + children.ru_utime + children.ru_stime


def answer(passes: Mapping[str, Pass]) -> None:
    """Make the passes for which `OtherVersion` asks on standard input."""
    print(json.dumps(list(passes)), flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(_run_pass(passes[json.loads(line)]))), flush=True)


class OtherVersion:
    """Passes of a script with another checkout of mingolotss, in a process of its own.

    Parameters
    ----------
    checkout : Path
    script, *arguments : str
        A script that calls `answer`. It is that of this checkout: the other one has its modules.

    Attributes
    ----------
    names : list of str
        Of its passes.
    """

    def __init__(self, checkout: Path, script: str, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        self._process = subprocess.Popen(
            [sys.executable, script, *arguments],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.names: list[str] = self._next()

    def run(self, name: str) -> Run:
        """Make one pass there."""
        print(json.dumps(name), file=self._process.stdin, flush=True)
        return Run(**self._next())

    def _next(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()  # what it said is on the terminal
            raise SystemExit(f"{self._process.args} ended with {self._process.returncode}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()


def _read_images(folder: Path) -> None:
    for path in folder.glob("*.fits*"):
        with path.open("rb") as stream:
            while stream.read(1 << 24):
                pass


def table(runs: Runs, base: str) -> str:
    """Return the medians as a Markdown table, with the lowest and the highest of the rounds.

    Times relative to the program `base` are medians of the ratios within each round.
    """
    if not any(run.job for rows in runs.values() for run in rows):
        return _table_of_commands(runs, base)
    lines = _head(
        "program", "sources", "job, sources/s", "time of the job, relative", "whole command, s",
        "whole command, sources/s", "time of the command, relative", "processor, µs per source",
        "peak memory",
    )  # fmt: skip
    for name, rows in runs.items():
        cells = [name, f"{rows[0].sources:,}", spread(map(_rate, rows), "{:,.0f}")]
        cells += [_relative(_job_per_source, rows, runs[base]), spread(map(_wall, rows), "{:.2f}")]
        cells += [f"{statistics.median(r.sources / r.wall for r in rows):,.0f}"]
        cells += [_relative(_wall_per_source, rows, runs[base])]
        cells += [f"{1e6 * statistics.median(r.processor / r.sources for r in rows):,.0f}"]
        lines.append(_row(*cells, _megabytes(rows)))
    return "\n".join(lines)


def _table_of_commands(runs: Runs, base: str) -> str:
    lines = _head("command", "s", "relative", "processor, s", "peak memory")
    for name, rows in runs.items():
        ratio, used = _relative(_wall, rows, runs[base]), spread(map(_processor, rows), "{:.3f}")
        lines.append(_row(name, spread(map(_wall, rows), "{:.3f}"), ratio, used, _megabytes(rows)))
    return "\n".join(lines)


def marginal_table(few: Runs, many: Runs, base: str) -> str:
    """Return what a job takes once, and for each source: the line through few and many sources."""
    lines = _head("program", "once, s", "per source, µs", "relative")
    slopes = {name: _slope(few[name], many[name]) for name in few if name in many}
    for name, each in slopes.items():
        first = statistics.median(map(_job, few[name])) - few[name][0].sources * each
        lines.append(_row(name, f"{first:.2f}", f"{1e6 * each:,.0f}", f"{each / slopes[base]:.1f}"))
    return "\n".join(lines)


def _slope(few: Sequence[Run], many: Sequence[Run]) -> float:
    seconds = statistics.median(map(_job, many)) - statistics.median(map(_job, few))
    return seconds / (many[0].sources - few[0].sources)


def compare_versions(runs: Runs) -> str:
    """Return how many times as long the version before takes, "" if it did not run."""
    pairs = {name: (runs[_before(name)], rows) for name, rows in runs.items()
             if _before(name) in runs}  # fmt: skip
    if not pairs:
        return ""
    lines = _head("before / after", "job", "whole command", "processor", "peak memory")
    for name, (before, after) in pairs.items():
        values = (_job, _wall, _processor, _peak)
        lines.append(_row(name, *(_relative(value, before, after) for value in values)))
    return "\n".join(lines)


def spread(values: Iterable[float], form: str) -> str:
    """Return the median, and the lowest and the highest in brackets."""
    numbers = list(values)
    middle = form.format(statistics.median(numbers))
    if len(numbers) == 1:
        return middle
    return f"{middle} ({form.format(min(numbers))} to {form.format(max(numbers))})"


def _relative(value: Value, rows: Sequence[Run], base: Sequence[Run]) -> str:
    """Return the ratios within each round."""
    if not all(value(run) for run in (*rows, *base)):
        return ""
    ratios = [value(one) / value(other) for one, other in zip(rows, base, strict=True)]
    return spread(ratios, "{:.2f}")


def _head(*titles: str) -> list[str]:
    return [_row(*titles), "|" + "---|" * len(titles)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rate(run: Run) -> float:
    return run.sources / run.job


def _job(run: Run) -> float:
    return run.job


def _job_per_source(run: Run) -> float:
    return run.job / run.sources


def _wall(run: Run) -> float:
    return run.wall


def _processor(run: Run) -> float:
    return run.processor


def _peak(run: Run) -> float:
    return run.peak


def _wall_per_source(run: Run) -> float:
    return run.wall / run.sources


def _megabytes(rows: Sequence[Run]) -> str:
    return f"{statistics.median(map(_peak, rows)) / 1e6:,.0f} MB"
