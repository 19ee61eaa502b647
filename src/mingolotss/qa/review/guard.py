"""Access control: the token, the Host header and the Origin header of every request.

The token comes once in the address and then in a cookie that other sites cannot send. The check of
Host prevents DNS rebinding; the check of Origin prevents requests from other pages. The headers of
every response forbid the browser to run or load anything that does not belong to the page.

>>> allowed_hosts("127.0.0.1", 8000) == {"127.0.0.1:8000", "localhost:8000", "[::1]:8000"}
True
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from mingolotss.qa.review.responses import redirect_with_cookie

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MAX_BODY_BYTES", "Guard", "allowed_hosts"]

MAX_BODY_BYTES = 64 * 1024
_MAX_PATH = 200  # characters: two numbers and a word; int() refuses thousands of digits
_READ_METHODS = {"GET", "HEAD"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # no-referrer gives forms without scripts the Origin "null"
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def allowed_hosts(host: str, port: int, names: Sequence[str] = ()) -> set[str]:
    """Return the valid values of the Host header for a server bound to `host`.

    Parameters
    ----------
    host : str
        The address that the server is bound to.
    port : int
    names : sequence of str
        Other names of this machine.
    """
    local = ["127.0.0.1", "localhost", "[::1]"]
    bound = [] if host in {"0.0.0.0", "::", ""} else [f"[{host}]" if ":" in host else host]  # noqa: S104
    return {f"{name.lower()}:{port}" for name in (*local, *bound, *names)}


class Guard:
    """Middleware that refuses requests without access.

    Parameters
    ----------
    app : ASGI application
    token : str
    hosts : set of str
        As `allowed_hosts` gives them.
    any_address : bool
        Whether any IP address is a valid host, for a server bound to all addresses. This is safe:
        DNS rebinding needs a name.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: set[str], any_address: bool) -> None:
        self.app = app
        self.token = token
        self.hosts = hosts
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope) if scope["type"] == "http" else _close
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self.app(scope, _limited(receive), _with_headers(send))

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the response that refuses a request, or None."""
        from starlette.datastructures import Headers

        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if not self._is_valid_host(host):
            return _refuse(403, f"this page is not served as {host[:200]!r}")
        if not _same_origin(headers, host, scope["method"]):
            return _refuse(403, "the request comes from another page")
        return _malformed(scope, headers) or self._check_token(scope, headers, host)

    def _is_valid_host(self, host: str) -> bool:
        if host in self.hosts:
            return True
        name, _, port = host.rpartition(":")
        if not self.any_address or port not in {h.rpartition(":")[2] for h in self.hosts}:
            return False
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _check_token(self, scope: Scope, headers: Headers, host: str) -> Response | None:
        cookie = f"mingolotss-{host.rpartition(':')[2]}"
        has_cookie = _equal(_cookie(headers.get("cookie", ""), cookie), self.token)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for key, value in query if key == "token"), None)
        if token is not None and _equal(token, self.token) and scope["method"] in _READ_METHODS:
            rest = urlencode([(key, value) for key, value in query if key != "token"])
            path = "/" + scope["path"].lstrip("/")  # never //host
            return redirect_with_cookie(path + (f"?{rest}" if rest else ""), cookie, self.token)
        if has_cookie:
            return None
        return _refuse(
            403, "the token is missing or wrong; open the complete address that "
            "`mingolotss review` printed"
        )  # fmt: skip


def _malformed(scope: Scope, headers: Headers) -> Response | None:
    """Return the response to a request that no browser sends, or None."""
    if len(scope["path"]) > _MAX_PATH:
        return _refuse(414, f"the address has more than {_MAX_PATH} characters")
    if not (scope["query_string"].isascii() and scope["path"].isprintable()):
        return _refuse(400, "the address has characters that no address has (RFC 3986)")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        return _refuse(400, "the length of the request is no number")
    if int(length) > MAX_BODY_BYTES:
        return _refuse(413, f"the request has more than {MAX_BODY_BYTES} bytes")
    return None


def _same_origin(headers: Headers, host: str, method: str) -> bool:
    """Return whether a request comes from this page, according to the browser."""
    # Browsers send Origin with every request except GET and HEAD (Fetch standard, "Origin header").
    # Where it is absent, only reading is safe, unless the browser states in Sec-Fetch-Site, which
    # scripts cannot set, that the request comes from this page.
    origin = headers.get("origin")
    if origin is None:
        return method in _READ_METHODS or headers.get("sec-fetch-site") == "same-origin"
    return origin.lower() in {f"http://{host}", f"https://{host}"}


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _equal(text: str, secret: str) -> bool:
    """Compare texts in a time that does not depend on where they differ."""
    return hmac.compare_digest(text.encode(), secret.encode())


def _refuse(status: int, reason: str) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(f"mingolotss review: {reason}\n", status)


async def _close(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


def _limited(receive: Receive) -> Receive:
    """Return a `receive` that disconnects if the body is longer than its header announced."""
    received = 0

    async def read() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            return {"type": "http.disconnect"}
        return message

    return read


def _with_headers(send: Send) -> Send:
    from starlette.datastructures import MutableHeaders

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for key, value in _HEADERS.items():
                headers[key] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers
