"""Parse response headers: one strict function for each header that is used.

A header that is not written as RFC 9110 says is treated as absent; no value of a header raises any
other error than those named here, whatever a server sends.

>>> parse_content_range("bytes 0-99/1234")
ContentRange(first=0, last=99, total=1234)
>>> parse_content_length("12"), parse_content_length("1e3"), parse_content_length(" 12")
(12, None, None)
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urljoin

from mingolotss.errors import ServiceAnswerError

__all__ = [
    "ContentRange",
    "parse_content_length",
    "parse_content_range",
    "parse_date",
    "parse_location",
    "parse_retry_after",
]

# ASCII digits only: `str.isdigit` also accepts other scripts and superscripts. A file of more than
# 10^18 bytes, or a pause of as many seconds, does not exist.
_NUMBER = r"[0-9]{1,18}"
_CONTENT_RANGE = re.compile(rf"bytes ({_NUMBER})-({_NUMBER})/({_NUMBER}|\*)", re.IGNORECASE)
_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [1-9][0-9]{3} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


class ContentRange(NamedTuple):
    """The bytes of a file that a response holds, both ends included.

    Attributes
    ----------
    first, last : int
    total : int or None
        The length of the file; None if the server does not say it.
    """

    first: int
    last: int
    total: int | None


def parse_content_length(value: str | None) -> int | None:
    """Return a ``Content-Length`` (RFC 9110, section 8.6), or None if there is no valid one."""
    is_number = value is not None and re.fullmatch(_NUMBER, value) is not None
    return int(value) if value is not None and is_number else None


def parse_content_range(value: str | None) -> ContentRange | None:
    """Return a ``Content-Range`` in bytes (RFC 9110, section 14.4).

    None if there is no valid one: not of bytes, of no byte, or past the end of the file.
    """
    match = _CONTENT_RANGE.fullmatch((value or "").strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    is_valid = first <= last and (total is None or last < total)
    return ContentRange(first, last, total) if is_valid else None


def parse_date(value: str | None) -> float | None:
    """Return a date in seconds since 1970 (RFC 9110, section 5.6.7), or None if it is not valid.

    Of the three forms of a date, the two obsolete ones are treated as invalid.

    >>> parse_date("Thu, 01 Jan 1970 00:01:00 GMT"), parse_date("Thu, 99 Jan 1970 00:00:00 GMT")
    (60.0, None)
    """
    if value is None or not _DATE.fullmatch(value.strip()):
        return None
    try:
        return parsedate_to_datetime(value.strip()).replace(tzinfo=UTC).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def parse_retry_after(value: str | None, *, now: float) -> float | None:
    """Return a ``Retry-After``: seconds, or a date (RFC 9110, section 10.2.3).

    Parameters
    ----------
    value : str or None
        The value of the header.
    now : float, seconds since 1970
        The present time, for headers that give a date.

    Returns
    -------
    float or None
        Seconds from now, at least 0; None if there is no header or it is not valid.

    Examples
    --------
    >>> parse_retry_after("120", now=0.0), parse_retry_after("-1", now=0.0)
    (120.0, None)
    >>> parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=100.0)
    0.0
    """
    seconds = parse_content_length((value or "").strip())
    if seconds is not None:
        return float(seconds)
    date = parse_date(value)
    return None if date is None else max(date - now, 0.0)


def parse_location(url: str, value: str | None) -> str:
    """Return the absolute address in a ``Location`` (RFC 9110, section 10.2.2).

    Parameters
    ----------
    url : str
        The address that answered.
    value : str or None
        The header: an absolute or relative address.

    Raises
    ------
    ServiceAnswerError
        There is no header, or it is no address.
    """
    if not value:
        raise ServiceAnswerError(f"fetch {url}: redirected, and no Location says where", url=url)
    try:
        return urljoin(url, value)
    except ValueError as error:
        message = f"fetch {url}: redirected to {value[:200]}, which is no address ({error})"
        raise ServiceAnswerError(message, url=url) from error
