"""Run requests of one service concurrently, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mingolotss.io.http import Transport

__all__ = ["concurrent_map"]

_THREADS = 4
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def concurrent_map(
    transport: Transport | None,
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    connections: int | None = None,
) -> Iterator[_Result]:
    """Call a function for every item in threads; yield the results in the order of the items.

    There are two threads for each connection of the transport: one reads a response while the other
    waits for a slot. Only a window of the items is in flight, so that memory does not grow with
    their number.

    Parameters
    ----------
    transport : Transport or None
        None for requests that another library sends, in a few threads. Its waits are ended when the
        caller stops early (Ctrl-C), so that no thread finishes its back-off first.
    function : callable
    items : iterable
    connections : int, optional
        By default those that the transport allows to every host.

    Raises
    ------
    Exception
        Whatever `function` raises; the remaining items are not started.
    """
    threads = _THREADS if transport is None else 2 * (connections or transport.limits.connections)
    if transport is not None:
        transport.stopping.clear()
    with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:
        running: deque[Future[_Result]] = deque()
        try:
            for item in items:
                running.append(pool.submit(function, item))
                if len(running) >= 8 * threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BaseException:
            if transport is not None:
                transport.stopping.set()
            raise
        finally:
            for task in running:
                task.cancel()
