"""Mutated HTTP answers: an error of a service, or what the validator accepts; nothing else.

The environment variable ``MINGOLOTSS_FUZZ_S`` sets the time in seconds.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.errors import ImageError, ServiceError
from mingolotss.io.byte_ranges import HttpFile, RangeSupport
from mingolotss.io.http import Limits, RetryPolicy, Transport, require_complete_fits
from misbehave import Line

pytestmark = pytest.mark.fuzz
SECONDS = float(os.environ.get("MINGOLOTSS_FUZZ_S", "4"))
LONGEST_S = 10.0
TOKENS = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\0", b"\xff", b";", b":", b",", b"-1", b"0", b"9" * 20,
    b"bytes 0-3/4", b"chunked", b"gzip", b"Content-Length: 5\r\n", b"http://[::1", b"\x1b[2J",
    b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/9.9 ",
    b"file:///etc/passwd", b"a" * 5000,
]  # fmt: skip


def fits_file() -> bytes:
    stream = io.BytesIO()
    fits.PrimaryHDU(np.ones((4, 5), "f4")).writeto(stream)
    return stream.getvalue()


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def seeds() -> list[bytes]:
    whole = fits_file()
    packed = gzip.compress(whole)
    chunks = b"".join(
        b"b40\r\n" + whole[i : i + 2880] + b"\r\n" for i in range(0, len(whole), 2880)
    )
    parts = b"\r\n--e\r\nContent-Range: bytes 0-9/99\r\n\r\n0123456789\r\n--e--"
    kind = "Content-Type: multipart/byteranges; boundary=e"
    return [
        answer("200 OK", whole, f"Content-Length: {len(whole)}"),
        answer("200 OK", packed, "Content-Encoding: gzip", f"Content-Length: {len(packed)}"),
        answer("200 OK", packed),
        answer("200 OK", chunks + b"0\r\nX: y\r\n\r\n", "Transfer-Encoding: chunked"),
        answer("206 Partial Content", b"0123456789", "Content-Range: bytes 0-9/99", 'ETag: "a"'),
        answer("206 Partial Content", parts, kind, f"Content-Length: {len(parts)}"),
        answer("302 Found", b"", "Location: /b"),
        answer("503 Service Unavailable", b"", "Retry-After: 1", "Content-Length: 0"),
        answer("404 Not Found", b"<html><body>none", "Content-Type: text/html"),
        answer("103 Early Hints", answer("200 OK", whole), "Link: <a>"),
    ]


def mutated(rng: random.Random, raw: bytes) -> bytes:
    """Return an answer with a few bytes changed, removed, repeated or inserted, mostly in front."""
    data = bytearray(raw)
    for _ in range(rng.randrange(1, 6)):
        reach = len(data) if rng.random() < 0.2 else min(len(data), 300)
        place = rng.randrange(reach + 1)
        choice = rng.randrange(5)
        if choice == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif choice == 1:
            del data[place : place + rng.choice([1, 2, 10, 1000])]
        elif choice == 2:
            data[place:place] = data[place : place + rng.choice([1, 20, 400])] * rng.randrange(4)
        elif choice == 3:
            del data[place:]
        else:
            data[place:place] = rng.choice(TOKENS)
    return bytes(data)


def requests(client: Transport, url: str, path: Path) -> Iterator[Callable[[], object]]:
    """Yield the three ways in which answers are used."""
    yield lambda: client.fetch(f"{url}/a", path, validator=require_complete_fits)
    yield lambda: client.get(f"{url}/a")
    yield lambda: HttpFile(f"{url}/m", client, RangeSupport()).read_ranges([(0, 10), (20, 30)])


def test_a_mutated_answer_is_accepted_or_an_error_of_a_service(tmp_path, serve, record_property):
    """No traceback, no answer that takes long, no file that is not complete FITS."""
    rng, examples, current = random.Random(20261126), seeds(), [b""]  # noqa: S311

    def reply(line: Line, _: int) -> None:
        line.wfile.write(current[0])

    policy = RetryPolicy(attempts=1, first_s=0.0, longest_s=0.0, outage_s=0.0)
    limits = Limits(connect_s=1.0, read_s=0.3, total_s=1.0, max_bytes=1 << 20)
    messages, accepted, end = [], 0, time.monotonic() + SECONDS
    path = tmp_path / "a.fits"
    with serve({"*": reply}) as server:
        while time.monotonic() < end:
            current[0] = mutated(rng, rng.choice(examples))
            client = Transport(limits=limits, retry_policy=policy)
            for request in requests(client, server.url, path):
                began = time.monotonic()
                try:
                    request()
                    accepted += 1
                except (ServiceError, ImageError) as error:
                    messages.append(str(error))
                assert time.monotonic() - began < LONGEST_S, current[0]
            if path.exists():
                require_complete_fits(path.read_bytes())
                path.unlink()
    assert not list(tmp_path.iterdir())
    assert all(message.isprintable() for message in messages)
    inputs = accepted + len(messages)
    counts = f"{inputs} inputs, {accepted} accepted, {len(messages)} refused, in {SECONDS:g} s"
    record_property("fuzz", f"test_http_answers: {counts}")
    assert accepted > 10
    assert len(messages) > 10
