"""The pages of the review page as HTML. The templates escape everything that they are given.

>>> sexagesimal(161.0676, 52.677)
'10h44m16.22s +52°40′37.2″'
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from mingolotss.model import Ints
from mingolotss.qa.descriptions import CASES, INSPECTION_REASONS
from mingolotss.qa.report.formatting import breakable, number
from mingolotss.qa.review.candidate_view import CandidateView
from mingolotss.qa.review.context import Context
from mingolotss.qa.review.filters import STATES, Filter
from mingolotss.qa.review.state import Snapshot

__all__ = ["Pages", "sexagesimal"]

_PER_PAGE = 60  # stamps in the gallery
_MAX_RESULTS = 50  # of a search by name


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


class Pages:
    """Renders the templates."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("mingolotss.qa.review"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["num"] = number
        self._environment.filters["breakable"] = breakable
        self._environment.globals["sexagesimal"] = sexagesimal
        for name in self._environment.list_templates(extensions=["html"]):
            self._environment.get_template(name)  # compiled now, not for the first visitor

    def source(
        self, context: Context, views: Sequence[CandidateView], notice: str, *, is_warning: bool
    ) -> str:
        """Return the page of the source that the address names.

        Parameters
        ----------
        context : Context
        views : sequence of CandidateView
            The candidates of the source.
        notice : str
            A line above the source; "" for none.
        is_warning : bool
            Whether the line is a warning.
        """
        snapshot, row, record = context.snapshot, context.row, context.record
        build, decisions = snapshot.build, snapshot.decisions
        name, verdict = record["source"], snapshot.decisions.verdict(record["source"])
        usable = [view.row.candidate.field for view in views if view.row.usable]
        preferred = verdict.field if verdict and verdict.field in usable else record["field"]
        return self._render(
            "source.html",
            context,
            **_place(snapshot, context.selection, row),
            row=row,
            record=record,
            views=views,
            notice=notice,
            is_warning=is_warning,
            inspection=[t for key, t in INSPECTION_REASONS.items() if build.flags[key][row]],
            etag=decisions.etag(name),
            history=decisions.by_source.get(name, []),
            selected=preferred if preferred in usable else next(iter(usable), ""),
            neighbours=_neighbours(snapshot, row),
        )

    def gallery(self, context: Context, page: int) -> str:
        """Return a page of the stamps that the filter selects, the first page being 1."""
        snapshot, build = context.snapshot, context.snapshot.build
        rows = snapshot.rows(context.selection)
        rows = snapshot.stamps.in_file_order(rows[build.written[rows]])
        pages = max(1, math.ceil(rows.size / _PER_PAGE))
        page = min(max(1, page), pages)
        shown = rows[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        labels = build.labels[build.written]
        counts = np.bincount(labels[labels >= 0], minlength=len(build.provenance.classes))
        return self._render(
            "gallery.html",
            context,
            records=build.records(shown),
            judged=set(shown[snapshot.judged[shown]].tolist()),
            questioned=set(shown[snapshot.questioned[shown]].tolist()),
            count=int(rows.size),
            page=page,
            pages=pages,
            per_class=counts.tolist(),
            written=int(build.written.sum()),
            page_address=lambda number: _gallery_address(context.selection, number),
            class_address=lambda label: _gallery_address(replace(context.selection, label=label)),
        )

    def queue_end(self, context: Context) -> str:
        """Return the page that is shown when every selected source has a decision."""
        return self._render(
            "done.html", context, count=int(context.snapshot.rows(context.selection).size)
        )

    def search(self, context: Context, rows: Ints, name: str, *, is_fragment: bool) -> str:
        """Return the results of a search by name, as a page or as a list for a page.

        Parameters
        ----------
        context : Context
        rows : int64 array
            All sources with `name` in their name; the first are listed.
        name : str
        is_fragment : bool
        """
        return self._render(
            "_results.html" if is_fragment else "find.html",
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
            address=context.address,
            current="gallery" if template == "gallery.html" else "queue",
            **values,
        )


def _place(snapshot: Snapshot, selection: Filter, row: int) -> dict[str, int | None]:
    """Return where a row is among the selected rows, which need not contain it."""
    rows = snapshot.rows(selection)
    place = int(np.searchsorted(rows, row))
    is_selected = place < rows.size and int(rows[place]) == row
    following = place + 1 if is_selected else place
    return {
        "place": place + 1 if is_selected else 0,
        "count": int(rows.size),
        "open_count": int((~snapshot.judged[rows]).sum()),
        "before": int(rows[place - 1]) if place > 0 else None,
        "after": int(rows[following]) if following < rows.size else None,
    }


def _neighbours(snapshot: Snapshot, row: int) -> list[dict[str, object]]:
    """Return the sources in the stamp of a source, nearest first."""
    rows, separations = snapshot.build.neighbours(row)
    records = snapshot.build.records(rows)
    return [
        {"record": record, "separation_arcsec": separation}
        for record, separation in zip(records, separations.tolist(), strict=True)
    ]


def _gallery_address(selection: Filter, page: int = 1) -> str:
    parts = [part for part in (selection.query, f"page={page}" if page != 1 else "") if part]
    return "/gallery" + ("?" + "&".join(parts) if parts else "")
