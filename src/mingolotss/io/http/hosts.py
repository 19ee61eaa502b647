"""One gate per host: so many requests at once, and none while the host asks for a pause.

A host that stays away for ``patience.outage_s`` is *closed*: requests still waiting, and those
that come in the next ``patience.longest_s``, fail at once. A catalogue of a million sources
then ends in seconds and not after a million back-offs.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mingolotss.errors import ServiceUnavailableError
from mingolotss.io.http.retry_policy import RetryPolicy

__all__ = ["HostLimiter"]


class HostLimiter:
    """The gate in front of one host; every method may be called from any thread.

    Parameters
    ----------
    name : str
        Host and port, for messages.
    connections : int
        Requests let through at once.
    patience : RetryPolicy
        Delays, and when to give the host up.
    clock, sleep : callables, seconds
        A clock that never goes back, and a way to wait on it.
    rng : random.Random
        Where jitter comes from.
    stopping : threading.Event
        Set when whoever asked has gone away: nothing waits any longer.
    """

    def __init__(
        self,
        name: str,
        connections: int,
        patience: RetryPolicy,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        rng: random.Random,
        stopping: threading.Event,
    ) -> None:
        self.name, self._stopping = name, stopping
        self._slots = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._patience, self._clock, self._sleep, self._rng = patience, clock, sleep, rng
        self._not_before = clock()
        self._failures = 0
        self._away_since: float | None = None
        self._closed_until = -1.0

    @contextmanager
    def turn(self, url: str) -> Iterator[None]:
        """Hold one of the host's connections, after any pause it asked for.

        Raises
        ------
        ServiceUnavailableError
            When the host has been given up.
        """
        while True:
            self._refuse_if_closed(url)
            with self._slots:
                wait = self._not_before - self._clock()
                if wait <= 0:
                    yield
                    return
            self._sleep(wait * (1 + 0.1 * self._rng.random()))

    def answered(self) -> None:
        """Note that the host is there."""
        if self._away_since is not None:
            with self._lock:
                self._failures, self._away_since = 0, None

    def failed(self, asked_s: float | None) -> bool:
        """Pause the host after a failure of the host itself.

        Parameters
        ----------
        asked_s : float or None, seconds
            Its ``Retry-After``; None where it named none.

        Returns
        -------
        bool
            Whether the host is still worth waiting for.
        """
        with self._lock:
            now = self._clock()
            if now >= self._not_before:  # requests that fail together count as one failure
                self._not_before = now + self._patience.backoff(self._failures, self._rng)
                self._failures += 1
            if asked_s is not None:  # never sooner than our own: "Retry-After: 0" is no licence
                self._not_before = max(self._not_before, now + self._patience.asked(asked_s))
            if self._away_since is None:
                self._away_since = now
            if now - self._away_since < self._patience.outage_s:
                return True
            self._closed_until = now + self._patience.longest_s
            self._failures, self._away_since = 0, None
            return False

    def _refuse_if_closed(self, url: str) -> None:
        if self._stopping.is_set():
            raise ServiceUnavailableError(f"fetch {url}: stopped before it was asked", url=url)
        if self._clock() < self._closed_until:
            message = (
                f"fetch {url}: not asked, as {self.name} has not answered for"
                f" {self._patience.outage_s:g} s; run the same command again later:"
                " what was fetched is kept"
            )
            raise ServiceUnavailableError(message, url=url)
