"""FITS mosaics at an address: any rectangle of their pixels, without the rest of the file.

This is the only reader of remote mosaics: the services ``mosaics`` (with an address), ``ranges``
and ``lotss-dr2-mosaics`` all use `RemoteMosaics`. A LoTSS DR2 mosaic has about 1 GB, a cutout of it
0.2 MB: the header is read once, and after that only the pixels of the cutouts, one byte range for
each row.

>>> from mingolotss.sky.fits_header import format_card, pad_to_block
>>> from mingolotss.sky.wcs import simple_header
>>> cards = format_card("SIMPLE", "T") + format_card("BITPIX", -32)
>>> header = cards + simple_header(10.0, 20.0, shape=(8, 10), scale_arcsec=1.5)
>>> row_ranges(find_image(pad_to_block(header, b" ")), y0=2, y1=4, x0=1, x1=3)
[(2964, 2972), (3004, 3012)]
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin

import numpy as np

from mingolotss.errors import (
    ImageError,
    InputError,
    NoWCSError,
    ServiceUnavailableError,
    TruncatedFileError,
)
from mingolotss.io.byte_ranges import (
    FileVersion,
    FsspecFile,
    HttpFile,
    RangeFile,
    Ranges,
    RangeSupport,
)
from mingolotss.io.distortion_tables import needs_lookup_tables
from mingolotss.io.files import write_bytes
from mingolotss.io.fits_layout import MAX_HEADER_BYTES, ImageLayout, find_image
from mingolotss.io.gzip_bytes import is_gzip
from mingolotss.io.object_stores import require_store
from mingolotss.model import FloatImage
from mingolotss.service.fits_names import PassedOver, is_hidden, split_suffix, unread_suffix
from mingolotss.service.mosaic_names import is_mosaic_name
from mingolotss.sky.fits_header import BLOCK
from mingolotss.sky.wcs import SkyWCS

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from mingolotss.io.http import Transport

__all__ = [
    "RemoteMosaic",
    "RemoteMosaics",
    "is_remote",
    "is_web_address",
    "list_fsspec_folder",
    "list_web_folder",
    "resolve_fsspec",
    "row_ranges",
    "web_address",
    "web_folder_names",
]

_START_LENGTHS = (16 * BLOCK, MAX_HEADER_BYTES)  # the second for headers with a long HISTORY
Mapper = Callable[[Callable[[str], list[str]], Iterable[str]], Iterable[list[str]]]


def is_remote(address: str) -> bool:
    """Return whether an address has to be read in byte ranges, unlike a path on this machine."""
    return "://" in address and not address.startswith("file://")


def is_web_address(address: str) -> bool:
    """Return whether an address is read over HTTP."""
    return address.startswith(("http://", "https://"))


class RemoteMosaic:
    """One mosaic at an address.

    Parameters
    ----------
    address : str
    layout : ImageLayout
        Header, and position and type of the pixels in the file.
    file : RangeFile

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    wcs : SkyWCS

    Raises
    ------
    NoWCSError
        The header has no WCS.
    """

    def __init__(self, address: str, layout: ImageLayout, file: RangeFile) -> None:
        self.address, self.layout, self._file = address, layout, file
        self.shape = layout.shape
        if needs_lookup_tables(layout.header):
            raise NoWCSError(
                f"open {address}: the distortions of its WCS are in tables elsewhere in the file, "
                "which are not read from an address; download the file and use it from disk",
                path=address,
            )
        self.wcs = SkyWCS.from_header(layout.header, path=address)

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return the rows y0 to y1 and the columns x0 to x1 (ends excluded).

        The rectangle must be inside the mosaic.

        Returns
        -------
        float array, shape (y1 - y0, x1 - x0)
            Physical values, NaN where undefined; may be read-only and big-endian.
        """
        parts = self._file.read_ranges(row_ranges(self.layout, y0=y0, y1=y1, x0=x0, x1=x1))
        stored = np.frombuffer(b"".join(parts), self.layout.dtype).reshape(y1 - y0, x1 - x0)
        return self.layout.scaling.apply(stored)


class RemoteMosaics:
    """Mosaics by address; each header is read once. May be used from any thread.

    Parameters
    ----------
    transport : Transport, optional
        The HTTP client; by default one is made when the first web address is read.
    headers : Path, optional
        The folder in which headers are kept for the next run.
    """

    def __init__(self, transport: Transport | None = None, headers: Path | None = None) -> None:
        self._transport, self._headers = transport, headers
        self._mosaics: dict[str, RemoteMosaic] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._support = RangeSupport()

    def __reduce__(self) -> tuple[object, ...]:
        return RemoteMosaics, (self._transport, self._headers)

    @property
    def transport(self) -> Transport:
        """Return the HTTP client."""
        if self._transport is None:
            from mingolotss.io.http import Transport  # 0.1 s, and not needed for object stores

            self._transport = Transport()
        return self._transport

    def get(self, address: str) -> RemoteMosaic:
        """Return a mosaic.

        Raises
        ------
        ImageError
            There is no such file, or it has no uncompressed image with a WCS near its start.
        ServiceError
            The server does not deliver it, or delivers no byte ranges.
        """
        # One lock for each address: threads that need the same mosaic wait for one header, and
        # threads that need different mosaics do not wait for each other.
        with self._lock:
            lock = self._locks.setdefault(address, threading.Lock())
        with lock:
            if address not in self._mosaics:
                file = self._open(address)
                layout = self._stored_layout(address, file) or self._read_layout(address, file)
                self._mosaics[address] = RemoteMosaic(address, layout, file)
            return self._mosaics[address]

    def forget(self, address: str) -> None:
        """Read the header of a mosaic anew the next time: the file at its address has changed."""
        with self._lock:
            self._mosaics.pop(address, None)
        path = self._header_path(address)
        if path is not None:
            path.unlink(missing_ok=True)

    def _open(self, address: str) -> RangeFile:
        if is_web_address(address):
            return HttpFile(address, self.transport, self._support)
        return FsspecFile(address)

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
        if layout.is_compressed:
            raise ImageError(
                f"open {address}: a compressed image cannot be read in parts; copy it to a folder "
                "and use the service mosaics",
                path=address,
            )
        path = self._header_path(address)
        if path is not None and file.version is not None:
            write_bytes(path, start[: layout.offset])
            write_bytes(_version_path(path), json.dumps(asdict(file.version)).encode())
        return layout


def _version_path(header: Path) -> Path:
    return header.with_suffix(".json")


def row_ranges(layout: ImageLayout, *, y0: int, y1: int, x0: int, x1: int) -> Ranges:
    """Return the byte range of each row of a rectangle (ends excluded) in a FITS file."""
    nx, size = layout.shape[1], layout.dtype.itemsize
    return [
        (layout.offset + (y * nx + x0) * size, layout.offset + (y * nx + x1) * size)
        for y in range(y0, y1)
    ]


def list_web_folder(
    url: str,
    transport: Transport,
    mapper: Mapper = map,
    passed_over: PassedOver | None = None,
) -> list[str]:
    """List the FITS files in a web folder, or in the folders in it if it has no mosaics itself.

    Parameters
    ----------
    url : str
        The folder, with a slash at the end; the server must list its content as HTML.
    transport : Transport
    mapper : callable
        Called like `map` for the folders in it; one with threads asks for several at a time.
    passed_over : PassedOver, optional
        Receives the folders that are not searched, and files that cannot be read by their names.

    Returns
    -------
    list of str
        Paths relative to `url`, unquoted; `web_address` makes addresses of them.
    """
    passed_over = PassedOver() if passed_over is None else passed_over

    def names_within(folder: str) -> list[str]:
        return [folder + name for name in web_folder_names(url + folder, transport)]

    names = web_folder_names(url, transport)
    if not any(is_mosaic_name(unquote(name)) for name in names):
        folders = [name for name in names if name.endswith("/")]
        names = [
            *(name for name in names if not name.endswith("/")),
            *(name for inner in mapper(names_within, folders) for name in inner),
        ]
    paths = [unquote(name) for name in names]
    for path in paths:
        if path.endswith("/"):
            passed_over.add(path, "a folder that is not searched; give its address to the service")
    return _fits_files(paths, passed_over)


def web_address(folder: str, path: str) -> str:
    """Return the address of a file in a web folder.

    Only the characters that end a path or begin an escape sequence are quoted; the HTTP client
    quotes the others.

    >>> web_address("http://x/", "a/P1+50 #2-mosaic.fits")
    'http://x/a/P1+50 %232-mosaic.fits'
    """
    return folder + re.sub("[%#?]", lambda match: quote(match[0]), path)


def web_folder_names(url: str, transport: Transport) -> list[str]:
    """Return the names in a web folder, as the server quotes them; folders end with a slash."""
    return _parse_listing(transport.get(url).body, url)


def _parse_listing(page: bytes, url: str) -> list[str]:
    """Return the names in the HTML listing of a folder, sorted; hidden ones are left out.

    >>> page = b'<a href="../">up</a> <a href="P1%2B2/">P1+2</a> <a href="?C=N">name</a> ' + (
    ...     b"<a href='./P3/'>P3</a> <a href=/m/P4/>P4</a> <a href='.git/'>.git</a>")
    >>> _parse_listing(page, "http://x/m/")
    ['P1%2B2/', 'P3/', 'P4/']
    """
    # Servers write a link as a name, as ./name, or as a path from their root.
    text = page[: 20 << 20].decode("utf-8", "replace")
    links = re.findall(r"""href=(?:"([^"]+)"|'([^']+)'|([^\s"'>]+))""", text, re.IGNORECASE)
    names = set()
    for link in links:
        name = html.unescape("".join(link)).removeprefix("./")
        if "?" in name or "#" in name:
            continue
        if name.startswith("/") or "://" in name:
            try:
                name = urljoin(url, name).removeprefix(url)
            except ValueError:
                continue  # no address
        plain = unquote(name)
        if plain and "/" not in plain.rstrip("/") and not is_hidden(plain):
            names.add(name)
    return sorted(names)


def list_fsspec_folder(root: str, passed_over: PassedOver | None = None) -> list[str]:
    """List the FITS files at an fsspec address and in the folders directly in it.

    Parameters
    ----------
    root : str
    passed_over : PassedOver, optional
        Receives the folders that are not searched, and files that cannot be read by their names.

    Returns
    -------
    list of str
        Whole addresses.

    Raises
    ------
    InputError
        The library for this kind of address is not installed.
    ServiceUnavailableError
        The address does not answer.
    """
    import fsspec

    passed_over = PassedOver() if passed_over is None else passed_over
    try:
        filesystem, path = fsspec.core.url_to_fs(root)
        require_store(filesystem, root)
        files, folders = _list_fsspec(filesystem, path)
        deeper: list[str] = []
        for folder in folders:
            inner_files, inner_folders = _list_fsspec(filesystem, folder)
            files, deeper = [*files, *inner_files], [*deeper, *inner_folders]
        for folder in deeper:
            reason = "a folder more than one down is not searched; give its address to the service"
            passed_over.add(f"{folder.removeprefix(path).strip('/')}/", reason)
        return [filesystem.unstrip_protocol(file) for file in _fits_files(files, passed_over, path)]
    except ServiceUnavailableError:
        raise
    except ImportError as error:
        raise InputError(f"open the mosaics in {root}: {error}") from error
    except Exception as error:  # of botocore, aiohttp, google.auth, ...: they have no common base
        raise ServiceUnavailableError(f"list the mosaics in {root}: {error}", url=root) from error


def resolve_fsspec(root: str) -> str:
    """Return a folder at an fsspec address as it begins the addresses of its files."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(root)
    address: str = filesystem.unstrip_protocol(path)
    return address.rstrip("/")


def _list_fsspec(filesystem: AbstractFileSystem, path: str) -> tuple[list[str], list[str]]:
    """Return the paths of the files and folders in a folder; hidden ones are left out."""
    # `ls` is used and not `glob`, since the name of the folder may contain [ or *.
    files: list[str] = []
    folders: list[str] = []
    try:
        entries = filesystem.ls(path, detail=True)
    except FileNotFoundError:
        return [], []
    for entry in entries:
        name = entry["name"].rstrip("/")
        if name == path.rstrip("/") or is_hidden(name.rpartition("/")[2]):
            continue
        (folders if entry["type"] == "directory" else files).append(name)
    return sorted(files), sorted(folders)


def _fits_files(paths: Iterable[str], passed_over: PassedOver, root: str = "") -> list[str]:
    """Return the paths that are FITS files by their names; `root` is left out of messages."""
    files = []
    for path in paths:
        name = path.rpartition("/")[2]
        if split_suffix(name) is not None:
            files.append(path)
        elif reason := unread_suffix(name):
            passed_over.add(path.removeprefix(root).lstrip("/"), reason)
    return files


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
