"""The values that the template of the report shows, section by section.

Everything from a catalogue stays text here; the template escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mingolotss import __version__
from mingolotss.candidates.decisions import DECISIONS_NAME, Decision
from mingolotss.dataset.checksums import read_checksums
from mingolotss.io.files import sha256_file
from mingolotss.qa.descriptions import CASES, INSPECTION_REASONS
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.report.before_recentring import draw_before_recentring
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.colours import coloured
from mingolotss.qa.report.formatting import data_url
from mingolotss.qa.report.shown_rows import MAX_PICTURES, MAX_ROWS, ClassRows, ShownRows

__all__ = ["page_values"]

_Rows = list[dict[str, object]]


def page_values(
    build: BuildView, shown: ShownRows, stamps: Mapping[int, bytes]
) -> dict[str, object]:
    """Return all values that the template names, except the figures.

    Parameters
    ----------
    build : BuildView
    shown : ShownRows
    stamps : mapping of int to bytes
        The grey PNG file of each stamp in the page, by row.
    """

    def stamp(row: int) -> str:
        """Return the address of a stamp's picture, "" if it is not in the page."""
        return data_url("png", coloured(stamps[row])) if row in stamps else ""

    return {
        "stamp": stamp,
        "max_pictures": MAX_PICTURES,
        **_totals(build),
        **_provenance(build),
        "classes": [_class(build, rows) for rows in shown.classes],
        "cases": _cases(build),
        "decided": _decided(build),
        "questions": [d for d in build.standing_decisions() if d.verdict == "label"],
        "listed": {name: build.records(rows[:MAX_ROWS]) for name, rows in shown.by_reason.items()},
        "counts": {name: len(rows) for name, rows in shown.by_reason.items()},
        "recentred": _recentred(build, shown),
        **_pairs(build),
        "edge_cases": [
            {"name": name, "records": build.records(rows)}
            for name, rows in shown.edge_cases.items()
        ],
    }


def _totals(build: BuildView) -> dict[str, object]:
    total, written = len(build), int(build.written.sum())
    return {
        "total": total,
        "written": written,
        "rejected": total - written,
        "to_inspect": int(build.to_inspect.sum()),
        "reasons": [
            (name, text, int(build.flags[name].sum())) for name, text in INSPECTION_REASONS.items()
        ],
    }


def _provenance(build: BuildView) -> dict[str, object]:
    return {
        "title": build.provenance.title,
        "recipe": build.recipe,
        "provenance": build.provenance,
        "version": __version__,
        "packages": build.packages,
        "checksums": _checksums(build),
        "stamp_arcsec": build.stamp_arcsec,
    }


def _checksums(build: BuildView) -> list[tuple[str, str]]:
    """Return the SHA-256 and the name of each file at the top of the build's folder."""
    if not build.folder.checksums.exists():
        return [(sha256_file(build.folder.manifest), build.folder.manifest.name)]
    checksums = read_checksums(build.folder.checksums)
    return [(digest, name) for name, digest in checksums.items() if "/" not in name]


def _class(build: BuildView, shown: ClassRows) -> dict[str, object]:
    table = {row.label: row for row in build.recipe.classes.table}
    definition = table.get(shown.label)
    members = build.labels == shown.label
    return {
        "label": shown.label,
        "name": shown.name,
        "note": definition.note if definition else "",
        "published": definition.published if definition else "",
        "listed": int(members.sum()),
        "written": int((members & build.written).sum()),
        "shown": build.records(shown.rows),
    }


def _cases(build: BuildView) -> _Rows:
    """Return the cases; the sources of case 0, which needs no choice, are not named."""
    case = build.numbers("case")
    cases: _Rows = []
    for number, text in CASES.items():
        rows = np.flatnonzero(build.written & (case == number))
        names = build.manifest["source"].take(rows[:MAX_ROWS]).to_pylist() if number else []
        cases.append({"number": number, "text": text, "count": len(rows), "names": names})
    return cases


def _decided(build: BuildView) -> _Rows:
    """Return the decision about each source, and whether this build follows it."""
    last = {
        decision.source: decision
        for decision in build.standing_decisions()
        if decision.verdict in {"accept", "reject"}
    }
    rows = [build.row_of[name] for name in last if name in build.row_of]
    return [
        {"decision": decision, "record": record, "is_followed": _is_followed(decision, record)}
        for record in build.records(rows[:MAX_ROWS])
        for decision in (last[record["source"]],)
    ]


def _is_followed(decision: Decision, record: ManifestRow) -> bool:
    if decision.verdict == "reject":
        return record["stage"] == "choose"
    by = decision.by or DECISIONS_NAME
    return record["field"] == decision.field and record["decided_by"] == by


def _recentred(build: BuildView, shown: ShownRows) -> _Rows:
    """Return the cutout and the record of each recentred source that is shown in pictures."""
    rows = shown.by_reason["recentred"][:MAX_PICTURES].tolist()
    drawn = draw_before_recentring(build, rows)
    return [
        {"record": record, "before": before}
        for record, before in zip(build.records(rows), drawn, strict=True)
    ]


def _pairs(build: BuildView) -> dict[str, object]:
    pairs, rows = build.pairs, build.nearest_pairs[:MAX_PICTURES]
    separations = pairs.separation_arcsec[:MAX_PICTURES].tolist()
    records = zip(build.records(rows[:, 0]), build.records(rows[:, 1]), separations, strict=True)
    return {
        "pairs": [
            {"first": first, "second": second, "separation_arcsec": separation}
            for first, second, separation in records
        ],
        "pairs_total": pairs.total,
        "pairs_inside": pairs.inside,
        "pairs_checked": pairs.checked,
    }
