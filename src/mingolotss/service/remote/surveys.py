"""Surveys by name: a few lines each over the services for any archive.

`mingolotss.service.survey_table` has what is known about them. The address of a service is its
name, with a band of the survey after a colon (``legacy:g``), and with another server that answers
in the same way after that (``nvss:https://...``, ``legacy:g@https://...``).

>>> Nvss.open("").query(Source(0, "A", 205.1, 54.9), 0.1)[:61]
'https://skyview.gsfc.nasa.gov/current/cgi/runquery.pl?Survey='
>>> Racs.open("mid").hips
'CSIRO/P/RACS/mid/I'
"""

from __future__ import annotations

import json
from typing import NamedTuple, Self, Unpack

from mingolotss.model import Source
from mingolotss.service.remote.addresses import add_query, require_address
from mingolotss.service.remote.cutout_server import CutoutServer, HipsService
from mingolotss.service.remote.download import DownloadOptions
from mingolotss.service.remote.image_requests import odd_pixels, split_request
from mingolotss.service.remote.sia import SiaService
from mingolotss.service.remote.sia2 import Sia2Service
from mingolotss.service.remote.skyview import SkyViewService, check_sampler
from mingolotss.service.survey_table import SURVEYS, Band

__all__ = [
    "Dss2",
    "First",
    "Gleam",
    "HipsSurvey",
    "Legacy",
    "Lolss",
    "Nvss",
    "Panstarrs",
    "Racs",
    "Sdss",
    "SkyViewSurveyService",
    "Sumss",
    "Tgss",
    "Unwise",
    "Vlass",
    "Vlssr",
    "Wenss",
]


class _Opened(NamedTuple):
    """What the address of a survey's service asks for."""

    band: Band
    url: str
    pixel_arcsec: float
    sampler: str


def _open(service: str, argument: str, url: str, options: set[str]) -> _Opened:
    """Return the band, the server and the pixels that the address of a service asks for."""
    request = split_request(argument, service, options)
    band = SURVEYS[service].band(request.name)
    server = require_address(request.url or url, service)
    pixel_arcsec = request.pixel_arcsec or band.facts.pixel_scale_arcsec
    sampler = check_sampler(request.options.get("sampler", ""), service)
    return _Opened(band, server, pixel_arcsec, sampler)


class First(CutoutServer):
    """The cutout server of FIRST, which cuts its coadded images on their own pixels."""

    URL = "https://third.ucllnl.org/cgi-bin/firstcutout"
    field = SURVEYS["first"].band("").field
    survey_facts = SURVEYS["first"].band("").facts
    pixel_arcsec = survey_facts.pixel_scale_arcsec
    LARGEST_ARCMIN = 61.0  # 2048 pixels

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``first``, or ``first:URL`` for a mirror."""
        return cls(_open("first", argument, cls.URL, set()).url, **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the cutout of a source; the right ascension is in hours."""
        self.check_size(size_deg)
        return add_query(
            self.url,
            RA=f"{source.ra / 15!r} {source.dec!r}",
            Equinox="J2000",
            ImageSize=f"{size_deg * 60:.6g}",
            ImageType="FITS File",
            MaxImSize="2048",
        )


class Legacy(CutoutServer):
    """The cutouts of the viewer of the DESI Legacy Imaging Surveys, one band at a time."""

    URL = "https://www.legacysurvey.org/viewer/fits-cutout"
    LARGEST_ARCMIN = 13.0  # 3000 pixels of 0.262 arcsec
    LAYER = "ls-dr10"

    def __init__(self, band: Band, url: str = "", **options: Unpack[DownloadOptions]) -> None:
        super().__init__(url, **options)
        self.band, self.field = band.name, band.field
        self.survey_facts = band.facts
        self.pixel_arcsec = band.facts.pixel_scale_arcsec

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``legacy`` or ``legacy:BAND``."""
        opened = _open("legacy", argument, cls.URL, set())
        return cls(opened.band, opened.url, **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the cutout of a source: north up, TAN projection."""
        self.check_size(size_deg)
        return add_query(
            self.url,
            ra=repr(source.ra),
            dec=repr(source.dec),
            size=str(odd_pixels(size_deg, self.pixel_arcsec)),
            layer=self.LAYER,
            pixscale=f"{self.pixel_arcsec:g}",
            bands=self.band,
        )


class SkyViewSurveyService(SkyViewService):
    """Base class of the surveys that SkyView delivers."""

    SURVEY = ""

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open the name of the survey, with a band, options as `SkyViewService` and a server."""
        opened = _open(cls.SURVEY, argument, cls.URL, {"pixel", "sampler"})
        service = cls(
            opened.band.name, opened.url, pixel_arcsec=opened.pixel_arcsec,
            sampler=opened.sampler, facts=opened.band.facts, **options,
        )  # fmt: skip
        service.field = opened.band.field
        return service


class Nvss(SkyViewSurveyService):
    """NVSS."""

    SURVEY = "nvss"


class Sumss(SkyViewSurveyService):
    """SUMSS."""

    SURVEY = "sumss"


class Wenss(SkyViewSurveyService):
    """WENSS."""

    SURVEY = "wenss"


class Vlssr(SkyViewSurveyService):
    """VLSSr."""

    SURVEY = "vlssr"


class Gleam(SkyViewSurveyService):
    """GLEAM in its four wide bands."""

    SURVEY = "gleam"


class HipsSurvey(HipsService):
    """Base class of the surveys that are read as HiPS through hips2fits."""

    SURVEY = ""

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open the name of the survey, with a band, ``?pixel=ARCSEC`` and a server."""
        opened = _open(cls.SURVEY, argument, cls.URL, {"pixel"})
        service = cls(
            opened.band.name, opened.url, scale_arcsec=opened.pixel_arcsec,
            facts=opened.band.facts, **options,
        )  # fmt: skip
        service.field = opened.band.field
        return service

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the cutout of a source: north up, TAN projection.

        The grid is given as a header: otherwise hips2fits puts the source half a pixel beside the
        middle.
        """
        side, step = odd_pixels(size_deg, self.scale_arcsec), self.scale_arcsec / 3600
        grid = {
            "NAXIS1": side, "NAXIS2": side, "WCSAXES": 2,
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg",
            "CRPIX1": (side + 1) / 2, "CRPIX2": (side + 1) / 2,
            "CRVAL1": source.ra, "CRVAL2": source.dec, "CDELT1": -step, "CDELT2": step,
            "RADESYS": "ICRS",
        }  # fmt: skip
        return add_query(self.url, hips=self.hips, wcs=json.dumps(grid), format="fits")


class Racs(HipsSurvey):
    """RACS in its bands low and mid."""

    SURVEY = "racs"


class Panstarrs(HipsSurvey):
    """Pan-STARRS1 in its bands."""

    SURVEY = "panstarrs"


class Sdss(HipsSurvey):
    """SDSS in its bands."""

    SURVEY = "sdss"


class Unwise(HipsSurvey):
    """The unWISE coadds."""

    SURVEY = "unwise"


class Dss2(HipsSurvey):
    """The digitised plates of DSS2."""

    SURVEY = "dss2"


class Tgss(SiaService):
    """TGSS ADR1, cut by ASTRON's service."""

    URL = "https://vo.astron.nl/tgssadr/q_fits/cutout/siap.xml"
    survey_facts = SURVEYS["tgss"].band("").facts
    pixel_arcsec = survey_facts.pixel_scale_arcsec

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``tgss``, or ``tgss:URL`` for a mirror."""
        return cls(_open("tgss", argument, cls.URL, set()).url, **options)


class Lolss(SiaService):
    """LoLSS, cut by ASTRON's service."""

    URL = "https://vo.astron.nl/lolss/q/cutout/siap.xml"
    survey_facts = SURVEYS["lolss"].band("").facts

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``lolss``, or ``lolss:URL`` for a mirror."""
        return cls(_open("lolss", argument, cls.URL, set()).url, **options)


class Vlass(Sia2Service):
    """VLASS at CADC, found by SIA 2 and cut by SODA."""

    URL = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/sia/v2query"
    survey_facts = SURVEYS["vlass"].band("").facts

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``vlass``, or ``vlass:URL`` for a mirror."""
        url = _open("vlass", argument, cls.URL, set()).url
        return cls(add_query(url, COLLECTION="VLASS"), **options)
