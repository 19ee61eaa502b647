"""What a request of the HTTP client results in: a response, a downloaded file, or an error.

>>> Response("https://x.org/a", 200, {}, b"").sha256[:8]
'e3b0c442'
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mingolotss.errors import ServiceUnavailableError

__all__ = [
    "BodyValidator",
    "Download",
    "FileValidator",
    "HostUnavailableError",
    "Response",
    "RetryableError",
    "UnreachableHostError",
]

BodyValidator = Callable[[bytes], bytes]
"""Takes the body of a response and returns the bytes to keep, or raises."""

FileValidator = Callable[[Path], object]
"""Takes a downloaded file, which it may replace by the bytes to keep, or raises."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response.

    Attributes
    ----------
    url : str
        The address that sent the response; after redirects, the last one.
    status : int
        200, or 206 for a range, in every response that `Transport` returns. Inside `Transport`, a
        response can have any status until redirects are followed and errors are raised.
    headers : mapping of str to str
        Names in lower case.
    body : bytes
        The content; from `Transport.get` with a validator, the bytes that it returned. Empty if the
        content went to a file.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def sha256(self) -> str:
        """The checksum of the body, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


class Download(NamedTuple):
    """A downloaded file: its path, its SHA-256 and its length in bytes."""

    path: Path
    sha256: str
    size: int


class RetryableError(ServiceUnavailableError):
    """A request failed in a way that may not happen again."""


class UnreachableHostError(ServiceUnavailableError):
    """No connection to the host was possible from the beginning: its name or the network is wrong.

    Other than an outage of a host that answered before, this is not waited for.
    """


class HostUnavailableError(RetryableError):
    """The host accepts no requests: requests for its other addresses would fail as well."""
