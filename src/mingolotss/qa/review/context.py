"""One request to the review page: the state that it sees, its filter, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.review.filters import Filter
from mingolotss.qa.review.responses import http_error
from mingolotss.qa.review.state import Snapshot

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["MAX_REVIEWER", "NAME_COOKIE", "Context"]

NAME_COOKIE = "mingolotss-by"
MAX_REVIEWER = 80  # characters of a reviewer's name


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
        cls, request: Request, snapshot: Snapshot, *, default_name: str, reason: str = "any"
    ) -> Context:
        """Read a request.

        Parameters
        ----------
        request : Request
        snapshot : Snapshot
        default_name : str
            The reviewer, if the visitor has not given a name.
        reason : str
            The reason of the filter, if the address has none.
        """
        by = unquote(request.cookies.get(NAME_COOKIE, ""))[:MAX_REVIEWER] or default_name
        return cls(request, snapshot, Filter.parse(request.query_params, reason), by)

    @property
    def address(self) -> str:
        """The path and the query of the request."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    @property
    def row(self) -> int:
        """The row that the address names.

        Raises
        ------
        HTTPException
            The build has no such row.
        """
        row: int = self.request.path_params["row"]
        rows = len(self.snapshot.build)
        if row >= rows:
            raise http_error(404, f"there is no row {row}: the build has {rows} rows, from 0")
        return row

    @property
    def record(self) -> ManifestRow:
        """The row of the manifest that the address names."""
        return self.snapshot.build.record(self.row)
