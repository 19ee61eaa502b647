"""The limits of one request, and how failed requests are repeated.

>>> [RetryPolicy().backoff(n, random.Random(1)) <= 0.5 * 2**n for n in range(5)]
[True, True, True, True, True]
"""

import random
from dataclasses import dataclass

__all__ = ["Limits", "RetryPolicy"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request.

    Attributes
    ----------
    connections : int
        The largest number of simultaneous requests to one host.
    range_connections : int
        The same for a host of files that sends one range of bytes in an answer: many answers are
        short there. Download programs use about as many: botocore 10, and aria2 at most 16.
    connect_s, read_s, total_s : float, seconds
        Longest wait for a connection, for the next bytes, and for the complete response with all
        its redirects.
    max_bytes : int
        Largest body after decoding; a LoTSS cutout has 0.23 MB.
    redirects : int
        The largest number of redirects that are followed for one request.
    """

    connections: int = 4
    range_connections: int = 16
    connect_s: float = 10.0
    read_s: float = 60.0
    total_s: float = 300.0
    max_bytes: int = 64 << 20
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often a failed request is repeated.

    If one response fails (truncated, timed out, status 500), the request is sent `attempts` times
    in all. If the host fails (connection refused, 429, 503), all requests to it pause, and they are
    repeated until `outage_s` have passed as well, so that a server can restart during a build.

    Attributes
    ----------
    attempts : int
        Requests sent for one response, including the first.
    first_s, longest_s : float, seconds
        The first delay, and the largest one; each is twice the one before.
    longest_retry_after_s : float, seconds
        The upper limit for a ``Retry-After`` of the server.
    outage_s : float, seconds
        How long a host may be unavailable before its requests fail.
    first_contact_s : float, seconds
        The same for a host that accepts no connection from the beginning: the name is wrong, or
        there is no network. It is long enough for a second name server, which is asked after 5 s
        (resolv.conf(5)), and for three SYN packets (RFC 6298).
    """

    attempts: int = 5
    first_s: float = 0.5
    longest_s: float = 30.0
    longest_retry_after_s: float = 120.0
    outage_s: float = 300.0
    first_contact_s: float = 6.0

    @property
    def closed_s(self) -> float:
        """Return how long a host stays closed after an outage: the largest delay, in seconds."""
        return self.longest_s

    def backoff(self, failures: int, rng: random.Random) -> float:
        """Return the delay after the given number of earlier failures, in seconds.

        The back-off is exponential, and its upper half is random, so that clients which failed
        together do not repeat their requests together (Brooker 2015, "Exponential Backoff And
        Jitter", "equal jitter").
        """
        full = min(self.longest_s, self.first_s * 2.0 ** min(failures, 60))
        return full * rng.uniform(0.5, 1.0)

    def cap_retry_after(self, retry_after_s: float) -> float:
        """Return the pause in seconds for a ``Retry-After`` of the server, within the limits."""
        return min(max(retry_after_s, 0.0), self.longest_retry_after_s)
