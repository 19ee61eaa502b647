"""The start of a worker process, and its end with the process that started it."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import threading
from contextlib import suppress
from importlib import import_module
from multiprocessing import spawn
from multiprocessing.connection import Connection

from mingolotss.foreign import show_warnings_as_lines

__all__ = [
    "IMPORTED_BY_WORKER",
    "PRELOADED",
    "end_if_imported_by_worker",
    "import_preloaded",
    "prepare_worker",
    "reserve_descriptors",
    "start_worker",
]

IMPORTED_BY_WORKER = 178  # exit code of a worker whose script begins a build when it is imported

PRELOADED = (
    "mingolotss.pipeline.part",
    "mingolotss.service.local.folder",
    "mingolotss.service.local.mosaics",
    # Imported by the packages above when they are first needed: here once, in the server of the
    # workers, and not by every worker in its first part, which took 0.1 s of it.
    "pandas",
    "pyarrow.pandas_compat",
    "pyarrow.vendored.version",
)
_GC_THRESHOLD = 100_000  # new objects between collections; saves 3 µs a source against the default
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt, malloc.h
_LARGEST_REUSED = 32 << 20  # bytes of an array; larger ones go back to the kernel
_RESERVED = 2, 16 << 20  # arrays and bytes of each: what a part takes at first
_DESCRIPTORS = 1023  # the largest that is usually allowed; the table then takes 8 kB


def end_if_imported_by_worker() -> None:
    """End this process if it is a worker that is importing the script of its caller.

    A worker imports the script, which begins a build again unless that stands under
    ``if __name__ == "__main__"``. The caller sees the exit code and says so, once.
    """
    try:
        spawn.get_preparation_data("")  # raises exactly in this case
    except RuntimeError:
        os._exit(IMPORTED_BY_WORKER)


def start_worker(caller: Connection) -> None:
    """Make this process a worker that ends with its caller.

    Parameters
    ----------
    caller : Connection
        The reading end of a pipe that nobody writes to: it closes when the caller ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller to handle
    reserve_descriptors()
    threading.Thread(target=_exit_with, args=(caller,), daemon=True).start()
    prepare_worker()


def prepare_worker() -> None:
    """Prepare a worker process: import dependencies, keep freed memory, collect garbage rarely.

    Its warnings become single lines, since it writes to the terminal of its caller.
    """
    show_warnings_as_lines()
    import_preloaded()
    _keep_freed_memory()
    gc.freeze()  # imported objects live as long as the process: never scan them again
    gc.set_threshold(_GC_THRESHOLD)


def import_preloaded() -> None:
    """Import what every worker needs, as far as it is installed."""
    for module in PRELOADED:
        with suppress(ImportError):
            import_module(module)


def _exit_with(caller: Connection) -> None:
    """End this process when the caller ends, which closes the pipe."""
    with suppress(EOFError, OSError):
        caller.recv_bytes()
    os._exit(1)


def reserve_descriptors() -> None:
    """Let the system make room for open files, before this process has several threads.

    Each file that is mapped is also open, 600 at a time from a folder of cutouts. Linux enlarges
    the table of open files when it is full, and a process with several threads waits meanwhile
    until all processors have done something else (``synchronize_rcu``): 50 to 200 ms in its first
    part.
    """
    with suppress(ImportError, OSError):  # not on Windows; fewer files may be allowed
        fcntl = import_module("fcntl")
        number = os.open(os.devnull, os.O_RDONLY)
        try:
            os.close(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTORS))
        finally:
            os.close(number)


def _keep_freed_memory() -> None:
    """Let this process reuse the memory that it frees, where the C library can (mallopt(3)).

    Stacks of images are allocated and freed many times a second; to get zeroed pages from the
    kernel each time takes a tenth of the whole. The first of them are fetched here, while the
    worker would wait for the plan: its first part then takes 15 ms less.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, size in ((_TRIM_THRESHOLD, 256 << 20), (_MMAP_THRESHOLD, _LARGEST_REUSED)):
            mallopt(parameter, size)
        count, size = _RESERVED
        arrays = [bytearray(size) for _ in range(count)]  # of zeros, which fetches their pages
        arrays.clear()
