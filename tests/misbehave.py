"""A small server that does what servers do on a bad day, and counts who asks."""

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from serving import serving

Reply = Callable[["Line", int], None]


class Line(socketserver.StreamRequestHandler):
    """One connection: reads the request, then lets the script for its path answer."""

    server: "Server"
    path: str
    request_headers: dict[str, str]

    def handle(self) -> None:
        """Read one request and answer it as the script says."""
        first = self.rfile.readline().split()
        if len(first) < 2:
            return
        self.path = first[1].decode()
        self.request_headers = {}
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            self.request_headers[name.lower()] = value.strip()
        number = self.server.count(self)
        key = self.path.split("?")[0]
        reply = self.server.script.get(key) or self.server.script["*"]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            reply(self, number)

    def send(self, body: bytes, status: str = "200 OK", **headers: str) -> None:
        """Answer with a length and a body, and close."""
        self.head(status, Content_Length=str(len(body)), **headers)
        self.wfile.write(body)

    def head(self, status: str = "200 OK", **headers: str) -> None:
        """Send the status line and the headers; no length unless one is given."""
        lines = [f"HTTP/1.1 {status}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def reset(self) -> None:
        """End the connection with RST and not FIN, as a crashed server does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Server(socketserver.ThreadingTCPServer):
    """Listens on a port of a loopback host, 0 for a free one.

    `script` maps a path to what answers it.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: dict[str, Reply], host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), Line)
        self.script = script
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.times: list[float] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.server_address[0]}:{self.server_address[1]}"

    def count(self, line: Line) -> int:
        """Note a request; return how often its path was asked, this time included."""
        with self._lock:
            self.asked[line.path] += 1
            self.agents.add(line.request_headers.get("user-agent", ""))
            self.times.append(time.monotonic())
            return self.asked[line.path]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: connections that break are what this server is for."""


@contextlib.contextmanager
def running(script: dict[str, Reply], host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server with this script until the block ends."""
    with serving(Server(script, host)) as server:
        yield server


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """Give an address on this machine that refuses connections until the block ends."""
    with socket.socket() as bound:  # so nobody else can listen on the port meanwhile
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def always(body: bytes, status: str = "200 OK", **headers: str) -> Reply:
    """Answer every request alike."""
    return lambda line, _: line.send(body, status, **headers)


def first(times: int, bad: Reply, good: Reply) -> Reply:
    """Misbehave the first few times, then behave."""
    return lambda line, number: (bad if number <= times else good)(line, number)
