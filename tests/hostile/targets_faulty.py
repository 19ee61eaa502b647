"""Targets with one fault each, for the tests of the harness."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from harness import Target, as_file

from mingolotss.errors import MingoError


def _traceback(_: Path) -> None:
    _ = 1 // 0


def _warning(_: Path) -> None:
    warnings.warn("careless", stacklevel=1)


def _opens(_: Path) -> None:
    Path("/etc/hostname").read_text()


def _connects(_: Path) -> None:
    with socket.socket() as line:
        line.connect(("192.0.2.1", 80))  # RFC 5737: no such host


def _resolves(_: Path) -> None:
    socket.getaddrinfo("example.org", 80)


def _starts(_: Path) -> None:
    subprocess.run(["true"], check=True)


def _hides(_: Path) -> None:
    with contextlib.suppress(BaseException):
        os.system("true")  # noqa: S605


def _prints(_: Path) -> None:
    sys.stderr.write("careless\n")


class _UncleanError(MingoError):
    def __str__(self) -> str:
        return "\x1b[2J"


def _unprintable(_: Path) -> None:
    raise _UncleanError


def _crashes(_: Path) -> None:
    ctypes.string_at(0)


def _memory(_: Path) -> None:
    np.ones(2 << 30, np.uint8)


def _good(path: Path) -> None:
    if path.read_bytes() == b"0":
        raise MingoError("no zeros")


def _digit(rng: random.Random) -> bytes:
    return b"%d" % rng.randrange(2)


def _opens_in_c(path: Path) -> None:
    file = ctypes.CDLL(None).open(os.fsencode(WATCHED), os.O_RDONLY)
    os.close(file)


WATCHED = Path(tempfile.gettempdir(), "watched")
_WRITE = as_file("input", _digit)
TARGETS = {
    name: Target(_WRITE, use)
    for name, use in {
        "traceback": _traceback, "warning": _warning, "opens": _opens, "connects": _connects,
        "resolves": _resolves, "starts": _starts, "hides": _hides, "prints": _prints,
        "unprintable": _unprintable, "crashes": _crashes, "memory": _memory, "good": _good,
    }.items()
}  # fmt: skip
TARGETS["opens_in_c"] = Target(_WRITE, _opens_in_c, watched=(WATCHED,))
