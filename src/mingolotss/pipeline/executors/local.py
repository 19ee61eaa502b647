"""Executors on this machine: threads and processes.

Each is a context manager that yields a function called like `map`. It submits only a few tasks
ahead, so a plan of millions of sources is never in memory as tasks.

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
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Protocol, TypeVar

from mingolotss.errors import InputError
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.executors.worker import PRELOADED, start_worker

__all__ = ["cores", "processes", "processes_or_thread", "threads"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_or_thread(workers: int | None = None) -> AbstractContextManager[Mapper]:
    """Return `processes`, or a single thread if there is only one worker."""
    return processes(workers) if (workers or cores()) > 1 else threads(1)


@contextmanager
def threads(workers: int | None = None) -> Iterator[Mapper]:
    """Run tasks in threads; numpy, hashing, compression and file access release the GIL.

    Parameters
    ----------
    workers : int, optional
        Number of threads; by default one per core.

    Yields
    ------
    Mapper
    """
    workers = workers or cores()
    with ThreadPoolExecutor(workers, thread_name_prefix="mingolotss") as pool:
        yield _bounded_map(pool, 2 * workers)


@contextmanager
def processes(workers: int | None = None) -> Iterator[Mapper]:
    """Run tasks in worker processes.

    One server process imports the modules of a worker while the caller goes on with its own work;
    the workers are forks of it. They end with the caller, however it ends, and an interrupted part
    is made again by the next run. A script needs the usual ``if __name__ == "__main__"``.

    Parameters
    ----------
    workers : int, optional
        Number of processes; by default one per core.

    Yields
    ------
    Mapper

    Raises
    ------
    InputError
        A worker died.
    """
    workers, context = workers or cores(), _process_context()
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=start_worker, initargs=(reader,))
    with reader, writer, pool:
        try:
            with _start_early(pool, workers):
                yield _bounded_map(_UninterruptedPool(pool), 2 * workers)
        except BrokenProcessPool as error:
            raise InputError(
                "build in worker processes: one of them died, probably because memory ran out; "
                "use fewer --workers and run the same command again: finished parts are kept"
            ) from error
        except BaseException:
            writer.close()
            raise


@contextmanager
def _start_early(pool: ProcessPoolExecutor, workers: int) -> Iterator[None]:
    """Start the workers in a background thread while the caller does other work.

    A start takes 70 ms, and the first one waits until the server has imported everything. Errors
    are ignored here: the caller meets them again with its first task. On exit the thread has ended,
    so no worker is left half started.
    """
    stop = threading.Event()

    def start() -> None:
        with suppress(RuntimeError, OSError, EOFError):
            for _ in range(workers):
                if not stop.is_set():
                    pool.submit(os.getpid)

    starter = threading.Thread(target=start)
    starter.start()
    try:
        yield
    finally:
        stop.set()
        starter.join()


class _Pool(Protocol):
    def submit(self, function: Callable[[_T], _R], task: _T, /) -> Future[_R]:
        """Start a task."""


class _UninterruptedPool:
    """A process pool that defers SIGINT while a worker is being spawned.

    An interrupted spawn leaves an orphan process that prints a traceback.
    """

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, function: Callable[[_T], _R], task: _T, /) -> Future[_R]:
        if threading.current_thread() is not threading.main_thread():
            return self._pool.submit(function, task)  # only the main thread handles signals
        deferred: list[int] = []
        handler = signal.signal(signal.SIGINT, lambda number, _: deferred.append(number))
        try:
            return self._pool.submit(function, task)
        finally:
            signal.signal(signal.SIGINT, handler or signal.default_int_handler)
            if deferred:
                signal.raise_signal(signal.SIGINT)


def _process_context() -> ForkServerContext | SpawnContext:
    """Return the context in which processes are started; start its fork server on Linux.

    Elsewhere there is no fork server: libraries that it has loaded may not survive a fork.
    """
    if platform.system() != "Linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    # The server and the workers inherit the signal mask: Ctrl-C is for the caller to handle. The
    # resource tracker is started first, since the server would start it with the signal unblocked.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return context


def _bounded_map(pool: _Pool, width: int) -> Mapper:
    """Return a `Mapper` that keeps `width` tasks in flight and yields results as they arrive."""

    def mapper(function: Callable[[_T], _R], tasks: Iterable[_T], /) -> Iterator[_R]:
        queue = iter(tasks)
        running: set[Future[_R]] = {pool.submit(function, task) for task in islice(queue, width)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(function, task) for task in islice(queue, len(finished))}
                for future in finished:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()

    return mapper
