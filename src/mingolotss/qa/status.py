"""Where a build stands: what is done, what is left, what was rejected and why."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.products import is_complete
from mingolotss.dataset.provenance import Settings, read_settings
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_table

__all__ = ["CASES", "FLAGS", "Status", "status"]

CASES = {
    0: "the only image",
    1: "no image has gaps: the nearest",
    2: "the nearest has the fewest gaps",
    3: "all near: the fewest gaps",
    4: "decided by hand, or the nearest",
}
FLAGS = {
    "recentred": "cut short or off centre: put back in the middle",
    "blank": "nothing above the noise",
    "undecided": "case 4 without a decision: look at it",
    "exceeds_stamp": "larger than the stamp",
}


@dataclass(frozen=True)
class Status:
    """What a build folder holds.

    Attributes
    ----------
    out : Path
    settings : Settings
    sources, done, written, rejected : int
        `done` is written + rejected; the rest is left to do.
    packed : bool
        Whether every product is there.
    cases, flags, classes : dict
        How many records have each case, flag and class.
    rejections : list of (str, str, str)
        (source, stage, reason), in catalogue order.
    examples : dict
        For each case and flag, the names of the first few sources that have it.
    """

    out: Path
    settings: Settings
    sources: int
    done: int
    written: int
    rejected: int
    packed: bool
    cases: dict[int, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    rejections: list[tuple[str, str, str]] = field(default_factory=list)
    examples: dict[int | str, list[str]] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Return how many sources are not done."""
        return self.sources - self.done

    def reasons(self) -> dict[tuple[str, str], int]:
        """Return how many rejections have each stage and kind of reason."""
        kinds = Counter((stage, _kind(reason)) for _, stage, reason in self.rejections)
        return dict(kinds.most_common())


def status(out: Path | str) -> Status:
    """Look into a build folder, finished or not.

    Raises
    ------
    DatasetError
        It holds no build.
    """
    out = Path(out)
    settings = read_settings(out)
    if settings is None:
        raise DatasetError(f"look into {out}: there is no build in it (no recipe.toml)")
    rows = _rows(out)
    written = [row for row in rows if row["status"] == "written"]
    lost = [row for row in rows if row["status"] != "written"]
    examples: dict[int | str, list[str]] = {}
    for row in written:
        for key in (row["case"], *(flag for flag in FLAGS if row[flag])):
            examples.setdefault(key, [])
            if len(examples[key]) < 3:
                examples[key].append(row["source"])
    return Status(
        out=out,
        settings=settings,
        sources=settings.rows,
        done=len(rows),
        written=len(written),
        rejected=len(lost),
        packed=is_complete(out, settings.recipe),
        cases=dict(sorted(Counter(row["case"] for row in written).items())),
        flags={flag: sum(1 for row in written if row[flag]) for flag in FLAGS},
        classes=_classes(settings, written),
        rejections=[(row["source"], row["stage"], row["reason"]) for row in lost],
        examples=examples,
    )


def _rows(out: Path) -> list[dict[str, Any]]:
    wanted = ["row", "source", "status", "class", "case", *FLAGS, "stage", "reason"]
    if (out / "manifest.parquet").exists():
        table = read_table(out / "manifest.parquet", wanted)
    else:
        parts = sorted((out / "ledger").glob("part-*.parquet"))
        tables = [read_table(path, wanted) for path in parts]
        empty = pa.schema([MANIFEST.field(name) for name in wanted]).empty_table()
        table = pa.concat_tables(tables) if tables else empty
    rows: list[dict[str, Any]] = table.sort_by("row").to_pylist()
    return rows


def _classes(settings: Settings, written: list[dict[str, Any]]) -> dict[str, int]:
    found = Counter(row["class"] for row in written if row["class"] is not None)
    return {name: found[name] for name in settings.classes}


def _kind(reason: str) -> str:
    """Return a reason without the names, paths and numbers in it, so that like goes with like."""
    plain = re.sub(r"\S*/\S+", "FILE", reason)
    return re.sub(r"\b[A-Z]\w*[+-]?\w*:(?= )", "FIELD:", re.sub(r"\d+(\.\d+)?", "N", plain))
