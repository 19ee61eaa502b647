"""Rows out of mosaics that lie on a web server: HTTP range requests (RFC 9110, section 14).

A LoTSS DR2 mosaic is about 1 GB and a cutout 0.2 MB of it. The header is read once and kept;
after that only the pixels under a cutout travel, one range for each row of it, many ranges in one
request. A server that does not take many ranges at once is asked for one range from the first
pixel to the last; one that ignores ranges is refused, with a line that says what else to do.

The cutouts equal those of the service ``mosaics`` over the same files: NaN past the edge.
"""

from __future__ import annotations

import html
import re
from typing import Any, Self
from urllib.parse import unquote, urljoin

from mingolotss.errors import ImageError, InputError, ServiceAnswerError
from mingolotss.model import Candidate, Source
from mingolotss.service.local.mosaics import pair_mosaics
from mingolotss.service.remote.download import DownloadService
from mingolotss.service.remote.remote_mosaic import RemoteMosaics
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.sia import need_address
from mingolotss.sky.angles import separation_arcsec

__all__ = ["LotssDr2MosaicsService", "RangesService", "listing"]

_POINTING = re.compile(r"P(\d{3})([+-]\d{2})")
_REACH_DEG = 6.0  # a field's name is its pointing to a degree; its mosaic reaches 3 deg from there


class RangesService(DownloadService):
    """FITS mosaics in a web folder, named as the service ``mosaics`` names them.

    Parameters
    ----------
    url : str
        The folder; the server lists what is in it.
    **common
        As for :class:`~mingolotss.service.remote.download.DownloadService`.
    """

    def __init__(self, url: str, **common: Any) -> None:
        super().__init__(**common)
        self.url = url.rstrip("/") + "/"
        self._mosaics = RemoteMosaics(self.transport, self.workspace)

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``ranges:URL``."""
        return cls(need_address(argument, "ranges"), **common)

    @property
    def fields(self) -> dict[str, tuple[str, str]]:
        """The addresses of (image, rms map or "") of every field on the server."""
        found = self.answers.once(self.url, self.ask).candidates
        return {c.field: (c.image, c.rms) for c in found}

    def question(self, source: Source, size_deg: float) -> str:
        """Return the folder: what is in it answers for every source."""
        return self.url

    def answer(self, source: Source, size_deg: float) -> SearchResult:
        """Return the field that the catalogue names, or every field that holds the place."""
        if source.field_hint:
            image, rms = self.named(source.field_hint)
            return SearchResult((Candidate(source.field_hint.replace("_", "+"), image, rms),))
        found = [
            Candidate(field, image, rms)
            for field, (image, rms) in self.fields.items()
            if _may_reach(field, source) and self._mosaics.get(image).holds(source.ra, source.dec)
        ]
        return SearchResult(tuple(found))

    def named(self, field: str) -> tuple[str, str]:
        """Return the addresses of a field that the catalogue names.

        Raises
        ------
        ServiceAnswerError
            The server has no such field.
        """
        found = self.fields.get(field.replace("_", "+"))
        if found is None:
            message = f"find the field {field} in {self.url}: it is not among {len(self.fields)}"
            raise ServiceAnswerError(message, url=self.url)
        return found

    def ask(self, question: str) -> SearchResult:
        """List the folder, and the folders in it if it has no mosaics itself."""
        names = self._names(self.url)
        if not any(".fits" in name for name in names):
            inner = [name for name in names if name.endswith("/")]
            names = [n for more in self.side_by_side(self._within, inner) for n in more]
        pairs = pair_mosaics([unquote(name) for name in names if ".fits" in name])
        if not pairs:
            raise InputError(
                f"list the mosaics in {self.url}: no FIELD-mosaic.fits and no"
                " FIELD/mosaic-blanked.fits in what the server lists"
            )
        rows = [
            Candidate(field, urljoin(self.url, image), rms and urljoin(self.url, rms))
            for field, (image, rms) in pairs.items()
        ]
        return SearchResult(tuple(rows))

    def fetch_bytes(self, url: str, source: Source, size_deg: float) -> bytes:
        """Return a FITS file of the square around a source, and nothing else of the mosaic."""
        try:
            return self._mosaics.get(url).cut(source.ra, source.dec, size_deg)
        except ImageError as error:
            raise ServiceAnswerError(str(error), url=url) from error

    def cutout_question(self, url: str, source: Source, size_deg: float) -> str:
        """Return a mosaic's address and the place: many cutouts share one address."""
        return f"{url} around {source.ra!r},{source.dec!r} {size_deg:g}"

    def _names(self, url: str) -> list[str]:
        return listing(self.transport.get(url).body)

    def _within(self, folder: str) -> list[str]:
        return [folder + name for name in self._names(urljoin(self.url, folder))]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_mosaics": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._mosaics = RemoteMosaics(self.transport, self.workspace)


class LotssDr2MosaicsService(RangesService):
    """The public mosaics of LoTSS DR2 with their rms maps (Shimwell et al. 2022, A&A 659, A1).

    A catalogue that names each source's mosaic (``Mosaic_ID``) needs no list of what there is.
    """

    URL = "https://lofar-surveys.org/public/DR2/mosaics"
    IMAGE, RMS = "mosaic-blanked.fits", "mosaic.rms.fits"

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``lotss-dr2-mosaics``, or of a mirror's URL."""
        return cls(need_address(argument or cls.URL, "lotss-dr2-mosaics"), **common)

    def named(self, field: str) -> tuple[str, str]:
        """Return the addresses of a field: the release's own layout."""
        folder = urljoin(self.url, f"{field}/")
        return folder + self.IMAGE, folder + self.RMS

    def ask(self, question: str) -> SearchResult:
        """List the fields' folders; what is in each is known."""
        fields = [unquote(name.rstrip("/")) for name in self._names(self.url) if name.endswith("/")]
        if not fields:
            raise InputError(
                f"list the mosaics in {self.url}: the server shows no folders; give a catalogue"
                " that names each source's mosaic (catalogue.field, in DR2 Mosaic_ID)"
            )
        return SearchResult(tuple(Candidate(f, *self.named(f)) for f in sorted(fields)))


def listing(page: bytes) -> list[str]:
    """Return the names in a folder's HTML listing, folders with a slash, sorted.

    >>> listing(b'<a href="../">up</a> <a href="P1%2B2/">P1+2</a> <a href="?C=N">by name</a>')
    ['P1%2B2/']
    """
    text = page[: 20 << 20].decode("utf-8", "replace")
    names = {html.unescape(name) for name in re.findall(r'href="([^"?#]+)"', text)}
    return sorted(n for n in names if "/" not in n.rstrip("/") and n not in {"../", "./", ".."})


def _may_reach(field: str, source: Source) -> bool:
    """Tell by a field's name whether its mosaic may hold a source; True for other names."""
    match = _POINTING.fullmatch(field)
    if match is None:
        return True
    apart = separation_arcsec(float(match[1]), float(match[2]), source.ra, source.dec)
    return float(apart) < _REACH_DEG * 3600
