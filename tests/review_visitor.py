"""A real server of the review page, and a visitor without a browser."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import uvicorn

from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.qa.review.app import create_app
from mingolotss.qa.review.guard import allowed_hosts
from mingolotss.qa.review.state import Store

TOKEN = "the-token"  # noqa: S105
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


Form = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass
class Response:
    """The response of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()


@dataclass
class Visitor:
    """A browser without a display: sends requests and keeps cookies."""

    port: int
    out: Path
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, form: Form | None = None, **headers: str) -> Response:
        """Get a page, or post a form to it."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent_headers = {"Host": f"127.0.0.1:{self.port}"}
        sent_headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form)
            sent_headers |= {"Content-Type": "application/x-www-form-urlencoded"}
            sent_headers |= {"Origin": f"http://127.0.0.1:{self.port}"}
        sent_headers |= {key.replace("_", "-"): value for key, value in headers.items()}
        sent_headers = {key: value for key, value in sent_headers.items() if value}
        link.request("GET" if form is None else "POST", path, body, sent_headers)
        reply = link.getresponse()
        response = Response(reply.status, dict(reply.getheaders()), reply.read())
        link.close()
        return response

    def enter(self) -> Visitor:
        """Open the address with the token."""
        response = self.ask(f"/?token={TOKEN}")
        assert response.status == 303
        key, _, rest = response.headers["set-cookie"].partition("=")
        self.cookies[key] = rest.partition(";")[0]
        return self

    def etag(self, row: int) -> str:
        """Return the etag in the page of a source."""
        text = self.ask(f"/source/{row}").text
        return text.split('name="etag" value="')[1].split('"')[0]

    def rows(self) -> list[Decision]:
        """Return the rows of the file of decisions."""
        return DecisionLog(self.out / "decisions.csv").rows()


@contextlib.contextmanager
def serve(
    out: Path, *, by: str = "ann", queue: str = "all", file: Path | None = None, blind: bool = False
) -> Iterator[Visitor]:
    """Start a real server, and give a visitor who has its token."""
    bound = socket.create_server(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    app = create_app(
        Store(out, queue=file, blind=blind), token=TOKEN, by=by, queue=queue,
        hosts=allowed_hosts("127.0.0.1", port), clock=lambda: NOW,
    )  # fmt: skip
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Visitor(port, out).enter()
    finally:
        server.should_exit = True
        thread.join(20)
