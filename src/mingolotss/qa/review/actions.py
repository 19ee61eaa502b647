"""What the review page changes: decisions, questioned labels, and the name of the reviewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from mingolotss.candidates.decisions import Decision
from mingolotss.qa.review.addresses import own_path, queue_address, source_address
from mingolotss.qa.review.context import MAX_REVIEWER, NAME_COOKIE, Context
from mingolotss.qa.review.endpoints import Site
from mingolotss.qa.review.responses import html, http_error, redirect, redirect_with_cookie
from mingolotss.qa.review.state import ConflictError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Actions"]

Form = Mapping[str, str]

_OTHER_CLASS = "something else"
_MAX_NOTE = 500  # characters
_YEAR = 31536000  # seconds


class Actions:
    """One method for each address that changes something.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def decide(self, request: Request) -> Response:
        """Accept or reject a source, and go to the next one."""
        return await self._act(request, self._decide)

    async def label(self, request: Request) -> Response:
        """Question the label of a source."""
        return await self._act(request, self._label)

    async def undo(self, request: Request) -> Response:
        """Undo the last decision of the visitor, and go to its source."""
        return await self._act(request, self._undo)

    async def who(self, request: Request) -> Response:
        """Keep the visitor's name in a cookie."""
        form = await _read_form(request)
        address = own_path(form.get("back", ""))
        name = " ".join(form.get("by", "").split())[:MAX_REVIEWER]
        if not name:
            return redirect(address)
        return redirect_with_cookie(address, NAME_COOKIE, quote(name), max_age=_YEAR)

    async def _act(self, request: Request, act: Callable[[Context, Form], Response]) -> Response:
        """Read the form, then write in a thread: the lock on the file may take a moment."""
        from starlette.concurrency import run_in_threadpool

        form = await _read_form(request)
        return await run_in_threadpool(lambda: act(self._site.context(request), form))

    def _decide(self, context: Context, form: Form) -> Response:
        verdict, field = form.get("verdict", ""), form.get("field", "")
        if verdict not in {"accept", "reject"}:
            raise http_error(400, "the verdict must be accept or reject")
        candidates = context.snapshot.build.candidate_rows(context.row)
        if verdict == "accept" and field not in [
            entry.candidate.field for entry in candidates if entry.usable
        ]:
            raise http_error(400, "choose one of the fields that have a usable image")
        accepted = field if verdict == "accept" else ""
        decision = self._decision(context, accepted, verdict, form.get("note", ""))
        # The etag is that of the decisions about the source when the page was shown: two reviewers
        # who look at the same source cannot overwrite each other unnoticed (409, RFC 9110, section
        # 15.5.10).
        try:
            self._site.store.decide(decision, form.get("etag", ""))
        except ConflictError as error:
            newer = self._site.context(context.request)
            return html(self._site.source_page(newer, warning=str(error)), 409)
        following = self._site.store.snapshot().next_open(context.selection, context.row)
        if following is None:
            return redirect(queue_address(context.selection))
        return redirect(source_address(following, context.selection, verdict))

    def _label(self, context: Context, form: Form) -> Response:
        looks_like, note = form.get("looks", ""), form.get("note", "")
        if looks_like not in (*context.snapshot.build.provenance.classes, _OTHER_CLASS):
            raise http_error(400, "choose a class that the source looks like")
        note = f"looks like {looks_like}" + (f": {note}" if note.strip() else "")
        self._site.store.log.add(self._decision(context, "", "label", note))
        return redirect(source_address(context.row, context.selection, "label"))

    def _undo(self, context: Context, form: Form) -> Response:
        undone = self._site.store.log.undo(context.by, self._site.now())
        row = context.snapshot.build.find(undone.source)
        if row is None:
            return redirect(queue_address(context.selection))
        return redirect(source_address(row, context.selection, "undo"))

    def _decision(self, context: Context, field: str, verdict: str, note: str) -> Decision:
        source, now = context.record["source"], self._site.now()
        return Decision(source, field, verdict, context.by, now, note[:_MAX_NOTE])


async def _read_form(request: Request) -> Form:
    from starlette.requests import ClientDisconnect

    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise http_error(400, "the form is cut short, or too large") from error
    text = body.decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise http_error(400, "the form has more than 20 fields") from error
