"""FITS mosaics at an address: their headers, and the pixels that are needed.

This is the only reader of remote mosaics: the services ``mosaics`` (with an address), ``ranges``
and ``lotss-dr2-mosaics`` all use `RemoteMosaics`. A LoTSS DR2 mosaic has about 1 GB, a cutout of it
0.2 MB: the header is read once, and after that only the bytes under cutouts. What many cutouts need
is requested together (`RemoteMosaics.fetch`): each byte once, what lies close together as one
range, and several requests at a time.

>>> from mingolotss.sky.fits_header import format_card, pad_to_block
>>> from mingolotss.sky.wcs import simple_header
>>> cards = format_card("SIMPLE", "T") + format_card("BITPIX", -32)
>>> header = cards + simple_header(10.0, 20.0, shape=(8, 10), scale_arcsec=1.5)
>>> layout = find_image(pad_to_block(header, b" "))
>>> row_ranges(layout, *(np.array([edge]) for edge in (2, 4, 1, 3))).tolist()
[[2964, 2972], [3004, 3012]]
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from mingolotss.errors import (
    ImageError,
    ServiceError,
    TruncatedFileError,
    UnreadableFileError,
)
from mingolotss.io.byte_ranges import (
    FileChangedError,
    FileVersion,
    HttpFile,
    RangeFile,
    Ranges,
    RangeSupport,
)
from mingolotss.io.files import write_bytes
from mingolotss.io.fits_layout import MAX_HEADER_BYTES, ImageLayout, find_image
from mingolotss.io.gzip_bytes import is_gzip
from mingolotss.io.partial_copy import PartialCopy
from mingolotss.io.range_plan import NO_RANGES, as_ranges, difference, union
from mingolotss.io.store_ranges import StoreFile
from mingolotss.model import Ints
from mingolotss.service.archive_hosts import is_archive
from mingolotss.service.concurrency import concurrent_map
from mingolotss.sky.fits_header import BLOCK

if TYPE_CHECKING:
    from mingolotss.io.http import Transport

__all__ = [
    "RemoteMosaic",
    "RemoteMosaics",
    "is_remote",
    "is_web_address",
    "row_ranges",
]

_START_LENGTHS = (16 * BLOCK, MAX_HEADER_BYTES)  # the second for headers with a long HISTORY
_COPIED_BYTES, _COPIES = 1 << 30, 64  # of mosaics that are not in use at the moment
_Mosaic = TypeVar("_Mosaic")


def is_remote(address: str) -> bool:
    """Return whether an address has to be read in byte ranges, unlike a path on this machine."""
    return "://" in address and not address.startswith("file://")


def is_web_address(address: str) -> bool:
    """Return whether an address is read over HTTP."""
    return address.startswith(("http://", "https://"))


class RemoteMosaic:
    """The file of one mosaic at an address, and a copy of the parts of it that were needed.

    May be used from any thread.

    Parameters
    ----------
    address : str
    layout : ImageLayout
        Header, and position and type of the pixels in the file.
    file : RangeFile
    on_change : callable
        Called if the file is no longer the one whose header was read.
    """

    def __init__(
        self,
        address: str,
        layout: ImageLayout,
        file: RangeFile,
        on_change: Callable[[RemoteMosaic], None],
    ) -> None:
        self.address, self.layout = address, layout
        self._file, self._on_change = file, on_change
        self._refused = NO_RANGES
        self._lock = threading.Lock()
        self._copy: PartialCopy | None = None

    def drop_copy(self) -> None:
        """Begin with an empty copy; what still reads the old one keeps it."""
        with self._lock:
            self._copy = None

    @property
    def copy(self) -> PartialCopy:
        """Return the copy, which begins with the header when it is first asked for.

        Raises
        ------
        UnreadableFileError
            There is no place for a temporary file.
        """
        with self._lock, _no_disk(self.address):
            if self._copy is None:
                copy, layout = PartialCopy(self.layout.end), self.layout
                copy.write([(layout.start, layout.offset)], [layout.header])
                self._copy = copy
            return self._copy

    @property
    def nbytes(self) -> int:
        """Return how many bytes of the copy are there."""
        copy = self._copy  # another thread may drop it
        return 0 if copy is None else copy.nbytes

    def read(self, ranges: Ints) -> bytes:
        """Return the bytes of sorted ranges one after another, from the server.

        Raises
        ------
        ServiceError, ImageError
            As `RangeFile.read_ranges`.
        """
        return b"".join(self._read([(start, stop) for start, stop in ranges.tolist()]))

    def _read(self, ranges: Ranges) -> list[bytes]:
        try:
            return self._file.read_ranges(ranges)
        except FileChangedError:
            self._on_change(self)
            raise

    def requests(self, ranges: Ints) -> list[Ranges]:
        """Return the requests that add some ranges to the copy.

        What is there is left out, and so is what was refused: a cutout with it has to be read
        alone, to have an error of its own.
        """
        missing = difference(self.copy.missing(union(ranges)), self._refused)
        return self._file.plan(missing) if len(missing) else []

    def add(self, request: Ranges) -> None:
        """Send one request, and add what it returns to the copy.

        Raises
        ------
        ServiceError, ImageError
            As `RangeFile.read_ranges`; also if the disk is full.
        """
        try:
            self.load(request, self.copy)
        except (ServiceError, ImageError):
            with self._lock:
                self._refused = union(np.concatenate([self._refused, np.array(request)]))
            raise

    def load(self, ranges: Ranges, copy: PartialCopy) -> None:
        """Add sorted ranges to a copy, also if they were refused before.

        Raises
        ------
        ServiceError, ImageError
            As `add`.
        """
        parts = self._read(ranges)
        with _no_disk(self.address):
            copy.write(ranges, parts)


class RemoteMosaics(Generic[_Mosaic]):
    """Mosaics by address; each header is read once. May be used from any thread.

    A file that changes costs the error of one request, `FileChangedError`: after that, `get` reads
    the header of the new file.

    Parameters
    ----------
    open_mosaic : callable
        Makes the mosaic, as its user needs it, from the `RemoteMosaic`.
    transport : Transport, optional
        The HTTP client; by default one is made when the first web address is read.
    headers : Path, optional
        The folder in which headers are kept for the next run.
    """

    def __init__(
        self,
        open_mosaic: Callable[[RemoteMosaic], _Mosaic],
        transport: Transport | None = None,
        headers: Path | None = None,
    ) -> None:
        self._open_mosaic = open_mosaic
        self._transport, self._headers = transport, headers
        self._mosaics: dict[str, _Mosaic] = {}
        self._files: OrderedDict[str, RemoteMosaic] = OrderedDict()  # the last one used last
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._support = RangeSupport()

    def __reduce__(self) -> tuple[object, ...]:
        return RemoteMosaics, (self._open_mosaic, self._transport, self._headers)

    @property
    def transport(self) -> Transport:
        """Return the HTTP client."""
        if self._transport is None:
            from mingolotss.io.http import Transport  # 0.1 s, and not needed for object stores

            self._transport = Transport()
        return self._transport

    def get(self, address: str) -> _Mosaic:
        """Return a mosaic.

        Raises
        ------
        ImageError
            There is no such file, or it has no image with a WCS near its start.
        ServiceError
            The server does not deliver it, or delivers no byte ranges.
        """
        # One lock for each address: threads that need the same mosaic wait for one header, and
        # threads that need different mosaics do not wait for each other.
        with self._lock:
            lock = self._locks.setdefault(address, threading.Lock())
        with lock:
            if address not in self._mosaics:
                try:
                    self._load(address)
                except FileChangedError:  # since the run that stored its header
                    self._load(address)
            return self._mosaics[address]

    def _load(self, address: str) -> None:
        """Read the header of a file, or that of an earlier run, and open its mosaic."""
        file = self._open(address)
        layout = self._stored_layout(address, file) or self._read_layout(address, file)
        remote = RemoteMosaic(address, layout, file, self._forget)
        self._mosaics[address] = self._open_mosaic(remote)
        self._files[address] = remote

    def _forget(self, remote: RemoteMosaic) -> None:
        """Read the header of a mosaic again the next time, unless that has happened since."""
        address = remote.address
        with self._lock:
            if self._files.get(address, remote) is not remote:
                return
            self._mosaics.pop(address, None)
            self._files.pop(address, None)
        path = self._header_path(address)
        if path is not None:
            path.unlink(missing_ok=True)

    def open_all(self, addresses: Iterable[str]) -> set[str]:
        """Read the headers of several mosaics at a time.

        Returns
        -------
        set of str
            The addresses whose headers cannot be read; `get` asks again, and raises the errors.
        """

        def is_readable(address: str) -> bool:
            with suppress(ImageError, ServiceError):
                self.get(address)
                return True
            return False

        unread = [address for address in addresses if address not in self._files]
        readable = concurrent_map(self._transport, is_readable, unread)
        return {address for address, known in zip(unread, readable, strict=True) if not known}

    def fetch(self, needs: Mapping[str, Ints]) -> list[ImageError | ServiceError]:
        """Add byte ranges of mosaics to their copies, in few requests and several at a time.

        Parameters
        ----------
        needs : mapping of str to int64 array of shape (n, 2)
            For the address of each mosaic that `get` has returned, the bytes that are needed.

        Returns
        -------
        list of error
            The first one of each mosaic of which not all could be read.
        """
        # The requests of several mosaics are in one queue, so that the connections are never idle
        # while there is something to ask. After a change of a file nothing more of it is read.
        failures: dict[str, ImageError | ServiceError] = {}
        queue: list[tuple[RemoteMosaic, Ranges]] = []
        for address, ranges in needs.items():
            if (file := self._use(address)) is not None:
                try:
                    queue += [(file, request) for request in file.requests(ranges)]
                except ImageError as error:  # there is no place for a copy
                    failures[address] = error

        def send(item: tuple[RemoteMosaic, Ranges]) -> None:
            file, request = item
            if isinstance(failures.get(file.address), FileChangedError):
                return
            try:
                file.add(request)
            except FileChangedError as error:
                failures[file.address] = error
            except (ImageError, ServiceError) as error:
                failures.setdefault(file.address, error)

        if queue:
            connections = self._allowed_connections({file.address for file, _ in queue})
            for _ in concurrent_map(self._transport, send, queue, connections):
                pass
            self._limit_copies(needs)
        return list(failures.values())

    def _allowed_connections(self, addresses: Iterable[str]) -> int | None:
        """Return how many requests go to the hosts of files at a time; None for object stores."""
        # A server that sends one range in an answer gets many requests, whose answers are short:
        # it may have more of them at a time. An archive of surveys keeps the limit of all hosts.
        if self._transport is None:
            return None
        limiters = []
        for address in filter(is_web_address, addresses):
            limiters.append(self._transport.limiter_for(address))
            if not (self._support.accepts_many_ranges or is_archive(address)):
                limiters[-1].allow(self._transport.limits.range_connections)
        return max((limiter.connections for limiter in limiters), default=None)

    def _use(self, address: str) -> RemoteMosaic | None:
        """Return the file of a mosaic, which is now the last one used."""
        with self._lock:
            if address in self._files:
                self._files.move_to_end(address)
            return self._files.get(address)

    def _limit_copies(self, kept: Iterable[str]) -> None:
        """Drop the copies that were not used for longest, and not those of some mosaics."""
        with self._lock:
            files = [file for address, file in self._files.items() if address not in kept]
            copied = [file for file in files if file.nbytes]
            nbytes = sum(file.nbytes for file in self._files.values())
        while copied and (nbytes > _COPIED_BYTES or len(copied) > _COPIES):
            oldest = copied.pop(0)
            nbytes -= oldest.nbytes
            oldest.drop_copy()

    def _open(self, address: str) -> RangeFile:
        if is_web_address(address):
            return HttpFile(address, self.transport, self._support)
        return StoreFile(address)

    def _header_path(self, address: str) -> Path | None:
        name = hashlib.sha256(address.encode()).hexdigest()[:32]
        return self._headers and self._headers / f"{name}.header"

    def _stored_layout(self, address: str, file: RangeFile) -> ImageLayout | None:
        """Return the layout from a header of an earlier run, and expect its version of the file."""
        path = self._header_path(address)
        if path is None:
            return None
        try:
            layout = find_image(path.read_bytes(), address)
            file.version = FileVersion(**json.loads(_version_path(path).read_bytes()))
        except (OSError, ImageError, ValueError, TypeError):
            return None  # not there, or damaged: it is read again
        return layout

    def _read_layout(self, address: str, file: RangeFile) -> ImageLayout:
        layout, start = _find_layout(address, file)
        path = self._header_path(address)
        if path is not None and file.version is not None:
            write_bytes(path, start[: layout.offset])
            write_bytes(_version_path(path), json.dumps(asdict(file.version)).encode())
        return layout


def _version_path(header: Path) -> Path:
    return header.with_suffix(".json")


def row_ranges(layout: ImageLayout, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> Ints:
    """Return the bytes of every row of n rectangles, one rectangle after another.

    Parameters
    ----------
    layout : ImageLayout
    y0, y1, x0, x1 : int64 arrays, shape (n,), px
        Rows y0 to y1 and columns x0 to x1 of each, ends excluded.

    Returns
    -------
    int64 array, shape (m, 2)
    """
    nx, size, heights = layout.shape[1], layout.dtype.itemsize, y1 - y0
    before = np.repeat(heights.cumsum() - heights, heights)
    rows = np.repeat(y0, heights) + np.arange(len(before)) - before
    starts, stops = (rows * nx + np.repeat(x, heights) for x in (x0, x1))
    return as_ranges(layout.offset + starts * size, layout.offset + stops * size)


@contextmanager
def _no_disk(address: str) -> Iterator[None]:
    """Turn a failure of the temporary file into one line."""
    try:
        yield
    except OSError as error:
        raise UnreadableFileError(
            f"read {address}: its parts cannot be kept in a temporary file ({error.strerror}); "
            "set TMPDIR to a disk with more space",
            path=address,
        ) from error


def _find_layout(address: str, file: RangeFile) -> tuple[ImageLayout, bytes]:
    """Return the layout of a file and the bytes before its pixels, or more."""
    # A header has no length in it: it ends at the card END. 46 kB contain most headers, with an
    # empty primary HDU before them, in one request; only a long HISTORY needs the second request.
    short, long = _START_LENGTHS
    start = file.read_start(short)
    if is_gzip(start):
        raise ImageError(
            f"open {address}: a file in gzip cannot be read in parts; copy it to a folder and use "
            "the service mosaics",
            path=address,
        )
    try:
        return find_image(start, address), start
    except TruncatedFileError:
        if len(start) < short:
            raise
    start = file.read_start(long)
    return find_image(start, address), start
