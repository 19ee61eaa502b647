"""A Dask cluster as a mapper: the same `run`, the same bytes, on as many machines as there are.

Each part is one task. A worker that dies has its parts made again by another, a part that it had
finished is found and kept, and since every file appears whole under its own name, nothing is ever
there twice or by half. Only this file imports Dask.

>>> from mingolotss.pipeline.run import build                                   # doctest: +SKIP
>>> with cluster("tcp://login-node:8786") as mapper:                      # doctest: +SKIP
...     build("lotss", catalogue="dr2.parquet", service="mosaics:/data/dr2",
...           out="s3://bucket/stamps", mapper=mapper)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, TypeVar

from mingolotss.errors import InputError
from mingolotss.pipeline.executors.local import cores
from mingolotss.pipeline.executors.worker import settle

__all__ = ["cluster", "dask_mapper"]

_T = TypeVar("_T")
_R = TypeVar("_R")
_PATIENCE = "10s"  # to find the scheduler


@contextmanager
def cluster(address: str, workers: int | None = None) -> Iterator[Any]:
    """Give a mapper over a Dask cluster.

    Parameters
    ----------
    address : str
        Of a scheduler (``tcp://host:8786``), a scheduler file (``.json``), or ``local`` for
        worker processes on this machine.
    workers : int, optional
        How many, for ``local``; as many as there are cores by default.

    Raises
    ------
    InputError
        Dask is not installed, or no scheduler answers at `address`.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError("--dask needs Dask: pip install 'mingolotss[dask]'") from error
    with ExitStack() as stack:
        if address == "local":
            stack.enter_context(dask.config.set({"distributed.worker.profile.enabled": False}))
            target: Any = stack.enter_context(
                LocalCluster(
                    n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None
                )
            )
        else:
            target = address
        try:
            scheduler = {"scheduler_file": target} if str(target).endswith(".json") else {
                "address": target
            }  # fmt: skip
            client = stack.enter_context(Client(**scheduler, timeout=_PATIENCE))
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"reach the Dask scheduler at {address}: {error}; start one with `dask scheduler`, "
                "or use --dask local"
            ) from error
        if address == "local":
            client.run(settle)  # the workers are ours alone
        yield dask_mapper(client)


def dask_mapper(client: Any) -> Callable[[Callable[[_T], _R], Iterable[_T]], Iterator[_R]]:
    """Return a mapper that runs on the workers of a `distributed.Client`.

    It keeps two tasks in flight for every thread of the cluster, counted anew as workers come
    and go, and gives results as they come.

    Raises
    ------
    InputError
        Several workers died over one and the same part.
    """
    from distributed import KilledWorker, as_completed

    def mapper(function: Callable[[_T], _R], tasks: Iterable[_T]) -> Iterator[_R]:
        rest = iter(tasks)

        def send(most: int) -> list[Any]:
            # Not pure: the same task again must run again, since its files may be gone.
            return [client.submit(function, task, pure=False) for task in islice(rest, most)]

        flying = as_completed(send(_width(client)))
        try:
            for future in flying:
                result = future.result()
                future.release()
                for more in send(1 + max(0, _width(client) - flying.count() - 1)):
                    flying.add(more)
                yield result
        except KilledWorker as error:
            raise InputError(
                f"build on the cluster: worker after worker died over one part ({error}); give the "
                "workers more memory and run the same command again, what is done is kept"
            ) from error
        finally:
            client.cancel(list(flying.futures))

    return mapper


def _width(client: Any) -> int:
    """Return how many tasks to keep in flight."""
    threads: dict[str, int] = client.nthreads()
    return 2 * max(1, sum(threads.values()))
