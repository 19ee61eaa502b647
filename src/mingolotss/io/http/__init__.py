"""The one HTTP client: ask politely, try again, keep only what is whole.

Here: connections per host, pauses and retries, time-outs, size limits, redirects, files kept
atomically, and what a whole FITS file is. Not here: what the services ask and how they read an
answer (:mod:`mingolotss.service`).

>>> transport = Transport(limits=Limits(connections=2))
>>> transport.get("ftp://example.org/x.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.ServiceAnswerError: fetch ftp://example.org/x.fits: only http:// and \
https:// addresses are fetched
"""

from mingolotss.io.http.client import (
    Answer,
    Download,
    HostAwayError,
    Transport,
    TryLaterError,
    Validator,
)
from mingolotss.io.http.retry_policy import Limits, RetryPolicy
from mingolotss.io.http.validators import whole_fits

__all__ = [
    "Answer",
    "Download",
    "HostAwayError",
    "Limits",
    "RetryPolicy",
    "Transport",
    "TryLaterError",
    "Validator",
    "whole_fits",
]
