"""The surveys of SkyView whose own pixels are known, by the names that SkyView has for them.

Names: the form of SkyView, as ``SkyView.survey_dict`` of astroquery lists it. Sizes of pixels: the
entry ``PixelScale`` in SkyView's descriptions of the surveys, which are in its FITS headers too.

>>> find_skyview_survey("first").name, find_skyview_survey("nvss").pixel_arcsec
('VLA FIRST (1.4 GHz)', 15.0)
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["SKYVIEW_SURVEYS", "SkyViewSurvey", "find_skyview_survey"]


class SkyViewSurvey(NamedTuple):
    """A survey of SkyView.

    Attributes
    ----------
    name : str
    pixel_arcsec : float, arcsec
        Side of a pixel of the survey's images.
    aliases : tuple of str
        Other names.
    """

    name: str
    pixel_arcsec: float
    aliases: tuple[str, ...] = ()


SKYVIEW_SURVEYS = (
    SkyViewSurvey("VLA FIRST (1.4 GHz)", 1.8, ("FIRST",)),
    SkyViewSurvey("NVSS", 15.0),
    SkyViewSurvey("Stripe82VLA", 0.6),
    SkyViewSurvey("SUMSS 843 MHz", 12.6, ("SUMSS",)),
    SkyViewSurvey("WENSS", 21.093732),
    SkyViewSurvey("TGSS ADR1", 6.2, ("TGSS",)),
    SkyViewSurvey("VLSSr", 20.0),
    SkyViewSurvey("GLEAM 72-103 MHz", 56.0),
    SkyViewSurvey("GLEAM 103-134 MHz", 44.0),
    SkyViewSurvey("GLEAM 139-170 MHz", 34.0),
    SkyViewSurvey("GLEAM 170-231 MHz", 28.0, ("GLEAM",)),
    SkyViewSurvey("DSS", 1.7),
    SkyViewSurvey("DSS1 Red", 1.7),
    SkyViewSurvey("DSS1 Blue", 1.7),
    SkyViewSurvey("DSS2 Red", 1.0),
    SkyViewSurvey("DSS2 Blue", 1.0),
    SkyViewSurvey("DSS2 IR", 1.0),
    SkyViewSurvey("SDSSu", 0.396),
    SkyViewSurvey("SDSSg", 0.396),
    SkyViewSurvey("SDSSr", 0.396),
    SkyViewSurvey("SDSSi", 0.396),
    SkyViewSurvey("SDSSz", 0.396),
    SkyViewSurvey("2MASS-J", 1.0),
    SkyViewSurvey("2MASS-H", 1.0),
    SkyViewSurvey("2MASS-K", 1.0),
    SkyViewSurvey("WISE 3.4", 1.37484),
    SkyViewSurvey("WISE 4.6", 1.37484),
    SkyViewSurvey("WISE 12", 1.37484),
    SkyViewSurvey("WISE 22", 1.37484),
    SkyViewSurvey("GALEX Near UV", 1.5),
    SkyViewSurvey("GALEX Far UV", 1.5),
)
"""Radio surveys first, then optical, infrared and ultraviolet ones."""

_BY_NAME = {
    re.sub(r"[\s_-]+", " ", name).lower(): survey
    for survey in SKYVIEW_SURVEYS
    for name in (survey.name, *survey.aliases)
}


def find_skyview_survey(name: str) -> SkyViewSurvey | None:
    """Return a survey by one of its names, whatever the case and the gaps; None if none has it."""
    return _BY_NAME.get(re.sub(r"[\s_-]+", " ", name.strip()).lower())
