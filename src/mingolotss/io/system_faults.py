"""Faults of the system: no memory, too many open files, a full disk.

They say nothing about the file that was read at that moment. No file is called damaged because of
them, and nothing is recorded as final.

>>> describe_fault(OSError(errno.EMFILE, "Too many open files"))
'Too many open files; raise the limit (ulimit -n), then run the same command again'
>>> describe_fault(FileNotFoundError(errno.ENOENT, "No such file or directory")) is None
True
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

__all__ = ["PASSING_FAULTS", "describe_fault"]

PASSING_FAULTS = {
    errno.EACCES, errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EINTR, errno.EIO, errno.EMFILE,
    errno.ENFILE, errno.ENOBUFS, errno.ENODEV, errno.ENOMEM, errno.ENOSPC, errno.EPERM,
    errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN,
}  # fmt: skip
"""The numbers of the errors of a file that may be readable later."""

_AGAIN = "then run the same command again"
_ADVICE: Mapping[tuple[int, ...], str] = {
    (errno.ENOSPC, errno.EDQUOT): f"free some space, {_AGAIN}",
    (errno.EFBIG,): f"raise the limit of the size of files (ulimit -f), {_AGAIN}",
    (errno.EMFILE, errno.ENFILE): f"raise the limit (ulimit -n), {_AGAIN}",
    (errno.ENOMEM,): f"use fewer --workers or end other programs, {_AGAIN}",
    (errno.EAGAIN,): f"use fewer --workers or raise the limit of processes (ulimit -u), {_AGAIN}",
    (errno.EROFS,): "choose a place that can be written to",
    (errno.EACCES, errno.EPERM): f"ask for the permission, {_AGAIN}",
}
_NO_TEMPORARY_FOLDER = "No usable temporary directory"  # tempfile has no error of its own for it
_TEXTS = (
    ("can't start new thread", errno.EAGAIN, "no more threads can be started"),
    ("Failed to launch worker thread", errno.EAGAIN, "no more threads can be started"),
    (": failed to map segment from shared object", errno.ENOMEM, "not enough memory"),
    (f": {os.strerror(errno.ENOMEM)}", errno.ENOMEM, "not enough memory"),
    (f": {os.strerror(errno.EMFILE)}", errno.EMFILE, ""),
)


def describe_fault(error: BaseException) -> str | None:
    """Return what the system could not do and what helps, None if an error is not the system's.

    Parameters
    ----------
    error : exception
        The fault itself, or an error that a library raised because of it.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if description := _describe(cause):
            return description
        cause = cause.__cause__ or cause.__context__
    return None


def _describe(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return _describe_number(error)
    if isinstance(error, MemoryError):
        return f"not enough memory; {_advice(errno.ENOMEM)}"
    # These errors have no number, only a text: of threading, of Arrow, and of the loader of C.
    text = str(error)
    for part, number, reason in _TEXTS:
        if part in text:
            return f"{reason or os.strerror(number)}; {_advice(number)}"
    return None


def _describe_number(error: OSError) -> str | None:
    number = error.errno
    if _NO_TEMPORARY_FOLDER in str(error):
        return "no folder for temporary files can be written to; set TMPDIR to one that can"
    if number is None or number not in {*PASSING_FAULTS, errno.EROFS, errno.EFBIG}:
        return None
    return f"{os.strerror(number)}; {_advice(number)}"


def _advice(number: int) -> str:
    for numbers, advice in _ADVICE.items():
        if number in numbers:
            return advice
    return "run the same command again"
