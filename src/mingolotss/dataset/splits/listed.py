"""Splits that people chose: those of a list, and those of a column.

A list is taken as it is. Pairs of sources that share pixels and that it puts on two sides are
counted, and nothing is moved. A source without an entry is left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from mingolotss.dataset.manifest import KEPT_PREFIX, MANIFEST
from mingolotss.dataset.splits.matching import match_names
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.record import SplitRecord
from mingolotss.dataset.splits.result import Assignment
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.dataset.splits.split_words import SplitWords, column_words
from mingolotss.errors import InputError
from mingolotss.io.summaries import count_text
from mingolotss.registry import nearest

__all__ = ["assign_column", "assign_listed", "describe_words"]

_SHOWN = 3


def assign_listed(plan: SplitPlan, sources: SplitSources, record: SplitRecord) -> Assignment:
    """Assign sources as a list has them.

    Parameters
    ----------
    plan : SplitPlan
    sources : SplitSources
    record : SplitRecord

    Raises
    ------
    InputError
        A name is in several splits, no source is in the list, or all are left out.
    """
    record = record.unique()
    rows = match_names(sources.names, record.names)
    if not (rows >= 0).any():
        example = repr(record.names[0]) if len(record) else "nothing"
        raise InputError(
            f"split by the list {record.origin}: none of its {len(record):,} names is among the "
            f"sources; it has {example}, and a source is called {sources.names[0]!r}"
        )
    splits = np.array([*record.splits, ""])[rows]
    absent = f"not in {record.origin}"
    empty = f"no split in {record.origin}"
    reasons = [
        "" if split else absent if row < 0 else record.reason(row) or empty
        for row, split in zip(rows.tolist(), splits.tolist(), strict=True)
    ]
    if not (splits != "").any():
        raise InputError(f"split by the list {record.origin}: it gives no source a split")
    unknown = sorted(set(range(len(record))) - set(rows.tolist()))
    notes = list(record.notices)
    if unknown:
        names = ", ".join(repr(record.names[row]) for row in unknown[:_SHOWN])
        notes.append(
            f"warning: {len(unknown):,} of {count_text(len(record), 'name')} in {record.origin} "
            f"not among the sources: {names}{', ...' * (len(unknown) > _SHOWN)}"
        )
    named = replace(plan, argument=record.origin)
    return Assignment(named, splits, np.array(reasons), notes=tuple(notes), origin=record.source)


def assign_column(plan: SplitPlan, sources: SplitSources) -> Assignment:
    """Assign sources by the values of a column.

    Raises
    ------
    InputError
        There is no such column, or its values are no names of splits.
    """
    name, column = _find_column(plan.argument, sources)
    action = f"split by the column {name!r}"
    try:
        words = SplitWords.of(column_words(column))
    except InputError as error:
        raise InputError(f"{action}: {error}") from error
    if not any(words.splits):
        raise InputError(f"{action}: it is empty for each of the {len(sources):,} sources")
    reason = f"the column {name} is empty"
    return Assignment(
        replace(plan, argument=name),
        np.array(words.splits),
        np.array(["" if split else reason for split in words.splits]),
        notes=tuple(describe_words(words)),
    )


def describe_words(words: SplitWords) -> list[str]:
    """Return a line about the words that are written in another way than splits are called."""
    if not words.renamed:
        return []
    renamed = ", ".join(f"{word!r} is {split}" for word, split in [*words.renamed.items()][:_SHOWN])
    return [f"split: {renamed}{', ...' * (len(words.renamed) > _SHOWN)}"]


def _find_column(name: str, sources: SplitSources) -> tuple[str, pa.ChunkedArray]:
    """Return a column with its name in the manifest; one of the catalogue comes first."""
    table = pa.table({}) if sources.table is None else sources.table
    columns: list[str] = table.column_names
    for known in (f"{KEPT_PREFIX}{name}", name):
        if known in columns:
            return known, table[known]
    action = f"split by the column {name!r}"
    if name in MANIFEST.names:
        raise InputError(
            f"{action}: none is kept from the catalogue (the recipe's catalogue.keep), and that of "
            "the manifest is known only after the build: use export --split"
        )
    kept = [column for column in columns if column not in (*MANIFEST.names, "image", "pixels")]
    raise InputError(
        f"{action}: there is no such column;{nearest(name, columns)} kept from the catalogue are "
        f"{', '.join(kept) or 'no columns'}; name others in the recipe's catalogue.keep"
    )
