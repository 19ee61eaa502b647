"""Byte ranges of a file at an address: parts of a large file without the rest of it.

`HttpFile` sends range requests through the project's HTTP client, with its connection limits,
retries and checks. Any other address is read by `mingolotss.io.store_ranges.StoreFile`. Both are a
`RangeFile`.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mingolotss.errors import (
    ImageError,
    ServiceAnswerError,
    ServiceError,
    ServiceUnavailableError,
    TruncatedFileError,
)
from mingolotss.io.range_plan import (
    as_ranges,
    group_ranges,
    join_close,
    join_ranges,
    single_requests,
)
from mingolotss.io.response_headers import ContentRange, parse_content_range
from mingolotss.model import Ints

if TYPE_CHECKING:
    from mingolotss.io.http import Response, Transport

__all__ = [
    "FileChangedError",
    "FileVersion",
    "HttpFile",
    "RangeFile",
    "RangeSupport",
    "Ranges",
]

Ranges = Sequence[tuple[int, int]]
"""Byte ranges: (first byte, one past the last) of each."""

_MAX_RANGES = 180  # per request: Apache sends the whole file for more than 200
_MAX_SHORT_ANSWERS = 50
_PART_HEADER_BYTES = 128  # around each of several ranges in an answer
_GAP_OF_REQUESTS = 1 << 17  # what takes as long as a further request: 30 ms at 35 Mbit/s
_TWO_RANGES = ((0, 1), (2048, 2049))  # of a header, to find out what a server accepts


class RangeFile(Protocol):
    """A file at an address, read in parts.

    Attributes
    ----------
    version : FileVersion or None
        The version of the file that is read; None before the first bytes, and where there is no
        sign of it.
    """

    version: FileVersion | None

    def plan(self, ranges: Ints) -> list[Ranges]:
        """Return the requests for a union of ranges, and for little between them.

        Each is read by one call of `read_ranges`, and the calls may run at the same time.

        Parameters
        ----------
        ranges : int64 array, shape (n, 2)
        """

    def read_start(self, length: int) -> bytes:
        """Return the first `length` bytes, or all if the file is shorter."""

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Return the bytes of each range, in order.

        Parameters
        ----------
        ranges : sequence of (int, int)
            Sorted by position; not empty.

        Raises
        ------
        ServiceError
            The address does not answer, or not with these ranges.
        ImageError
            There is no such file, or it ends before the last range.
        """


@dataclass(slots=True)
class RangeSupport:
    """Whether a server accepts many ranges in one request; the one mutable object of its files.

    Attributes
    ----------
    accepts_many_ranges : bool
        True until the server refuses several ranges. It only changes to False.
    is_known : bool
        The server has answered such a request in one way or the other.
    """

    accepts_many_ranges: bool = True
    is_known: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let one thread find out what the server accepts, while the others wait for it.

        A server that refuses may begin to send the whole file to each of them.
        """
        if not self.is_known:
            with self._lock:
                if not self.is_known:  # the thread before has not found it out
                    yield
                    return
        yield


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What tells one version of a file at an address from another; "" or None if not known.

    Attributes
    ----------
    etag : str
        The entity tag (RFC 9110, section 8.8.3), or the checksum or identity of an object store.
    modified : str
        When the file was last changed, as the server writes it.
    length : int or None, bytes
    """

    etag: str = ""
    modified: str = ""
    length: int | None = None

    def differs_from(self, other: FileVersion) -> bool:
        """Return whether two versions differ in something that is known of both."""
        pairs = (
            (self.etag, other.etag),
            (self.modified, other.modified),
            (self.length, other.length),
        )
        return any(a not in ("", None) and b not in ("", None) and a != b for a, b in pairs)


class FileChangedError(ServiceUnavailableError):
    """The file at an address is no longer the one whose header was read; read it anew."""


class HttpFile:
    """A file on a web server, read by range requests (RFC 9110, section 14).

    Parameters
    ----------
    url : str
    transport : Transport
    support : RangeSupport
        Shared by the files of one server, and updated when the server refuses several ranges.
    service : str, optional
        The address of the service whose answer gave `url`; see `Transport.get`.

    Attributes
    ----------
    version : FileVersion or None
        The version of the file whose bytes were read first. Bytes of another version are an error,
        since header and pixels would not belong together.
    """

    def __init__(
        self, url: str, transport: Transport, support: RangeSupport, service: str | None = None
    ) -> None:
        self._url, self._transport, self._support = url, transport, support
        self._service = service
        self.version: FileVersion | None = None

    def plan(self, ranges: Ints) -> list[Ranges]:
        """Return the requests for a union of ranges; see `RangeFile`."""
        joined = join_ranges(ranges, free_gap=_PART_HEADER_BYTES)
        if len(joined) > 1 and not self._support.is_known:
            with contextlib.suppress(ServiceError, ImageError):  # met again by the requests
                self.read_ranges(_TWO_RANGES)
        if self._support.accepts_many_ranges:
            return [*group_ranges(joined, _MAX_RANGES)]
        return [*single_requests(ranges, 1)]

    def read_start(self, length: int) -> bytes:
        """Return the first `length` bytes, or all if the file is shorter."""
        start = b""
        for _ in range(_MAX_SHORT_ANSWERS):
            try:
                (part,) = self._request([(len(start), length)])
            except ServiceAnswerError as error:
                # Status 416 says that nothing follows (RFC 9110, section 15.5.17).
                if start and error.status == 416:
                    return start
                raise
            start += part
            total = None if self.version is None else self.version.length
            if len(start) >= length or (total is not None and len(start) >= total):
                return start
        raise self._too_short(len(start), length)

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Return the bytes of each range; see `RangeFile`.

        All ranges are sent in few requests. If the server refuses that, ranges that lie close
        together are requested as one, each in a request, and cut up here.

        Raises
        ------
        FileChangedError
            The file has changed since its first bytes were read.
        """
        if len(ranges) == 1:
            return self._read(ranges)
        with self._support.first_alone():
            if self._support.accepts_many_ranges:
                try:
                    parts = self._read(ranges)
                except ServiceAnswerError:
                    pass
                else:
                    self._support.is_known = True
                    return parts
            parts = self._read_joined(ranges)
            self._support.accepts_many_ranges, self._support.is_known = False, True
            return parts

    def _read_joined(self, ranges: Ranges) -> list[bytes]:
        """Read ranges that lie close together as one, each in a request."""
        # Of one cutout, whole rows of the mosaic are transferred: about 40 times as much for 240 of
        # 9,500 columns, and still a small part of the file.
        spans = join_close(as_ranges(*np.array(ranges).T), _GAP_OF_REQUESTS)
        pieces = {first: self._read([(first, last)])[0] for first, last in spans.tolist()}
        firsts = spans[:, 0]
        spans_of = firsts[np.searchsorted(firsts, [start for start, _ in ranges], "right") - 1]
        return [
            pieces[first][start - first : stop - first]
            for first, (start, stop) in zip(spans_of.tolist(), ranges, strict=True)
        ]

    def _read(self, ranges: Ranges) -> list[bytes]:
        """Request ranges until all their bytes are there."""
        # A server may send less than it was asked for: the beginning of a range, or the first of
        # several ranges (RFC 9110, section 15.3.7). The rest is requested from where it ended. The
        # number of such answers is limited, as a server could send one byte at a time.
        parts: list[bytes] = []
        pending, short_answers = list(ranges), 0
        beginning = b""  # of the first pending range
        while pending:
            group = pending[:_MAX_RANGES]
            answer = self._request(group)
            for requested, part in zip(group, answer, strict=False):
                beginning += part
                if len(part) < requested[1] - requested[0]:
                    pending[0] = (requested[0] + len(part), requested[1])
                    break
                parts.append(beginning)
                beginning = b""
                pending.pop(0)
            is_short = len(answer) < len(group) or bool(beginning)
            short_answers += is_short
            if short_answers > _MAX_SHORT_ANSWERS:
                length = sum(stop - start for start, stop in ranges)
                raise self._too_short(sum(map(len, parts)) + len(beginning), length)
        return parts

    def _request(self, ranges: Ranges) -> list[bytes]:
        """Request ranges once; return what the server sends of them, at least one byte."""
        header = ",".join(f"{start}-{stop - 1}" for start, stop in ranges)
        parts, version = self._transport.get_parsed(
            self._url,
            lambda response: _split_ranges(response, ranges),
            headers={"Range": f"bytes={header}"},
            service=self._service,
        )
        if self.version is None:
            self.version = version
        elif self.version.differs_from(version):
            raise FileChangedError(
                f"read {self._url}: the file was changed on the server after its header was read;"
                " run the same command again",
                url=self._url,
            )
        return parts

    def _too_short(self, length: int, expected: int) -> ServiceUnavailableError:
        return ServiceUnavailableError(
            f"read {self._url}: {length} of {expected} bytes after {_MAX_SHORT_ANSWERS} answers"
            " that each end early",
            url=self._url,
        )


def _split_ranges(response: Response, ranges: Ranges) -> tuple[list[bytes], FileVersion]:
    """Return the parts of a response to a range request (RFC 9110, section 14.6).

    Parameters
    ----------
    response : Response
    ranges : sequence of (int, int)
        The requested ranges.

    Returns
    -------
    parts : list of bytes
        The bytes of the first ranges, at least one of them. The last part may end early.
    version : FileVersion
        The version of the file that they are from.

    Raises
    ------
    ServiceAnswerError
        The server sent other ranges than the requested ones.
    TruncatedFileError
        A part is cut short.
    """
    content_type = response.headers.get("content-type", "").lower()
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ServiceAnswerError("a range of a compressed answer, which is no range of the file")
    if not content_type.startswith("multipart/"):
        if len(ranges) > 1:
            raise ServiceAnswerError(f"one range came back where {len(ranges)} were asked for")
        only = _require_range(response.headers.get("content-range"), ranges[0])
        return [_require_length(response.body, only)], _version(response, only)
    if not content_type.startswith("multipart/byteranges"):
        raise ServiceAnswerError(f"{content_type[:40]} came back where ranges were asked for")
    # Each part is a header of its own, an empty line, and as many bytes as its range has. The next
    # header is searched after those bytes, so pixels that look like a boundary do no harm.
    parts: list[bytes] = []
    position = 0
    content_range: ContentRange | None = None
    for requested_range in ranges:
        header_end = response.body.find(b"\r\n\r\n", position)
        if header_end < 0:
            break  # the other ranges are requested again
        header = response.body[position:header_end].decode("latin-1")
        match = re.search(r"(?i)content-range:\s*([^\r\n]+)", header)
        content_range = _require_range(match[1] if match else None, requested_range)
        position = header_end + 4 + content_range.last + 1 - content_range.first
        parts.append(_require_length(response.body[header_end + 4 : position], content_range))
        if content_range.last + 1 < requested_range[1]:
            break  # a part that ends early
    if content_range is None:
        raise TruncatedFileError(f"0 of {len(ranges)} ranges came back")
    return parts, _version(response, content_range)


def _version(response: Response, content_range: ContentRange) -> FileVersion:
    headers = response.headers
    return FileVersion(
        headers.get("etag", ""), headers.get("last-modified", ""), content_range.total
    )


def _require_range(value: str | None, requested_range: tuple[int, int]) -> ContentRange:
    """Return the range of a response: the requested one, or its beginning."""
    start, stop = requested_range
    content_range = parse_content_range(value)
    if content_range is None or content_range.first != start or content_range.last >= stop:
        raise ServiceAnswerError(
            f"asked for bytes {start}-{stop - 1}, and {(value or 'others')[:80]} came back"
        )
    return content_range


def _require_length(part: bytes, content_range: ContentRange) -> bytes:
    length = content_range.last + 1 - content_range.first
    if len(part) != length:
        raise TruncatedFileError(f"{len(part)} of {length} bytes of a range")
    return part
