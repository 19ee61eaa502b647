"""What commands print: lines, tables, summaries of builds and splits, and progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mingolotss.errors import clean_text

if TYPE_CHECKING:
    from mingolotss.dataset.splits import SplitResult
    from mingolotss.pipeline.progress import BuildProgress
    from mingolotss.pipeline.run import Build
    from mingolotss.qa.status import Status

__all__ = [
    "first_example",
    "print_differences",
    "print_lines",
    "print_notices",
    "print_split",
    "print_summary",
    "print_table",
    "quoted",
    "say",
    "show_progress",
]


_CELL = 200  # letters of a cell of a table


_MAX_NOTICES = 10


_OF_TERMINALS = {"FORCE_COLOR", "TTY_COMPATIBLE"}  # with these, rich takes any file for a terminal


def say(text: object) -> None:
    """Print one line without the control characters of names that come from outside."""
    print(clean_text(str(text)), flush=True)


def print_differences(differences: Sequence[tuple[str, Sequence[str]]], most: int) -> None:
    """Print each kind of difference with its number and its first lines."""
    for kind, lines in differences:
        if not lines:
            continue
        say(f"{kind}: {len(lines):,}")
        for line in lines[:most]:
            say(f"  {line}")
        if len(lines) > most:
            say(f"  ... {len(lines) - most:,} more (--show N, or --table FILE for all)")


def print_lines(lines: Sequence[str]) -> None:
    """Print lines without the control characters of names that come from outside."""
    for line in lines:
        say(line)


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    import shlex

    return shlex.quote(str(path))


def print_notices(lines: Sequence[str], out: Path) -> None:
    """Print the first lines about files that are not used, and where all of them are."""
    from mingolotss.dataset.layout import BuildFolder

    for line in lines[:_MAX_NOTICES]:
        say(line)
    if len(lines) > _MAX_NOTICES:
        say(f"... {len(lines) - _MAX_NOTICES} more lines like these: {BuildFolder(out).notices}")


def print_summary(built: Build) -> None:
    """Print what a build has made, and its split."""
    from mingolotss.qa.split_of_build import split_of_build

    print_lines(built.messages)
    print_notices(built.notices, built.out)
    sky = "simulated sky, " if built.simulated else ""
    say(
        f"{built.out}: {sky}{built.sources} sources, {built.written} written, "
        f"{built.rejected} rejected"
    )
    split = split_of_build(built.out)
    if split is not None:
        print_split(split)


def print_split(split: SplitResult, *, with_shares: bool = True) -> None:
    """Name the split, and say what a person should know about it: warnings last."""
    say(f"split: {split.plan.text}")
    warnings_of_split = [line for line in split.lines() if line.startswith("warning: ")]
    print_lines([line for line in split.lines() if line not in warnings_of_split])
    if with_shares:
        print_table(*split.table())
    print_lines(warnings_of_split)


def first_example(build: Status, key: int | str) -> str:
    """Return the first source of a kind, "" if there is none."""
    names = build.examples.get(key, [])
    return names[0] if names else ""


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; plain columns when it is not a terminal."""
    from mingolotss.io.summaries import one_line

    rows = [[one_line(cell, _CELL) for cell in row] for row in rows]
    if not (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
        widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
        for row in (header, *rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print(line.rstrip())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console(highlight=False).print(table)


@contextmanager
def show_progress(*, log: bool = True) -> Iterator[BuildProgress]:
    """Yield a function that shows progress: a bar on a terminal, log lines or nothing otherwise."""
    if not _may_be_terminal():
        yield _log() if log else lambda *_: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log() if log else lambda *_: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )  # fmt: skip

    columns = (
        TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("planning", total=None)
        yield lambda done, total, what: bar.update(
            task, completed=done, total=total, description=clean_text(what).replace("[", r"\[")
        )


def _may_be_terminal() -> bool:
    """Return False where rich would surely not show a bar, which saves its import: 20 ms."""
    return sys.stderr.isatty() or not _OF_TERMINALS.isdisjoint(os.environ)


def _log() -> BuildProgress:
    """Return a progress function that writes a line for each tenth of the work."""
    last: list[tuple[str, int]] = []

    def say(done: int, total: int, what: str) -> None:
        mark = (what, 10 * done // max(total, 1))
        if mark not in last:
            last[:] = [mark]
            sys.stderr.write(f"{clean_text(what)}: {done} of {total}\n")
            sys.stderr.flush()

    return say
