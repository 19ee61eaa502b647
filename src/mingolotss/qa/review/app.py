"""The application of the review page: its addresses, its static files, and its errors.

Everything that a request names is a row number, an index of a list, or a word of a fixed set. No
part of an address becomes a path.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from mingolotss.errors import DecisionError, MingoError
from mingolotss.qa.review.actions import Actions
from mingolotss.qa.review.endpoints import Endpoints, Site
from mingolotss.qa.review.guard import Guard
from mingolotss.qa.review.pages import Pages
from mingolotss.qa.review.responses import NAME_COOKIE, html, http_error
from mingolotss.qa.review.state import Store

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["create_app"]

_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "review.js": "text/javascript; charset=utf-8",
    "pictures.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
}


def create_app(
    store: Store,
    *,
    token: str,
    hosts: set[str],
    by: str,
    any_address: bool = False,
    queue: str = "all",
    name_cookie: str = NAME_COOKIE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """Return the ASGI application.

    Parameters
    ----------
    store : Store
    token : str
        The token that a visitor must have.
    hosts : set of str
        Valid values of the Host header.
    by : str
        The reviewer, for visitors who have not given a name.
    any_address : bool
        Whether any IP address is a valid host; see `Guard`.
    queue : str
        The sources that blind reviewers judge: the reason of a `Filter`.
    name_cookie : str
        The cookie with the name of the visitor.
    clock : callable
        Returns the time of a decision.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.routing import Route

    site = Site(store, Pages(name_cookie), by, clock, name_cookie, queue)
    show, act = Endpoints(site), Actions(site)
    # These pages show classes, and what other people have decided.
    telling = [
        Route("/queue", show.queue),
        Route("/gallery", show.gallery),
        Route("/source/{row:int}", show.source),
        Route("/source/{row:int}/decide", act.decide, methods=["POST"]),
        Route("/grey/{row:int}.png", show.grey),
    ]
    routes = [
        Route("/", show.start),
        Route("/labels", show.labels),
        Route("/label/{row:int}", show.label),
        Route("/label/{row:int}/judge", act.judge, methods=["POST"]),
        Route("/find", show.find),
        Route("/undo", act.undo, methods=["POST"]),
        Route("/stamp/{row:int}.png", show.stamp),
        Route("/channel/{row:int}/{plane:int}.png", show.channel),
        Route("/colours/{row:int}.png", show.colours),
        Route("/cutout/{row:int}/{index:int}/{kind}", show.cutout),
        Route("/static/{name}", _static),
        *([] if store.blind else telling),
    ]

    async def show_error(_request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            response = html(site.pages.error(error.detail), error.status_code)
        else:
            status = 409 if isinstance(error, DecisionError) else 500
            response = html(site.pages.error(str(error)), status)
        response.headers["HX-Retarget"] = "body"  # also where the script asked for a part of a page
        response.headers["HX-Reswap"] = "innerHTML"
        return response

    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, hosts=hosts, any_address=any_address)],
        exception_handlers={HTTPException: show_error, MingoError: show_error},
    )


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise http_error(404, "there is no such file")
    from starlette.responses import Response

    data = (files("mingolotss.qa.review") / "static" / name).read_bytes()
    return Response(data, media_type=_STATIC[name], headers={"Cache-Control": "no-cache"})
