"""A real HTTP server of the files in a folder, which counts its requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from serving import serving


class FileServer(ThreadingHTTPServer):
    """The server; `requests` has the path of each request."""

    def __init__(self, folder: Path) -> None:
        requests: list[str] = []

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args: object) -> None:
                super().__init__(*args, directory=str(folder))

            def do_GET(self) -> None:
                requests.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = requests
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve_files(folder: Path) -> Iterator[FileServer]:
    """Serve a folder until the block ends."""
    with serving(FileServer(folder)) as server:
        yield server
