"""Mappers: how `mingolotss.pipeline.run.run` spreads parts over threads, processes or a cluster.

A mapper is called like `map`. These keep only a few tasks in flight, so a plan of millions of
sources is never in memory as tasks.

>>> with threads(2) as mapper:
...     sorted(mapper(abs, [-1, -2, -3]))
[1, 2, 3]
"""

from __future__ import annotations

import os
import platform
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from multiprocessing import forkserver, get_context, resource_tracker
from typing import Any, TypeVar

from mingolotss.errors import InputError
from mingolotss.pipeline.executors.worker import NEEDED, begin

__all__ = ["cores", "local", "processes", "threads"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local(n: int | None = None) -> AbstractContextManager[Any]:
    """Return what gives the mapper of a build on this machine: processes, or one thread."""
    return processes(n) if (n or cores()) > 1 else threads(1)


@contextmanager
def threads(n: int | None = None) -> Iterator[Any]:
    """Give a mapper over threads: reading, hashing, numpy and compression run side by side."""
    n = n or cores()
    with ThreadPoolExecutor(n, thread_name_prefix="mingolotss") as pool:
        yield _windowed(pool, 2 * n)


@contextmanager
def processes(n: int | None = None) -> Iterator[Any]:
    """Give a mapper over processes, each with an interpreter of its own.

    One server process imports what a worker needs, while the caller goes on with its own work,
    and the workers are its forks. They end with the caller, however it ends: what they were at is
    made again. A script that uses this needs the usual ``if __name__ == "__main__"``.

    Raises
    ------
    InputError
        A worker died.
    """
    n, context = n or cores(), _context()
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(n, context, initializer=begin, initargs=(reader,))
    with reader, writer, pool:
        try:
            with _started_early(pool, n):
                yield _windowed(_Patient(pool), 2 * n)
        except BrokenProcessPool as error:
            raise InputError(
                "build in worker processes: one of them died, which is mostly for want of memory; "
                "give fewer --workers and run the same command again, what is done is kept"
            ) from error
        except BaseException:
            writer.close()
            raise


@contextmanager
def _started_early(pool: Executor, n: int) -> Iterator[None]:
    """Have the workers started while the caller is at other work, by giving each something to do.

    Each takes 70 ms, and the first waits until the server has imported all. What goes wrong here
    goes wrong again for the caller, who asks next. At the end nobody is left started by halves.
    """
    enough = threading.Event()

    def start() -> None:
        with suppress(RuntimeError, OSError, EOFError):
            for _ in range(n):
                if not enough.is_set():
                    pool.submit(os.getpid)

    starter = threading.Thread(target=start)
    starter.start()
    try:
        yield
    finally:
        enough.set()
        starter.join()


class _Patient:
    """A pool whose workers are started whole: Ctrl-C waits until they are.

    One that is started by halves is nobody's, and complains when its caller is gone.
    """

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, function: Callable[[_T], _R], task: _T) -> Future[_R]:
        if threading.current_thread() is not threading.main_thread():
            return self._pool.submit(function, task)  # a signal is only ever answered there
        came: list[int] = []
        before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
        try:
            return self._pool.submit(function, task)
        finally:
            signal.signal(signal.SIGINT, before or signal.default_int_handler)
            if came:
                signal.raise_signal(signal.SIGINT)


def _context() -> Any:
    """Return how processes are started here; the server, where there is one, begins at once.

    Only on Linux: elsewhere libraries that a server has loaded may not bear being forked.
    """
    if platform.system() != "Linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(list(NEEDED))
    # What is blocked here is so in the server and the workers: Ctrl-C is the caller's to answer.
    resource_tracker.ensure_running()  # or the server starts it, and unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _windowed(pool: Executor | _Patient, width: int) -> Any:
    """Return a mapper that keeps `width` tasks in flight and gives results as they come."""

    def mapper(function: Callable[[_T], _R], tasks: Iterable[_T]) -> Iterator[_R]:
        rest = iter(tasks)
        flying: set[Future[_R]] = {pool.submit(function, task) for task in islice(rest, width)}
        try:
            while flying:
                landed, flying = wait(flying, return_when=FIRST_COMPLETED)
                flying |= {pool.submit(function, task) for task in islice(rest, len(landed))}
                for future in landed:
                    yield future.result()
        finally:
            for future in flying:
                future.cancel()

    return mapper
