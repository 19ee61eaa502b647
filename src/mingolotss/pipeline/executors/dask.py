"""A Dask cluster as executor: the same build, to the byte, on many machines.

Each part is one task. If a worker dies, another worker makes its parts again, except those that the
dead worker had finished. Every file appears whole or not at all. Only this module imports Dask.

>>> from mingolotss import build, cluster                                 # doctest: +SKIP
>>> with cluster("tcp://login-node:8786") as mapper:                      # doctest: +SKIP
...     build("lotss", catalogue="dr2.parquet", service="mosaics:/data/dr2",
...           out="s3://bucket/stamps", mapper=mapper)
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from mingolotss.errors import InputError, ServiceUnavailableError
from mingolotss.io.optional import import_optional
from mingolotss.pipeline.executors.base import Mapper, WorkerDiedError
from mingolotss.pipeline.executors.local import cores
from mingolotss.pipeline.executors.worker import prepare_worker

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["cluster", "dask_mapper"]

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_R = TypeVar("_R")
_TIMEOUT_S = 6.0  # to find the scheduler
_LONGEST_HANDSHAKE = 1 << 20  # bytes; it has a few hundred


@contextmanager
def cluster(address: str, workers: int | None = None) -> Iterator[Mapper]:
    """Run tasks on a Dask cluster.

    Parameters
    ----------
    address : str
        Address of a scheduler (``tcp://host:8786``), a scheduler file (``.json``), or ``local`` to
        start worker processes on this machine.
    workers : int, optional
        Number of workers for ``local``; by default one per core.

    Yields
    ------
    Mapper
        For the argument ``mapper`` of `mingolotss.build` and `mingolotss.run`. It waits for
        workers; if there is none yet, a warning is logged.

    Raises
    ------
    InputError
        Dask is not installed, or `address` is neither an address nor a scheduler file.
    ServiceUnavailableError
        No scheduler answers at `address`.

    Examples
    --------
    >>> import mingolotss
    >>> with mingolotss.cluster("tcp://scheduler:8786") as mapper:  # doctest: +SKIP
    ...     mingolotss.build(out="demo", mapper=mapper)
    """
    distributed = import_optional("distributed", "use --dask", extra="dask")
    import dask

    with ExitStack() as stack:
        target: object = address
        if address == "local":
            stack.enter_context(dask.config.set({"distributed.worker.profile.enabled": False}))
            target = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None
                )
            )
        key = "scheduler_file" if str(target).endswith(".json") else "address"
        action = f"reach the Dask scheduler at {address}"
        hint = "start one with `dask scheduler`, or use --dask local"
        if key == "scheduler_file" and not Path(address).is_file():
            raise InputError(f"{action}: there is no such file; {hint}")
        try:
            if key == "address" and isinstance(target, str):
                _require_answer(target)
            client = stack.enter_context(
                distributed.Client(**{key: target}, timeout=f"{_TIMEOUT_S}s")
            )
        except (OSError, TimeoutError) as error:
            message = f"{action}: {error}; check the address and the network, {hint}"
            raise ServiceUnavailableError(message, url=address) from error
        except ValueError as error:
            raise InputError(f"{action}: {error}; {hint}") from error
        if address == "local":
            client.run(prepare_worker)  # workers of others' clusters also do other work
        if not client.nthreads():
            _LOG.warning(
                "the Dask scheduler at %s has no worker yet: waiting for the first; start one with "
                "`dask worker`",
                address,
            )
        yield dask_mapper(client)


def _require_answer(address: str) -> None:
    """Raise an OSError unless something at an address begins as a scheduler on TCP does.

    It speaks first, and its message begins with its length, 8 bytes. The client of `distributed`
    waits without end for a port that is open and silent, whatever its time limit, and makes room
    for any length that it receives. Other protocols, such as TLS, are left to it.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme != "tcp" or not parts.hostname or not parts.port:
        return
    with socket.create_connection((parts.hostname, parts.port), _TIMEOUT_S) as connection:
        begin = connection.recv(8, socket.MSG_WAITALL)
        if len(begin) < 8:
            raise OSError("the connection was closed without an answer")
        if int.from_bytes(begin, "little") > _LONGEST_HANDSHAKE:
            raise OSError("something else than a Dask scheduler answers there")


def dask_mapper(client: Client) -> Mapper:
    """Return a `Mapper` that runs on the workers of a `distributed.Client`.

    It keeps two tasks in flight for every thread of the cluster, whose number is read again with
    every result, since workers come and go. Results are yielded as they arrive.

    Raises
    ------
    WorkerDiedError
        Several workers died while making the same part, as often as the scheduler allows. All other
        parts were made before.
    """
    from distributed import KilledWorker, as_completed

    def mapper(function: Callable[[_T], _R], tasks: Iterable[_T], /) -> Iterator[_R]:
        queue, task_of, unfinished = iter(tasks), {}, []

        def submit(n: int) -> list[Future]:
            # Not pure: the same task must run again, since its files may have been removed.
            futures = []
            for task in islice(queue, n):
                futures.append(client.submit(function, task, pure=False))
                task_of[futures[-1].key] = task
            return futures

        running = as_completed(submit(_width(client)))
        try:
            for future in running:
                task = task_of.pop(future.key)
                try:
                    results = [future.result()]
                except KilledWorker:
                    unfinished.append(task)
                    results = []
                future.release()
                for new_future in submit(max(1, _width(client) - running.count())):
                    running.add(new_future)
                yield from results
            if unfinished:
                raise WorkerDiedError(
                    "build on the cluster: several workers died while making one part; look at "
                    "their logs, give them more memory if that ran out, and run the same command "
                    "again: finished parts are kept",
                    end="died on several workers of the cluster",
                    tasks=unfinished,
                )
        finally:
            client.cancel(list(running.futures))

    return mapper


def _width(client: Client) -> int:
    """Return how many tasks to keep in flight."""
    threads: dict[str, int] = client.nthreads()
    return 2 * max(1, sum(threads.values()))
