"""Limit the requests to one host: how many at once, and none while the host needs a pause.

A host that stays unavailable for ``retry_policy.outage_s`` is *closed*: requests that still wait,
and those that follow within ``retry_policy.closed_s``, fail at once. A catalogue of a million
sources then ends in seconds and not after a million back-offs.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mingolotss.errors import ServiceUnavailableError
from mingolotss.io.http.retry_policy import RetryPolicy

__all__ = ["HostLimiter"]


class HostLimiter:
    """Limits the requests to one host; every method may be called from any thread.

    Parameters
    ----------
    name : str
        Host and port, for messages.
    connections : int
        The largest number of simultaneous requests.
    retry_policy : RetryPolicy
        Delays, and when to give up on the host.
    clock, sleep : callables, seconds
        A monotonic clock, and a function that waits.
    rng : random.Random
        The source of jitter.
    stopping : threading.Event
        Set when nobody wants the results any more: all waiting ends.
    """

    def __init__(
        self,
        name: str,
        connections: int,
        retry_policy: RetryPolicy,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        rng: random.Random,
        stopping: threading.Event,
    ) -> None:
        self.name, self._stopping = name, stopping
        self._slots = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._retry_policy, self._clock, self._sleep, self._rng = retry_policy, clock, sleep, rng
        self._not_before = clock()
        self._failures = 0
        self._unavailable_since: float | None = None
        self._closed_until: float | None = None

    @contextmanager
    def slot(self, url: str) -> Iterator[None]:
        """Hold one of the host's connections, after any pause.

        Raises
        ------
        ServiceUnavailableError
            The host is closed, or nobody wants the result any more.
        """
        while True:
            self._refuse_if_closed(url)
            with self._slots:
                wait = self._not_before - self._clock()
                if wait <= 0:
                    yield
                    return
            self._sleep(wait * (1 + 0.1 * self._rng.random()))

    def record_success(self) -> None:
        """Note that the host has answered."""
        # Nearly every request succeeds, so the lock is taken only after a failure. A failure that
        # another thread records during the check is cleared by the next success.
        if self._unavailable_since is not None:
            with self._lock:
                self._failures, self._unavailable_since = 0, None

    def record_failure(self, retry_after_s: float | None) -> bool:
        """Note a failure of the host itself, and pause the requests to it.

        Parameters
        ----------
        retry_after_s : float or None, seconds
            The value of ``Retry-After``; None if the host sent none.

        Returns
        -------
        bool
            Whether to go on waiting for the host.
        """
        with self._lock:
            now = self._clock()
            self._pause(now, retry_after_s)
            if self._unavailable_since is None:
                self._unavailable_since = now
            if now - self._unavailable_since < self._retry_policy.outage_s:
                return True
            self._close(now)
            return False

    def _pause(self, now: float, retry_after_s: float | None) -> None:
        """Send nothing before the back-off, or the longer pause that the host asks for, ends."""
        policy = self._retry_policy
        if now >= self._not_before:  # requests that fail together count as one failure
            self._not_before = now + policy.backoff(self._failures, self._rng)
            self._failures += 1
        if retry_after_s is not None:  # "Retry-After: 0" does not shorten the back-off
            self._not_before = max(self._not_before, now + policy.cap_retry_after(retry_after_s))

    def _close(self, now: float) -> None:
        """Let all requests fail for a time, and start a new count of failures after it."""
        self._closed_until = now + self._retry_policy.closed_s
        self._failures, self._unavailable_since = 0, None

    def _refuse_if_closed(self, url: str) -> None:
        if self._stopping.is_set():
            raise ServiceUnavailableError(f"fetch {url}: stopped before it was asked", url=url)
        if self._closed_until is not None and self._clock() < self._closed_until:
            message = (
                f"fetch {url}: not asked, as {self.name} has not answered for"
                f" {self._retry_policy.outage_s:g} s; run the same command again later:"
                " what was fetched is kept"
            )
            raise ServiceUnavailableError(message, url=url)
