"""The result: the labels of a dataset, ranked by how wrong they look, and what was measured.

The table has one row for each source with a label, the most suspicious first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.dataset.layout import BuildFolder
from mingolotss.formats.csv import render_csv
from mingolotss.io.files import write_bytes
from mingolotss.io.summaries import Shown, Summary, Table, count_text

__all__ = ["SUSPECT_COLUMNS", "TERMINAL_HEADER", "Suspects"]

SUSPECT_COLUMNS = pa.schema(
    [
        pa.field("rank", pa.int64()),  # from 1, the most suspicious
        pa.field("source", pa.string()),
        pa.field("row", pa.int64()),  # of the catalogue
        pa.field("score", pa.float64()),  # from 0, wrong, to 1, right
        pa.field("label", pa.string()),  # numbers of the classes
        pa.field("class", pa.string()),  # their names
        pa.field("suggested_label", pa.string()),
        pa.field("suggested_class", pa.string()),
        pa.field("probability_given", pa.float64()),
        pa.field("probability_suggested", pa.float64()),
        pa.field("issue", pa.bool_()),  # cleanlab counts it among the wrong labels
        pa.field("fold", pa.int64()),  # from 1
        pa.field("method", pa.string()),
    ]
)
"""The columns of ``suspects.csv``."""

TERMINAL_HEADER = "rank", "source", "label (probability)", "suggested (probability)"
"""The columns of `Suspects.terminal_rows`."""

_DIGITS = 6  # of a probability
_MOST_SHOWN = 10  # labels in a notebook


@dataclass(frozen=True, slots=True, repr=False)
class Suspects(Shown):
    """The labels of a dataset, the most suspicious first.

    Attributes
    ----------
    path : Path
        The dataset.
    kind : {"classes", "tags", "votes"}
    table : pyarrow.Table
        The columns `SUSPECT_COLUMNS`, one row for each source with a label. ``label`` is null for
        votes without a single class, and numbers of several tags are separated by "; ".
    measured : tuple of str
        What was measured, in sentences.
    notices : tuple of str
        What limits the result: sources that are not ranked, and classes with few sources.
    accuracy : float
        The part of the sources whose label is the most probable class; of tags, the part of all
        tags, present or absent; of votes, 1 minus the mean total variation distance.
    majority : float
        The same for one answer for all sources: the most frequent class, for each tag whether most
        have it, or the mean fractions.
    written : Path or None
        Where the table was written.
    """

    path: Path
    kind: LabelKind
    table: pa.Table
    measured: tuple[str, ...]
    notices: tuple[str, ...]
    accuracy: float
    majority: float
    written: Path | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def is_reviewable(self) -> bool:
        """Return whether the queue is where ``mingolotss review --suspects`` finds it."""
        return self.written == BuildFolder(self.path).suspects

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the names of the sources, the most suspicious first."""
        return tuple(self.table["source"].to_pylist())

    def _summary(self) -> Summary:
        facts = {"measured": "; ".join(self.measured)}
        if self.notices:
            facts["notices"] = "; ".join(self.notices)
        if self.written is not None:
            facts["written"] = str(self.written)
        title = f"Suspects: {count_text(len(self), 'label')} of {self.path}, ranked"
        return Summary(title, facts, Table(TERMINAL_HEADER, self.terminal_rows(_MOST_SHOWN)))

    def write(self, path: Path | str) -> None:
        """Write the table as CSV, complete or not at all.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        columns = [self.table[name].to_pylist() for name in self.table.column_names]
        rows = zip(*[list(map(_cell, column)) for column in columns], strict=True)
        text = render_csv(rows, self.table.column_names)
        write_bytes(Path(path), text.encode())

    def terminal_rows(self, most: int) -> list[Sequence[str]]:
        """Return the first rows as text, below `TERMINAL_HEADER`."""
        return [
            (
                str(row["rank"]),
                row["source"],
                _with_probability(row["class"], row["probability_given"]),
                _with_probability(row["suggested_class"], row["probability_suggested"]),
            )
            for row in self.table.slice(0, most).to_pylist()
        ]


def _with_probability(names: str | None, probability: float | None) -> str:
    if names is None or probability is None:
        return names or ""
    return f"{names} ({probability:.2f})".strip()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return round(value, _DIGITS) if isinstance(value, float) else value
