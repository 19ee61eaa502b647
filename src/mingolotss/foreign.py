"""Calls of code that is not ours: its exceptions become errors of one line, its warnings are muted.

A library or a plug-in can raise anything for the pixels of one source. An exception is translated
where it enters, so that it rejects that source; an exception of our own code is a bug and passes.

>>> from mingolotss.errors import PluginError
>>> with translate_errors("step 'sharpen'", PluginError):
...     [].pop()
Traceback (most recent call last):
    ...
mingolotss.errors.PluginError: step 'sharpen': IndexError: pop from empty list
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from mingolotss.errors import ImageError, clean_text

__all__ = [
    "describe_error",
    "is_own",
    "mute_warnings",
    "show_warnings_as_lines",
    "translate_errors",
]


_PACKAGE = Path(__file__).parent


def describe_error(error: BaseException) -> str:
    """Return the type and the text of an exception as one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def is_own(code: object) -> bool:
    """Return whether a function or class is part of this package, and not of a plug-in."""
    return str(getattr(code, "__module__", "")).partition(".")[0] == "mingolotss"


@contextmanager
def translate_errors(
    action: str,
    kind: type[Exception] = ImageError,
    *,
    passed: tuple[type[Exception], ...] = (ImageError,),
) -> Iterator[None]:
    """Turn every exception of the block into an error that begins with `action`.

    Use it around the call of a library or a plug-in only: it would hide bugs of our own code.

    Parameters
    ----------
    action : str
        What was attempted, and on what.
    kind : type of exception
        `PluginError` for the code of a plug-in.
    passed : tuple of types
        Errors that the block may raise as they are.

    Raises
    ------
    kind
        The block raised another exception, or tried to end the program with `sys.exit`.
    """
    try:
        yield
    except passed:
        raise
    except (Exception, SystemExit) as error:
        raise kind(f"{action}: {describe_error(error)}") from error


class _Mute:
    """Mutes warnings while at least one thread is inside.

    `warnings.catch_warnings` alone is not safe with threads: one that leaves restores the filters
    while another still needs the muted ones, or restores muted filters after the other has left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._catch = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._catch = warnings.catch_warnings()
                self._catch.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._catch.__exit__(None, None, None)


_MUTE = _Mute()


@contextmanager
def mute_warnings() -> Iterator[None]:
    """Ignore the warnings of a library whose result is checked or needs no comment.

    Several threads may be inside; the filters are restored when the last one leaves.
    """
    _MUTE.enter()
    try:
        yield
    finally:
        _MUTE.leave()


def show_warnings_as_lines() -> None:
    """Show each warning of this process as one line on stderr, without its source code."""
    warnings.showwarning = _show_as_line


def _show_as_line(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001 - the signature of `warnings.showwarning`
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,  # noqa: ARG001
) -> None:
    text = clean_text(" ".join(str(message).split()))
    place = "" if Path(filename).is_relative_to(_PACKAGE) else f" ({Path(filename).name}:{lineno})"
    with suppress(OSError, AttributeError):  # a closed stderr, or none
        (file or sys.stderr).write(f"mingolotss: {text}{place}\n")
