"""One FITS mosaic on a web server: its header, and boxes of its pixels by range requests.

>>> byte_ranges(100, rows=range(2, 4), nx=10, x0=1, x1=3, size=4)
[(184, 192), (224, 232)]
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mingolotss.errors import ImageError, ServiceAnswerError, TruncatedFileError
from mingolotss.io.files import write_bytes
from mingolotss.io.fits import BLOCK, FitsImage, PlainLayout, plain_layout
from mingolotss.io.http import Response, Transport
from mingolotss.service.remote.workspace import Workspace

__all__ = ["RangeSupport", "Ranges", "RemoteMosaic", "RemoteMosaics", "byte_ranges", "multipart"]

_HEADS = (16 * BLOCK, 256 * BLOCK)
_MOST_RANGES = 180  # in one request: Apache serves the whole file beyond 200
_CARD = 80
_DROPPED = (b"HISTORY ", b"COMMENT ", b"CHECKSUM", b"DATASUM ")

Ranges = Sequence[tuple[int, int]]


@dataclass(slots=True)
class RangeSupport:
    """What a server has shown of itself: whether it takes many ranges in one request."""

    many: bool = True


class RemoteMosaics:
    """Mosaics by address; every header is read once, and kept in the build's folder.

    Parameters
    ----------
    transport : Transport
    workspace : Path or None
    """

    def __init__(self, transport: Transport, workspace: Path | None) -> None:
        self._transport = transport
        self._folder = workspace and Workspace(workspace).headers
        self._open: dict[str, RemoteMosaic] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._manner = RangeSupport()

    def get(self, url: str) -> RemoteMosaic:
        """Return a mosaic.

        Raises
        ------
        ImageError
            It is no plain FITS image with a place on the sky.
        ServiceError
            The server does not give it, or gives no ranges.
        """
        with self._lock:
            lock = self._locks.setdefault(url, threading.Lock())
        with lock:
            if url not in self._open:
                layout = self._kept(url) or self._read(url)
                self._open[url] = RemoteMosaic(url, layout, self._transport, self._manner)
            return self._open[url]

    def _place(self, url: str) -> Path | None:
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        return self._folder and self._folder / f"{name}.header"

    def _kept(self, url: str) -> PlainLayout | None:
        place = self._place(url)
        try:
            return plain_layout(place.read_bytes(), url) if place else None
        except (OSError, ImageError):
            return None

    def _read(self, url: str) -> PlainLayout:
        layout = self._layout(url)
        if layout is None:
            raise ImageError(
                f"open {url}: only plain FITS images are read from afar, this one is scaled,"
                " packed or in an extension; copy it here and use the service mosaics",
                path=url,
            )
        place = self._place(url)
        if place is not None:
            write_bytes(place, layout.header)
        return layout

    def _layout(self, url: str) -> PlainLayout | None:
        """Read the start of the file, more of it if the header is long."""
        for length in _HEADS:
            wanted = {"Range": f"bytes=0-{length - 1}"}
            head = self._transport.get(url, headers=wanted).body
            try:
                return plain_layout(head, url)
            except TruncatedFileError:
                if length == _HEADS[-1] or len(head) < length:
                    raise
        return None


class RemoteMosaic:
    """One mosaic.

    Parameters
    ----------
    url : str
    layout : PlainLayout
        Where its pixels are.
    transport : Transport
    manner : Manner
        Shared by the mosaics of a server.
    """

    def __init__(
        self, url: str, layout: PlainLayout, transport: Transport, manner: RangeSupport
    ) -> None:
        self.url, self.layout, self._transport, self._manner = url, layout, transport, manner
        self.shape = layout.shape
        self.wcs = FitsImage(np.empty((2, 2)), layout.header, url, "").wcs()

    def holds(self, ra: float, dec: float) -> bool:
        """Tell whether a place (deg, ICRS) is on the array."""
        x, y = (float(v) for v in self.wcs.to_pixel(ra, dec))
        ny, nx = self.shape
        return -0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5  # False for NaN

    def cut(self, ra: float, dec: float, size_deg: float) -> bytes:
        """Return a FITS file of the square around a place, NaN past the mosaic's edge.

        Raises
        ------
        ImageError
            The place is not on the mosaic.
        """
        if not self.holds(ra, dec):
            raise ImageError(f"cut {self.url}: {ra:.5f} {dec:+.5f} is not on it", path=self.url)
        x, y = (float(v) for v in self.wcs.to_pixel(ra, dec))
        side = max(2, round(size_deg * 3600 / self.wcs.pixel_scale_arcsec))
        y0, x0 = round(y) - side // 2, round(x) - side // 2
        ny, nx = self.shape
        low_y, high_y, low_x, high_x = (
            max(y0, 0),
            min(y0 + side, ny),
            max(x0, 0),
            min(x0 + side, nx),
        )
        pixels = np.full((side, side), np.nan, self.layout.dtype)
        inner = self._box(low_y, high_y, low_x, high_x)
        pixels[low_y - y0 : high_y - y0, low_x - x0 : high_x - x0] = inner
        return _header(self.layout.header, side, x0, y0) + _padded(pixels.tobytes())

    def _box(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray[tuple[int, int], np.dtype]:
        layout, size = self.layout, self.layout.dtype.itemsize
        ranges = byte_ranges(
            layout.offset, rows=range(y0, y1), nx=self.shape[1], x0=x0, x1=x1, size=size
        )
        raw = b"".join(self._pieces(ranges))
        return np.frombuffer(raw, layout.dtype).reshape(y1 - y0, x1 - x0)

    def _pieces(self, ranges: Ranges) -> list[bytes]:
        """Return the bytes of every range: many at once, or cut out of one that spans them."""
        if self._manner.many:
            try:
                groups = [
                    ranges[start : start + _MOST_RANGES]
                    for start in range(0, len(ranges), _MOST_RANGES)
                ]
                return [piece for group in groups for piece in self._ask(group)]
            except ServiceAnswerError:
                self._manner.many = (
                    False  # one range at a time then; if that fails too, it says why
                )
        start = ranges[0][0]
        whole = self._ask([(start, ranges[-1][1])])[0]
        return [whole[a - start : b - start] for a, b in ranges]

    def _ask(self, ranges: Ranges) -> list[bytes]:
        wanted = ",".join(f"{a}-{b - 1}" for a, b in ranges)
        found: list[bytes] = []

        def validator(answer: Response) -> Response:
            found[:] = multipart(answer, ranges)
            return answer

        self._transport.get(
            self.url, headers={"Range": f"bytes={wanted}"}, response_validator=validator
        )
        return found


def byte_ranges(
    offset: int, *, rows: range, nx: int, x0: int, x1: int, size: int
) -> list[tuple[int, int]]:
    """Return where the rows of a box are in a file: (first byte, one past the last).

    Parameters
    ----------
    offset : int
        Where the pixels begin.
    rows : range
    nx : int
        Pixels in a row of the mosaic.
    x0, x1 : int
        First column of the box, and one past the last.
    size : int
        Bytes of a pixel.
    """
    return [(offset + (y * nx + x0) * size, offset + (y * nx + x1) * size) for y in rows]


def multipart(answer: Response, ranges: Ranges) -> list[bytes]:
    """Return the parts of an answer to a request for ranges (RFC 9110, section 14.6).

    Raises
    ------
    ServiceAnswerError
        The server sent other ranges than those asked for.
    TruncatedFileError
        A part is cut short.
    """
    kind = answer.headers.get("content-type", "")
    if len(ranges) == 1 and not kind.startswith("multipart/"):
        _check_range(answer.headers.get("content-range", ""), ranges[0])
        return [_whole(answer.body, ranges[0])]
    if not kind.startswith("multipart/byteranges"):
        raise ServiceAnswerError(f"one range came back where {len(ranges)} were asked for")
    found: list[bytes] = []
    place = 0
    for wanted in ranges:
        end = answer.body.find(b"\r\n\r\n", place)
        if end < 0:
            raise TruncatedFileError(f"{len(found)} of {len(ranges)} ranges came back")
        head = answer.body[place:end].decode("latin-1")
        match = re.search(r"(?i)content-range:\s*([^\r\n]+)", head)
        _check_range(match[1] if match else "", wanted)
        place = end + 4 + wanted[1] - wanted[0]
        found.append(_whole(answer.body[end + 4 : place], wanted))
    return found


def _check_range(said: str, wanted: tuple[int, int]) -> None:
    match = re.match(r"bytes (\d+)-(\d+)/", said)
    if match is None or (int(match[1]), int(match[2]) + 1) != wanted:
        message = f"asked for bytes {wanted[0]}-{wanted[1] - 1}, and {said or 'others'} came back"
        raise ServiceAnswerError(message)


def _whole(piece: bytes, wanted: tuple[int, int]) -> bytes:
    if len(piece) != wanted[1] - wanted[0]:
        raise TruncatedFileError(f"{len(piece)} of {wanted[1] - wanted[0]} bytes of a range")
    return piece


def _header(header: bytes, side: int, x0: int, y0: int) -> bytes:
    """Return a mosaic's header for a cutout of it: its size and reference pixel changed."""
    changes: dict[bytes, Callable[[bytes], str]] = {
        b"NAXIS1  ": lambda _: str(side),
        b"NAXIS2  ": lambda _: str(side),
        b"CRPIX1  ": lambda old: repr(float(old) - x0),
        b"CRPIX2  ": lambda old: repr(float(old) - y0),
    }
    cards = [header[i : i + _CARD] for i in range(0, len(header), _CARD)]
    kept = []
    for card in cards[: next(i for i, c in enumerate(cards) if c.startswith(b"END     "))]:
        key = card[:8]
        if key in changes:
            value = card[10:].partition(b"/")[0].strip().replace(b"D", b"E")
            kept.append(f"{key.decode()}= {changes[key](value):>20}".ljust(_CARD).encode())
        elif key not in _DROPPED:
            kept.append(card)
    text = b"".join([*kept, b"END".ljust(_CARD)])
    return text.ljust(math.ceil(len(text) / BLOCK) * BLOCK)


def _padded(data: bytes) -> bytes:
    """Return data filled up to whole blocks."""
    return data.ljust(math.ceil(len(data) / BLOCK) * BLOCK, b"\x00")
