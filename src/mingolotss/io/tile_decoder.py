"""Decode tiles of FITS images in a process of its own, where a damaged file can do no harm.

The decoders of astropy leave their memory when a byte of their input is damaged. The usual tiles,
RICE and gzip, have another decoder (`mingolotss.io.fits_tiles`). HCOMPRESS, PLIO, unusual tables,
and RICE without the compiled kernel are decoded by a helper process, which is started when the
first is read and ends with this process. It forks for every rectangle, within limits of memory and
time: each decoder begins with clean memory, and its end is an error of its image and of no other.

A cutout of 240 x 240 pixels takes 25 ms instead of 6, and the helper half a second to start (2
cores, busy, median).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from mingolotss.errors import ImageError, TruncatedFileError, UnreadableFileError
from mingolotss.model import FloatImage

__all__ = ["CAN_ISOLATE", "Box", "decode_box", "new_key", "read_message", "write_message"]

CAN_ISOLATE = hasattr(os, "fork")
"""Whether this system has what the helper needs; on Windows tiles are decoded in this process."""

_KEYS = itertools.count(1)
_ERRORS = {kind.__name__: kind for kind in (ImageError, TruncatedFileError, UnreadableFileError)}
_COMMAND = (
    "import sys; sys.path[:] = {path!r}; from mingolotss.io.tile_server import serve; serve()"
)


class Box(NamedTuple):
    """A rectangle of an image: rows y0 to y1 and columns x0 to x1, ends excluded."""

    y0: int
    y1: int
    x0: int
    x1: int


def new_key() -> int:
    """Return a number that no other image of this process has."""
    return next(_KEYS)


def decode_box(key: int, content: Sequence[bytes | memoryview], box: Box, path: str) -> FloatImage:
    """Return the physical values of a rectangle of a compressed image.

    Parameters
    ----------
    key : int
        Of the image, from `new_key`: it is sent once for many rectangles.
    content : sequence of bytes
        A FITS file in pieces.
    box : Box
    path : str
        The name for messages.

    Raises
    ------
    ImageError
        The tiles are damaged, also if they end their decoder.
    UnreadableFileError
        No helper can be started.
    """
    with _HELPER.lock:
        answer, pixels = _HELPER.ask({"key": key, "path": path, "box": box}, content)
    if "error" in answer:
        raise _ERRORS[answer["error"]](answer["text"], path=path)
    return np.frombuffer(pixels, answer["dtype"]).reshape(answer["shape"])


class _Helper:
    """The helper process of this process; `lock` is for one request at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._owner = self._key = 0
        self._process: subprocess.Popen[bytes] | None = None

    def ask(
        self, request: dict[str, Any], content: Sequence[bytes | memoryview]
    ) -> tuple[dict[str, Any], bytes]:
        process = self._running(str(request["path"]))
        requests, answers = process.stdin, process.stdout
        assert requests is not None and answers is not None  # noqa: S101, PT018 - both are pipes
        try:
            write_message(requests, request, *(content if request["key"] != self._key else ()))
            self._key = request["key"]
            return read_message(answers)
        except (OSError, ValueError, EOFError) as error:
            self._stop(process)
            raise UnreadableFileError(
                f"read {request['path']}: the process that decodes its tiles ended; run the same "
                "command again",
                path=str(request["path"]),
            ) from error

    def _running(self, path: str) -> subprocess.Popen[bytes]:
        # A fork of this process has no helper of its own yet, and must not use its parent's.
        if self._owner != os.getpid():
            self._process = None
        if self._process is not None and self._process.poll() is not None:
            self._stop(self._process)
        if self._process is None:
            command = [sys.executable, "-c", _COMMAND.format(path=sys.path)]
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )  # fmt: skip
            except OSError as error:
                raise UnreadableFileError(
                    f"read {path}: no process can be started to decode its tiles "
                    f"({error.strerror}); run the same command again",
                    path=path,
                ) from error
            self._owner, self._key = os.getpid(), 0
        return self._process

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        process.kill()
        with contextlib.suppress(OSError):  # of data that it did not read
            process.communicate()


_HELPER = _Helper()


def write_message(stream: IO[bytes], message: object, *content: bytes | memoryview) -> None:
    """Write a message of JSON with bytes, which may be in pieces."""
    length = sum(map(len, content))
    stream.write(json.dumps({"message": message, "length": length}).encode() + b"\n")
    for piece in content:
        stream.write(piece)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read a message and its bytes; EOFError if the stream ends before."""
    line = stream.readline()
    if not line:
        raise EOFError
    head = json.loads(line)
    content = stream.read(head["length"])
    if len(content) != head["length"]:
        raise EOFError
    return head["message"], content
