"""Servers that cut what an address asks for, with no search: LoTSS DR2 and DR3, and hips2fits.

There is nothing to ask beforehand: every place has one candidate, and the answer to the cutout
tells whether the survey covers it. None has an rms map; the recipe's ``noise.otherwise`` says what
to do (``sigma-clipped`` in the recipe ``lotss``).

>>> LotssDr2Service().question(Source(0, "A", 205.1, 54.9), 0.1)
'https://lofar-surveys.org/dr2-cutout.fits?pos=205.1%2054.9&size=6'
"""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import quote

from mingolotss.errors import InputError
from mingolotss.model import Candidate, Source
from mingolotss.service.remote.download import DownloadService
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.sia import need_address, with_query

__all__ = ["HipsService", "LotssDr2Service", "LotssDr3Service"]


class LotssDr2Service(DownloadService):
    """The cutout server of LoTSS DR2 (Shimwell et al. 2022, A&A 659, A1).

    The position is two numbers with a space between; the size is in arcmin, 120 at most. A place
    that is not covered is answered by an HTML page with status 200.
    """

    URL = "https://lofar-surveys.org/dr2-cutout.fits"
    FIELD = "DR2"
    LARGEST_ARCMIN = 120.0

    def __init__(self, url: str = "", **common: Any) -> None:
        super().__init__(**common)
        self.url = url or self.URL

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``lotss-dr2``, or of ``lotss-dr2:URL`` for a mirror."""
        return cls(need_address(argument or cls.URL, "lotss-dr2"), **common)

    def question(self, source: Source, size_deg: float) -> str:
        """Return the address of a source's cutout."""
        arcmin = size_deg * 60
        if arcmin > self.LARGEST_ARCMIN:
            raise InputError(
                f"ask {self.url} for {arcmin:g} arcmin: it cuts {self.LARGEST_ARCMIN:g} at most;"
                " set images.size_arcmin"
            )
        return f"{self.url}?pos={quote(f'{source.ra!r} {source.dec!r}')}&size={arcmin:.6g}"

    def ask(self, question: str) -> SearchResult:
        """Return the one candidate there is, without asking anybody."""
        return SearchResult((Candidate(self.FIELD, question),))

    def answer(self, source: Source, size_deg: float) -> SearchResult:
        """Return the candidate of a source, without looking at earlier answers.

        Search and cutout have one address: a refused cutout that was kept is no refused search.
        """
        return self.ask(self.question(source, size_deg))


class LotssDr3Service(LotssDr2Service):
    """The cutout server of LoTSS DR3, which answers as DR2's does."""

    URL = "https://lofar-surveys.org/dr3-cutout.fits"
    FIELD = "DR3"


class HipsService(LotssDr2Service):
    """Any HiPS through hips2fits (Boch et al. 2020, ADASS XXIX); resampled, for a quick look.

    Parameters
    ----------
    hips : str
        The identifier of the HiPS, e.g. ``CDS/P/DSS2/red``.
    url : str
        The hips2fits server.
    scale_arcsec : float
        Pixel of the cutouts.
    """

    URL = "https://alasky.cds.unistra.fr/hips-image-services/hips2fits"

    def __init__(
        self, hips: str, url: str = "", *, scale_arcsec: float = 1.5, **common: Any
    ) -> None:
        super().__init__(url, **common)
        self.hips, self.scale_arcsec = hips, scale_arcsec

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``hips:IDENTIFIER``, or ``hips:IDENTIFIER@URL`` elsewhere."""
        hips, _at, url = argument.partition("@")
        if not hips:
            raise InputError("open the service hips: give the HiPS, e.g. hips:CDS/P/DSS2/red")
        return cls(hips, need_address(url or cls.URL, "hips"), **common)

    def question(self, source: Source, size_deg: float) -> str:
        """Return the address of a source's cutout, north up, SIN projection."""
        side = max(2, round(size_deg * 3600 / self.scale_arcsec))
        return with_query(
            self.url,
            hips=self.hips,
            ra=repr(source.ra),
            dec=repr(source.dec),
            fov=f"{side * self.scale_arcsec / 3600:.10g}",
            width=str(side),
            height=str(side),
            projection="SIN",
            coordsys="icrs",
            format="fits",
        )

    def ask(self, question: str) -> SearchResult:
        """Return the one candidate there is."""
        return SearchResult((Candidate(self.hips.rpartition("/")[2], question),))
