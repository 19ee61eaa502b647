r"""An audit as lines for a terminal of 80 columns.

>>> from mingolotss.qa.audit.result import Audit, AuditedDataset, Check
>>> check = Check("shared-pixels", ("A",), 0, "no pair of stamps shares pixels across splits")
>>> audit = Audit((AuditedDataset("A", "demo", "build", 2, {"train": 1, "test": 1}),), (check,))
>>> _separation(3.55), _separation(125465.0)
('3.5″', '34.9°')
>>> print(*audit_lines(audit), sep="\n")
demo: a build of 2 images: train 1, test 1
shared pixels: no pair of stamps shares pixels across splits
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np

from mingolotss.io.summaries import one_line
from mingolotss.qa.audit.result import (
    FIELDS,
    KINDS,
    LABELS,
    LEAKS,
    SHARED_SOURCES,
    Audit,
    AuditedDataset,
    Check,
    Member,
    Pair,
    SplitRow,
    plural,
)

__all__ = ["audit_lines", "closing_lines"]

_WIDTH = 80
_INDENT = "  "
_NAME, _CLASS, _SPLIT = 44, 24, 14  # letters
_KIND_WORDS = {"build": "a build", "export": "an export", "dataset": "a dataset"}
_QUIET = {FIELDS, SHARED_SOURCES}  # their pairs are no findings


def audit_lines(audit: Audit, most: int = 3) -> Iterator[str]:
    """Give the lines about all datasets and checks.

    Parameters
    ----------
    audit : Audit
    most : int
        Number of pairs and remarks to show of each check.
    """
    several = len(audit.datasets) > 1
    for dataset in audit.datasets:
        own = [check for check in audit.checks if check.datasets == (dataset.letter,)]
        yield from _wrapped(_heading(dataset, several=several))
        for check in own:
            yield from _check_lines(check, most, several=False)
        yield from _table_lines(dataset)
        if several:
            yield ""
    for check in audit.checks:
        if len(check.datasets) > 1:
            yield from _check_lines(check, most, several=True)


def closing_lines(audit: Audit) -> Iterator[str]:
    """Give the line that sums up, and how many checks could not be made."""
    found = audit.findings
    yield f"{plural(found, 'finding')}" if found else "nothing wrong was found"
    if missing := len(audit.unchecked):
        yield f"{plural(missing, 'check')} could not be made"


def _heading(dataset: AuditedDataset, *, several: bool) -> str:
    splits = ", ".join(
        f"{one_line(name, _SPLIT)} {count:,}" for name, count in dataset.splits.items()
    )
    start = f"{dataset.letter}: " if several else ""
    kind = f"{_KIND_WORDS[dataset.kind]} of {plural(dataset.images, 'image')}"
    origin = (
        f"; positions from {dataset.positions}"
        if dataset.kind == "dataset" and dataset.positions
        else ""
    )
    return f"{start}{dataset.name}: {kind}{': ' if splits else ''}{splits}{origin}"


def _check_lines(check: Check, most: int, *, several: bool) -> Iterator[str]:
    start = f"{' and '.join(check.datasets)}, " if several else ""
    yield from _wrapped(f"{start}{KINDS[check.kind]}: {check.sentence}")
    if len(check.counts) > 1 or (check.counts and check.kind == SHARED_SOURCES):
        counts = "; ".join(f"{name}: {count:,}" for name, count in check.counts.items())
        yield from _wrapped(counts, _INDENT)
    for line in check.lines[:most]:
        yield from _wrapped(line, _INDENT)
    if rest := len(check.lines[most:]):
        yield f"{_INDENT}... {rest:,} more lines (--show N)"
    if check.kind not in _QUIET:
        yield from _pair_lines(check, most)


def _pair_lines(check: Check, most: int) -> Iterator[str]:
    for pair in check.pairs[:most]:
        yield from _pair(
            pair, with_class=check.kind == LABELS, with_dataset=len(check.datasets) > 1
        )
    total = check.findings if check.kind != LEAKS else len(check.pairs)
    if (rest := max(total, len(check.pairs)) - most) > 0 and check.pairs:
        yield f"{_INDENT}... {rest:,} more (--show N, or --json FILE for all)"


def _pair(pair: Pair, *, with_class: bool, with_dataset: bool) -> Iterator[str]:
    """Give a pair as one line, or as two if it is too long for one."""
    start = "" if pair.separation_arcsec is None else _separation(pair.separation_arcsec)
    ends = [
        _member(member, with_class=with_class, with_dataset=with_dataset) for member in pair[:2]
    ]
    note = f"  {one_line(pair.note, _NAME)}" if pair.note else ""
    lead = f"{_INDENT}{start:>7}  " if start else f"{_INDENT}{_INDENT}"
    whole = f"{lead}{ends[0]}, {ends[1]}{note}"
    if len(whole) <= _WIDTH:
        yield whole
        return
    yield f"{lead}{ends[0]}"
    yield f"{' ' * len(lead)}{ends[1]}{note}"


def _separation(arcsec: float) -> str:
    """Return a separation in arcsec, or in degrees if it is larger than one."""
    return f"{arcsec:.1f}″" if arcsec < 3600 else f"{arcsec / 3600:.1f}°"


def _member(member: Member, *, with_class: bool, with_dataset: bool) -> str:
    facts = [member.dataset] if with_dataset else []
    facts += [one_line(member.split, _SPLIT)] if member.split else []
    facts += [one_line(member.class_name, _CLASS)] if with_class and member.class_name else []
    return one_line(member.name, _NAME) + (f" ({', '.join(facts)})" if facts else "")


def _table_lines(dataset: AuditedDataset) -> Iterator[str]:
    """Give the table of classes, flux and size in each split."""
    if not dataset.rows or not dataset.splits:
        return
    totals = list(dataset.splits.values())
    header = [one_line(name, _SPLIT) for name in dataset.splits]
    cells = [_cells(row, totals) for row in dataset.rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    # As many splits as fit beside names of some length, then names of the length that remains.
    most = max(1, sum(np.cumsum(widths) + 2 * np.arange(1, len(widths) + 1) <= _WIDTH - 2 - _CLASS))
    room = _WIDTH - 2 - sum(widths[:most]) - 2 * most
    names = [one_line(_row_name(row), room) for row in dataset.rows]
    header, widths = ["", *header[:most]], [max(map(len, names)), *widths[:most]]
    body = [[name, *row[:most]] for name, row in zip(names, cells, strict=True)]
    for line in (header, *body):
        padded = [line[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        yield f"{_INDENT}{'  '.join(padded)}".rstrip()
    if rest := len(dataset.splits) - most:
        yield f"{_INDENT}... {plural(rest, 'more split')} (--json FILE)"


def _row_name(row: SplitRow) -> str:
    return f"{row.name} ({row.unit})" if row.unit else row.name


def _cells(row: SplitRow, totals: list[int]) -> list[str]:
    if row.unit:
        return ["\N{EN DASH}" if value is None else f"{value:.3g}" for value in row.values]
    if row.name == "fields":
        return [f"{value:,.0f}" for value in row.values if value is not None]
    return [
        f"{value or 0:,.0f} {100 * (value or 0) / max(total, 1):5.1f} %"
        for value, total in zip(row.values, totals, strict=True)
    ]


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Return a sentence in lines of at most 80 columns; a long name stays whole."""
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent + _INDENT,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
