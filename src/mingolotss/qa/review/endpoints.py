"""What the review page shows: one method for each address that is only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.qa.report.colours import coloured
from mingolotss.qa.review.addresses import NOTICES, source_address
from mingolotss.qa.review.candidate_view import candidate_picture, view_source
from mingolotss.qa.review.channel_panels import channel_picture
from mingolotss.qa.review.context import Context
from mingolotss.qa.review.contrast import parse_contrast
from mingolotss.qa.review.filters import Filter
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
    """

    store: Store
    pages: Pages
    reviewer: str
    clock: Callable[[], datetime]

    def context(self, request: Request, *, reason: str = "any") -> Context:
        """Return what a request sees; `reason` is that of the filter if the address has none."""
        snapshot = self.store.snapshot()
        return Context.read(request, snapshot, default_name=self.reviewer, reason=reason)

    def now(self) -> str:
        """Return the time in UTC as ``decisions.csv`` has it."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def source_page(self, context: Context, notice: str = "", warning: str = "") -> str:
        """Return the page of the source that the address names, with a notice or a warning."""
        view = view_source(context.snapshot, context.row)
        return self.pages.source(context, view, warning or notice, is_warning=bool(warning))


class Endpoints:
    """One method for each address.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def start(self, request: Request) -> Response:
        """Go to the queue."""
        return redirect("/queue")

    def queue(self, request: Request) -> Response:
        """Go to the first selected source that has no decision."""
        context = self._site.context(request)
        row = context.snapshot.next_open(context.selection, -1)
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
