"""What is let in: the right host, the page's own origin, and who knows the token.

The token comes once in the address and then as a cookie that other sites cannot send. Host is
checked against DNS rebinding, Origin against other pages posting here. Every answer forbids the
browser to run or load anything that is not the page's own.

>>> allowed_hosts("127.0.0.1", 8000) == {"127.0.0.1:8000", "localhost:8000", "[::1]:8000"}
True
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MOST_BYTES", "Guard", "allowed_hosts"]

MOST_BYTES = 64 * 1024  # of a request's body
_SAFE = {"GET", "HEAD"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer a form without scripts has Origin null
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def allowed_hosts(host: str, port: int, names: tuple[str, ...] = ()) -> set[str]:
    """Return what the Host header may say for a server bound to `host`.

    Parameters
    ----------
    host : str
        The address bound to.
    port : int
    names : tuple of str
        Further names that this machine is reached by.
    """
    local = ["127.0.0.1", "localhost", "[::1]"]
    bound = [] if host in {"0.0.0.0", "::", ""} else [f"[{host}]" if ":" in host else host]  # noqa: S104
    return {f"{name.lower()}:{port}" for name in (*local, *bound, *names)}


class Guard:
    """Middleware that answers what must not reach the page.

    Parameters
    ----------
    app : ASGI application
    token : str
    hosts : set of str
        As `allowed_hosts` gives them.
    any_address : bool
        Whether any IP address will do as a host, for a server bound to all of them: rebinding
        needs a name.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: set[str], any_address: bool) -> None:
        self.app = app
        self.token = token
        self.hosts = hosts
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = _close if scope["type"] != "http" else self._refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self.app(scope, _limited(receive), _with_headers(send))

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if not self._known(host):
            return _no(403, f"this page is not served as {host[:200]!r}")
        if not _same_origin(headers, host, scope["method"]):
            return _no(403, "the request comes from another page")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return _no(413, f"more than {MOST_BYTES} bytes")
        return self._check_token(scope, headers, host)

    def _known(self, host: str) -> bool:
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
        given = _equal(_cookie(headers.get("cookie", ""), cookie), self.token)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for key, value in query if key == "token"), None)
        if token is not None and _equal(token, self.token) and scope["method"] in _SAFE:
            rest = urlencode([(key, value) for key, value in query if key != "token"])
            path = "/" + scope["path"].lstrip("/")  # never //host
            answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(cookie, self.token, httponly=True, samesite="strict", path="/")
            return answer
        if given:
            return None
        return _no(
            403, "the token is missing or wrong: open the whole address that "
            "`mingolotss review` printed"
        )  # fmt: skip


def _same_origin(headers: Headers, host: str, method: str) -> bool:
    """Return whether a request is from this page, as far as a browser says."""
    origin = headers.get("origin")
    if origin is None:
        return method in _SAFE or headers.get("sec-fetch-site") == "same-origin"
    return origin.lower() in {f"http://{host}", f"https://{host}"}


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(f"mingolotss review: {why}\n", status)


async def _close(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


def _limited(receive: Receive) -> Receive:
    """Return `receive` that ends a body which is longer than its header said."""
    seen = 0

    async def read() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BYTES:
            return {"type": "http.disconnect"}
        return message

    return read


def _with_headers(send: Send) -> Send:
    async def answer(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for key, value in _HEADERS.items():
                headers[key] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return answer
