"""Servers that cut what an address asks for, without a search: LoTSS DR2 and DR3, and hips2fits.

Every position has one candidate, and the response to the cutout shows whether the survey covers it.
None of these servers has rms maps: the setting ``noise.otherwise`` of the recipe applies
(``sigma-clipped`` in the recipe ``lotss``).

>>> LotssDr2Service().query(Source(0, "A", 205.1, 54.9), 0.1)
'https://lofar-surveys.org/dr2-cutout.fits?pos=205.1%2054.9&size=6'
>>> HipsService.open("CDS/P/DSS2/red?pixel=1").scale_arcsec
1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar, Self, Unpack
from urllib.parse import quote

from mingolotss.errors import InputError, ServiceAnswerError, ServiceUnavailableError
from mingolotss.io.error_text import is_about_maintenance
from mingolotss.model import Candidate, Source
from mingolotss.service.remote.addresses import add_query, require_address
from mingolotss.service.remote.download import DownloadOptions, DownloadService
from mingolotss.service.remote.image_requests import split_request
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.survey_facts import NO_FACTS, SurveyFacts
from mingolotss.service.survey_table import facts_of_images

__all__ = ["CutoutServer", "HipsService", "LotssDr2Service", "LotssDr3Service"]


class CutoutServer(DownloadService):
    """Base class of the servers that cut what an address asks for.

    Parameters
    ----------
    url : str, optional
        A mirror.
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.

    Attributes
    ----------
    field : str
        The field of all candidates.
    """

    URL = ""
    field = ""
    LARGEST_ARCMIN = float("inf")
    assumes_images = True
    # Only a page that says so is about the position. A page about anything else, such as
    # maintenance, is none: the cutout is requested again in the next run.
    OUTSIDE: ClassVar[re.Pattern[str]] = re.compile(
        r"(?i)\boutside\b|\bnot (covered|observed)\b"
        r"|\bno (coverage|image|cutout|field|mosaic|data)\b"
    )

    def __init__(self, url: str = "", **options: Unpack[DownloadOptions]) -> None:
        super().__init__(**options)
        self.url = self.transport.without_credentials(url or self.URL)

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Raise `ServiceAnswerError` for the page with status 200 that says "not covered"."""
        try:
            yield
        except ServiceUnavailableError as error:
            text = str(error)
            if (
                error.status is None
                and self.OUTSIDE.search(text)
                and not is_about_maintenance(text)
            ):
                raise ServiceAnswerError(text, url=error.url) from error
            raise

    def check_size(self, size_deg: float) -> None:
        """Check the size of a cutout.

        Raises
        ------
        InputError
            It is larger than the server allows.
        """
        arcmin = size_deg * 60
        if arcmin > self.LARGEST_ARCMIN:
            raise InputError(
                f"ask {self.url} for {arcmin:g} arcmin: it cuts {self.LARGEST_ARCMIN:g} at most;"
                " set images.size_arcmin"
            )

    def run_query(self, query: str) -> SearchResult:
        """Return the only candidate; no request is sent."""
        return SearchResult((Candidate(self.field, query),))

    def search_source(self, source: Source, size_deg: float) -> SearchResult:
        """Return the only candidate of a source, without looking at stored results.

        Search and cutout have the same address here: a stored refusal is that of the cutout.
        """
        return self.run_query(self.query(source, size_deg))


class LotssDr2Service(CutoutServer):
    """The cutout server of LoTSS DR2 (Shimwell et al. 2022, A&A 659, A1).

    The position is two numbers separated by a space; the size is in arcmin, at most 120. For a
    position outside the survey the response is an HTML page with status 200.
    """

    URL = "https://lofar-surveys.org/dr2-cutout.fits"
    field = "DR2"
    LARGEST_ARCMIN = 120.0

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``lotss-dr2``, or ``lotss-dr2:URL`` for a mirror."""
        return cls(require_address(argument or cls.URL, "lotss-dr2"), **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the cutout of a source.

        Raises
        ------
        InputError
            The size is larger than the server allows.
        """
        self.check_size(size_deg)
        return f"{self.url}?pos={quote(f'{source.ra!r} {source.dec!r}')}&size={size_deg * 60:.6g}"


class LotssDr3Service(LotssDr2Service):
    """The cutout server of LoTSS DR3; it responds as that of DR2."""

    URL = "https://lofar-surveys.org/dr3-cutout.fits"
    field = "DR3"


class HipsService(CutoutServer):
    """Any HiPS through hips2fits (Boch et al. 2020, ADASS XXIX); resampled, for a quick look.

    A HiPS in colour is delivered as planes of display values, which are no images here; a band of
    the survey has a HiPS of its own.

    Parameters
    ----------
    hips : str
        The identifier of the HiPS, e.g. ``CDS/P/DSS2/red``.
    url : str
        The hips2fits server.
    scale_arcsec : float, arcsec
        Pixel size of the cutouts.
    facts : SurveyFacts, optional
        What is known about the survey.
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.
    """

    URL = "https://alasky.cds.unistra.fr/hips-image-services/hips2fits"

    def __init__(
        self,
        hips: str,
        url: str = "",
        *,
        scale_arcsec: float = 1.5,
        facts: SurveyFacts = NO_FACTS,
        **options: Unpack[DownloadOptions],
    ) -> None:
        super().__init__(url, **options)
        self.hips, self.scale_arcsec = hips, scale_arcsec
        self.pixel_arcsec = scale_arcsec
        self.field = hips.rpartition("/")[2]
        self.survey_facts = replace(facts, pixel_scale_arcsec=scale_arcsec, resampled=True)

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``hips:IDENTIFIER``.

        With ``?pixel=ARCSEC`` after the identifier the pixels have another size, and ``@URL`` at
        the end names another server.
        """
        request = split_request(argument, "hips", {"pixel"})
        if not request.name:
            raise InputError("open the service hips: give the HiPS, e.g. hips:CDS/P/DSS2/red")
        url = require_address(request.url or cls.URL, "hips")
        scale_arcsec, facts = request.pixel_arcsec or 1.5, facts_of_images(request.name)
        return cls(request.name, url, scale_arcsec=scale_arcsec, facts=facts, **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the cutout of a source: north up, SIN projection."""
        side = max(2, round(size_deg * 3600 / self.scale_arcsec))
        return add_query(
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
