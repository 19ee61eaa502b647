"""The helper process of `mingolotss.io.tile_decoder`, which decodes tiles."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from mingolotss.errors import ImageError
from mingolotss.io.fits_compressed import CompressedImage, load_decoders
from mingolotss.io.fits_layout import find_image
from mingolotss.io.tile_decoder import Box, read_message, write_message

__all__ = ["error_of_exit", "serve"]

_MAX_SECONDS = 8  # of processor time for one rectangle
# Of memory: HCOMPRESS takes 8 bytes for each of its pixels, and every step copies them.
_FREE_BYTES, _MAX_COPIES = 1 << 27, 8


def serve() -> None:
    """Answer requests on standard input until it closes: the whole helper process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end closes input
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    load_decoders()
    key, content = 0, b""
    with contextlib.suppress(EOFError, OSError):
        while True:
            request, sent = read_message(requests)
            if request["key"] != key:
                key, content = request["key"], sent
            reader, writer = os.pipe()
            process = os.fork()
            if not process:
                os.close(reader)
                _answer(request, content, os.fdopen(writer, "wb"))
            os.close(writer)
            with os.fdopen(reader, "rb") as stream:
                answer = stream.read()
            # A decoder can also damage its memory and end after it has answered.
            _, status = os.waitpid(process, 0)
            code = os.waitstatus_to_exitcode(status)
            if code:
                write_message(answers, error_of_exit(str(request["path"]), code))
            else:
                answers.write(answer)
                answers.flush()


def _answer(request: dict[str, Any], content: bytes, answers: IO[bytes]) -> None:
    """Decode one rectangle, and end this process."""
    path, box = str(request["path"]), Box(*request["box"])
    code = 1
    try:
        try:
            image = CompressedImage(content, find_image(content, path), path, in_helper=True)
            _limit(image.tile_bytes + 8 * (box.y1 - box.y0) * (box.x1 - box.x0))
            pixels = image.box(*box)
            answer = {"dtype": pixels.dtype.str, "shape": pixels.shape}
            write_message(answers, answer, pixels.tobytes())
        except ImageError as error:
            write_message(answers, {"error": type(error).__name__, "text": str(error)})
        code = 0
    finally:
        os._exit(code)


def _limit(result_bytes: int) -> None:
    """Limit the memory and the processor time of this process."""
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_SECONDS, _MAX_SECONDS))
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + _FREE_BYTES + _MAX_COPIES * result_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def error_of_exit(path: str, code: int) -> dict[str, str]:
    """Return the answer for an image whose decoder has ended with an exit code."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        problem = f"its tiles need more than {_MAX_SECONDS} s to decode; unpack it with funpack"
    else:
        end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        problem = f"damaged (the decoder of its tiles ended with {end}); fetch it again"
    return {"error": "ImageError", "text": f"read {path}: {problem}"}
