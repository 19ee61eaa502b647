"""Object stores behind fsspec: whether one answers at all, within seconds, and its errors.

The libraries behind fsspec repeat a request for minutes if there is no network, and each has
errors of its own.

>>> import fsspec
>>> require_store(fsspec.filesystem("memory"), "memory://stamps")
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mingolotss.errors import MingoError, ServiceUnavailableError
from mingolotss.io.error_text import first_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["require_store", "translate_store_errors"]

_FIRST_CONTACT_S = 6.0  # as for a host of the HTTP client


@contextmanager
def translate_store_errors(action: str, address: str, advice: str = "") -> Iterator[None]:
    """Translate the exceptions of the libraries behind fsspec, which have no common base.

    FileNotFoundError and ImportError, which mean something else at each place, are left as they
    are.

    Parameters
    ----------
    action, address : str
        What is attempted, and on what: the beginning of the message.
    advice : str, optional
        Its end.

    Raises
    ------
    ServiceUnavailableError
    """
    try:
        yield
    except (FileNotFoundError, ImportError, MingoError):
        raise
    except Exception as error:  # of botocore, aiohttp, google.auth, ...
        message = f"{action} {address}: {first_line(error)}{advice and '; '}{advice}"
        raise ServiceUnavailableError(message, url=address) from error


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
        except Exception as error:  # noqa: BLE001 - raised again in the other thread
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
    with translate_store_errors("open", path, hint):
        if error is not None:
            raise error
