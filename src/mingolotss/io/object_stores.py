"""The first contact with an object store: whether it answers at all, within seconds.

The libraries behind fsspec repeat a request for minutes if there is no network, and each has
errors of its own.

>>> import fsspec
>>> require_store(fsspec.filesystem("memory"), "memory://stamps")
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from mingolotss.errors import ServiceUnavailableError
from mingolotss.io.error_text import first_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["require_store"]

_FIRST_CONTACT_S = 6.0  # as for a host of the HTTP client


def require_store(filesystem: AbstractFileSystem, path: str) -> None:
    """Check that an object store answers; whether `path` exists there does not matter.

    Parameters
    ----------
    filesystem : AbstractFileSystem
    path : str

    Raises
    ------
    ServiceUnavailableError
        It answers with an error, or not within 6 s.
    """
    # The libraries differ in their time-outs, and some have none. A thread that still waits for an
    # answer is left behind.
    answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with suppress(FileNotFoundError, PermissionError):  # which are answers
                filesystem.info(path)
        except Exception as error:  # noqa: BLE001 - botocore, aiohttp, ... have no common base
            answers.put(error)
        else:
            answers.put(None)

    threading.Thread(target=ask, name="first-contact", daemon=True).start()
    hint = "check the address, the credentials and the network"
    try:
        error = answers.get(timeout=_FIRST_CONTACT_S)
    except queue.Empty:
        message = f"open {path}: no answer in {_FIRST_CONTACT_S:g} s; {hint}"
        raise ServiceUnavailableError(message, url=path) from None
    if error is not None:
        raise ServiceUnavailableError(
            f"open {path}: {first_line(error)}; {hint}", url=path
        ) from error
