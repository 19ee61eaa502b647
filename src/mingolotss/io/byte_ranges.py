"""Byte ranges of a file at an address: parts of a large file without the rest of it.

`HttpFile` sends range requests through the project's HTTP client, with its connection limits,
retries and checks. `FsspecFile` reads any other address, such as ``s3://bucket/file``, through
fsspec. Both are a `RangeFile`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mingolotss.errors import (
    ImageError,
    ServiceAnswerError,
    ServiceUnavailableError,
    TruncatedFileError,
)

if TYPE_CHECKING:
    from mingolotss.io.http import Response, Transport

__all__ = ["FsspecFile", "HttpFile", "RangeFile", "RangeSupport", "Ranges"]

Ranges = Sequence[tuple[int, int]]
"""Byte ranges: (first byte, one past the last) of each."""

_MAX_RANGES = 180  # per request: Apache sends the whole file for more than 200


class RangeFile(Protocol):
    """A file at an address, read in parts."""

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
        True until the server refuses several ranges. It only changes to False, so threads need no
        lock: at worst, each of them tries once.
    """

    accepts_many_ranges: bool = True


class HttpFile:
    """A file on a web server, read by range requests (RFC 9110, section 14).

    Parameters
    ----------
    url : str
    transport : Transport
    support : RangeSupport
        Shared by the files of one server, and updated when the server refuses several ranges.
    """

    def __init__(self, url: str, transport: Transport, support: RangeSupport) -> None:
        self._url, self._transport, self._support = url, transport, support

    def read_start(self, length: int) -> bytes:
        """Return the first `length` bytes, or all if the file is shorter."""
        return self._transport.get(self._url, headers={"Range": f"bytes=0-{length - 1}"}).body

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Return the bytes of each range; see `RangeFile`.

        All ranges are sent in few requests. If the server refuses that, one range from the first
        byte to the last is requested and cut up here.
        """
        if self._support.accepts_many_ranges:
            try:
                groups = (
                    ranges[start : start + _MAX_RANGES]
                    for start in range(0, len(ranges), _MAX_RANGES)
                )
                return [part for group in groups for part in self._request(group)]
            except ServiceAnswerError:  # Try one range; if that fails too, its error is raised.
                self._support.accepts_many_ranges = False
        # Whole rows of the mosaic are transferred instead of those of the cutout: about 40 times
        # as much for 240 of 9,500 columns, and still a small part of the file.
        first, last = ranges[0][0], ranges[-1][1]
        (span,) = self._request([(first, last)])
        return [span[start - first : stop - first] for start, stop in ranges]

    def _request(self, ranges: Ranges) -> list[bytes]:
        header = ",".join(f"{start}-{stop - 1}" for start, stop in ranges)
        return self._transport.get_parsed(
            self._url,
            lambda response: _split_ranges(response, ranges),
            headers={"Range": f"bytes={header}"},
        )


class FsspecFile:
    """A file at an fsspec address, e.g. in an object store.

    Parameters
    ----------
    address : str
        E.g. ``s3://bucket/P1-mosaic.fits``.

    Raises
    ------
    ImageError
        The library for this kind of address is not installed.
    ServiceUnavailableError
        The address cannot be used.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self._address = address
        with _translate_fsspec_errors(address):
            self._filesystem, self._path = fsspec.core.url_to_fs(address)

    def read_start(self, length: int) -> bytes:
        """Return the first `length` bytes, or all if the file is shorter."""
        with _translate_fsspec_errors(self._address):
            start: bytes = self._filesystem.cat_file(self._path, start=0, end=length)
        return start

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Return the bytes of each range; see `RangeFile`."""
        starts, stops = [start for start, _ in ranges], [stop for _, stop in ranges]
        with _translate_fsspec_errors(self._address):
            parts: list[bytes] = self._filesystem.cat_ranges(
                [self._path] * len(ranges), starts, stops, max_gap=None
            )
        length, expected = sum(map(len, parts)), sum(stops) - sum(starts)
        if length != expected:
            raise TruncatedFileError(
                f"read {self._address}: {length} of {expected} bytes of a cutout",
                path=self._address,
            )
        return parts


def _split_ranges(response: Response, ranges: Ranges) -> list[bytes]:
    """Return the parts of a response to a range request (RFC 9110, section 14.6).

    Parameters
    ----------
    response : Response
    ranges : sequence of (int, int)
        The requested ranges.

    Raises
    ------
    ServiceAnswerError
        The server sent other ranges than the requested ones.
    TruncatedFileError
        A part is cut short.
    """
    content_type = response.headers.get("content-type", "")
    if len(ranges) == 1 and not content_type.startswith("multipart/"):
        _check_range(response.headers.get("content-range", ""), ranges[0])
        return [_check_length(response.body, ranges[0])]
    if not content_type.startswith("multipart/byteranges"):
        raise ServiceAnswerError(f"one range came back where {len(ranges)} were asked for")
    # Each part is a header of its own, an empty line, and as many bytes as its range has. The next
    # header is searched after those bytes, so pixels that look like a boundary do no harm.
    parts: list[bytes] = []
    position = 0
    for requested_range in ranges:
        header_end = response.body.find(b"\r\n\r\n", position)
        if header_end < 0:
            raise TruncatedFileError(f"{len(parts)} of {len(ranges)} ranges came back")
        header = response.body[position:header_end].decode("latin-1")
        match = re.search(r"(?i)content-range:\s*([^\r\n]+)", header)
        _check_range(match[1] if match else "", requested_range)
        position = header_end + 4 + requested_range[1] - requested_range[0]
        parts.append(_check_length(response.body[header_end + 4 : position], requested_range))
    return parts


def _check_range(content_range: str, requested_range: tuple[int, int]) -> None:
    match = re.match(r"bytes (\d+)-(\d+)/", content_range)
    if match is None or (int(match[1]), int(match[2]) + 1) != requested_range:
        raise ServiceAnswerError(
            f"asked for bytes {requested_range[0]}-{requested_range[1] - 1}, and "
            f"{content_range or 'others'} came back"
        )


def _check_length(part: bytes, requested_range: tuple[int, int]) -> bytes:
    length = requested_range[1] - requested_range[0]
    if len(part) != length:
        raise TruncatedFileError(f"{len(part)} of {length} bytes of a range")
    return part


@contextlib.contextmanager
def _translate_fsspec_errors(address: str) -> Iterator[None]:
    """Translate the exceptions of fsspec and its backends."""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(f"open {address}: there is no such file", path=address) from error
    except (OSError, ValueError, TimeoutError) as error:
        raise ServiceUnavailableError(f"read {address}: {error}", url=address) from error
    except ImportError as error:
        raise ImageError(f"open {address}: {error}", path=address) from error
