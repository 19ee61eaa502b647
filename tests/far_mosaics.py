"""Mosaics for tests on a real web server on loopback, which counts what it sends."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from astropy.io import fits

from mingolotss.sky.wcs import SkyWCS, simple_header
from misbehave import Line, Server, running

SHAPE, SIDE = (900, 700), 130
SIZE_DEG = SIDE * 1.5 / 3600
HEADER = simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5)
CARDS = fits.Header.fromstring(HEADER.decode())


def noise(seed: int = 1) -> np.ndarray:
    """Return an image with undefined pixels and an empty corner."""
    image = np.random.default_rng(seed).normal(0, 40, SHAPE).astype("f4")
    image[300:320, 200:240] = np.nan
    image[:200, 600:] = 0
    return image


def as_bytes(*hdus: object) -> bytes:
    """Return a FITS file."""
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def plain(data: np.ndarray) -> bytes:
    """Return a file of an image without compression."""
    return as_bytes(fits.PrimaryHDU(data, CARDS.copy()))


def packed(data: np.ndarray, **options: object) -> bytes:
    """Return a file of an image in compressed tiles."""
    settings = {"compression_type": "RICE_1", "tile_shape": (64, 64), "dither_seed": 5, **options}
    return as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(data, CARDS.copy(), **settings))


def places(count: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return RA and Dec of sources on the mosaic and over its edge, the last one off it."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-20, SHAPE[1] + 20, count), rng.uniform(-20, SHAPE[0] + 20, count)
    x[-1], y[-1] = -900, -900
    return SkyWCS.from_header(HEADER).to_sky(x, y)


def boxes(count: int) -> list[tuple[int, int, int, int]]:
    """Return rows and columns of the squares, as far as they are on the mosaic with the source."""
    x, y = SkyWCS.from_header(HEADER).to_pixel(*places(count))
    listed = []
    for column, row in zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True):
        top, left = row - SIDE // 2, column - SIDE // 2
        y0, y1 = max(top, 0), min(top + SIDE, SHAPE[0])
        x0, x1 = max(left, 0), min(left + SIDE, SHAPE[1])
        if 0 <= column < SHAPE[1] and 0 <= row < SHAPE[0]:
            listed.append((y0, y1, x0, x1))
    return listed


def needed_bytes(content: bytes, count: int) -> np.ndarray:
    """Return which bytes of a file are under the squares of `places`, of pixels or of tiles."""
    needed = np.zeros(len(content), bool)
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        table = hdus[-1]
        offset, header = table.fileinfo()["datLoc"], table.header
        if "ZIMAGE" not in header:
            pixels = np.zeros(SHAPE, bool)
            for y0, y1, x0, x1 in boxes(count):
                pixels[y0:y1, x0:x1] = True
            needed[offset : offset + 4 * pixels.size] = np.repeat(pixels.ravel(), 4)
            return needed
        dtype = table.columns.dtype.newbyteorder(">")
        rows = np.frombuffer(content, dtype, header["NAXIS2"], offset)
        heap = offset + header.get("THEAP", header["NAXIS1"] * header["NAXIS2"])
        height, width = header["ZTILE2"], header["ZTILE1"]
        for y0, y1, x0, x1 in boxes(count):
            for row in range(y0 // height, -(-y1 // height)):
                for column in range(x0 // width, -(-x1 // width)):
                    number = row * -(-SHAPE[1] // width) + column
                    for name in ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"):
                        length, start = rows[name][number].tolist()
                        needed[heap + start : heap + start + length] = True
    return needed


def ranges_of(needed: np.ndarray) -> list[list[int]]:
    """Return first byte, and one past the last, of each run of bytes."""
    edges = np.flatnonzero(np.diff(np.pad(needed.view("i1"), 1)))
    return edges.reshape(-1, 2).tolist()


def joined(ranges: list[list[int]], mean_bytes: int) -> list[tuple[int, int]]:
    """Join one gap after another, the smallest first, as `single_requests` says."""
    total = sum(stop - start for start, stop in ranges)
    spent, ranges = 0, [list(one) for one in ranges]
    while len(ranges) > 1:
        gaps = [after[0] - before[1] for before, after in pairwise(ranges)]
        smallest = min(gaps)
        spent += smallest
        few = len(ranges) <= max(1, total // mean_bytes)
        if smallest > 512 and (smallest > 1 << 20 or (spent > 0.13 * total and few)):
            break
        index = gaps.index(smallest)
        ranges[index : index + 2] = [[ranges[index][0], ranges[index + 1][1]]]
    return [(start, stop) for start, stop in ranges]


class Far:
    """Files on a server; `before` may answer a request instead of it.

    Attributes
    ----------
    files : dict of str to bytes
        By path; what is put here is sent from the next request on.
    many : bool
        Several ranges in a request are answered; otherwise the whole file is sent.
    sent : list of (path, ranges)
    nbytes : int
        Bytes of bodies.
    """

    url: str

    def __init__(self, files: dict[str, bytes], *, many: bool) -> None:
        self.files, self.many, self.versions = dict(files), many, dict.fromkeys(files, 1)
        self.sent: list[tuple[str, list[tuple[int, int]]]] = []
        self.nbytes, self.lock = 0, threading.Lock()
        self.before: Callable[[Line, list[tuple[int, int]]], bool] | None = None

    def replace(self, path: str, content: bytes) -> None:
        """Put another file in a place."""
        with self.lock:
            self.files[path] = content
            self.versions[path] += 1

    def forget(self) -> None:
        """Count from here on."""
        self.sent.clear()
        self.nbytes = 0

    def reply(self, line: Line, _: int) -> None:
        """Answer a request."""
        if line.path.endswith("/"):
            names = "".join(f'<a href="{path[1:]}">x</a>' for path in self.files)
            line.send(names.encode())
            return
        pairs = re.findall(r"(\d+)-(\d+)", line.request_headers.get("range", ""))
        spans = [(int(first), int(last) + 1) for first, last in pairs]
        with self.lock:
            self.sent.append((line.path, spans))
            content, version = self.files[line.path], self.versions[line.path]
        if self.before is not None and self.before(line, spans):
            return
        self.send(line, content, spans, f'"{version}"')

    def send(self, line: Line, content: bytes, spans: list[tuple[int, int]], tag: str) -> None:
        """Send ranges of a file."""
        total = len(content)
        spans = [(start, min(stop, total)) for start, stop in spans]
        labels = [f"bytes {start}-{stop - 1}/{total}" for start, stop in spans]
        if not spans or (len(spans) > 1 and not self.many):
            line.head("200 OK", Content_Length=str(total), ETag=tag)
            line.wfile.write(content[:1000])  # nobody reads on
            return
        if any(start >= stop for start, stop in spans):
            line.send(b"", "416 Range Not Satisfiable", Content_Range=f"bytes */{total}")
            return
        if len(spans) == 1:
            body, head = content[slice(*spans[0])], {"Content_Range": labels[0]}
        else:
            body = b"".join(
                b"\r\n--e\r\nContent-Range: " + label.encode() + b"\r\n\r\n" + content[slice(*span)]
                for label, span in zip(labels, spans, strict=True)
            ) + b"\r\n--e--\r\n"  # fmt: skip
            head = {"Content_Type": "multipart/byteranges; boundary=e"}
        with self.lock:
            self.nbytes += len(body)
        line.send(body, "206 Partial Content", ETag=tag, **head)


@contextmanager
def far(files: dict[str, bytes], *, many: bool = True) -> Iterator[Far]:
    """Serve files until the block ends."""
    place = Far(files, many=many)
    server: Server
    with running({"*": place.reply}) as server:
        place.url = server.url
        yield place
