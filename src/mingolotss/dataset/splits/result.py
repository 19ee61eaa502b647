"""The result of a split: the split of each source, who is left out, and how good the split is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.record import SplitOrigin
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.dataset.splits.strata import NO_LABEL, NO_SINGLE_CLASS, NO_VOTES
from mingolotss.io.summaries import Shown, Summary, Table
from mingolotss.model import Bools, Ints

__all__ = ["Assignment", "SplitResult", "describe_assignment"]

Names = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which source is in which split, as a way of splitting gives it.

    Attributes
    ----------
    plan : SplitPlan
        The plan that was used in the end.
    names : str array, shape (n,)
        The split of each source; "" for one that is left out.
    reasons : str array, shape (n,), optional
        Why a source is left out; "" for the others.
    change : str
        Why the plan is not the one that was asked for; "" if it is.
    notes : tuple of str
        Lines for the terminal about how sources were assigned.
    origin : SplitOrigin or None
        The list or the dataset that has the splits; None if they follow from the catalogue.
    """

    plan: SplitPlan
    names: Names
    reasons: Names | None = None
    change: str = ""
    notes: tuple[str, ...] = ()
    origin: SplitOrigin | None = None


@dataclass(frozen=True, slots=True, repr=False)
class SplitResult(Shown):
    """The split of each source, and what a person should know about it.

    Attributes
    ----------
    plan : SplitPlan
        The plan that was used in the end.
    change : str
        Why `plan` is not the one that was asked for; "" if it is.
    names : str array, shape (n,)
        The split of each source; "" for one that is left out.
    reasons : str array, shape (n,)
        Why a source is left out; "" for the others.
    pairs_across : int
        Number of pairs of stamps that share pixels and are in different splits; None if the
        position and extent of no stamp are known.
    splits : tuple of str
        The names of the splits.
    classes : tuple of str
        The names of the classes or tags that sources have.
    counts : int64 array, shape (classes, splits)
        Number of sources; one with several tags counts for each.
    notes : tuple of str
        Lines for the terminal about how sources were assigned.
    origin : SplitOrigin or None
        The list or the dataset that has the splits; None if they follow from the catalogue.
    kind : {"classes", "tags", "votes"}
        Of the labels. The class of a source with votes is the one with the most votes.
    """

    plan: SplitPlan
    change: str
    names: Names
    reasons: Names
    pairs_across: int | None
    splits: tuple[str, ...]
    classes: tuple[str, ...]
    counts: Ints
    notes: tuple[str, ...] = ()
    origin: SplitOrigin | None = None
    kind: LabelKind = "classes"

    def _summary(self) -> Summary:
        notes = "; ".join(line.removeprefix("split: ") for line in self.lines())
        return Summary(f"Split: {self.plan.text}", {"notes": notes}, Table(*self.table()))

    @property
    def is_left_out(self) -> Bools:
        """Return which sources are in no split."""
        return np.asarray(self.names == "")

    @property
    def is_labelled(self) -> bool:
        """Return whether a source has a class."""
        return not {*self.classes} <= {NO_LABEL, NO_SINGLE_CLASS, NO_VOTES}

    @property
    def sizes(self) -> Ints:
        """Return the number of sources in each split, shape (splits,)."""
        return np.array([int((self.names == split).sum()) for split in self.splits], np.int64)

    @property
    def missing(self) -> list[tuple[str, str]]:
        """List the classes without a source in a split, as (split, class)."""
        return [
            (split, name)
            for column, split in enumerate(self.splits)
            for row, name in enumerate(self.classes)
            if not self.counts[row, column]
        ]

    def lines(self) -> list[str]:
        """Describe the split for the terminal; warnings begin with "warning: ", and come last."""
        lines = [
            *([f"split: {self.change}"] if self.change else []),
            *self.notes,
            *_pairs_lines(self),
            *_left_out_lines(self),
            *(
                _missing_lines(self.missing, self.kind)
                if self.is_labelled
                else [f"warning: split {split!r} has no image" for split, _ in self.missing]
            ),
        ]
        return sorted(lines, key=lambda line: line.startswith("warning: "))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the number and the share of sources in each split, of each class and of all.

        Returns
        -------
        header : list of str
        rows : list of list of str
        """
        order = in_order(self.splits)
        columns = [self.splits.index(split) for split in order]
        names, counts = [*self.classes], self.counts[:, columns]
        if len(names) > 1:
            names, counts = [*names, "all"], np.vstack([counts, self.sizes[columns]])
        rows = [
            [name, *(f"{count:,} ({count / max(sum(of_class), 1):.1%})" for count in of_class)]
            for name, of_class in zip(names, counts.tolist(), strict=True)
        ]
        if not self.is_labelled:
            return ["", *order], [["all", *row[1:]] for row in rows]
        return ["tag" if self.kind == "tags" else "class", *order], rows


def describe_assignment(assignment: Assignment, sources: SplitSources) -> SplitResult:
    """Count the pairs across splits and the sources of each class.

    Parameters
    ----------
    assignment : Assignment
    sources : SplitSources
    """
    names, texts = assignment.names, assignment.names.tolist()
    reasons = assignment.reasons
    # Splits are compared as numbers; one that is left out shares pixels with nobody.
    known = [name for name in assignment.plan.targets if name]
    splits = tuple(dict.fromkeys([*known, *in_order(sorted({*texts} - {""}))]))
    number = {name: index for index, name in enumerate(splits)} | {"": -1}
    codes = np.fromiter(map(number.__getitem__, texts), np.int64, len(texts))
    strata = sources.strata
    return SplitResult(
        plan=assignment.plan,
        change=assignment.change,
        names=names,
        reasons=np.full(len(names), "") if reasons is None else reasons,
        pairs_across=_pairs_across(assignment.plan, sources, codes),
        splits=splits,
        classes=strata.names,
        counts=strata.counts(codes, len(splits)).T,
        notes=(*assignment.notes, *_unknown_lines(assignment.plan, sources, codes)),
        origin=assignment.origin,
        kind=strata.kind,
    )


def _pairs_across(plan: SplitPlan, sources: SplitSources, codes: Ints) -> int | None:
    # A reach decides which sources stay together. Whether that was enough, the true stamps tell.
    stamps = sources.regions()
    if not stamps.known.any():
        if plan.reach_arcsec is None:
            return None
        stamps = sources.regions(plan.reach_arcsec)
    # One that is left out shares pixels with nobody that counts.
    return sum(
        int(((codes[first] >= 0) & (codes[second] >= 0)).sum())
        for first, second in stamps.pairs(codes)
    )


def _unknown_lines(plan: SplitPlan, sources: SplitSources, codes: Ints) -> list[str]:
    """Say that some sources were not compared with the others; without any place, nobody was."""
    known = sources.regions(plan.reach_arcsec).known
    unknown = int((~known & (codes >= 0)).sum())
    if not unknown or not known.any():
        return []
    have = "source has" if unknown == 1 else "sources have"
    where = "no known position or size on the sky, and could not be compared with the others"
    return [f"split: {unknown:,} of {len(codes):,} {have} {where}"]


def _pairs_lines(result: SplitResult) -> list[str]:
    if result.pairs_across is None:
        return []
    pairs = "pair of stamps shares" if result.pairs_across == 1 else "pairs of stamps share"
    start = "warning: split" if result.pairs_across else "split"
    return [f"{start}: {result.pairs_across:,} {pairs} pixels across splits"]


def _left_out_lines(result: SplitResult) -> list[str]:
    reasons, counts = np.unique(result.reasons[result.is_left_out], return_counts=True)
    total = len(result.names)
    return [
        f"split: {count:,} of {total:,} sources left out ({count / total:.1%})"
        + (f": {reason}" if reason else "")
        for reason, count in zip(reasons.tolist(), counts.tolist(), strict=True)
    ]


def _missing_lines(missing: Sequence[tuple[str, str]], kind: LabelKind) -> list[str]:
    classes_of: dict[str, list[str]] = {}
    for split, name in missing:
        classes_of.setdefault(split, []).append(repr(name))
    of_one, of_several = (
        ("with the tag", "with the tags") if kind == "tags" else ("of class", "of the classes")
    )
    return [
        f"warning: split {split!r} has no image {of_one if len(names) == 1 else of_several} "
        f"{', '.join(names)}"
        for split, names in classes_of.items()
    ]
