"""Limit the requests to one host: how many at once, and none while the host needs a pause.

A host that stays unavailable for ``retry_policy.outage_s`` is *closed*: requests that still wait,
and those that follow within ``retry_policy.closed_s``, fail at once. A catalogue of a million
sources then ends in seconds and not after a million back-offs.

A host that has accepted no connection yet is closed after ``retry_policy.first_contact_s``: nothing
shows that it exists, or that this machine has a network.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mingolotss.errors import ServiceUnavailableError
from mingolotss.io.http.response import UnreachableHostError
from mingolotss.io.http.retry_policy import RetryPolicy

__all__ = ["HostLimiter"]

_LOG = logging.getLogger(__name__)
_REPORTED_PAUSE_S = 1.0  # shorter pauses are not worth a line


class HostLimiter:
    """Limits the requests to one host; every method may be called from any thread.

    Parameters
    ----------
    name : str
        Host and port, for messages.
    connections : int
        The largest number of simultaneous requests at first.
    retry_policy : RetryPolicy
        Delays, and when to give up on the host.
    clock, sleep : callables, seconds
        A monotonic clock, and a function that waits.
    rng : random.Random
        The source of jitter.
    stopping : threading.Event
        Set when nobody wants the results any more: all waiting ends.
    reached : bool
        The host has accepted a connection before, in this process or in the one that started it.

    Attributes
    ----------
    connections : int
        The largest number of simultaneous requests.
    reached : bool
        The host has accepted a connection.
    answered : bool
        The host has sent a response.
    """

    def __init__(
        self,
        name: str,
        connections: int,
        retry_policy: RetryPolicy,
        *,
        reached: bool = False,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        rng: random.Random,
        stopping: threading.Event,
    ) -> None:
        self.name, self._stopping = name, stopping
        self.connections, self._slots = connections, threading.Semaphore(connections)
        self._lock = threading.Lock()
        self._retry_policy, self._clock, self._sleep, self._rng = retry_policy, clock, sleep, rng
        self.reached = self.answered = reached
        self._not_before = clock()
        self._first_attempt: float | None = None  # since the host was last open
        self._failures = 0
        self._reason = ""  # of the last failure
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
            with self._slots:
                self._refuse_if_closed(url)  # perhaps closed while this request waited
                now = self._clock()
                wait = self._not_before - now
                if wait <= 0:
                    if self._first_attempt is None:
                        self._first_attempt = now
                    yield
                    return
            self._sleep(wait * (1 + 0.1 * self._rng.random()))

    def allow(self, connections: int) -> None:
        """Allow so many simultaneous requests from now on, if that is more than before."""
        with self._lock:
            more = connections - self.connections
            if more > 0:
                self.connections = connections
                self._slots.release(more)

    def connect_s(self, longest: float) -> float:
        """Return how long to wait for a connection, in seconds.

        Parameters
        ----------
        longest : float, seconds
            The limit for a host that was reached before. For another one, it is what remains of
            the time for the first contact.
        """
        if self.reached or self._first_attempt is None:
            return longest
        spent = self._clock() - self._first_attempt
        # Threads wait for a connection together, and one may begin when the time is nearly over.
        return min(longest, max(self._retry_policy.first_contact_s - spent, 0.1))

    def record_success(self) -> None:
        """Note that the host has answered."""
        # Nearly every request succeeds, so the lock is taken only after a failure. A failure that
        # another thread records during the check is cleared by the next success.
        self.reached = self.answered = True
        if self._unavailable_since is not None:
            with self._lock:
                self._failures, self._unavailable_since = 0, None

    def record_failure(self, retry_after_s: float | None, reason: str) -> bool:
        """Note a failure of the host itself, and pause the requests to it.

        Parameters
        ----------
        retry_after_s : float or None, seconds
            The value of ``Retry-After``; None if the host sent none.
        reason : str
            How it failed, for the line about the pause.

        Returns
        -------
        bool
            Whether to go on waiting for the host.
        """
        with self._lock:
            policy, now, self._reason = self._retry_policy, self._clock(), reason
            if self._unavailable_since is None:
                self._unavailable_since = now
            if self.reached:
                is_spent = now - self._unavailable_since >= policy.outage_s
                if not is_spent:
                    self._pause(now, retry_after_s, reason)
            else:
                # Counted from the first attempt, which may have waited for a connection all along.
                # The next one must leave as much time again, since its failure may be a slow one.
                self._pause(now, retry_after_s, reason)
                since = (
                    self._unavailable_since if self._first_attempt is None else self._first_attempt
                )
                limit_s = min(policy.outage_s, policy.first_contact_s) / 2
                is_spent = max(now, self._not_before) - since >= limit_s
            if is_spent:
                self._close(now)
            return not is_spent

    def unreachable_error(self, url: str) -> UnreachableHostError:
        """Return the error of a request to a host that accepts no connection."""
        message = (
            f"fetch {url}: {self.name} cannot be reached ({self._reason}); check the address and"
            " the network, then run the same command again: what was fetched is kept"
        )
        return UnreachableHostError(message, url=url)

    def close_if_silent(self) -> None:
        """Close a host that accepts connections and has not sent one response in all attempts."""
        if not self.answered:
            with self._lock:
                self._close(self._clock())

    def _pause(self, now: float, retry_after_s: float | None, reason: str) -> None:
        """Send nothing before the back-off, or the longer pause that the host asks for, ends."""
        policy, before = self._retry_policy, self._not_before
        if now >= self._not_before:  # requests that fail together count as one failure
            self._not_before = now + policy.backoff(self._failures, self._rng)
            self._failures += 1
        if retry_after_s is not None:  # "Retry-After: 0" does not shorten the back-off
            self._not_before = max(self._not_before, now + policy.cap_retry_after(retry_after_s))
        pause_s = self._not_before - now
        if self.reached and self._not_before > before and pause_s >= _REPORTED_PAUSE_S:
            _LOG.warning("waiting for %s, retry in %.0f s (%s)", self.name, pause_s, reason)

    def _close(self, now: float) -> None:
        """Let all requests fail for a time, and start a new count of failures after it."""
        self._closed_until = now + self._retry_policy.closed_s
        self._failures, self._unavailable_since, self._first_attempt = 0, None, None

    def _refuse_if_closed(self, url: str) -> None:
        if self._stopping.is_set():
            raise ServiceUnavailableError(f"fetch {url}: stopped before it was asked", url=url)
        if self._closed_until is not None and self._clock() < self._closed_until:
            if not self.reached:
                raise self.unreachable_error(url)
            message = (
                f"fetch {url}: not asked, as {self.name} has not answered for"
                f" {self._retry_policy.outage_s:g} s; run the same command again later:"
                " what was fetched is kept"
            )
            raise ServiceUnavailableError(message, url=url)
