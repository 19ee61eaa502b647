"""What the review page changes: decisions about images and labels.

The form of a page has the name of the reviewer and what was decided. A button of the gallery has
the values of its source in its address; those of the form go before them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from mingolotss.candidates.decisions import Decision
from mingolotss.qa.review.addresses import (
    gallery_address,
    label_address,
    labels_address,
    queue_address,
    source_address,
)
from mingolotss.qa.review.context import Context, reviewer_name
from mingolotss.qa.review.endpoints import Site
from mingolotss.qa.review.judging import MAX_NOTE, confirmation_note, judgement_of
from mingolotss.qa.review.labels import given_classes
from mingolotss.qa.review.responses import html, http_error, keep_name, redirect
from mingolotss.qa.review.state import ConflictError

if TYPE_CHECKING:
    from starlette.datastructures import ImmutableMultiDict
    from starlette.requests import Request
    from starlette.responses import Response

    Form = ImmutableMultiDict[str, str]

__all__ = ["Actions"]

_OTHER_CLASS = "something else"
_MAX_FIELDS = 2000  # of a form: one for each tag, and a few


class Actions:
    """One method for each address that changes something.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def decide(self, request: Request) -> Response:
        """Write a decision about a source."""
        return await self._act(request, self._decide)

    async def judge(self, request: Request) -> Response:
        """Write which classes a source has in the opinion of the reviewer."""
        return await self._act(request, self._judge, reason="all")

    async def undo(self, request: Request) -> Response:
        """Undo the last decision of the reviewer."""
        return await self._act(request, self._undo)

    async def _act(
        self, request: Request, act: Callable[[Context, Form], Response], *, reason: str = "any"
    ) -> Response:
        """Read the form and do something in the name that it has.

        The reason is that of the filter, if the address has none.
        """
        from starlette.concurrency import run_in_threadpool
        from starlette.datastructures import ImmutableMultiDict

        fields = [*request.query_params.multi_items(), *await _read_form(request)]
        form: Form = ImmutableMultiDict(fields)  # of equal names, the last value goes first

        def run() -> Response:
            context = self._site.context(request, reason=reason)
            # The name is the one in the box of the page at this moment. Only a page without a box,
            # as of a program, decides in the name of the cookie, or in that of the server's start.
            by = reviewer_name(form["by"]) if "by" in form else context.by
            response = act(replace(context, by=by), form)
            if by in {"", context.by}:
                return response
            return keep_name(response, self._site.name_cookie, by)

        return await run_in_threadpool(run)

    def _decide(self, context: Context, form: Form) -> Response:
        if not context.by:
            return self._warn(context, form, "nothing was written: write your name first", 400)
        decision = self._decision(context, form)
        try:
            if decision.verdict in {"accept", "reject"}:
                # The etag is that of the decisions about the source when the page was shown: two
                # reviewers who look at the same source cannot overwrite each other unnoticed (409,
                # RFC 9110, section 15.5.10).
                self._site.store.decide(decision, form.get("etag", ""))
            else:
                self._site.store.log.add(decision)
        except ConflictError as error:
            return self._warn(context, form, str(error), 409)
        context = replace(context, snapshot=self._site.store.snapshot())
        if form.get("back") == "gallery":
            return self._back_to_gallery(context, form)
        return redirect(self._next_address(context, decision.verdict))

    def _judge(self, context: Context, form: Form) -> Response:
        if not context.by:
            return self._warn_about_label(
                context, "nothing was written: write your name first", 400
            )
        try:
            decision = judgement_of(context, form, self._site.now())
            self._site.store.judge(decision, form.get("etag", ""))
        except ConflictError as error:
            return self._warn_about_label(context, str(error), 409)
        snapshot = self._site.store.snapshot()
        row = snapshot.next_unjudged(context.selection, context.row, context.by)
        if row is None:
            return redirect(labels_address(context.selection))
        number = snapshot.numbering.number(row)
        return redirect(label_address(number, context.selection, "judged"))

    def _warn_about_label(self, context: Context, warning: str, status: int) -> Response:
        context = replace(context, snapshot=self._site.store.snapshot())
        return html(self._site.label_page(context, warning=warning), status)

    def _undo(self, context: Context, form: Form) -> Response:
        undone = self._site.store.log.undo(context.by, self._site.now())
        row = context.snapshot.build.find(undone.source)
        if form.get("back") == "labels" or context.snapshot.blind:
            if row is None:
                return redirect(labels_address(context.selection))
            number = context.snapshot.numbering.number(row)
            return redirect(label_address(number, context.selection, "undo"))
        if form.get("back") == "gallery":
            return redirect(gallery_address(context.selection, context.first_row, row))
        if row is None:
            return redirect(queue_address(context.selection))
        return redirect(source_address(row, context.selection, "undo"))

    def _decision(self, context: Context, form: Form) -> Decision:
        """Return the decision in a form, checked."""
        verdict, note, field = form.get("verdict", ""), form.get("note", ""), ""
        classes: tuple[str, ...] = ()
        name = context.record["source"]
        if verdict == "accept":
            field = _checked_field(context, form)
        elif verdict == "label":
            looks_like = form.get("looks", "")
            if looks_like not in (*context.snapshot.build.provenance.classes, _OTHER_CLASS):
                raise http_error(400, "choose a class that the source looks like")
            note = _with_note(f"looks like {looks_like}", form.get("because", ""))
        elif verdict == "confirm":
            label = form.get("label", "")
            if not label or label != context.record["class"]:
                raise http_error(
                    400,
                    f"the class of {name} is {context.record['class']}, and not {label or 'none'}; "
                    "load the page again",
                )
            note = confirmation_note(label, note)
            classes = given_classes(context.snapshot.build, context.record) or ()
        elif verdict != "reject":
            raise http_error(400, "the verdict must be accept, reject, label or confirm")
        now = self._site.now()
        return Decision(name, field, verdict, context.by, now, note[:MAX_NOTE], classes)

    def _next_address(self, context: Context, verdict: str) -> str:
        """Return the address that follows a decision on the page of a source."""
        goes_on = verdict in {"accept", "reject"} or context.selection.state == "unchecked"
        if not goes_on:
            return source_address(context.row, context.selection, verdict)
        following = context.snapshot.next_open(context.selection, context.row)
        if following is None:
            return queue_address(context.selection)
        return source_address(following, context.selection, verdict)

    def _back_to_gallery(self, context: Context, form: Form) -> Response:
        """Return the changed tile, or go to it if the page has no scripts."""
        if context.is_fragment:
            return html(self._site.pages.tile(context))
        return redirect(gallery_address(context.selection, context.first_row, context.row))

    def _warn(self, context: Context, form: Form, warning: str, status: int) -> Response:
        """Show where the decision was made with a reason why nothing was written."""
        context = replace(context, snapshot=self._site.store.snapshot())
        if form.get("back") != "gallery":
            return html(self._site.source_page(context, warning=warning), status)
        if context.is_fragment:
            return html(self._site.pages.tile(context, warning), status)
        return html(self._site.pages.gallery(context, warning), status)


def _checked_field(context: Context, form: Form) -> str:
    """Return the field that a form accepts; "" if its image has none."""
    candidates = context.snapshot.build.candidate_rows(context.row)
    usable = [entry.candidate.field for entry in candidates if entry.usable]
    field = form.get("field")
    if field is None or field not in usable:
        raise http_error(400, "choose one of the fields that have a usable image")
    if [entry.candidate.field for entry in candidates].count(field) > 1:
        raise http_error(
            400,
            f"several images have the field {field!r}, so that a decision cannot name one of them; "
            "the service must give them different fields",
        )
    return field


def _with_note(text: str, note: str) -> str:
    return f"{text}: {note}" if note.strip() else text


async def _read_form(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form, in order."""
    from starlette.requests import ClientDisconnect

    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise http_error(400, "the form is cut short, or too large") from error
    text = body.decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise http_error(400, f"the form has more than {_MAX_FIELDS} fields") from error
