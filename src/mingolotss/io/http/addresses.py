"""Web addresses: which ones are requested at all, and the credentials in them.

>>> check_address("https://x.org:8080/a?b=1").hostname
'x.org'
>>> origin("https://X.org/a")
('https', 'x.org', 443)
"""

from __future__ import annotations

import base64
import re
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from mingolotss.errors import ServiceAnswerError

__all__ = ["CredentialStore", "Origin", "address_in_answer", "check_address", "origin"]

Origin = tuple[str, str, int]
"""Scheme, host and port of an address (RFC 6454, section 4)."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NOT_IN_AN_ADDRESS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_address(url: str) -> SplitResult:
    """Check that an address is http or https and has one host; return its parts.

    Raises
    ------
    ServiceAnswerError
        It is another kind of address, or different programs would read different hosts in it.
    """
    # Programs disagree about backslashes, control characters and several @ in an address: one asks
    # the host that another has checked. `urlsplit` checks here and urllib3 connects, so both have
    # to find the same host.
    try:
        parts = urlsplit(url)
        port, other_host = parts.port, parse_url(url).host or ""
    except (ValueError, LocationParseError) as error:
        # The message of urllib may repeat a part of a password.
        hint = "write /, ?, # and : of a password as %2F, %3F, %23, %3A" if "@" in url else error
        raise ServiceAnswerError(f"fetch {url}: not an address ({hint})", url=url) from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
        message = f"fetch {url}: only http:// and https:// addresses are fetched"
        raise ServiceAnswerError(message, url=url)
    host = parts.hostname.lower()
    same_host = not host.isascii() or other_host.strip("[]").lower() == host
    if _NOT_IN_AN_ADDRESS.search(url) or "\\" in parts.netloc or not same_host:
        message = f"fetch {url}: not an address (programs would read different hosts in it)"
        raise ServiceAnswerError(message, url=url)
    return parts


def address_in_answer(base: str, reference: str) -> str:
    """Return the absolute address that a server gives in an answer or a redirect.

    Parameters
    ----------
    base : str
        The address that answered, to which a relative address refers.
    reference : str
        The address in the answer.

    Raises
    ------
    ServiceAnswerError
        It is no http or https address, or has a user name in it.
    """
    try:
        url = urljoin(base, reference.strip())
        has_user = "@" in check_address(url).netloc
    except ValueError as error:
        raise ServiceAnswerError(f"{reference!r} is not an address ({error})", url=base) from error
    if has_user:
        message = f"{url}: an answer leads to an address with a user name, which is not followed"
        raise ServiceAnswerError(message, url=base)
    return url


def origin(url: str) -> Origin:
    """Return the origin of a checked address."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower().rstrip(".")
    return parts.scheme, host, parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


class CredentialStore:
    """User names and passwords of hosts, sent by the scheme Basic (RFC 7617).

    May be used from any thread.

    >>> credentials = CredentialStore()
    >>> credentials.take_from("https://me:secret@x.org/a")
    'https://x.org/a'
    >>> credentials.header_for("https://x.org/b"), credentials.header_for("https://y.org/b")
    ('Basic bWU6c2VjcmV0', None)
    """

    def __init__(self) -> None:
        self._headers: dict[Origin, str] = {}

    def take_from(self, url: str) -> str:
        """Return an address without user and password; these are kept for its origin."""
        if "@" not in url:  # nearly always
            return url
        parts = check_address(url)
        userinfo, at, _host = parts.netloc.rpartition("@")
        if not at:
            return url
        user, _, password = userinfo.partition(":")
        pair = f"{unquote(user)}:{unquote(password)}".encode()
        self._headers[origin(url)] = f"Basic {base64.b64encode(pair).decode()}"
        return url.replace(f"//{userinfo}@", "//", 1)

    def header_for(self, url: str) -> str | None:
        """Return the value of ``Authorization`` for an address; None for every other host."""
        scheme, host, port = origin(url)
        own = self._headers.get((scheme, host, port))
        if own is None and (scheme, port) == ("https", 443):  # after a redirect from http to https
            return self._headers.get(("http", host, 80))
        return own
