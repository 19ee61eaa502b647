"""One request to the review page: the state that it sees, its filter, and who asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mingolotss.candidates.decisions import one_line
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.review.filters import FILE_REASONS, Filter
from mingolotss.qa.review.responses import NAME_COOKIE, http_error
from mingolotss.qa.review.state import Snapshot

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["MAX_REVIEWER", "Context", "reviewer_name"]

MAX_REVIEWER = 80  # characters of a reviewer's name


def reviewer_name(text: str) -> str:
    """Return a name as it stands in ``decisions.csv``."""
    return one_line(text)[:MAX_REVIEWER].strip()


@dataclass(frozen=True)
class Context:
    """What one request sees.

    Attributes
    ----------
    request : Request
    snapshot : Snapshot
    selection : Filter
    by : str
        The name of the visitor.
    """

    request: Request
    snapshot: Snapshot
    selection: Filter
    by: str

    @classmethod
    def read(
        cls,
        request: Request,
        snapshot: Snapshot,
        *,
        default_name: str,
        cookie: str = NAME_COOKIE,
        reason: str = "any",
    ) -> Context:
        """Read a request.

        Parameters
        ----------
        request : Request
        snapshot : Snapshot
        default_name : str
            The reviewer, if the visitor has not given a name.
        cookie : str
            The cookie with the name of the visitor.
        reason : str
            The reason of the filter, if the address has none. Blind reviewers have no other
            filter: which sources one lets through would tell their labels.
        """
        by = reviewer_name(unquote(request.cookies.get(cookie, ""))) or default_name
        query = {} if snapshot.blind else request.query_params
        selection = Filter.parse(query, reason)
        # Pages of labels and stamps begin with all sources. There, a source without a stamp only
        # appears if somebody has put it into a queue.
        if reason != "any" and selection.reason not in FILE_REASONS:
            selection = replace(selection, has_stamp=True)
        return cls(request, snapshot, selection, by)

    @property
    def is_fragment(self) -> bool:
        """Whether the script of the page asks for a part of it, and not for a whole page."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and not headers.get("hx-boosted")

    @property
    def first_row(self) -> int | None:
        """The row that a page of the gallery begins with, None for the first page."""
        text = self.request.query_params.get("from", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    @property
    def row(self) -> int:
        """The row of the source whose number the address has.

        Raises
        ------
        HTTPException
            The build has no such row.
        """
        number: int = self.request.path_params["row"]
        rows = len(self.snapshot.build)
        if number >= rows:
            raise http_error(404, f"there is no row {number}: the build has {rows} rows, from 0")
        return self.snapshot.numbering.row(number)

    @property
    def record(self) -> ManifestRow:
        """The row of the manifest that the address names."""
        return self.snapshot.build.record(self.row)
