"""Run the program as a person would, in a process that has imported it already.

Most of the time of a small command is that of its imports. Here a server process has imported the
program and nothing else; each command is a fork of it, with its own arguments, folder, environment,
streams and exit code. What depends on a cold start (what is imported, hash seeds) is tested with
`builds.command`.

>>> done = run_warm("--version")
>>> done.returncode, done.stdout.startswith("mingolotss ")
(0, True)
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

_LOCK = threading.Lock()
_MAX_BYTES = 1 << 20
_COLD = ("loaders", "qa.review", "pipeline.executors.dask", "__main__")  # slow, and rarely needed
_LIBRARIES = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "pyarrow.dataset",
    "astropy.io.votable",
)


def run_warm(
    *arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command; return its exit code and what it printed.

    Parameters
    ----------
    *arguments : str
        What follows the name of the program.
    cwd : Path, optional
        Its working directory; otherwise that of this process.
    environment : mapping of str to str, optional
        Variables that are added to those of this process.
    """
    request = {
        "arguments": arguments,
        "cwd": str(cwd or Path.cwd()),
        "environment": os.environ | (environment or {}),
    }
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr, _LOCK:
        server = _server()
        socket.send_fds(server, [json.dumps(request).encode()], [stdout.fileno(), stderr.fileno()])
        code = int(server.recv(100))
        texts = [_content(stream) for stream in (stdout, stderr)]
    return subprocess.CompletedProcess(list(arguments), code, *texts)


def _content(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode()


@functools.cache
def _server() -> socket.socket:
    """Start the server; return the socket that takes a command and gives back its exit code."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
    )
    theirs.close()

    @atexit.register
    def stop() -> None:
        ours.close()
        process.wait()

    return ours


def _serve(requests: socket.socket) -> None:
    """Fork for each command, until the other end is closed; return in the process of a command."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, _MAX_BYTES, 2)
        if not message:
            sys.exit()
        pid = os.fork()
        if pid == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    request = json.loads(message)
    requests.close()
    for target, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]


def _import_program() -> None:
    import mingolotss

    for module in pkgutil.walk_packages(mingolotss.__path__, "mingolotss."):
        if not module.name.startswith(tuple(f"mingolotss.{name}" for name in _COLD)):
            importlib.import_module(module.name)
    for name in _LIBRARIES:
        importlib.import_module(name)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.remove(str(Path(__file__).parent))
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        _import_program()
        _serve(requests)
    runpy.run_module("mingolotss", run_name="__main__", alter_sys=True)
