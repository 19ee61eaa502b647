"""Cutouts from mosaics on a web server, by HTTP range requests (RFC 9110, section 14).

The cutouts are downloaded to the build's folder: each becomes a FITS file of the square around its
source, NaN past the edge of the mosaic, with the pixels that the service ``mosaics`` gives for the
same files. `mingolotss.service.remote_mosaic` reads the mosaics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self, Unpack
from urllib.parse import unquote

import numpy as np

from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.errors import (
    ImageError,
    InputError,
    ServiceAnswerError,
    ServiceError,
    ServiceUnavailableError,
    TruncatedFileError,
)
from mingolotss.io.byte_ranges import FileChangedError
from mingolotss.io.files import write_bytes
from mingolotss.model import Candidate, Source
from mingolotss.service.concurrency import concurrent_map
from mingolotss.service.fits_names import PassedOver
from mingolotss.service.local.copied_mosaic import CopiedImage
from mingolotss.service.local.copied_tiles import open_copied
from mingolotss.service.local.read_ahead import fetch_ahead
from mingolotss.service.local.squares import first_pixel, padded_square, side_pixels
from mingolotss.service.mosaic_names import pair_mosaics
from mingolotss.service.remote.addresses import require_address
from mingolotss.service.remote.download import DownloadOptions, DownloadService
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.workspace import Workspace
from mingolotss.service.remote_listing import list_web_folder, web_address, web_folder_names
from mingolotss.service.remote_mosaic import RemoteMosaics
from mingolotss.sky.angles import unit_vectors
from mingolotss.sky.fits_header import (
    card_values,
    format_card,
    header_cards,
    join_cards,
    pad_to_block,
)
from mingolotss.sky.footprint import (
    WHOLE_SKY,
    SkyCircle,
    bounding_circle,
    contains,
    find_pixels,
    outside_reason,
)

__all__ = ["LotssDr2MosaicsService", "RangesService", "cutout_file"]

_POINTING = re.compile(r"P(\d{3})([+-]\d{2})")
_DROPPED = (b"HISTORY", b"COMMENT", b"CHECKSUM", b"DATASUM")
_SCALING = (b"BSCALE", b"BZERO", b"BLANK")
_EXTENSION = (b"PCOUNT", b"GCOUNT", b"INHERIT", b"EXTNAME", b"EXTVER", b"EXTLEVEL")
_AHEAD = 1024  # requests that are looked at together
_REACH_DEG = 6.0  # a field's name is its pointing to a degree; its mosaic reaches 3 deg from there


class RangesService(DownloadService):
    """FITS mosaics in a web folder, named as the service ``mosaics`` names them.

    Parameters
    ----------
    url : str
        The folder; the server must list its files.
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.
    """

    def __init__(self, url: str, **options: Unpack[DownloadOptions]) -> None:
        super().__init__(**options)
        self.url = self.transport.without_credentials(url).rstrip("/") + "/"
        headers = self.workspace and Workspace(self.workspace).headers
        self._mosaics = RemoteMosaics(open_copied, self.transport, headers)
        self._passed_over = PassedOver()
        self._unreadable: dict[str, ImageError | ServiceAnswerError] = {}  # by address

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``ranges:URL``."""
        return cls(require_address(argument, "ranges"), **options)

    @property
    def fields(self) -> dict[str, tuple[str, str]]:
        """The addresses of (image, rms map or "") of every field on the server."""
        return {c.field: (c.image, c.rms) for c in self._list().candidates}

    def _list(self) -> SearchResult:
        """Return the list of the server's mosaics, requested once."""
        return self.results.get_or_run(self.url, self.run_query)

    def notices(self) -> list[str]:
        """Return one line for each kind of file that is not used, and for each damaged mosaic."""
        result = self.results.get_if_run(self.url)
        return [*(result.notices if result else ()), *self._passed_over.lines()]

    def reason_without_image(self, source: str) -> str:
        """Return why a source that no mosaic holds has no image, "" if that is all."""
        if not self._unreadable:
            return ""
        n, (_, error) = len(self._unreadable), min(self._unreadable.items())
        return f"no image holds the position, but {n} of the mosaics cannot be read: {error}"

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the folder: its list of files is the same for every source."""
        return self.url

    def search_source(self, source: Source, size_deg: float) -> SearchResult:
        """Return the field that the catalogue names, or every field that holds the position.

        Raises
        ------
        ServiceError
            The server does not answer, or none of its mosaics can be read.
        """
        # With a hint from the catalogue no header is read, and no list of the fields.
        if source.field_hint:
            return SearchResult((self.hinted_candidate(source.field_hint),))
        candidates, fields = [], list(self.fields.items())
        near = self._circles.contains(unit_vectors(source.ra, source.dec))
        for number in np.flatnonzero(near).tolist():
            field, (image, rms) = fields[number]
            if self._may_hold(image, source):
                candidates.append(Candidate(field, image, rms))
        if len(self._unreadable) == len(fields):
            address, error = next(iter(self._unreadable.items()))
            raise ServiceAnswerError(str(error), url=address) from error
        return SearchResult(tuple(candidates))

    @cached_property
    def _circles(self) -> SkyCircle:
        """Return a circle around each field, in the order of `fields`."""
        circles = list(concurrent_map(self.transport, self.field_circle, self.fields.items()))
        return SkyCircle(
            np.array([circle.centre for circle in circles]),
            np.array([circle.cosine for circle in circles]),
        )

    def field_circle(self, field: tuple[str, tuple[str, str]]) -> SkyCircle:
        """Return a circle that contains the mosaic of a field, by its header.

        The whole sky if the header cannot be read: the search for a source then finds the error.

        Parameters
        ----------
        field : tuple
            An item of `fields`.
        """
        _, (image, _) = field
        try:
            mosaic = self._mosaics.get(image)
        except (ImageError, ServiceError):
            return WHOLE_SKY
        return bounding_circle(mosaic.wcs, mosaic.shape)

    def hinted_candidate(self, field: str) -> Candidate:
        """Return the image of a field that the catalogue names.

        Raises
        ------
        ServiceAnswerError
            The server has no such field, or has several of that name.
        """
        fields = self.fields
        for name in (field, field.replace("_", "+")):
            if name in fields:
                return Candidate(name, *fields[name])
        alike = sorted(name for name in fields if name.rpartition("/")[2] == field)
        message = f"find the field {field} in {self.url}: it is not among {len(fields)}"
        if alike:
            message = f"find the field {field} in {self.url}: it may be {' or '.join(alike)}"
        raise ServiceAnswerError(message, url=self.url)

    def _may_hold(self, address: str, source: Source) -> bool:
        """Return whether a mosaic holds a source; a damaged one, which is recorded, holds none."""
        # The header of a damaged mosaic is not requested again for each source.
        if address in self._unreadable:
            return False
        try:
            mosaic = self._mosaics.get(address)
            return bool(contains(mosaic.wcs, mosaic.shape, source.ra, source.dec))
        except (ImageError, ServiceAnswerError) as error:
            self._unreadable[address] = error
            self._passed_over.add(address.rpartition("/")[2], str(error))
            return False

    def run_query(self, query: str) -> SearchResult:
        """List the folder, and the folders in it if it has no mosaics itself."""
        passed_over = PassedOver()
        paths = list_web_folder(self.url, self.transport, passed_over)
        root = self.url.rstrip("/")
        pairs = pair_mosaics((self.url + path for path in paths), root, passed_over)
        if not pairs:
            raise InputError(
                f"list the mosaics in {self.url}: no FIELD-mosaic.fits and no"
                " FIELD/mosaic-blanked.fits in what the server lists"
            )
        start = len(self.url)
        candidates = [
            Candidate(field, *(path and web_address(self.url, path[start:]) for path in pair))
            for field, pair in pairs.items()
        ]
        return SearchResult(tuple(candidates), notices=tuple(passed_over.lines()))

    def ahead_of(
        self, requests: Iterable[CutoutRequest], size_deg: float
    ) -> Iterator[CutoutRequest]:
        """Yield requests after the pixels that they need were fetched, for many of them together.

        See `DownloadService.ahead_of`.
        """
        queue = ((request, self._without_files(request, size_deg)) for request in requests)
        remaining = list[tuple[CutoutRequest, CutoutRequest]]()
        while remaining := remaining + list(islice(queue, _AHEAD - len(remaining))):
            missing = CutoutRequests.from_requests([missing for _, missing in remaining])
            count = fetch_ahead(self._mosaics, missing, size_deg)
            yield from (request for request, _ in remaining[:count])
            remaining = remaining[count:]

    def _without_files(self, request: CutoutRequest, size_deg: float) -> CutoutRequest:
        """Return a request without the addresses of files that need not be fetched."""
        missing = set(self.missing_files(request, size_deg))
        image, rms = (
            address if address in missing else ""
            for address in (request.candidate.image, request.candidate.rms)
        )
        return request._replace(candidate=replace(request.candidate, image=image, rms=rms))

    def fetch_bytes(self, url: str, source: Source, size_deg: float) -> bytes:
        """Return a FITS file of the square around a source; only its pixels are transferred."""
        with self.refusals():
            try:
                return cutout_file(self._mosaics.get(url), source, size_deg)
            except FileChangedError:  # its header is read again, once
                return cutout_file(self._mosaics.get(url), source, size_deg)

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Raise `ServiceAnswerError` for a mosaic that is unreadable, or without the source."""
        try:
            yield
        except TruncatedFileError as error:
            raise ServiceUnavailableError(str(error), url=error.path) from error
        except ImageError as error:
            raise ServiceAnswerError(str(error), url=error.path) from error

    def fetch_to(self, path: Path, url: str, source: Source, size_deg: float) -> None:
        """Write the FITS file of a cutout, complete or not at all."""
        write_bytes(path, self.fetch_bytes(url, source, size_deg))

    def cutout_key(self, url: str, source: Source, size_deg: float) -> str:
        """Return the address of the mosaic, which many cutouts share, and the position."""
        return f"{url} around {source.ra!r},{source.dec!r} {size_deg:g}"


class LotssDr2MosaicsService(RangesService):
    """The public mosaics of LoTSS DR2 with their rms maps (Shimwell et al. 2022, A&A 659, A1).

    If the catalogue names the mosaic of each source (``Mosaic_ID``), the server need not list them.
    """

    URL = "https://lofar-surveys.org/public/DR2/mosaics"
    IMAGE, RMS = "mosaic-blanked.fits", "mosaic.rms.fits"

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``lotss-dr2-mosaics``, or ``lotss-dr2-mosaics:URL`` for a mirror."""
        return cls(require_address(argument or cls.URL, "lotss-dr2-mosaics"), **options)

    def hinted_candidate(self, field: str) -> Candidate:
        """Return the image of a field in the layout of the release; the server is not asked."""
        self.assumes_images = True
        return Candidate(field, *self._addresses(field))

    def _addresses(self, field: str) -> tuple[str, str]:
        folder = web_address(self.url, f"{field}/")
        return folder + self.IMAGE, folder + self.RMS

    def field_circle(self, field: tuple[str, tuple[str, str]]) -> SkyCircle:
        """Return a circle around the pointing in the name of a field, which saves its header.

        The whole sky for a field of another name: its header is read.
        """
        pointing = _POINTING.fullmatch(field[0])
        if pointing is None:
            return WHOLE_SKY
        centre = unit_vectors(float(pointing[1]), float(pointing[2]))
        return SkyCircle(centre, math.cos(math.radians(_REACH_DEG)))

    def run_query(self, query: str) -> SearchResult:
        """List the folders of the fields; the names of the files in them are known."""
        names = web_folder_names(self.url, self.transport)
        fields = [unquote(name.rstrip("/")) for name in names if name.endswith("/")]
        if not any(re.match(r"P\d", field) for field in fields):  # a page about something else
            raise InputError(
                f"list the mosaics in {self.url}: the server shows no folders; give a catalogue"
                " that names each source's mosaic (catalogue.field, in DR2 Mosaic_ID)"
            )
        return SearchResult(tuple(Candidate(f, *self._addresses(f)) for f in sorted(fields)))


def cutout_file(mosaic: CopiedImage, source: Source, size_deg: float) -> bytes:
    """Return a FITS file of the square around a source; past the edge of the mosaic it is NaN.

    Parameters
    ----------
    mosaic : CopiedImage
    source : Source
    size_deg : float, deg

    Raises
    ------
    ImageError
        The source is not on the mosaic, or the mosaic cannot be read.
    """
    x, y = find_pixels(mosaic.wcs, mosaic.shape, source.ra, source.dec)
    if np.isnan(x):
        reason = outside_reason(mosaic.wcs, mosaic.shape, source.ra, source.dec)
        raise ImageError(
            f"cut {source.name} out of {mosaic.address}: {reason}", path=mosaic.address
        )
    # The same square as the service ``mosaics`` cuts, by the same functions. `padded_square` gives
    # native byte order where it pads or converts; FITS is big-endian, as the mosaic is.
    side = side_pixels(mosaic, size_deg, mosaic.address)
    x0, y0 = int(first_pixel(x, side)), int(first_pixel(y, side))
    pixels = padded_square(mosaic, y0, x0, side)
    pixels = pixels.astype(pixels.dtype.newbyteorder(">"), copy=False)
    header = _cutout_header(mosaic, side, x0, y0, bitpix=-8 * pixels.itemsize)
    return header + pad_to_block(pixels.tobytes(), b"\x00")


def _cutout_header(mosaic: CopiedImage, side: int, x0: int, y0: int, *, bitpix: int) -> bytes:
    """Return the header of a square of a mosaic: its size and reference pixel are changed.

    All other cards stay as they are, byte by byte, except that checksums and the long history of
    the mosaic are left out. The square has physical values, in a primary HDU: BITPIX is that of
    the floats, and scaling and the cards of an extension are left out.
    """
    # A WCS depends on a pixel only through its difference from CRPIX (Greisen & Calabretta 2002,
    # A&A 395, 1061, section 2.1.2). Subtracting the whole number of pixels that were cut off gives
    # the same positions, without resampling. The exponent of a number may be D in FITS; Python
    # reads E.
    values = card_values(mosaic.header)
    changes: dict[bytes, str | int | float] = {}
    if b"XTENSION" in values:
        changes[b"XTENSION"] = "T"
    if not mosaic.is_plain:
        changes[b"BITPIX"] = bitpix
    for axis, shift in zip(mosaic.layout.axes, (x0, y0), strict=True):
        changes[b"NAXIS%d" % axis] = side
        keyword = b"CRPIX%d" % axis  # 0 without a card (FITS standard 4.0, section 8.2)
        changes[keyword] = float(values.get(keyword, b"0").replace(b"D", b"E")) - shift
    dropped = {*_DROPPED}
    if not mosaic.is_plain:
        dropped |= {*_SCALING}
    if b"XTENSION" in values:
        dropped |= {*_EXTENSION}
    cards = []
    for card in header_cards(mosaic.header):
        keyword = card[:8].rstrip()
        if keyword in changes:
            name = "SIMPLE" if keyword == b"XTENSION" else keyword.decode()
            cards.append(format_card(name, changes[keyword]))
        elif keyword not in dropped:
            cards.append(card)
    added = [keyword for keyword in changes if keyword not in values]
    cards += [format_card(keyword.decode(), changes[keyword]) for keyword in added]
    return pad_to_block(join_cards(cards), b" ")
