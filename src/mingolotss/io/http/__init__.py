"""The HTTP client: per-host rate limiting, retries, and only complete responses.

This package handles connections per host, pauses and retries, time-outs, size limits, redirects,
credentials, which hosts may be asked, files that are written complete or not at all, and checks of
FITS files. The requests of the services, and the interpretation of the responses, are in
:mod:`mingolotss.service`.

>>> transport = Transport(limits=Limits(connections=2))
>>> transport.get("ftp://example.org/x.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.ServiceAnswerError: fetch ftp://example.org/x.fits: only http:// and \
https:// addresses are fetched
"""

from mingolotss.io.http.client import Transport
from mingolotss.io.http.response import (
    BodyValidator,
    Download,
    FileValidator,
    HostUnavailableError,
    Response,
    RetryableError,
    UnreachableHostError,
)
from mingolotss.io.http.retry_policy import Limits, RetryPolicy
from mingolotss.io.http.validators import UndamagedFits, require_complete_fits

__all__ = [
    "BodyValidator",
    "Download",
    "FileValidator",
    "HostUnavailableError",
    "Limits",
    "Response",
    "RetryPolicy",
    "RetryableError",
    "Transport",
    "UndamagedFits",
    "UnreachableHostError",
    "require_complete_fits",
]
