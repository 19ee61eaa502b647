"""NASA SkyView: one image of any of its surveys for a position.

FR-DEEP, MiraBest and CRUMB were made from its images. SkyView (McGlynn, Scollick & White 1998, IAU
Symp. 179, 465) computes every image: it samples the images of the survey on the grid that is asked
for, with the sampler of the survey or another, and writes 0 where no image of the survey has a
pixel. Such pixels are NaN here.

>>> service = SkyViewService("NVSS", pixel_arcsec=15.0)
>>> service.query(Source(0, "A", 205.1, 54.9), 0.1)[:68]
'https://skyview.gsfc.nasa.gov/current/cgi/runquery.pl?Survey=NVSS&Po'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from typing import ClassVar, Self, Unpack

from mingolotss.errors import InputError, ServiceAnswerError, ServiceUnavailableError
from mingolotss.model import Source
from mingolotss.service.remote.addresses import add_query, require_address
from mingolotss.service.remote.cutout_server import CutoutServer
from mingolotss.service.remote.download import DownloadOptions
from mingolotss.service.remote.image_requests import odd_pixels, split_request
from mingolotss.service.skyview_surveys import SKYVIEW_SURVEYS, find_skyview_survey
from mingolotss.service.survey_facts import NO_FACTS, SurveyFacts
from mingolotss.service.survey_table import facts_of_images

__all__ = ["SkyViewService", "check_sampler"]

_SAMPLERS = ("NN", "LI", "Lanczos", "Spline", "Clip")


class SkyViewService(CutoutServer):
    """One survey of SkyView.

    Its requests are those of the batch interface, whose answer is the FITS file itself
    (https://skyview.gsfc.nasa.gov/current/docs/batchpage.html). Problems are reported in an HTML
    page with status 200.

    Parameters
    ----------
    survey : str
        As SkyView calls it.
    url : str
        Another server with the same interface.
    pixel_arcsec : float, arcsec
        Side of a pixel.
    sampler : str
        ``NN``, ``LI``, ``Lanczos``, ``Spline`` or ``Clip``, which conserves flux; "" for that of
        the survey, usually the nearest neighbour.
    facts : SurveyFacts, optional
        What is known about the survey.
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.
    """

    URL = "https://skyview.gsfc.nasa.gov/current/cgi/runquery.pl"
    OUTSIDE: ClassVar[re.Pattern[str]] = re.compile(
        r"(?i)no candidate images|no matches found|no images in fov|outside the coverage"
        r"|unable to find requested survey"
    )

    def __init__(
        self,
        survey: str,
        url: str = "",
        *,
        pixel_arcsec: float,
        sampler: str = "",
        facts: SurveyFacts = NO_FACTS,
        **options: Unpack[DownloadOptions],
    ) -> None:
        super().__init__(url, **options)
        self.survey, self.sampler = survey, sampler
        self.pixel_arcsec = pixel_arcsec
        self.field = re.sub(r"[^\w-]+", "-", survey).strip("-").replace("_", "-")
        self.survey_facts = replace(
            facts, pixel_scale_arcsec=pixel_arcsec, resampled=True, blank=0.0
        )

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``skyview:SURVEY``.

        ``?pixel=ARCSEC`` and ``&sampler=NAME`` after the survey choose other pixels, and ``@URL``
        at the end names another server.

        Raises
        ------
        InputError
            The survey is not known and no size of a pixel is given, or an option is wrong.
        """
        request = split_request(argument, "skyview", {"pixel", "sampler"})
        if not request.name:
            raise InputError("open the service skyview: give the survey, e.g. skyview:NVSS")
        survey = find_skyview_survey(request.name)
        pixel_arcsec = request.pixel_arcsec or (survey.pixel_arcsec if survey else 0.0)
        if not pixel_arcsec:
            raise InputError(_unknown_survey(request.name))
        sampler = check_sampler(request.options.get("sampler", ""), f"skyview:{request.name}")
        url = require_address(request.url or cls.URL, "skyview")
        name = survey.name if survey else request.name
        facts = facts_of_images(name)
        return cls(name, url, pixel_arcsec=pixel_arcsec, sampler=sampler, facts=facts, **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the image of a source: north up, TAN projection."""
        side = odd_pixels(size_deg, self.pixel_arcsec)
        parameters = {
            "Survey": self.survey,
            "Position": f"{source.ra!r},{source.dec!r}",
            "Coordinates": "J2000",
            "Projection": "Tan",
            "Pixels": str(side),
            "Size": f"{side * self.pixel_arcsec / 3600:.10g}",
            "float": "on",  # float32; without it pixels are float64
        }
        if self.sampler:
            parameters["Sampler"] = self.sampler
        return add_query(self.url, **parameters, Return="FITS")

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Raise `ServiceAnswerError` for a page about the survey or the position.

        All requests have one address, and so 404 is not about a position: SkyView sends it when its
        own result is lost, and the same request succeeds later (astroquery#1915).
        """
        try:
            with super().refusals():
                yield
        except ServiceAnswerError as error:
            if error.status == 404:
                raise ServiceUnavailableError(
                    str(error), url=error.url, status=error.status
                ) from error
            raise


def check_sampler(text: str, address: str) -> str:
    """Return the sampler of a request as SkyView spells it, "" for none.

    Raises
    ------
    InputError
        SkyView has no such sampler.
    """
    spellings = {name.lower(): name for name in _SAMPLERS}
    if text and text.lower() not in spellings:
        raise InputError(
            f"open the service {address}: no sampler is called {text!r}; known: "
            f"{', '.join(_SAMPLERS)}"
        )
    return spellings.get(text.lower(), "")


def _unknown_survey(name: str) -> str:
    by_name = {survey.name.lower(): survey.name for survey in SKYVIEW_SURVEYS}
    close = get_close_matches(name.lower(), by_name, n=1, cutoff=0.5)
    hint = f" did you mean {by_name[close[0]]!r}? If not," if close else ""
    return (
        f"open the service skyview:{name}: the size of this survey's pixels is not known here;"
        f"{hint} give it, skyview:{name}?pixel=ARCSEC"
    )
