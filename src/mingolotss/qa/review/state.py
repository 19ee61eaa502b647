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

from mingolotss.candidates.decisions import (
    IMAGE_VERDICTS,
    JUDGEMENT_VERDICTS,
    Decision,
    DecisionLog,
    judgements_in_force,
)
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.recorded_inputs import decisions_file
from mingolotss.errors import DecisionError
from mingolotss.model import Bools, Ints
from mingolotss.qa.audit.document import read_audit
from mingolotss.qa.audit.result import Audit
from mingolotss.qa.followed import is_followed, unfollowed_labels
from mingolotss.qa.manifest_row import rows_of
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.cutout_cache import CutoutCache
from mingolotss.qa.report.stamp_store import StampStore
from mingolotss.qa.review.filters import FILE_REASONS, Filter
from mingolotss.qa.review.numbering import Numbering
from mingolotss.qa.review.queues import Queue, QueueFiles, file_etag

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

    @cached_property
    def judgements(self) -> dict[str, dict[str, Decision]]:
        """The judgement of each person on each source, by the name of the source."""
        return judgements_in_force(self.decisions)

    def etag(self, source: str, by: str | None = None) -> str:
        """Return a text that changes whenever the decisions about a source change.

        With a name, only those of this person count: the judgements of others are no conflict.
        """
        rows = [row for row in self.by_source.get(source, []) if by in {None, row.by}]
        return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]

    def last_judgement(self, by: str) -> Decision | None:
        """Return the last judgement of a person; None without one."""
        own = (row for row in reversed(self.decisions) if row.by == by)
        return next((row for row in own if row.verdict in JUDGEMENT_VERDICTS), None)


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
    queue_files : QueueFiles
    numbering : Numbering
        The numbers of the sources in addresses, and their order where there is no other.
    blind : bool
        Whether pages hide labels and the judgements of others.
    audit : Audit or None
        The audit of this state of the build.
    """

    build: BuildView
    stamps: StampStore
    cutouts: CutoutCache
    decisions: StandingDecisions
    version: str
    build_command: str
    queue_files: QueueFiles
    numbering: Numbering
    blind: bool = False
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
            "classified": self._is_source(n for n in labels if verdicts[n] == "classify"),
            "unchecked": self.build.is_labelled & ~self._is_source(labels),
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
        is_waiting = self._waiting_labels[0].copy()
        followed = [is_followed(decisions.get(one["source"]), one) for one in records]
        is_waiting[rows] |= ~np.array(followed, bool)
        return int(is_waiting.sum())

    @cached_property
    def _waiting_labels(self) -> tuple[Bools, str]:
        """Which labels the next build makes from judgements anew, and why it cannot."""
        build = self.build
        if not build.recipe.judgements.are_used:
            return np.zeros(len(build), bool), ""
        try:
            rows = unfollowed_labels(build.labelled, build.recipe, self.decisions.decisions)
        except DecisionError as error:
            return np.zeros(len(build), bool), f"The next build stops: {error}"
        return rows, ""

    @property
    def about_judgements(self) -> str:
        """What a person who judges labels should know about the next build; "" for nothing."""
        if self._waiting_labels[1] or self.build.recipe.judgements.are_used:
            return self._waiting_labels[1]
        return (
            "The recipe has no rule for judgements: they are written, and change no label. "
            f"To follow them: {self.build_command} --set judgements.rule=majority"
        )

    @cached_property
    def _filtered(self) -> OrderedDict[Filter, Ints]:
        return OrderedDict()

    @cached_property
    def _judged_by(self) -> dict[str, Bools]:
        return {}

    def judged_by(self, person: str) -> Bools:
        """Return which rows a person has confirmed or given classes, bool array, shape (n,)."""
        rows = self._judged_by.get(person)
        if rows is None:
            judgements = self.decisions.judgements.items()
            rows = self._is_source(name for name, people in judgements if person in people)
            self._judged_by[person] = rows
        return rows

    def queue(self, name: str) -> Queue:
        """Return the queue of a file.

        Raises
        ------
        InputError
            There is no such file, it cannot be read, or it has no column ``source``.
        """
        return self.queue_files.read(name, self.build, self.version)

    def rows(self, selection: Filter) -> Ints:
        """Return the rows that a filter selects; the last few results are cached.

        They are in the order of the file that the filter names, otherwise in that of the numbers.
        """
        rows = self._filtered.get(selection)
        if rows is None:
            rows = self._rows(selection)
            self._filtered[selection] = rows
            while len(self._filtered) > _CACHED_FILTERS:
                self._filtered.popitem(last=False)
        return rows

    def _rows(self, selection: Filter) -> Ints:
        if selection.reason not in FILE_REASONS:
            return self.numbering.sort(selection.rows(self.build, self.states))
        ordered = self.queue(selection.reason).rows
        in_queue = np.zeros(len(self.build), bool)
        in_queue[ordered] = True
        selected = np.zeros(len(self.build), bool)
        selected[selection.rows(self.build, self.states | {selection.reason: in_queue})] = True
        return ordered[selected[ordered]]

    def place(self, selection: Filter, row: int) -> tuple[int, bool]:
        """Return the place of a row among the selected ones, and whether it is one of them.

        The place of another row is where its number would be; in a file, which has an order of its
        own, it is the beginning.
        """
        rows = self.rows(selection)
        places = np.flatnonzero(rows == row)
        if places.size:
            return int(places[0]), True
        if selection.reason in FILE_REASONS:
            return 0, False
        numbers = self.numbering.numbers
        return int(np.searchsorted(numbers[rows], numbers[row])), False

    def next_open(self, selection: Filter, row: int | None) -> int | None:
        """Return the next selected row without a decision, after `row` and then from the start.

        Where the filter selects unchecked labels, that is the decision which counts.
        """
        rows = self.rows(selection)
        is_open = np.ones(len(self.build), bool) if selection.state == "unchecked" else ~self.judged
        return self._next(selection, row, is_open[rows])

    def next_unjudged(self, selection: Filter, row: int | None, by: str) -> int | None:
        """Return the next selected row without a judgement of a person, as `next_open` does."""
        return self._next(selection, row, ~self.judged_by(by)[self.rows(selection)])

    def _next(self, selection: Filter, row: int | None, is_open: Bools) -> int | None:
        """Return the first open row after `row`, then from the start; None if there is none."""
        rows, places = self.rows(selection), np.flatnonzero(is_open)
        if not places.size:
            return None
        place, is_selected = (0, False) if row is None else self.place(selection, row)
        following = np.searchsorted(places, place + is_selected)
        return int(rows[places[following % places.size]])

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
    queue : Path, optional
        A file with a queue of sources.
    blind : bool
        Whether the pages hide labels and the judgements of others.

    Attributes
    ----------
    folder : BuildFolder
    log : DecisionLog
    queue_files : QueueFiles
    blind : bool
    build_command : str
        The command that applies the decisions to the dataset.

    Raises
    ------
    DatasetError, DecisionError
        There is no finished build, or the file of decisions cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        decisions: Path | None = None,
        *,
        queue: Path | None = None,
        blind: bool = False,
    ) -> None:
        self.folder = BuildFolder(folder)
        self.queue_files = QueueFiles(self.folder, queue)
        self.blind = blind
        self.log = DecisionLog(decisions or decisions_file(folder))
        self.build_command = shlex.join(["mingolotss", "build", "--out", str(folder)])
        if os.path.realpath(decisions_file(folder)) != str(self.log.path):
            self.build_command += f" --decisions {shlex.quote(str(self.log.path))}"
        self._lock = threading.RLock()
        self._build: tuple[str, BuildView, StampStore, CutoutCache, Numbering] | None = None
        self._snapshot: tuple[str, Snapshot] | None = None
        snapshot = self.snapshot()
        # The columns of flags and the table of candidates are computed now, not for a visitor.
        snapshot.rows(Filter())
        snapshot.build.candidate_rows(0)

    def snapshot(self) -> Snapshot:
        """Return the build and the decisions that are on disk now."""
        with self._lock:
            # A page is made from one snapshot, so that it is consistent while a build or another
            # reviewer replaces the files. Checking costs a few calls of `stat`; the files are read
            # only if one has changed.
            paths = [self.folder.manifest, self.log.path, self.folder.audit]
            paths += self.queue_files.paths()
            etags = " ".join(map(file_etag, paths))
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

    def judge(self, decision: Decision, etag: str) -> None:
        """Write a judgement, unless this person has decided about the source since the page.

        Parameters
        ----------
        decision : Decision
        etag : str
            The etag of the source for this person when the page was shown.

        Raises
        ------
        ConflictError
            There is a newer decision of this person.
        DecisionError, InputError
            The judgement cannot be written.
        """

        def check_unchanged(standing: list[Decision]) -> None:
            if StandingDecisions(standing).etag(decision.source, decision.by) != etag:
                raise ConflictError(
                    f"nothing was written: {decision.by} has decided about {decision.source} since "
                    "this page was shown, or it was shown to somebody else; see below, and judge "
                    "again if you disagree"
                )

        self.log.add(decision, check_unchanged)

    def _read(self) -> Snapshot:
        version = file_etag(self.folder.manifest)
        if self._build is None or self._build[0] != version:
            build = BuildView.read(self.folder.path, decisions=self.log.path, columns=_COLUMNS)
            stamps = StampStore(self.folder, len(build))
            numbering = Numbering.by_row(len(build))
            if self.blind:
                numbering = Numbering.by_name(build.manifest["source"].to_pylist())
            self._build = version, build, stamps, CutoutCache(build, remote=True), numbering
        _, build, stamps, cutouts, numbering = self._build
        decisions = StandingDecisions(self.log.standing())
        name = version.replace(".", "-")
        audit = read_audit(self.folder.path).audit
        return Snapshot(
            build, stamps, cutouts, decisions, name, self.build_command, self.queue_files,
            numbering, self.blind, audit,
        )  # fmt: skip


def waiting_words(count: int) -> str:
    """Return how many sources are not yet in the dataset as decided, in words.

    >>> waiting_words(2)
    'The decisions about 2 sources are not applied yet'
    """
    if count == 1:
        return "The decision about 1 source is not applied yet"
    return f"The decisions about {count:,} sources are not applied yet"
