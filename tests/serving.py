"""A server of `socketserver` that answers within a block, in a thread of its own."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

_Server = TypeVar("_Server", bound=socketserver.BaseServer)


@contextmanager
def serving(server: _Server) -> Iterator[_Server]:
    """Answer requests until the block ends, then end the thread and close the server.

    A thread that is left behind waits at the number of its closed socket. The next socket of the
    process gets that number: it is then held open, after its own server has closed it.
    """
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    with server:
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
