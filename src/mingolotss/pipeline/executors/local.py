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
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from itertools import islice
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext  # Windows has no ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from mingolotss.errors import InputError
from mingolotss.foreign import describe_error
from mingolotss.io.system_faults import describe_fault
from mingolotss.pipeline.executors.base import EarlyMapper, Mapper, WorkerDiedError
from mingolotss.pipeline.executors.exit_codes import (
    OUT_OF_MEMORY,
    count_memory_kills,
    describe_exit,
)
from mingolotss.pipeline.executors.worker import (
    IMPORTED_BY_WORKER,
    end_if_imported_by_worker,
    reserve_descriptors,
    start_worker,
)

__all__ = ["cores", "processes", "processes_or_thread", "threads"]

_OWN_DESCRIPTORS, _DESCRIPTORS_OF_WORKER = 16, 3  # pipes, and the files that a build reads
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
        For the argument ``mapper`` of `mingolotss.build` and `mingolotss.run`.

    Examples
    --------
    >>> import mingolotss
    >>> with mingolotss.threads(2) as mapper:
    ...     mingolotss.build(out="demo", mapper=mapper).written
    118
    """
    workers = workers or cores()
    reserve_descriptors()
    with ThreadPoolExecutor(workers, thread_name_prefix="mingolotss") as pool:
        yield _bounded_map(pool, 2 * workers)


@contextmanager
def processes(workers: int | None = None) -> Iterator[EarlyMapper]:
    """Run tasks in worker processes.

    One server process imports the modules of a worker while the caller goes on with its own work;
    the workers are forks of it. They end with the caller, however it ends, and an interrupted part
    is made again by the next run. A script needs the usual ``if __name__ == "__main__"``.

    If a worker dies, the mapper raises an error. When it is called again, new workers start.

    Parameters
    ----------
    workers : int, optional
        Number of processes; by default one per core.

    Yields
    ------
    EarlyMapper
        For the argument ``mapper`` of `mingolotss.build` and `mingolotss.run`.

    Raises
    ------
    WorkerDiedError
        A worker died.
    InputError
        The script has no ``if __name__ == "__main__"``, or no worker can be started.

    Examples
    --------
    >>> import mingolotss
    >>> with mingolotss.processes(2) as mapper:
    ...     mingolotss.build(out="demo", mapper=mapper).written
    118
    """
    end_if_imported_by_worker()
    workers = workers or cores()
    with _starting_workers():
        _require_descriptors(_OWN_DESCRIPTORS + _DESCRIPTORS_OF_WORKER * workers)
        context = _process_context()
        reader, writer = context.Pipe(duplex=False)
        pool = _WorkerPool(context, workers, reader)
    with reader, writer, pool:
        try:
            with _start_early(pool, workers):
                yield pool
        except BaseException:
            writer.close()
            raise


class _WorkerPool:
    """A pool of worker processes that is replaced when a worker has died.

    Leaving the context waits for the workers.

    Parameters
    ----------
    context : BaseContext
    workers : int
        Number of processes.
    reader : Connection
        For `start_worker`.
    """

    def __init__(self, context: BaseContext, workers: int, reader: Connection) -> None:
        self._context, self._workers, self._reader = context, workers, reader
        self.are_started = threading.Event()  # the first workers, which tasks need not wait for
        self._start()

    def _start(self) -> None:
        self.executor = ProcessPoolExecutor(
            self._workers, self._context, initializer=start_worker, initargs=(self._reader,)
        )
        self._processes: dict[int, BaseProcess] = {}
        self._memory_kills = count_memory_kills()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()

    def __call__(self, function: Callable[[_T], _R], tasks: Iterable[_T], /) -> Iterator[_R]:
        """Do what a `Mapper` does."""
        with closing(_BoundedRun(self, 2 * self._workers, function, tasks)) as run:
            run.begin()
            yield from self._results(run)

    @contextmanager
    def start(self, function: Callable[[_T], _R], tasks: Iterable[_T], /) -> Iterator[Iterator[_R]]:
        """Do what an `EarlyMapper` does."""
        # Another thread, since the first task waits until the server of the workers is ready.
        with (
            closing(_BoundedRun(self, 2 * self._workers, function, tasks)) as run,
            ThreadPoolExecutor(1, thread_name_prefix="mingolotss") as starter,
        ):
            beginning = starter.submit(run.begin)
            if self.are_started.is_set():
                # The caller would take turns with this thread, 5 ms each: the second worker would
                # begin after 70 ms instead of 55.
                wait([beginning])

            def results() -> Iterator[_R]:
                beginning.result()
                yield from self._results(run)

            try:
                yield results()
            finally:
                run.stop()

    def _results(self, run: _BoundedRun[_T, _R]) -> Iterator[_R]:
        """Yield the results of a run; start new workers if one has died."""
        try:
            yield from run.results()
        except WorkerDiedError as error:
            end = self._find_end()
            self._start()
            advice = "use fewer --workers and " if end == OUT_OF_MEMORY else ""
            raise WorkerDiedError(
                f"build in worker processes: one of them died, it {end}; {advice}run the same "
                "command again: finished parts are kept",
                end=end,
                tasks=error.tasks,
            ) from error

    def submit(self, function: Callable[[_T], _R], task: _T, /) -> Future[_R]:
        """Start a task."""
        try:
            with _starting_workers():
                return _submit_uninterrupted(self.executor, function, task)
        finally:
            # The executor has no public method that tells how a worker ended, and forgets the
            # workers when it ends.
            self._processes.update(getattr(self.executor, "_processes", None) or {})

    def _find_end(self) -> str:
        """Return how the worker ended that died first.

        Raises
        ------
        InputError
            It was ended because it began a build itself.
        """
        self.executor.shutdown()  # ends the other workers by SIGTERM, and waits for all
        codes = [process.exitcode for process in self._processes.values() if process.exitcode]
        if IMPORTED_BY_WORKER in codes:
            raise InputError(
                "start worker processes: the script begins a build when it is imported, and every "
                'worker imports it; put the build under: if __name__ == "__main__":'
            )
        code = next((code for code in codes if code != -signal.SIGTERM), -signal.SIGTERM)
        return describe_exit(code, count_memory_kills() - self._memory_kills)


def _require_descriptors(count: int) -> None:
    """Raise an OSError unless `count` files can be opened.

    If the limit were reached when workers start, their server would print tracebacks.
    """
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Path(os.devnull).open("rb"))


@contextmanager
def _starting_workers() -> Iterator[None]:
    """Turn what keeps a worker from its start into one line: limits, no /dev/shm, a full disk."""
    try:
        yield
    except BrokenExecutor:  # a worker died later
        raise
    except (OSError, RuntimeError) as error:
        reason = describe_fault(error) or describe_error(error)
        raise InputError(f"start worker processes: {reason}; or use --threads") from error


@contextmanager
def _start_early(pool: _WorkerPool, workers: int) -> Iterator[None]:
    """Start the workers in a background thread while the caller does other work.

    A start takes 70 ms, and the first one waits until the server has imported everything. On a busy
    machine fewer may start: the executor starts none for a task while a worker is idle. Errors
    are ignored here: the caller meets them again with its first task. On exit the thread has ended,
    so no worker is left half started.
    """
    stop, executor = threading.Event(), pool.executor

    def start() -> None:
        with suppress(RuntimeError, OSError, EOFError):
            for _ in range(workers):
                if not stop.is_set():
                    executor.submit(os.getpid)
            pool.are_started.set()

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


def _submit_uninterrupted(
    pool: ProcessPoolExecutor, function: Callable[[_T], _R], task: _T
) -> Future[_R]:
    """Start a task, and defer SIGINT while a worker is being spawned.

    An interrupted spawn leaves an orphan process that prints a traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        return pool.submit(function, task)  # only the main thread handles signals
    deferred: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: deferred.append(number))
    try:
        return pool.submit(function, task)
    finally:
        signal.signal(signal.SIGINT, handler or signal.default_int_handler)
        if deferred:
            signal.raise_signal(signal.SIGINT)


def _process_context() -> BaseContext:
    """Return the context in which processes are started; start its fork server on Linux.

    Elsewhere there is no fork server: libraries that it has loaded may not survive a fork.
    """
    if platform.system() != "Linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["mingolotss.pipeline.executors.server"])
    # The server and the workers inherit the signal mask: Ctrl-C is for the caller to handle. The
    # resource tracker is started first, since the server would start it with the signal unblocked.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return context


def _worker_died(future: Future[_R]) -> bool:
    return isinstance(future.exception(), BrokenExecutor)


def _bounded_map(pool: _Pool, width: int) -> Mapper:
    """Return a `Mapper` that keeps `width` tasks in flight and yields results as they arrive."""

    def mapper(function: Callable[[_T], _R], tasks: Iterable[_T], /) -> Iterator[_R]:
        with closing(_BoundedRun(pool, width, function, tasks)) as run:
            run.begin()
            yield from run.results()

    return mapper


class _BoundedRun(Generic[_T, _R]):
    """Tasks of which `width` are in flight.

    Parameters
    ----------
    pool : _Pool
    width : int
    function : callable
    tasks : iterable
    """

    def __init__(
        self, pool: _Pool, width: int, function: Callable[[_T], _R], tasks: Iterable[_T]
    ) -> None:
        self._pool, self._width, self._function = pool, width, function
        self._queue = iter(tasks)
        self._running: dict[Future[_R], _T] = {}
        self._unfinished: list[_T] = []
        self._is_stopped = False

    def begin(self) -> None:
        """Start the first tasks."""
        self._submit(self._width)

    def results(self) -> Iterator[_R]:
        """Yield the results as they arrive, and start a task for each that is finished.

        Raises
        ------
        WorkerDiedError
            A worker died. All results that exist were yielded before.
        """
        running, unfinished = self._running, self._unfinished
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            finished = {future: running.pop(future) for future in done}
            # Nothing more is started once a worker has died: the executor then ends all tasks.
            if not unfinished:
                self._submit(len(finished))
            unfinished += [task for future, task in finished.items() if _worker_died(future)]
            yield from (future.result() for future in finished if not _worker_died(future))
        if unfinished:
            raise WorkerDiedError("a worker died", tasks=unfinished)

    def stop(self) -> None:
        """Start nothing more."""
        self._is_stopped = True

    def close(self) -> None:
        """Give up what has not begun."""
        for future in self._running:
            future.cancel()

    def _submit(self, count: int) -> None:
        for task in islice(self._queue, count):
            if self._is_stopped:
                break
            try:
                self._running[self._pool.submit(self._function, task)] = task
            except BrokenExecutor:
                self._unfinished.append(task)
                break
