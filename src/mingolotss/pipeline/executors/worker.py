"""A process that does nothing but make parts: what it needs at hand, and an end with its caller."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import threading
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection

__all__ = ["NEEDED", "begin", "settle"]

NEEDED = (
    "mingolotss.pipeline.part",
    "mingolotss.service.local.folder",
    "mingolotss.service.local.mosaics",
    "pandas",  # pyarrow brings it in where there is one: once in the server, not in every worker
)  # fmt: skip
_OBJECTS = 100_000  # new ones before the collector looks; 3 us a source sooner than with 700
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def begin(caller: Connection) -> None:
    """Make this process a worker that ends when its caller does, or lets go of the other end.

    Parameters
    ----------
    caller : Connection
        The reading end of a pipe that nobody else writes to.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a person's Ctrl-C is the caller's to answer
    threading.Thread(target=_end_with, args=(caller,), daemon=True).start()
    settle()


def settle() -> None:
    """Make this process a good worker: all imported, memory kept, rubbish rarely looked for."""
    for module in NEEDED:
        with suppress(ImportError):
            import_module(module)
    _keep_memory()
    gc.freeze()  # what has been imported is no rubbish: never look at it again
    gc.set_threshold(_OBJECTS)


def _end_with(caller: Connection) -> None:
    with suppress(EOFError, OSError):
        caller.recv_bytes()
    os._exit(1)


def _keep_memory() -> None:
    """Let this process keep the memory that it frees, where the C library knows how (mallopt(3)).

    Stacks of images come and go many times a second; to ask the kernel for clean pages each time
    takes a tenth of the whole.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, size in ((_TRIM_THRESHOLD, 256 << 20), (_MMAP_THRESHOLD, 32 << 20)):
            mallopt(parameter, size)
