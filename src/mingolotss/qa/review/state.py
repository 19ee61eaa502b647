"""The state of the review page: the build as it is on disk now, and the decisions about it.

Both are read again when their files change, so the next page shows a new build, or the decision of
another reviewer.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.decisions import IMAGE_VERDICTS, Decision, DecisionLog
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.recorded_inputs import decisions_file
from mingolotss.errors import DecisionError
from mingolotss.model import Bools, Ints
from mingolotss.qa.audit.document import read_audit
from mingolotss.qa.audit.result import Audit
from mingolotss.qa.followed import is_followed
from mingolotss.qa.manifest_row import rows_of
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.cutout_cache import CutoutCache
from mingolotss.qa.report.stamp_store import StampStore
from mingolotss.qa.review.filters import Filter

__all__ = ["ConflictError", "Snapshot", "StandingDecisions", "Store", "waiting_words"]

_CACHED_FILTERS = 32
_OUTCOME = ["source", "status", "stage", "field", "decided_by"]
_COLUMNS = (
    "row", "source", "ra", "dec", "label", "class", "size_arcsec", "flux_mjy", "status", "field",
    "case", "separation_arcsec", "percent_nan", "candidates", "recentred", "blank", "undecided",
    "exceeds_stamp", "incomplete", "decided_by", "noise_jy", "peak_jy", "unit",
    "pixel_scale_arcsec", "batch", "split", "stage", "reason",
)  # fmt: skip


class ConflictError(DecisionError):
    """Somebody has decided about the source since the page was shown."""


@dataclass(frozen=True)
class StandingDecisions:
    """The decisions that were not undone, at one reading of their file, oldest first."""

    decisions: Sequence[Decision]

    @cached_property
    def by_source(self) -> dict[str, list[Decision]]:
        """The decisions about each source, oldest first."""
        grouped: dict[str, list[Decision]] = {}
        for decision in self.decisions:
            grouped.setdefault(decision.source, []).append(decision)
        return grouped

    @cached_property
    def image_decisions(self) -> dict[str, Decision]:
        """The last decision about each source that changes the build."""
        return {row.source: row for row in self.decisions if row.verdict in IMAGE_VERDICTS}

    @cached_property
    def label_decisions(self) -> dict[str, Decision]:
        """The last decision about each source that questions, confirms or gives its label."""
        return {row.source: row for row in self.decisions if row.verdict not in IMAGE_VERDICTS}

    def etag(self, source: str) -> str:
        """Return a text that changes whenever the decisions about a source change."""
        text = repr(self.by_source.get(source, []))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Snapshot:
    """A build and its decisions at one moment.

    Attributes
    ----------
    build : BuildView
    stamps : StampStore
    cutouts : CutoutCache
    decisions : StandingDecisions
    version : str
        Changes with the build; part of the addresses of pictures.
    build_command : str
        The command that applies the decisions to the dataset.
    audit : Audit or None
        The audit of this state of the build.
    """

    build: BuildView
    stamps: StampStore
    cutouts: CutoutCache
    decisions: StandingDecisions
    version: str
    build_command: str
    audit: Audit | None = None

    @cached_property
    def judged(self) -> Bools:
        """Which rows have a decision that accepts or rejects."""
        return self._is_source(self.decisions.image_decisions)

    @cached_property
    def states(self) -> dict[str, Bools]:
        """Which rows are in each state of a filter, and which the audit found."""
        labels = self.decisions.label_decisions
        verdicts = {name: decision.verdict for name, decision in labels.items()}
        return {
            "open": ~self.judged,
            "judged": self.judged,
            "questioned": self._is_source(name for name in labels if verdicts[name] == "label"),
            "confirmed": self._is_source(name for name in labels if verdicts[name] == "confirm"),
            "unchecked": (self.build.labels >= 0) & ~self._is_source(labels),
            "audit": self._is_source(self.audit.names() if self.audit else ()),
        }

    @cached_property
    def waiting(self) -> int:
        """The number of sources that the next build treats differently, because of decisions."""
        manifest = self.build.manifest
        decided = pc.or_kleene(
            pc.is_valid(manifest["decided_by"]), pc.equal(manifest["stage"], "choose")
        )
        decided = pc.fill_null(decided, False).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(self.judged | np.asarray(decided, bool))
        records = rows_of(manifest.select(_OUTCOME).take(pa.array(rows)))
        decisions = self.decisions.image_decisions
        return sum(not is_followed(decisions.get(one["source"]), one) for one in records)

    @cached_property
    def _filtered(self) -> OrderedDict[Filter, Ints]:
        return OrderedDict()

    def rows(self, selection: Filter) -> Ints:
        """Return the rows that a filter selects; the last few results are cached."""
        rows = self._filtered.get(selection)
        if rows is None:
            rows = selection.rows(self.build, self.states)
            self._filtered[selection] = rows
            while len(self._filtered) > _CACHED_FILTERS:
                self._filtered.popitem(last=False)
        return rows

    def next_open(self, selection: Filter, row: int) -> int | None:
        """Return the next selected row without a decision, after `row` and then from the start.

        Where the filter selects unchecked labels, that is the decision which counts.
        """
        rows = self.rows(selection)
        # The rows increase: a binary search finds the first one after `row`, and the remainder
        # continues at the start if there is none.
        open_rows = rows if selection.state == "unchecked" else rows[~self.judged[rows]]
        if not open_rows.size:
            return None
        return int(open_rows[np.searchsorted(open_rows, row, "right") % open_rows.size])

    def _is_source(self, names: Iterable[str]) -> Bools:
        column = self.build.manifest["source"]
        is_named = pc.is_in(column, value_set=pa.array(sorted(names), pa.string()))
        return np.asarray(is_named.to_numpy(zero_copy_only=False), bool)


class Store:
    """Reads the folder of a build, and writes decisions.

    Parameters
    ----------
    folder : Path
    decisions : Path, optional
        A file of decisions to use in place of ``decisions.csv`` in the folder.

    Attributes
    ----------
    folder : BuildFolder
    log : DecisionLog
    build_command : str
        The command that applies the decisions to the dataset.

    Raises
    ------
    DatasetError, DecisionError
        There is no finished build, or the file of decisions cannot be read.
    """

    def __init__(self, folder: Path, decisions: Path | None = None) -> None:
        self.folder = BuildFolder(folder)
        self.log = DecisionLog(decisions or decisions_file(folder))
        self.build_command = shlex.join(["mingolotss", "build", "--out", str(folder)])
        if os.path.realpath(decisions_file(folder)) != str(self.log.path):
            self.build_command += f" --decisions {shlex.quote(str(self.log.path))}"
        self._lock = threading.RLock()
        self._build: tuple[str, BuildView, StampStore, CutoutCache] | None = None
        self._snapshot: tuple[str, Snapshot] | None = None
        snapshot = self.snapshot()
        # The columns of flags and the table of candidates are computed now, not for a visitor.
        snapshot.rows(Filter())
        snapshot.build.candidate_rows(0)

    def snapshot(self) -> Snapshot:
        """Return the build and the decisions that are on disk now."""
        with self._lock:
            # A page is made from one snapshot, so that it is consistent while a build or another
            # reviewer replaces the files. Checking costs three calls of `stat`; the files are read
            # only if one has changed.
            paths = (self.folder.manifest, self.log.path, self.folder.audit)
            etags = " ".join(map(_file_etag, paths))
            if self._snapshot is None or self._snapshot[0] != etags:
                self._snapshot = etags, self._read()
            return self._snapshot[1]

    def decide(self, decision: Decision, etag: str) -> None:
        """Write a decision, unless there is a newer one about the source than on the page.

        Parameters
        ----------
        decision : Decision
        etag : str
            The etag of the source when the page was shown.

        Raises
        ------
        ConflictError
            There is a newer decision.
        DecisionError, InputError
            The decision cannot be written.
        """

        def check_unchanged(standing: list[Decision]) -> None:
            if StandingDecisions(standing).etag(decision.source) != etag:
                raise ConflictError(
                    f"nothing was written: somebody else has decided about {decision.source} since "
                    "this page was shown; see below, and decide again if you disagree"
                )

        self.log.add(decision, check_unchanged)

    def _read(self) -> Snapshot:
        version = _file_etag(self.folder.manifest)
        if self._build is None or self._build[0] != version:
            build = BuildView.read(self.folder.path, decisions=self.log.path, columns=_COLUMNS)
            stamps = StampStore(self.folder, len(build))
            self._build = version, build, stamps, CutoutCache(build, remote=True)
        _, build, stamps, cutouts = self._build
        decisions = StandingDecisions(self.log.standing())
        name = version.replace(".", "-")
        audit = read_audit(self.folder.path).audit
        return Snapshot(build, stamps, cutouts, decisions, name, self.build_command, audit)


def waiting_words(count: int) -> str:
    """Return how many sources are not yet in the dataset as decided, in words.

    >>> waiting_words(2)
    'The decisions about 2 sources are not applied yet'
    """
    if count == 1:
        return "The decision about 1 source is not applied yet"
    return f"The decisions about {count:,} sources are not applied yet"


def _file_etag(path: Path) -> str:
    """Return a text that changes when a file does. Files here are replaced: the inode changes."""
    try:
        stat = path.stat()
    except OSError:
        return "none"
    return f"{stat.st_mtime_ns:x}.{stat.st_ino:x}.{stat.st_size:x}"
