"""What a person decided: ``decisions.csv``, one row a decision, the last word counts.

Columns: source, field, verdict, by, date, note. The verdict ``accept`` takes the field named;
``reject`` leaves the source out of the dataset; ``label`` questions a label and changes nothing
(the note says what it looks like).

>>> parse_decisions(["source,field,verdict,by,date,note", "A,P1,accept,me,2026-01-02,"])
{'A': Decision(source='A', field='P1', verdict='accept', by='me', date='2026-01-02', note='')}
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from mingolotss.errors import DecisionError

__all__ = ["COLUMNS", "VERDICTS", "Decision", "parse_decisions", "read_decisions"]

VERDICTS = ("accept", "reject", "label")


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of ``decisions.csv``."""

    source: str
    field: str
    verdict: str
    by: str = ""
    date: str = ""
    note: str = ""


COLUMNS = tuple(field.name for field in fields(Decision))


def read_decisions(path: Path) -> dict[str, Decision]:
    """Read the decisions that change a build; a file that is not there holds none.

    Raises
    ------
    DecisionError
        A column is missing, or a verdict is not known; the line names the row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return parse_decisions(stream, str(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DecisionError(f"read {path}: {error}; expected a CSV file in UTF-8") from error


def parse_decisions(lines: Iterable[str], path: str = "decisions.csv") -> dict[str, Decision]:
    """Return the last accepting or rejecting decision on each source."""
    reader = csv.DictReader(lines)
    missing = {"source", "verdict"} - set(reader.fieldnames or ())
    if missing and reader.fieldnames is not None:
        raise DecisionError(
            f"read {path}: no column {', '.join(sorted(missing))}; expected {', '.join(COLUMNS)}"
        )
    last: dict[str, Decision] = {}
    for row in reader:
        number = reader.line_num
        decision = Decision(**{key: (row.get(key) or "").strip() for key in COLUMNS})
        if decision == Decision("", "", ""):
            continue  # spreadsheets write rows of commas
        if not decision.source:
            raise DecisionError(f"read {path}: line {number} names no source")
        if decision.verdict not in VERDICTS:
            raise DecisionError(
                f"read {path}: line {number} ({decision.source}) has the verdict "
                f"{decision.verdict!r}; expected {', '.join(VERDICTS)}"
            )
        if decision.verdict == "accept" and not decision.field:
            raise DecisionError(
                f"read {path}: line {number} ({decision.source}) accepts without naming a field"
            )
        if decision.verdict != "label":
            last[decision.source] = decision
    return last
