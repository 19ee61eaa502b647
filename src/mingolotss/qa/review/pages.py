"""The pages: what each template is given. Everything in them is escaped.

>>> sexagesimal(161.0676, 52.677)
'10h44m16.22s +52°40′37.2″'
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

from mingolotss.qa.report.build_view import REASONS
from mingolotss.qa.report.formatting import breakable, number
from mingolotss.qa.review.filters import STATES, Filter
from mingolotss.qa.review.state import View
from mingolotss.qa.status import CASES

__all__ = ["Pages", "sexagesimal"]

PER_PAGE = 60
_SAID = {
    "accept": "Accepted; the next build follows it.",
    "reject": "Rejected; the next build leaves it out.",
    "label": "The label is in question now; the catalogue is not changed.",
    "undo": "Taken back. This is the source it was about.",
}


def sexagesimal(ra: float, dec: float) -> str:
    """Return a position (deg) in hours and degrees, to about 0.1 arcsec."""
    seconds = round(ra % 360 / 15 * 360000) % 8640000
    tenths = round(abs(dec) * 36000)
    hours, rest = divmod(seconds, 360000)
    degrees, left = divmod(tenths, 36000)
    sign = "-" if dec < 0 else "+"
    return (
        f"{hours:02d}h{rest // 6000:02d}m{rest % 6000 / 100:05.2f}s "
        f"{sign}{degrees:02d}°{left // 600:02d}′{left % 600 / 10:04.1f}″"  # noqa: RUF001
    )


class Pages:
    """Renders templates."""

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
        for name in self._environment.list_templates(extensions=["html"]):
            self._environment.get_template(name)  # compiled now, not while somebody waits
        self._environment.globals["sexagesimal"] = sexagesimal

    def render(
        self, template: str, request: Request, view: View, chosen: Filter, by: str, **more: Any
    ) -> str:
        """Return a page."""
        contents = view.contents
        values: dict[str, Any] = {
            "title": contents.recipe.title or contents.recipe.name,
            "chosen": chosen,
            "reasons": REASONS,
            "states": STATES,
            "cases": CASES,
            "classes": contents.settings.classes,
            "total": len(contents.manifest),
            "version": view.version,
            "by": by,
            "back": str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
            "view": "gallery" if template == "gallery.html" else "queue",
        }
        make = getattr(self, "_" + template.removesuffix(".html").strip("_"))
        values |= make(view, chosen, **more)
        return self._environment.get_template(template).render(values)

    def error(self, line: str) -> str:
        """Return a page that says what went wrong."""
        return self._environment.get_template("error.html").render(line=line)

    def _source(
        self, view: View, chosen: Filter, *, row: int, looks: list[Any], said: str
    ) -> dict[str, Any]:
        contents, rows = view.contents, view.rows(chosen)
        record = contents.record(row)
        name = record["source"]
        place = int(np.searchsorted(rows, row))
        inside = place < rows.size and int(rows[place]) == row
        verdict = view.decided.verdict(name)
        fields = [look.offer.candidate.field for look in looks if look.offer.usable]
        taken = (
            verdict.field if verdict is not None and verdict.field in fields else record["field"]
        )
        return {
            "row": row,
            "record": record,
            "looks": looks,
            "said": _SAID.get(said, said),
            "warning": bool(said) and said not in _SAID,
            "why": [text for reason, text in REASONS if contents.flags[reason][row]],
            "mark": view.decided.mark(name),
            "verdict": verdict,
            "history": view.decided.by_source.get(name, []),
            "selected": taken if taken in fields else (fields[0] if fields else ""),
            "place": place + 1 if inside else 0,
            "count": int(rows.size),
            "left": int((~view.judged[rows]).sum()),
            "before": int(rows[place - 1]) if place > 0 else None,
            "after": _after(rows, place, inside=inside),
            "neighbours": _neighbours(view, row),
        }

    def _gallery(self, view: View, chosen: Filter, *, number: int) -> dict[str, Any]:
        contents = view.contents
        rows = view.rows(chosen)
        rows = view.stamps.order(rows[contents.written[rows]])
        pages = max(1, math.ceil(rows.size / PER_PAGE))
        number = min(max(1, number), pages)
        shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
        everyone = Filter(why="all")
        labels = contents.labels[contents.written]
        counts = np.bincount(labels[labels >= 0], minlength=len(contents.settings.classes))
        return {
            "records": contents.records(shown),
            "judged": set(shown[view.judged[shown]].tolist()),
            "questioned": set(shown[view.questioned[shown]].tolist()),
            "count": int(rows.size),
            "number": number,
            "pages": pages,
            "per_class": counts.tolist(),
            "all_written": int(contents.written[view.rows(everyone)].sum()),
            "link": lambda **change: _gallery_link(chosen, number, change),
        }

    def _done(self, view: View, chosen: Filter, *, rows: Any) -> dict[str, Any]:
        return {"count": int(rows.size)}

    def _find(self, view: View, chosen: Filter, *, rows: Any, name: str) -> dict[str, Any]:
        shown = rows[:50]
        return {"records": view.contents.records(shown), "count": int(rows.size), "name": name}

    _found = _find


def _after(rows: Any, place: int, *, inside: bool) -> int | None:
    following = place + 1 if inside else place
    return int(rows[following]) if following < rows.size else None


def _neighbours(view: View, row: int) -> list[dict[str, Any]]:
    """Return the sources in a source's stamp, nearest first."""
    pairs = view.contents.pairs
    mine = np.flatnonzero(pairs.inside & (pairs.rows == row).any(axis=1))
    others = pairs.rows[mine].sum(axis=1) - row
    records = view.contents.records(others)
    return [
        {"record": record, "arcsec": arcsec}
        for record, arcsec in zip(records, pairs.arcsec[mine].tolist(), strict=True)
    ]


def _gallery_link(chosen: Filter, number: int, change: dict[str, Any]) -> str:
    page = change.get("page", 1 if change else number)
    new = replace(chosen, label=change.get("label", chosen.label))
    parts = [part for part in (new.query, f"page={page}" if page != 1 else "") if part]
    return "/gallery" + ("?" + "&".join(parts) if parts else "")
