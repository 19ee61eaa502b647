"""Connections to the review page that send no whole request, or no HTTP at all."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse

from mingolotss.qa.review.connections import patient_protocol


async def _page(scope, receive, send):
    request = Request(scope, receive)
    try:
        body = await request.body()
    except ClientDisconnect:
        body = b"cut short"
    if request.url.path == "/slow":
        await asyncio.sleep(1.0)
    await PlainTextResponse(body)(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_page, log_level="warning", lifespan="off", http=patient_protocol(0.2))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    yield bound.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def _exchange(port: int, sent: bytes) -> tuple[bytes, float]:
    """Return everything that is answered until the connection is closed, and the seconds."""
    began, answer = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        while piece := line.recv(4096):
            answer += piece
    return answer, time.monotonic() - began


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"G", b"GET / HTTP/1.1\r\nHost: x", b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nby=",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)  # fmt: skip
def test_a_half_open_connection_is_closed(port, sent):
    _, seconds = _exchange(port, sent)
    assert seconds < 5


@pytest.mark.slow
def test_a_slow_response_is_not_cut(port):
    request = b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer, seconds = _exchange(port, request)
    assert answer.startswith(b"HTTP/1.1 200")
    assert seconds >= 1


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeX",
    ],
)  # fmt: skip
def test_what_is_no_http_is_answered_without_a_traceback(port, sent, caplog):
    with caplog.at_level(logging.WARNING):
        logging.getLogger("uvicorn.error").addHandler(caplog.handler)
        try:
            answer, _ = _exchange(port, sent)
            time.sleep(0.05)  # the page's own answer comes after that of the server
        finally:
            logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert answer.startswith(b"HTTP/1.1 400")
    assert not [record for record in caplog.records if record.exc_info]
