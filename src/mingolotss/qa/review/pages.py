"""The pages of the review page as HTML. The templates escape everything that they are given.

>>> sexagesimal(161.0676, 52.677)
'10h44m16.22s +52°40′37.2″'
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache, partial
from typing import cast

from jinja2 import Environment

from mingolotss.candidates.decisions import Decision
from mingolotss.model import Ints
from mingolotss.qa.audit.result import Member
from mingolotss.qa.descriptions import CASES, INSPECTION_REASONS
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.report.cutout_view import SCALE_BARS, scale_bar
from mingolotss.qa.report.mask_outlines import outlines_of
from mingolotss.qa.report.templates import open_templates
from mingolotss.qa.review.addresses import (
    gallery_address,
    judge_address,
    label_address,
    tile_address,
    undo_address,
    undo_judgement_address,
)
from mingolotss.qa.review.brightness import brightness_of
from mingolotss.qa.review.candidate_view import SourceView
from mingolotss.qa.review.channel_panels import channel_panels
from mingolotss.qa.review.context import Context
from mingolotss.qa.review.contrast import contrast_query
from mingolotss.qa.review.filters import FILE_REASONS, STATES, Filter
from mingolotss.qa.review.gallery import Tile, gallery_page, tile_of
from mingolotss.qa.review.labels import LabelView
from mingolotss.qa.review.responses import NAME_COOKIE
from mingolotss.qa.review.state import Snapshot, waiting_words

__all__ = ["Pages", "sexagesimal"]

_MAX_RESULTS = 50  # of a search by name
_MAX_FOUND = 24  # pairs of the audit on the page of a source
_PAGES = {"gallery.html": "gallery", "label.html": "labels", "labels_done.html": "labels"}
_TELLING = ("label", "class", "split", "batch", "tags", "votes", "votes_total", "label_from")
"""The columns of the manifest that tell the label of a source, or hint at it."""


def sexagesimal(ra: float, dec: float) -> str:
    """Return a position in hours and degrees, to about 0.1 arcsec.

    Parameters
    ----------
    ra, dec : float, deg
    """
    hundredths = round(ra % 360 / 15 * 360000) % 8640000  # of a second of time
    tenths = round(abs(dec) * 36000)  # of an arcsecond
    hours, minutes = divmod(hundredths, 360000)
    degrees, arcminutes = divmod(tenths, 36000)
    sign = "-" if dec < 0 else "+"
    return (
        f"{hours:02d}h{minutes // 6000:02d}m{minutes % 6000 / 100:05.2f}s {sign}{degrees:02d}°"
        f"{arcminutes // 600:02d}′{arcminutes % 600 / 10:04.1f}″"  # noqa: RUF001
    )


@cache
def _environment() -> Environment:
    """Return the templates, compiled before the first visitor comes."""
    environment = open_templates("mingolotss.qa.review")
    environment.globals.update(
        sexagesimal=sexagesimal,
        known=lambda value: value is not None and math.isfinite(value),
        contrast_query=contrast_query,
        waiting_words=waiting_words,
        scale_bar=scale_bar,
        scale_bars=json.dumps(SCALE_BARS),
    )
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)
    return environment


class Pages:
    """Renders the templates.

    Parameters
    ----------
    name_cookie : str
        The cookie with the name of the visitor.
    """

    def __init__(self, name_cookie: str = NAME_COOKIE) -> None:
        self._name_cookie = name_cookie
        self._environment = _environment()

    def source(self, context: Context, view: SourceView, notice: str, *, is_warning: bool) -> str:
        """Return the page of the source that the address names.

        Parameters
        ----------
        context : Context
        view : SourceView
            The candidates of the source.
        notice : str
            A line above the source; "" for none.
        is_warning : bool
            Whether the line is a warning.
        """
        snapshot, row, record = context.snapshot, context.row, context.record
        build, decisions, name = snapshot.build, snapshot.decisions, record["source"]
        return self._render(
            "source.html",
            context,
            **_place(snapshot, context.selection, row),
            row=row,
            record=record,
            views=view.candidates,
            scale=view.scale,
            notice=notice,
            is_warning=is_warning,
            inspection=[t for key, t in INSPECTION_REASONS.items() if build.flags[key][row]],
            etag=decisions.etag(name),
            history=decisions.by_source.get(name, []),
            selected=_selected(view, decisions.image_decisions.get(name), record),
            neighbours=_neighbours(snapshot, row),
            audited=_audited(snapshot, name),
            stored=brightness_of([record["unit"]]),
            channels=channel_panels(snapshot, row),
            **_masks(snapshot, row),
        )

    def label(
        self,
        context: Context,
        label: LabelView,
        view: SourceView,
        notice: str,
        *,
        is_warning: bool,
    ) -> str:
        """Return the page of the label of the source that the address names.

        Parameters
        ----------
        context : Context
        label : LabelView
        view : SourceView
            The image that the stamp was made from.
        notice : str
            A line above the source; "" for none.
        is_warning : bool
            Whether the line is a warning.
        """
        snapshot, row, selection = context.snapshot, context.row, context.selection
        number = snapshot.numbering.number
        place = _place(snapshot, selection, row)
        return self._render(
            "label.html",
            context,
            **place,
            row=number(row),
            record=_neutral(context.record) if snapshot.blind else context.record,
            label=label,
            views=view.candidates,
            scale=view.scale,
            notice=notice,
            is_warning=is_warning,
            last=_last_words(snapshot, context.by),
            channels=channel_panels(snapshot, row),
            **_masks(snapshot, row),
            judge_address=judge_address(number(row), selection),
            undo_address=undo_judgement_address(selection),
            neighbour_address=lambda other: label_address(number(other), selection),
            **_progress(context),
        )

    def labels_end(self, context: Context) -> str:
        """Return the page that is shown when the visitor has judged every selected source."""
        snapshot, rows = context.snapshot, context.snapshot.rows(context.selection)
        first = snapshot.numbering.number(int(rows[0])) if rows.size else None
        return self._render(
            "labels_done.html",
            context,
            first=None if first is None else label_address(first, context.selection),
            undo_address=undo_judgement_address(context.selection),
            last=_last_words(snapshot, context.by),
            **_progress(context),
        )

    def gallery(self, context: Context, warning: str = "") -> str:
        """Return the page of stamps that the address names, of those that the filter selects."""
        build, selection = context.snapshot.build, context.selection
        return self._render(
            "gallery.html",
            context,
            gallery=gallery_page(context.snapshot, selection, context.first_row),
            warning=warning,
            undo_address=undo_address(selection, context.first_row),
            per_class=build.members[build.written].sum(axis=0).tolist(),
            written=int(build.written.sum()),
            page_address=lambda first: gallery_address(selection, first),
            class_address=lambda label: gallery_address(replace(selection, label=label)),
        )

    def tile(self, context: Context, warning: str = "") -> str:
        """Return one stamp of the gallery, with a warning under it."""
        tile = tile_of(context.snapshot, context.record, warning)
        return self._render("_tile.html", context, tile=tile)

    def queue_end(self, context: Context) -> str:
        """Return the page that is shown when every selected source has a decision."""
        return self._render(
            "done.html", context, count=int(context.snapshot.rows(context.selection).size)
        )

    def search(self, context: Context, rows: Ints, name: str) -> str:
        """Return the results of a search by name, as a page or as a list for a page.

        Parameters
        ----------
        context : Context
        rows : int64 array
            All sources with `name` in their name; the first are listed.
        name : str
        """
        return self._render(
            "_results.html" if context.is_fragment else "find.html",
            context,
            records=context.snapshot.build.records(rows[:_MAX_RESULTS]),
            count=int(rows.size),
            name=name,
        )

    def error(self, message: str) -> str:
        """Return a page that shows an error."""
        return self._environment.get_template("error.html").render(message=message)

    def _render(self, template: str, context: Context, **values: object) -> str:
        """Render a template with the values that every page needs, and its own."""
        build = context.snapshot.build
        return self._environment.get_template(template).render(
            title=build.provenance.title,
            selection=context.selection,
            reasons=INSPECTION_REASONS,
            states=STATES,
            cases=CASES,
            classes=build.provenance.classes,
            total=len(build),
            version=context.snapshot.version,
            by=context.by,
            snapshot=context.snapshot,
            filter_words=_filter_words(context),
            tile_address=partial(_tile_address, context),
            current=_PAGES.get(template, "queue"),
            blind=context.snapshot.blind,
            queue_titles=context.snapshot.queue_files.titles(),
            name_cookie=self._name_cookie,
            **values,
        )


def _filter_words(context: Context) -> list[str]:
    """Return the filter in words."""
    chosen, classes = context.selection, context.snapshot.build.provenance.classes
    reason = {
        "any": "any reason to look",
        "all": "all sources",
        "audit": "found by the audit",
        **context.snapshot.queue_files.titles(),
    }.get(chosen.reason, chosen.reason)
    words = [reason.replace("_", " ")]
    words += [classes[chosen.label]] if 0 <= chosen.label < len(classes) else []
    words += [f"case {chosen.case}"] if chosen.case >= 0 else []
    words += [chosen.split] if chosen.split else []
    words += [STATES[chosen.state]] if chosen.state != "all" else []
    return words + ([f"“{chosen.name}”"] if chosen.name else [])


def _tile_address(context: Context, tile: Tile, **values: str) -> str:
    """Return the address of a decision about a stamp of the gallery."""
    first, etag = context.first_row, tile.etag
    return tile_address(tile.record["row"], context.selection, first, etag=etag, **values)


def _selected(view: SourceView, decision: Decision | None, record: ManifestRow) -> int | None:
    """Return the candidate to accept at first, or None if there is none.

    It is the one of the last decision, otherwise that in the dataset, otherwise the first.
    """
    fields = {
        one.row.candidate.field: index
        for index, one in enumerate(view.candidates) if one.row.usable
    }  # fmt: skip
    accepted = decision.field if decision and decision.verdict == "accept" else None
    preferred = (accepted, record["field"] or "", *fields)
    return next((fields[field] for field in preferred if field in fields), None)


def _place(snapshot: Snapshot, selection: Filter, row: int) -> dict[str, int | None]:
    """Return where a row is among the selected rows, which need not contain it."""
    rows = snapshot.rows(selection)
    place, is_selected = snapshot.place(selection, row)
    following = place + is_selected
    return {
        "place": place + 1 if is_selected else 0,
        "count": int(rows.size),
        "open_count": int((~snapshot.judged[rows]).sum()),
        "before": int(rows[place - 1]) if place > 0 else None,
        "after": int(rows[following]) if following < rows.size else None,
    }


def _progress(context: Context) -> dict[str, object]:
    """Return how many of the selected sources the visitor has judged, and about their queue."""
    snapshot, selection = context.snapshot, context.selection
    rows = snapshot.rows(selection)
    in_file = selection.reason in FILE_REASONS
    return {
        "selected_count": int(rows.size),
        "own_count": int(snapshot.judged_by(context.by)[rows].sum()) if context.by else 0,
        "queue": snapshot.queue(selection.reason) if in_file else None,
    }


def _last_words(snapshot: Snapshot, by: str) -> str:
    """Return the last judgement of a person in words; "" without one."""
    last = snapshot.decisions.last_judgement(by)
    if last is None:
        return ""
    return f"{last.source}: {', '.join(last.classes) or 'none of the classes'}"


def _neutral(record: ManifestRow) -> ManifestRow:
    """Return a row without what tells its label, so that no template can show it."""
    values = {key: value for key, value in record.items() if key not in _TELLING}
    return cast("ManifestRow", values)


def _audited(snapshot: Snapshot, name: str) -> list[dict[str, object]]:
    """Return the pairs of the audit that a source is in, with the row of the other source."""
    found = snapshot.audit.pairs_of(name) if snapshot.audit else []
    return [
        {"title": one.title, "pair": one.pair, "other": one.other, "row": _row(snapshot, one.other)}
        for one in found[:_MAX_FOUND]
    ]


def _row(snapshot: Snapshot, member: Member) -> int | None:
    """Return the row of a member of a pair; None if it is of another dataset."""
    return snapshot.build.find(member.name) if member.dataset == "A" else None


def _masks(snapshot: Snapshot, row: int) -> dict[str, object]:
    """Return the outlines of the mask of a stamp, and whether its pixels are those of its image."""
    mask = snapshot.stamps.mask(row) if snapshot.build.written[row] else None
    return {
        "outlines": None if mask is None else outlines_of(mask),
        "masks_on_sky": mask is not None and not snapshot.build.recipe.stamp.resampling,
    }


def _neighbours(snapshot: Snapshot, row: int) -> list[dict[str, object]]:
    """Return the sources in the stamp of a source, nearest first."""
    rows, separations = snapshot.build.neighbours(row)
    records = snapshot.build.records(rows)
    return [
        {"record": record, "separation_arcsec": separation}
        for record, separation in zip(records, separations.tolist(), strict=True)
    ]
