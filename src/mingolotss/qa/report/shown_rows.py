"""The rows of the manifest that the report shows, and which of them with a picture.

The page stays of limited size for builds of any size: pictures of one kind end after
`MAX_PICTURES`, tables and lists after `MAX_ROWS`, classes after `MAX_CLASSES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mingolotss.io.parquet import read_table
from mingolotss.model import Bools, Ints
from mingolotss.qa.report.audit_section import audit_rows
from mingolotss.qa.report.build_view import BuildView
from mingolotss.simulate import SkyFolder

__all__ = ["MAX_CLASSES", "MAX_PICTURES", "MAX_ROWS", "ClassRows", "ShownRows"]

MAX_PICTURES = 24
MAX_ROWS = 200
MAX_CLASSES = 40
_PER_CLASS = 24  # stamps shown of each class, if there are few
_FEW_CLASSES = 12


@dataclass(frozen=True)
class ClassRows:
    """The rows of one class that are shown, from the smallest source of known size to the largest.

    Attributes
    ----------
    name : str
    label : int
        -1 in an unlabelled dataset, and for sources without a tag or a single class.
    rows : list of int
    listed, written : int
        The number of all sources of the class, and of those with a stamp.
    """

    name: str
    label: int
    rows: list[int]
    listed: int
    written: int


@dataclass(frozen=True)
class ShownRows:
    """The rows that the report shows.

    Attributes
    ----------
    classes : list of ClassRows
        In the order of their labels; of more than `MAX_CLASSES`, the ones with the most stamps.
    by_reason : dict of str to int64 array
        All rows to list for each of `INSPECTION_REASONS`.
    edge_cases : dict of str to list of int
        Where a simulated sky made the choice difficult, by kind of difficulty.
    without_channel : list of int
        The first stamps with a plane without an image.
    with_stamp : list of int
        The rows whose stamps are in the page, ascending.
    """

    classes: list[ClassRows]
    by_reason: dict[str, Ints]
    edge_cases: dict[str, list[int]]
    without_channel: list[int]
    with_stamp: list[int]

    @classmethod
    def select(cls, build: BuildView) -> ShownRows:
        """Select the rows of a build."""
        classes, edge_cases = _class_rows(build), _edge_cases(build)
        by_reason = {
            name: np.flatnonzero(flag if name == "rejected" else flag & build.written)
            for name, flag in build.flags.items()
        }
        with_stamp = {row for shown in classes for row in shown.rows}
        for name, rows in by_reason.items():
            if name != "neighbours":  # shown as pairs
                with_stamp.update(rows[:MAX_PICTURES].tolist())
        with_stamp.update(build.nearest_pairs[:MAX_PICTURES].ravel().tolist())
        with_stamp.update(audit_rows(build))
        for placed in edge_cases.values():
            with_stamp.update(placed)
        without_channel = build.channels.rows_with_missing() if build.channels else []
        without_channel = without_channel[: MAX_PICTURES // 2]
        with_stamp.update(without_channel)
        with_stamp = {row for row in with_stamp if build.written[row]}
        return cls(classes, by_reason, edge_cases, without_channel, sorted(with_stamp))


def _class_rows(build: BuildView) -> list[ClassRows]:
    """Return rows of each class, evenly spaced in the order of angular size."""
    names: Sequence[str] = build.provenance.classes
    size = build.numbers("size_arcsec")
    stamps = build.members[build.written].sum(axis=0)
    largest = np.sort(np.argsort(-stamps, kind="stable")[:MAX_CLASSES]).tolist()
    most = _PER_CLASS if len(largest) <= _FEW_CLASSES else _PER_CLASS // 2
    if build.channels is not None:  # each has a picture for each channel
        most = max(4, most // max(1, len(build.channels.names)))
    classes = []
    groups = [(label, names[label], build.members[:, label]) for label in largest]
    for label, name, members in groups + _without_class(build):
        rows = np.flatnonzero(build.written & members)
        rows = rows[np.argsort(size[rows], kind="stable")]
        places = np.linspace(0, len(rows) - 1, min(most, len(rows)))
        shown = rows[places.round().astype(int)].tolist()
        classes.append(ClassRows(name, label, shown, int(members.sum()), len(rows)))
    return classes


def _without_class(build: BuildView) -> list[tuple[int, str, Bools]]:
    """Return the group of the sources that are in no class, if the page shows one."""
    if not build.provenance.classes:
        return [(-1, "all sources", np.ones(len(build), bool))]
    if build.vectors is None:
        return []
    without = build.vectors.is_labelled & ~build.members.any(axis=1)
    name = "no tag" if build.vectors.kind == "tags" else "no single class"
    return [(-1, name, without)] if without.any() else []


def _edge_cases(build: BuildView) -> dict[str, list[int]]:
    """Return the rows of each kind of difficulty that a simulated sky contains."""
    path = SkyFolder(build.folder.sky).truth
    if not path.exists():
        return {}
    edge_cases: dict[str, list[int]] = {}
    for source in read_table(path, ["source", "edge_case"]).to_pylist():
        row = build.row_of.get(source["source"])
        if source["edge_case"] and row is not None:
            edge_cases.setdefault(source["edge_case"], []).append(row)
    return {name: sorted(rows)[:MAX_PICTURES] for name, rows in sorted(edge_cases.items())}
