"""What the page knows: the build as it is on disk now, and the decisions about it.

Both are read again when their files change, so a build or another reviewer beside this one is
seen at the next page.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.errors import DecisionError
from mingolotss.model import Bools, Ints
from mingolotss.qa.report.build_view import Contents
from mingolotss.qa.report.cutout_cache import Cutouts
from mingolotss.qa.report.stamp_store import Stamps
from mingolotss.qa.review.filters import Filter

__all__ = ["ChangedError", "Decided", "State", "View"]

_FILTERS = 32
_COLUMNS = (
    "row", "source", "ra", "dec", "label", "class", "size_arcsec", "flux_mjy", "status", "field",
    "case", "separation_arcsec", "percent_nan", "candidates", "recentred", "blank", "undecided",
    "exceeds_stamp", "decided_by", "noise_jy", "peak_jy", "pixel_scale_arcsec", "batch", "split",
    "stage", "reason",
)  # fmt: skip


class ChangedError(DecisionError):
    """Somebody decided about the source since the page was shown."""


@dataclass(frozen=True)
class Decided:
    """The decisions as they stand, at one reading of the file."""

    rows: Sequence[Decision]

    @cached_property
    def by_source(self) -> dict[str, list[Decision]]:
        """Return the standing rows of every source, oldest first."""
        found: dict[str, list[Decision]] = {}
        for row in self.rows:
            found.setdefault(row.source, []).append(row)
        return found

    def verdict(self, source: str) -> Decision | None:
        """Return the last word on a source that changes the build."""
        mine = [row for row in self.by_source.get(source, ()) if row.verdict != "label"]
        return mine[-1] if mine else None

    def mark(self, source: str) -> str:
        """Return a word that changes whenever the decisions on a source do."""
        text = repr(self.by_source.get(source, []))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class View:
    """A build and its decisions at one moment."""

    contents: Contents
    stamps: Stamps
    cutouts: Cutouts
    decided: Decided
    version: str

    @cached_property
    def judged(self) -> Bools:
        """Return which rows have an accepting or rejecting decision."""
        return self._named({d.source for d in self.decided.rows if d.verdict != "label"})

    @cached_property
    def questioned(self) -> Bools:
        """Return which rows have their label in question."""
        return self._named({d.source for d in self.decided.rows if d.verdict == "label"})

    @cached_property
    def _filtered(self) -> OrderedDict[Filter, Ints]:
        return OrderedDict()

    def rows(self, chosen: Filter) -> Ints:
        """Return the rows that a filter lets through; the last few answers are kept."""
        found = self._filtered.get(chosen)
        if found is None:
            found = self._filtered[chosen] = chosen.rows(
                self.contents, self.judged, self.questioned
            )
            while len(self._filtered) > _FILTERS:
                self._filtered.popitem(last=False)
        return found

    def _named(self, names: set[str]) -> Bools:
        column = self.contents.manifest["source"]
        found = pc.is_in(column, value_set=pa.array(sorted(names), pa.string()))
        mask: npt.NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
        return mask


class State:
    """The build folder behind the page.

    Parameters
    ----------
    folder : Path
    decisions : Path, optional
        Instead of the folder's ``decisions.csv``.

    Raises
    ------
    DatasetError, DecisionError
        There is no finished build, or ``decisions.csv`` cannot be read.
    """

    def __init__(self, folder: Path, decisions: Path | None = None) -> None:
        self.folder = Path(folder)
        self.log = DecisionLog(decisions or self.folder / "decisions.csv")
        self._lock = threading.RLock()
        self._build: tuple[str, Contents, Stamps, Cutouts] | None = None
        self._view: tuple[str, View] | None = None
        view = self.view()
        view.rows(Filter())  # flags, neighbours and candidates are found now, not by a visitor
        view.contents.offers(0)

    def view(self) -> View:
        """Return what is on disk now."""
        with self._lock:
            marks = self._marks()
            if self._view is None or self._view[0] != marks:
                self._view = marks, self._read()
            return self._view[1]

    def decide(self, decision: Decision, mark: str) -> None:
        """Write a decision down, unless the source was decided about since `mark` was shown.

        Raises
        ------
        ChangedError
            It was.
        DecisionError, InputError
            It cannot be written.
        """

        def unchanged(rows: list[Decision]) -> None:
            if Decided(rows).mark(decision.source) != mark:
                raise ChangedError(
                    f"nothing was written: somebody else decided about {decision.source} while "
                    "you looked; see below, and decide again if you differ"
                )

        self.log.add(decision, unchanged)

    def _marks(self) -> str:
        return f"{_mark(self.folder / 'manifest.parquet')} {_mark(self.log.path)}"

    def _read(self) -> View:
        version = _mark(self.folder / "manifest.parquet")
        if self._build is None or self._build[0] != version:
            contents = Contents.read(self.folder, decisions=self.log.path, columns=_COLUMNS)
            side = contents.recipe.stamp.pixels
            stamps = Stamps(self.folder, len(contents.manifest), side)
            self._build = version, contents, stamps, Cutouts(contents, remote=True)
        _, contents, stamps, cutouts = self._build
        decided = Decided(self.log.standing())
        return View(contents, stamps, cutouts, decided, version.replace(".", "-"))


def _mark(path: Path) -> str:
    """Return a word that changes when a file does; files here are replaced, so inodes do too."""
    try:
        found = path.stat()
    except OSError:
        return "none"
    return f"{found.st_mtime_ns:x}.{found.st_ino:x}.{found.st_size:x}"
