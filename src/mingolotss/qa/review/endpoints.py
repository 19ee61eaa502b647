"""What the review page shows: one method for each address that is only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.qa.report.colours import coloured
from mingolotss.qa.review.addresses import NOTICES, label_address, source_address
from mingolotss.qa.review.candidate_view import candidate_picture, view_source
from mingolotss.qa.review.channel_panels import channel_picture
from mingolotss.qa.review.context import Context
from mingolotss.qa.review.contrast import parse_contrast
from mingolotss.qa.review.filters import Filter
from mingolotss.qa.review.labels import view_label
from mingolotss.qa.review.pages import Pages
from mingolotss.qa.review.responses import cached_data, html, http_error, redirect
from mingolotss.qa.review.state import Store

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Endpoints", "Site"]

_MAX_NAME = 200  # characters


@dataclass(frozen=True)
class Site:
    """What all requests share.

    Attributes
    ----------
    store : Store
    pages : Pages
    reviewer : str
        The name of visitors who have not given one.
    clock : callable
        Returns the time of a decision.
    name_cookie : str
        The cookie with the name of the visitor.
    queue : str
        The reason of the filter of blind reviewers.
    """

    store: Store
    pages: Pages
    reviewer: str
    clock: Callable[[], datetime]
    name_cookie: str
    queue: str

    def context(self, request: Request, *, reason: str = "any") -> Context:
        """Return what a request sees; `reason` is that of the filter if the address has none."""
        snapshot = self.store.snapshot()
        return Context.read(
            request,
            snapshot,
            default_name=self.reviewer,
            cookie=self.name_cookie,
            reason=self.queue if snapshot.blind else reason,
        )

    def now(self) -> str:
        """Return the time in UTC as ``decisions.csv`` has it."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def source_page(self, context: Context, notice: str = "", warning: str = "") -> str:
        """Return the page of the source that the address names, with a notice or a warning."""
        view = view_source(context.snapshot, context.row)
        return self.pages.source(context, view, warning or notice, is_warning=bool(warning))

    def label_page(self, context: Context, notice: str = "", warning: str = "") -> str:
        """Return the page of the label of the source that the address names."""
        snapshot, row = context.snapshot, context.row
        if not snapshot.build.provenance.classes:
            raise http_error(404, "this dataset has no classes, so that there are no labels")
        pictures = view_source(snapshot, row, only_chosen=True)
        label = view_label(snapshot, row, context.selection, context.by)
        return self.pages.label(
            context, label, pictures, warning or notice, is_warning=bool(warning)
        )


class Endpoints:
    """One method for each address.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def start(self, request: Request) -> Response:
        """Go to the queue; blind reviewers go to the labels."""
        return redirect("/labels" if self._site.store.blind else "/queue")

    def labels(self, request: Request) -> Response:
        """Go to the first selected source that the visitor has not judged."""
        context = self._site.context(request, reason="all")
        snapshot = context.snapshot
        row = snapshot.next_unjudged(context.selection, None, context.by)
        if row is None:
            return html(self._site.pages.labels_end(context))
        notice = request.query_params.get("notice", "")
        number = snapshot.numbering.number(row)
        return redirect(label_address(number, context.selection, notice))

    def label(self, request: Request) -> Response:
        """Show a source with the classes that it can have."""
        notice = NOTICES.get(request.query_params.get("notice", ""), "")
        return html(self._site.label_page(self._site.context(request, reason="all"), notice))

    def queue(self, request: Request) -> Response:
        """Go to the first selected source that has no decision."""
        context = self._site.context(request)
        row = context.snapshot.next_open(context.selection, None)
        if row is None:
            return html(self._site.pages.queue_end(context))
        notice = request.query_params.get("notice", "")
        return redirect(source_address(row, context.selection, notice))

    def source(self, request: Request) -> Response:
        """Show a source with all its candidates."""
        notice = NOTICES.get(request.query_params.get("notice", ""), "")
        return html(self._site.source_page(self._site.context(request), notice))

    def gallery(self, request: Request) -> Response:
        """Show a page of stamps."""
        return html(self._site.pages.gallery(self._site.context(request, reason="all")))

    def find(self, request: Request) -> Response:
        """Go to the source of a name; if several names contain it, list them."""
        context = self._site.context(request)
        name = request.query_params.get("name", "").strip()[:_MAX_NAME]
        rows = context.snapshot.rows(Filter("all", name=name)) if name else np.empty(0, np.int64)
        exact = context.snapshot.build.find(name)
        only = int(rows[0]) if len(rows) == 1 else exact
        if only is not None and not context.is_fragment:
            if context.snapshot.blind:
                number = context.snapshot.numbering.number(only)
                return redirect(label_address(number, context.selection))
            return redirect(source_address(only, Filter("all")))
        return html(self._site.pages.search(context, rows, name))

    def stamp(self, request: Request) -> Response:
        """Return the stamp of a source in colours; of several channels, the reference."""
        context = self._site.context(request)
        channels = context.snapshot.build.channels
        if channels is not None:
            return self._channel_picture(context, channels.reference)
        return cached_data(coloured(context.snapshot.stamps.png(context.row)))

    def grey(self, request: Request) -> Response:
        """Return the stamp of a source as the dataset has it."""
        context = self._site.context(request)
        return cached_data(context.snapshot.stamps.png(context.row))

    def channel(self, request: Request) -> Response:
        """Return one channel of a stamp in colours."""
        return self._channel_picture(self._site.context(request), request.path_params["plane"])

    def colours(self, request: Request) -> Response:
        """Return three channels of a stamp as red, green and blue."""
        return self._channel_picture(self._site.context(request), None)

    @staticmethod
    def _channel_picture(context: Context, plane: int | None) -> Response:
        data = channel_picture(context.snapshot, context.row, plane)
        if data is None:
            raise http_error(404, f"the stamp of row {context.row} has no such picture")
        return cached_data(data)

    def cutout(self, request: Request) -> Response:
        """Return a picture or the pixels of one candidate."""
        context, index = self._site.context(request), request.path_params["index"]
        candidates = context.snapshot.build.candidate_rows(context.row)
        if not 0 <= index < len(candidates):
            raise http_error(404, f"row {context.row} has no candidate number {index}")
        kind, candidate = request.path_params["kind"], candidates[index].candidate
        contrast = parse_contrast(request.query_params)
        data = candidate_picture(context.snapshot, context.row, candidate, kind, contrast)
        if data is None:
            raise http_error(404, "there is no picture of this kind, or not with this contrast")
        media = "image/png" if kind.endswith(".png") else "application/octet-stream"
        return cached_data(data, media)
