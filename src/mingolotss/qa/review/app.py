"""The review page: one source at a time with all its images, and a gallery of every stamp.

`create_app` gives a Starlette application. Everything that a request names is a row number, a
place in a list or a word of a fixed set; no part of an address becomes a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mingolotss.candidates.decisions import Decision
from mingolotss.errors import DecisionError, MingoError
from mingolotss.qa.report.stamp_store import coloured
from mingolotss.qa.review.candidate_view import Looks
from mingolotss.qa.review.filters import Filter
from mingolotss.qa.review.guard import Guard
from mingolotss.qa.review.pages import Pages
from mingolotss.qa.review.state import ChangedError, State, View

__all__ = ["create_app"]

Clock = Callable[[], datetime]
Form = Mapping[str, str]
_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "review.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
}
_SAID = ("accept", "reject", "undo", "label")  # of an address; `pages` has the words for them
_LONGEST = 500  # characters of a note
_KEEP = {"Cache-Control": "private, max-age=86400"}  # addresses that hold the build's version


def create_app(
    state: State,
    *,
    token: str,
    hosts: set[str],
    by: str,
    any_address: bool = False,
    clock: Clock = lambda: datetime.now(UTC),
) -> Starlette:
    """Make the application.

    Parameters
    ----------
    state : State
    token : str
        What a visitor must bring.
    hosts : set of str
        What the Host header may say.
    by : str
        The reviewer, for visitors who have not given their name.
    any_address : bool
        See `Guard`.
    clock : callable
        Gives the time of a decision.
    """
    views = _Views(state, by, clock)
    routes = [
        Route("/", views.start),
        Route("/queue", views.queue),
        Route("/gallery", views.gallery),
        Route("/find", views.find),
        Route("/source/{row:int}", views.source),
        Route("/source/{row:int}/decide", views.decide, methods=["POST"]),
        Route("/source/{row:int}/label", views.label, methods=["POST"]),
        Route("/undo", views.undo, methods=["POST"]),
        Route("/who", views.who, methods=["POST"]),
        Route("/stamp/{row:int}.png", views.stamp),
        Route("/grey/{row:int}.png", views.grey),
        Route("/cutout/{row:int}/{index:int}/{kind}", views.cutout),
        Route("/static/{name}", _static),
    ]
    guard = Middleware(Guard, token=token, hosts=hosts, any_address=any_address)
    return Starlette(
        routes=routes,
        middleware=[guard],
        exception_handlers={HTTPException: views.failed, MingoError: views.failed},
    )


class _Views:
    """One method for each address."""

    def __init__(self, state: State, by: str, clock: Clock) -> None:
        self.state = state
        self.by = by
        self.clock = clock
        self.looks = Looks()
        self.pages = Pages()

    async def start(self, request: Request) -> Response:
        return RedirectResponse("/queue", 303)

    def queue(self, request: Request) -> Response:
        """Go to the first source of a filter that nobody has judged."""
        view, chosen = self.state.view(), Filter.parse(request.query_params)
        row = _next_open(view, chosen, -1)
        if row is not None:
            return RedirectResponse(_address(row, chosen, request.query_params), 303)
        return self._page(request, "done.html", view, chosen, rows=view.rows(chosen))

    def source(self, request: Request) -> Response:
        view, chosen = self.state.view(), Filter.parse(request.query_params)
        said = request.query_params.get("said", "")
        said = said if said in _SAID else ""
        return self._source(request, view, chosen, _row(request, view), said=said)

    def gallery(self, request: Request) -> Response:
        view, chosen = self.state.view(), Filter.parse(request.query_params, why="all")
        page = request.query_params.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1
        return self._page(request, "gallery.html", view, chosen, number=number)

    def find(self, request: Request) -> Response:
        """Go to the source of a name; of several that hold it, list them."""
        view = self.state.view()
        name = request.query_params.get("name", "").strip()[:200]
        listed = request.headers.get("hx-request") == "true" and not request.headers.get(
            "hx-boosted"
        )
        rows = view.rows(Filter(why="all", name=name)) if name else np.empty(0, np.int64)
        if not listed and len(rows) == 1:
            return RedirectResponse(f"/source/{rows[0]}?why=all", 303)
        exact = [r for r in rows[:50].tolist() if view.contents.record(r)["source"] == name]
        if not listed and exact:
            return RedirectResponse(f"/source/{exact[0]}?why=all", 303)
        template = "_found.html" if listed else "find.html"
        return self._page(request, template, view, Filter(), rows=rows, name=name)

    async def decide(self, request: Request) -> Response:
        return await self._write(request, self._decide)

    async def label(self, request: Request) -> Response:
        return await self._write(request, self._label)

    async def undo(self, request: Request) -> Response:
        return await self._write(request, self._undo)

    async def who(self, request: Request) -> Response:
        """Keep the visitor's name in a cookie."""
        form = await _form(request)
        answer = RedirectResponse(_own_path(form.get("back", "")), 303)
        name = " ".join(form.get("by", "").split())[:80]
        if name:
            answer.set_cookie(
                "mingolotss-by", quote(name), max_age=31536000, httponly=True, samesite="strict"
            )
        return answer

    def stamp(self, request: Request) -> Response:
        view = self.state.view()
        return _png(coloured(view.stamps.png(_row(request, view))))

    def grey(self, request: Request) -> Response:
        view = self.state.view()
        return _png(view.stamps.png(_row(request, view)))

    def cutout(self, request: Request) -> Response:
        view = self.state.view()
        row, index = _row(request, view), request.path_params["index"]
        offers = view.contents.offers(row)
        if not 0 <= index < len(offers):
            raise HTTPException(404, f"row {row} has no image number {index}")
        kind = request.path_params["kind"]
        data = self.looks.picture(view, row, offers[index].candidate, kind)
        if data is None:
            raise HTTPException(404, "no such picture")
        media = "image/png" if kind.endswith(".png") else "application/octet-stream"
        return Response(data, media_type=media, headers=_KEEP)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Show an error as one line."""
        status = 500
        if isinstance(error, HTTPException):
            status, line = error.status_code, error.detail
        else:
            line = str(error)
            status = 409 if isinstance(error, DecisionError) else 500
        return HTMLResponse(self.pages.error(line), status)

    async def _write(self, request: Request, write: Callable[..., Response]) -> Response:
        form = await _form(request)
        return await run_in_threadpool(write, request, form)

    def _decide(self, request: Request, form: Form) -> Response:
        view, chosen = self.state.view(), Filter.parse(request.query_params)
        row = _row(request, view)
        name = view.contents.record(row)["source"]
        verdict, field = form.get("verdict", ""), form.get("field", "")
        if verdict not in {"accept", "reject"}:
            raise HTTPException(400, "the verdict must be accept or reject")
        if verdict == "accept":
            _check_field(view, row, field)
        decision = self._decision(request, form, name, field, verdict)
        try:
            self.state.decide(decision, form.get("mark", ""))
        except ChangedError as error:
            return self._source(request, self.state.view(), chosen, row, str(error), status=409)
        after = self.state.view()
        following = _next_open(after, chosen, row)
        if following is None:
            return RedirectResponse(_join("/queue", chosen.query), 303)
        return RedirectResponse(_address(following, chosen, {"said": verdict}), 303)

    def _label(self, request: Request, form: Form) -> Response:
        view, chosen = self.state.view(), Filter.parse(request.query_params)
        row = _row(request, view)
        record = view.contents.record(row)
        looks = form.get("looks", "")
        if looks not in (*view.contents.settings.classes, "something else"):
            raise HTTPException(400, "choose what it looks like")
        note = f"looks like {looks}" + (f": {form['note']}" if form.get("note", "").strip() else "")
        said = self._decision(request, {"note": note}, record["source"], "", "label")
        self.state.log.add(said)
        return RedirectResponse(_address(row, chosen, {"said": "label"}), 303)

    def _undo(self, request: Request, form: Form) -> Response:
        chosen = Filter.parse(request.query_params)
        taken = self.state.log.undo(self._by(request), self._now())
        view = self.state.view()
        rows = view.contents.find(taken.source)
        if rows is None:
            return RedirectResponse(_join("/queue", chosen.query), 303)
        return RedirectResponse(_address(rows, chosen, {"said": "undo"}), 303)

    def _decision(
        self, request: Request, form: Form, source: str, field: str, verdict: str
    ) -> Decision:
        note = form.get("note", "")[:_LONGEST]
        kept = field if verdict == "accept" else ""
        return Decision(source, kept, verdict, self._by(request), self._now(), note)

    def _source(
        self, request: Request, view: View, chosen: Filter, row: int, said: str = "",
        status: int = 200,
    ) -> Response:  # fmt: skip
        shown = [self.looks.look(view, row, offer) for offer in view.contents.offers(row)]
        return self._page(
            request, "source.html", view, chosen, row=row, looks=shown, said=said, status=status
        )

    def _page(
        self, request: Request, template: str, view: View, chosen: Filter, **more: Any
    ) -> Response:
        status = more.pop("status", 200)
        by = self._by(request)
        return HTMLResponse(self.pages.render(template, request, view, chosen, by, **more), status)

    def _by(self, request: Request) -> str:
        return unquote(request.cookies.get("mingolotss-by", ""))[:80] or self.by

    def _now(self) -> str:
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(request: Request, view: View) -> int:
    row: int = request.path_params["row"]
    if row >= len(view.contents.manifest):
        raise HTTPException(404, f"the build has {len(view.contents.manifest)} rows, none is {row}")
    return row


def _next_open(view: View, chosen: Filter, row: int) -> int | None:
    """Return the next row of a filter that is not judged, after `row` and then from the start."""
    rows = view.rows(chosen)
    left = rows[~view.judged[rows]]
    if not left.size:
        return None
    return int(left[np.searchsorted(left, row, "right") % left.size])


def _check_field(view: View, row: int, field: str) -> None:
    usable = [o.candidate.field for o in view.contents.offers(row) if o.usable]
    if field not in usable:
        raise HTTPException(400, "choose one of the fields that have a usable image")


def _address(row: int, chosen: Filter, more: Mapping[str, str]) -> str:
    said = more.get("said", "")
    extra = f"said={said}" if said in _SAID else ""
    return _join(f"/source/{row}", "&".join(part for part in (chosen.query, extra) if part))


def _join(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _own_path(path: str) -> str:
    """Return a path of this page, or the start: never another site."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain else "/"


async def _form(request: Request) -> Form:
    body = await request.body()
    return dict(
        parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    )


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png", headers=_KEEP)


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404, "no such file")
    data = (files("mingolotss.qa.review") / "static" / name).read_bytes()
    return Response(data, media_type=_STATIC[name], headers={"Cache-Control": "no-cache"})
