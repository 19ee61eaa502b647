"""The responses of the review page.

Starlette is imported when the first response is made: the modules of the page can be imported
without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from starlette.exceptions import HTTPException
    from starlette.responses import Response

__all__ = [
    "NAME_COOKIE",
    "cached_data",
    "html",
    "http_error",
    "keep_name",
    "redirect",
    "redirect_with_cookie",
]

NAME_COOKIE = "mingolotss-reviewer"
_YEAR = 31536000  # seconds
_CACHED = {"Cache-Control": "private, max-age=86400"}  # addresses contain the build's version


def html(text: str, status: int = 200) -> Response:
    """Return a page."""
    from starlette.responses import HTMLResponse

    return HTMLResponse(text, status)


def redirect(address: str) -> Response:
    """Send the browser to another address, with the method GET."""
    from starlette.responses import RedirectResponse

    return RedirectResponse(address, 303)


def redirect_with_cookie(address: str, name: str, value: str) -> Response:
    """Send the browser to another address with a cookie that scripts and other sites cannot use.

    The cookie ends with the session of the browser.
    """
    response = redirect(address)
    response.set_cookie(name, value, httponly=True, samesite="strict", path="/")
    return response


def keep_name(response: Response, cookie: str, name: str) -> Response:
    """Add a cookie with the name of the reviewer, which the script of the page writes as well."""
    response.set_cookie(cookie, quote(name), max_age=_YEAR, samesite="strict", path="/")
    return response


def cached_data(data: bytes, media_type: str = "image/png") -> Response:
    """Return a picture or pixels, which the browser may cache."""
    from starlette.responses import Response

    return Response(data, media_type=media_type, headers=_CACHED)


def http_error(status: int, message: str) -> HTTPException:
    """Return an error to raise, which the page shows as one line."""
    from starlette.exceptions import HTTPException

    return HTTPException(status, message)
