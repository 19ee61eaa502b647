"""The values that the template of the report shows, section by section.

Everything from a catalogue stays text here; the template escapes it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss import __version__
from mingolotss.candidates.decisions import IMAGE_VERDICTS
from mingolotss.dataset.channel_words import steps_of_channels
from mingolotss.dataset.checksums import read_checksums
from mingolotss.dataset.manifest import INCOMPLETE_PERCENT
from mingolotss.dataset.split_names import in_order
from mingolotss.io.files import sha256_file
from mingolotss.publish.licence import read_licence
from mingolotss.publish.split_warnings import SHARED_PIXELS, missing_classes
from mingolotss.qa.descriptions import CASES, FLAGS, INSPECTION_REASONS
from mingolotss.qa.followed import is_followed
from mingolotss.qa.rejection_reasons import count_reasons
from mingolotss.qa.report.audit_section import audit_values
from mingolotss.qa.report.before_recentring import draw_before_recentring
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.channel_section import channel_values
from mingolotss.qa.report.formatting import number
from mingolotss.qa.report.label_section import label_values, origin_words
from mingolotss.qa.report.shown_rows import MAX_PICTURES, MAX_ROWS, ClassRows, ShownRows
from mingolotss.qa.report.stamp_marks import UNITS, MarkTable
from mingolotss.qa.report.stamp_pictures import StampPictures
from mingolotss.recipe.metadata import Metadata

__all__ = ["page_values"]

_Rows = list[dict[str, object]]


def page_values(build: BuildView, shown: ShownRows, pictures: StampPictures) -> dict[str, object]:
    """Return all values that the template names, except the figures.

    Parameters
    ----------
    build : BuildView
    shown : ShownRows
    pictures : StampPictures
        Of the stamps in the page.
    """
    records = build.records(shown.with_stamp)
    marks = MarkTable(records, build.recipe.stamp.pixels)
    return {
        "stamp": lambda row: pictures.addresses.get(row, ""),
        "panels": pictures.panels,
        "outlines": pictures.outlines,
        **channel_values(build, shown, records, marks),
        "build_record": build.record,
        "marks": marks,
        "units": UNITS,
        "max_pictures": MAX_PICTURES,
        **_totals(build),
        **_provenance(build),
        **label_values(build),
        "classes": [_class(build, rows) for rows in shown.classes],
        "others": _other_classes(build, shown),
        "incomplete_percent": INCOMPLETE_PERCENT,
        "is_missing_known": build.counts["incomplete"].checked > 0,
        "flags": list(FLAGS),
        "has_sizes": build.counts["exceeds_stamp"].checked > 0,
        "sized": build.counts["exceeds_stamp"].checked,
        "cases": _cases(build),
        **_decisions(build),
        "listed": {name: build.records(rows[:MAX_ROWS]) for name, rows in shown.by_reason.items()},
        "counts": {name: len(rows) for name, rows in shown.by_reason.items()},
        "rejections": _rejections(build),
        "recentred": _recentred(build, shown),
        **_pairs(build),
        **audit_values(build),
        "splits": _splits(build),
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
            (name, text, f"{total - written:,}" if name == "rejected" else str(build.counts[name]))
            for name, text in INSPECTION_REASONS.items()
        ],
    }


def _provenance(build: BuildView) -> dict[str, object]:
    return {
        "title": build.provenance.title,
        "recipe": build.recipe,
        "steps": steps_of_channels(build.recipe),
        "provenance": build.provenance,
        "licence": _licence(build.provenance.metadata),
        "version": __version__,
        "packages": build.packages,
        "checksums": _checksums(build),
        "stamp_arcsec": build.stamp_arcsec,
        "noise": build.noise,
        "beams": build.beams,
        "grids": build.grids,
        "mask_words": build.mask_words,
        "origin_words": origin_words(build),
        "cutout": _cutout_size(build),
    }


def _cutout_size(build: BuildView) -> str:
    """Return the median size of the cutouts that stamps were made of, in words."""
    chosen = build.candidates.filter(pc.equal(build.candidates["verdict"], "chosen"))
    columns = ("nx", "ny", "pixel_scale_arcsec")
    sizes = np.array([chosen[name].to_numpy(zero_copy_only=False) for name in columns], float)
    if not np.isfinite(sizes).all(axis=0).any():
        return ""
    nx, ny, scale = np.nanmedian(sizes, axis=1).tolist()
    arcmin = " by ".join(number(side * scale / 60) for side in (nx, ny))
    return f"cutouts of {nx:.0f} by {ny:.0f} pixels, {arcmin} arcmin (median)"


def _licence(stated: Metadata) -> str:
    licence = read_licence(stated.licence)
    return f"Licence: {licence.text}" if licence.is_known else "The licence is not known."


def _checksums(build: BuildView) -> list[tuple[str, str]]:
    """Return the SHA-256 and the name of each file at the top of the build's folder."""
    if not build.folder.checksums.exists():
        return [(sha256_file(build.folder.manifest), build.folder.manifest.name)]
    checksums = read_checksums(build.folder.checksums)
    return [(digest, name) for name, digest in checksums.items() if "/" not in name]


def _class(build: BuildView, shown: ClassRows) -> dict[str, object]:
    table = {row.label: row for row in build.recipe.classes.final_table}
    definition = table.get(shown.label)
    return {
        "label": shown.label,
        "name": shown.name,
        "note": definition.note if definition else "",
        "published": definition.published if definition else "",
        "listed": shown.listed,
        "written": shown.written,
        "shown": build.records(shown.rows),
    }


def _other_classes(build: BuildView, shown: ShownRows) -> dict[str, object]:
    """Return the classes without pictures, and the number of all of them."""
    pictured = {rows.label for rows in shown.classes}
    names = [name for label, name in enumerate(build.provenance.classes) if label not in pictured]
    return {"names": names[:MAX_ROWS], "total": len(names)}


def _cases(build: BuildView) -> _Rows:
    """Return the cases; the sources of case 0, which needs no choice, are not named."""
    case = build.numbers("case")
    cases: _Rows = []
    for rule, text in CASES.items():
        rows = np.flatnonzero(build.written & (case == rule))
        names = build.manifest["source"].take(rows[:MAX_ROWS]).to_pylist() if rule else []
        cases.append({"number": rule, "text": text, "count": len(rows), "names": names})
    return cases


def _decisions(build: BuildView) -> dict[str, object]:
    """Return the decision about each source, whether this build follows it, and questions."""
    standing = build.standing_decisions()
    last = {
        decision.source: decision for decision in standing if decision.verdict in IMAGE_VERDICTS
    }
    rows = [build.row_of[name] for name in last if name in build.row_of]
    questions = [decision for decision in standing if decision.verdict == "label"]
    return {
        "decided_total": len(rows),
        "decided": [
            {"decision": decision, "record": record, "is_followed": is_followed(decision, record)}
            for record in build.records(rows[:MAX_ROWS])
            for decision in (last[record["source"]],)
        ],
        "questions": questions[:MAX_ROWS],
        "questions_total": len(questions),
    }


def _recentred(build: BuildView, shown: ShownRows) -> _Rows:
    """Return the cutout and the record of each recentred source that is shown in pictures."""
    rows = shown.by_reason["recentred"][:MAX_PICTURES].tolist()
    drawn = draw_before_recentring(build, rows)
    return [
        {"record": record, "before": before}
        for record, before in zip(build.records(rows), drawn, strict=True)
    ]


def _rejections(build: BuildView) -> dict[str, object]:
    """Return the rejections summed by reason."""
    rejected = build.manifest.filter(pa.array(~build.written)).select(["stage", "reason"])
    pairs = zip(*(rejected[name].to_pylist() for name in rejected.column_names), strict=True)
    counts = count_reasons((stage or "", reason or "") for stage, reason in pairs)
    kinds = [(stage, reason, count) for (stage, reason), count in counts.items()]
    return {
        "kinds": kinds[:MAX_PICTURES],
        "others": len(kinds[MAX_PICTURES:]),
        "in_others": sum(count for _, _, count in kinds[MAX_PICTURES:]),
    }


def _splits(build: BuildView) -> dict[str, object]:
    """Return the plan, the table of classes and splits, who is in none and why, and warnings."""
    split, record = build.split, build.provenance.split
    order = in_order(split.splits)
    columns = [split.splits.index(name) for name in order]
    warnings = missing_classes(split, is_labelled=bool(build.provenance.classes))
    if build.pairs.apart:
        warnings.append(SHARED_PIXELS)
    reasons, counts = np.unique(split.reasons[split.is_left_out], return_counts=True)
    return {
        "plan": build.provenance.split_plan,
        "asked": build.recipe.split.plan if record is not None and record.change else "",
        "change": split.change,
        "names": order,
        "rows": [
            {"name": name, "counts": row[columns].tolist(), "total": int(row.sum())}
            for name, row in zip(split.classes, split.counts, strict=True)
        ],
        "warnings": warnings,
        "left_out": int(counts.sum()),
        "reasons": list(zip(reasons.tolist(), counts.tolist(), strict=True)),
    }


def _pairs(build: BuildView) -> dict[str, object]:
    pairs, rows = build.pairs, build.nearest_pairs
    separations = pairs.separation_arcsec.tolist()
    records = zip(build.records(rows[:, 0]), build.records(rows[:, 1]), separations, strict=True)
    return {
        "pairs": [
            {"first": first, "second": second, "separation_arcsec": separation}
            for first, second, separation in records
        ],
        "pairs_total": pairs.total,
        "pairs_inside": pairs.inside,
        "pairs_checked": pairs.checked,
        "pairs_apart": pairs.apart,
    }
