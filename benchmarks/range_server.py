"""A web server of the files in a folder, at a distance: ``range_server.py FOLDER [MS [MBYTES]]``.

Every answer begins MS milliseconds after its request, and all answers together take at most MBYTES
million bytes a second (0: no limit). Ranges are answered as nginx does it: one as 206, several as
``multipart/byteranges`` or, with ``--single``, by the whole file. ``/counts`` gives what was asked
and sent since the last time. The first line of the output is the address.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

PIECE = 1 << 16
BOUNDARY = "00000000000000000017"


class Line:
    """The line to the server: what it delays, and what it has carried."""

    def __init__(self, latency_s: float, bytes_per_s: float) -> None:
        self.latency_s, self._rate = latency_s, bytes_per_s
        self._lock, self._free_at = threading.Lock(), 0.0
        self._requests = self._bytes = 0

    def request(self) -> None:
        """Wait as long as a request and the beginning of its answer travel."""
        with self._lock:
            self._requests += 1
        time.sleep(self.latency_s)

    def carry(self, length: int) -> None:
        """Count bytes, and wait until they have travelled."""
        with self._lock:
            self._bytes += length
            if not self._rate:
                return
            self._free_at = max(self._free_at, time.monotonic()) + length / self._rate
            wait = self._free_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)

    def counts(self) -> dict[str, int]:
        """Return requests and bytes since the last time."""
        with self._lock:
            counts = {"requests": self._requests, "bytes": self._bytes}
            self._requests = self._bytes = 0
        return counts


class Handler(BaseHTTPRequestHandler):
    """One connection, which is kept open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    line: Line
    single: bool

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a list of the folder, a file, or parts of one."""
        if self.path == "/counts":
            self.page(json.dumps(self.line.counts()).encode())
            return
        self.line.request()
        if self.path == "/":
            links = (f'<a href="{path.name}">{path.name}</a>' for path in self.folder.iterdir())
            self.page("\n".join(links).encode())
            return
        path = self.folder / Path(self.path).name
        if not path.is_file():
            self.send_error(404)
            return
        with path.open("rb") as file:
            self.parts(file, path)

    def page(self, body: bytes) -> None:
        """Send a short answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def parts(self, file: BinaryIO, path: Path) -> None:
        """Send the ranges that were asked for."""
        stat = path.stat()
        pairs = re.findall(r"(\d+)-(\d+)", self.headers.get("Range", ""))
        spans = [(int(first), min(int(last), stat.st_size - 1) + 1) for first, last in pairs]
        is_whole = not spans or (self.single and len(spans) > 1)
        self.send_response(200 if is_whole else 206)
        self.send_header("ETag", f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"')
        labels = [f"bytes {start}-{stop - 1}/{stat.st_size}" for start, stop in spans]
        if is_whole:
            spans, heads = [(0, stat.st_size)], [b""]
        elif len(spans) == 1:
            self.send_header("Content-Range", labels[0])
            heads = [b""]
        else:
            self.send_header("Content-Type", f"multipart/byteranges; boundary={BOUNDARY}")
            heads = [
                f"\r\n--{BOUNDARY}\r\nContent-Type: application/fits\r\n"
                f"Content-Range: {label}\r\n\r\n".encode()
                for label in labels
            ]
        end = b"" if len(heads) == 1 else f"\r\n--{BOUNDARY}--\r\n".encode()
        length = sum(map(len, heads)) + sum(stop - start for start, stop in spans) + len(end)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()
        self.line.carry(300)  # of headers
        for piece in self.pieces(file, list(zip(heads, spans, strict=True)), end):
            self.line.carry(len(piece))
            self.connection.sendall(piece)

    def pieces(
        self, file: BinaryIO, parts: list[tuple[bytes, tuple[int, int]]], end: bytes
    ) -> Iterator[bytes]:
        """Yield the body in pieces."""
        body = bytearray()
        for head, (start, stop) in parts:
            body += head
            for place in range(start, stop, PIECE):
                body += os.pread(file.fileno(), min(PIECE, stop - place), place)
                if len(body) >= PIECE:
                    yield bytes(body)
                    body.clear()
        yield bytes(body + end)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("latency_ms", type=float, nargs="?", default=0.0)
    parser.add_argument("mbytes", type=float, nargs="?", default=0.0)
    parser.add_argument("--single", action="store_true")
    given = parser.parse_args()
    Handler.folder, Handler.single = given.folder, given.single
    Handler.line = Line(given.latency_ms / 1e3, given.mbytes * 1e6)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Say nothing: a client may hang up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
