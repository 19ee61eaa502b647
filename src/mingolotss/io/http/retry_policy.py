"""How long to wait, how often to ask, how much to accept: numbers and the rules over them.

>>> [RetryPolicy().backoff(n, random.Random(1)) <= 0.5 * 2**n for n in range(5)]
[True, True, True, True, True]
>>> retry_after("120", now=0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=0.0)
(120.0, 60.0)
"""

import random
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["Limits", "RetryPolicy", "retry_after"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take.

    Attributes
    ----------
    connections : int
        Requests on their way to one host at any time.
    connect_s, read_s, whole_s : float, seconds
        Longest wait for a connection, for the next bytes, and for the whole answer.
    max_bytes : int
        Largest body, after any content encoding is undone; a LoTSS cutout is 0.23 MB.
    redirects : int
        Addresses that one request may be passed on to.
    """

    connections: int = 4
    connect_s: float = 10.0
    read_s: float = 60.0
    whole_s: float = 300.0
    max_bytes: int = 64 << 20
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a request that failed is tried again.

    A failure of one answer (cut short, timed out, status 500) is tried `attempts` times in all.
    A failure of the host (refused, 429, 503) pauses every request to it, and is tried until
    `outage_s` have passed as well, so that a server may restart under a build.

    Attributes
    ----------
    attempts : int
        Requests made for one answer, the first included.
    first_s, longest_s : float, seconds
        The first delay, and the one at which doubling stops.
    retry_after_s : float, seconds
        The longest ``Retry-After`` that is obeyed in full; a longer one is cut to this.
    outage_s : float, seconds
        How long a host may be away before its requests fail.
    """

    attempts: int = 5
    first_s: float = 0.5
    longest_s: float = 30.0
    retry_after_s: float = 120.0
    outage_s: float = 300.0

    def backoff(self, failures: int, rng: random.Random) -> float:
        """Return the delay after the given number of earlier failures, in seconds.

        Exponential, with the upper half random: clients that fell together rise apart
        (Brooker 2015, "Exponential Backoff And Jitter", the "equal jitter" there).
        """
        full = min(self.longest_s, self.first_s * 2.0 ** min(failures, 60))
        return full * rng.uniform(0.5, 1.0)

    def asked(self, retry_after_s: float) -> float:
        """Return how long to pause when a server asks for `retry_after_s` seconds."""
        return min(max(retry_after_s, 0.0), self.retry_after_s)


def retry_after(value: str | None, *, now: float) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date (RFC 9110, section 10.2.3).

    Parameters
    ----------
    value : str or None
        The header as it came.
    now : float, seconds since 1970
        What a date is counted from.

    Returns
    -------
    float or None
        Seconds from now; None where there is no header or it means nothing.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() - now
