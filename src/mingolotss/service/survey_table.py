"""What is known about the surveys that have a service of their own name: one table.

The page about surveys in the docs names a source for every entry. What no source confirms is left
out: a beam that differs from image to image is that of each header, and a licence that nobody
states is "".

>>> SURVEYS["nvss"].band("").facts.frequency_mhz
1400.0
>>> SURVEYS["legacy"].band("q")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: open the service legacy:q: no band is called 'q'; known: r, g, i, z
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from mingolotss.errors import InputError
from mingolotss.registry import nearest
from mingolotss.service.survey_facts import NO_FACTS, SurveyBeam, SurveyFacts

__all__ = ["SURVEYS", "Band", "Survey", "facts_of_images"]


class Band(NamedTuple):
    """One band of a survey, or all of a survey that has one.

    Attributes
    ----------
    field : str
        The field of its images in tables and names of files.
    name : str
        How the server calls it.
    facts : SurveyFacts
    """

    field: str
    name: str
    facts: SurveyFacts


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey with a service of its own name.

    Attributes
    ----------
    service : str
    bands : mapping of str to Band
        By the name in the address of the service; the first is used if none is named.
    """

    service: str
    bands: Mapping[str, Band]

    def band(self, name: str) -> Band:
        """Return a band by its name in any case, the first for "".

        Raises
        ------
        InputError
            The survey has no band of that name.
        """
        if not name:
            return next(iter(self.bands.values()))
        by_name = {known.lower(): band for known, band in self.bands.items() if known}
        if name.lower() in by_name:
            return by_name[name.lower()]
        known = f"known: {', '.join(self.bands)}" if by_name else "this survey has one"
        raise InputError(
            f"open the service {self.service}:{name}: no band is called {name!r};"
            f"{nearest(name, by_name)} {known}"
        )


_CUTOUTS_OF_ARCHIVE = "The archive cuts its images on their own pixels."
_FIRST = SurveyFacts(
    survey="FIRST", telescope="VLA", pixel_scale_arcsec=1.8, frequency_mhz=1400.0, unit="Jy/beam",
    beam=SurveyBeam(5.4, zones=((-2.506944, None), (4.5558333, SurveyBeam(5.4, 6.4)))),
    noise=0.15e-3,
    licence="Copyright University of California: free for scholarly, educational and private "
    "non-commercial use",
    licence_source="the header of every FIRST image; http://sundog.stsci.edu/",
    reference="Becker, White & Helfand 1995, ApJ 450, 559",
    coverage="about 10,600 square degrees, most of them around the north galactic pole",
    note=f"{_CUTOUTS_OF_ARCHIVE} At most 61 arcmin.",
)  # fmt: skip
_NVSS = SurveyFacts(
    survey="NVSS", telescope="VLA", pixel_scale_arcsec=15.0, frequency_mhz=1400.0, unit="Jy/beam",
    beam=SurveyBeam(45.0), noise=0.45e-3, resampled=True,
    licence="Copyright NRAO/AUI: free for scholarly, educational and private non-commercial use",
    licence_source="https://public.nrao.edu/news/vla-sky-survey-maps/",
    reference="Condon et al. 1998, AJ 115, 1693",
    coverage="north of declination -40 deg",
)  # fmt: skip
_VLASS = SurveyFacts(
    survey="VLASS",
    telescope="VLA",
    frequency_mhz=3000.0,
    unit="Jy/beam",
    noise=0.12e-3,
    reference="Lacy et al. 2020, PASP 132, 035001",
    coverage="north of declination -40 deg, three epochs",
    note="Images of all epochs, cut by the archive on their own pixels; about 2.5 arcsec, the beam "
    "of each is in its header. Flux densities of Quick Look images have errors of 10 to 20 %.",
)
_TGSS = SurveyFacts(
    survey="TGSS",
    telescope="GMRT",
    pixel_scale_arcsec=6.2,
    frequency_mhz=147.5,
    unit="Jy/beam",
    beam=SurveyBeam(25.0, stretch="zenith", latitude_deg=19.0),
    noise=3.5e-3,
    reference="Intema et al. 2017, A&A 598, A78",
    coverage="north of declination -53 deg",
    note=_CUTOUTS_OF_ARCHIVE,
)
_LOLSS = SurveyFacts(
    survey="LoLSS",
    telescope="LOFAR",
    frequency_mhz=54.0,
    unit="Jy/beam",
    reference="de Gasperin et al. 2021, A&A 648, A104; 2023, A&A 673, A165",
    coverage="parts of the sky north of declination 24 deg",
    note=f"{_CUTOUTS_OF_ARCHIVE} The releases have beams of 47 and 15 arcsec; that of an image is "
    "in its header.",
)
_SUMSS = SurveyFacts(
    survey="SUMSS", telescope="MOST", pixel_scale_arcsec=12.6, frequency_mhz=843.0,
    unit="Jy/beam", beam=SurveyBeam(45.0, stretch="cosec"), noise=1e-3, resampled=True,
    reference="Bock, Large & Sadler 1999, AJ 117, 1578; Mauch et al. 2003, MNRAS 342, 1117",
    coverage="south of declination -30 deg, without the galactic plane",
)  # fmt: skip
_WENSS = SurveyFacts(
    survey="WENSS", telescope="WSRT", pixel_scale_arcsec=21.093732, frequency_mhz=325.0,
    unit="Jy/beam", beam=SurveyBeam(54.0, stretch="cosec"), noise=3.6e-3, resampled=True,
    reference="Rengelink et al. 1997, A&AS 124, 259",
    coverage="north of declination 30 deg",
)  # fmt: skip
_VLSSR = SurveyFacts(
    survey="VLSSr", telescope="VLA", pixel_scale_arcsec=20.0, frequency_mhz=73.8, unit="Jy/beam",
    beam=SurveyBeam(75.0), noise=0.1, resampled=True,
    reference="Lane et al. 2014, MNRAS 440, 327",
    coverage="the north and a part of the south; its edge is irregular",
)  # fmt: skip
_GLEAM = SurveyFacts(
    survey="GLEAM", telescope="MWA", unit="Jy/beam", resampled=True,
    reference="Wayth et al. 2015, PASA 32, e025; Hurley-Walker et al. 2017, MNRAS 464, 1146",
    coverage="south of declination 30 deg",
    note="The beam changes over the sky; where a header has it, it is that of the image.",
)  # fmt: skip
_RACS = SurveyFacts(
    survey="RACS",
    telescope="ASKAP",
    unit="Jy/beam",
    resampled=True,
    reference="McConnell et al. 2020, PASA 37, e048; Duchesne et al. 2023, PASA 40, e034",
    note="The beam differs from tile to tile, and the HiPS does not say it: [beam] cannot be used.",
)
_LEGACY = SurveyFacts(
    survey="DESI Legacy Imaging Surveys DR10", pixel_scale_arcsec=0.262, unit="nanomaggy",
    resampled=True, blank=0.0, reference="Dey et al. 2019, AJ 157, 168",
    coverage="more than 20,000 square degrees outside the galactic plane",
    note="At most 13 arcmin. m_AB = 22.5 - 2.5 log10(flux).",
)  # fmt: skip
_PANSTARRS = SurveyFacts(
    survey="Pan-STARRS1",
    unit="counts",
    pixel_scale_arcsec=0.25,
    resampled=True,
    licence="public",
    licence_source="https://archive.stsci.edu/publishing/data-use",
    reference="Chambers et al. 2016, arXiv:1612.05560",
    coverage="north of declination -30 deg",
    note="Counts of stacks, whose zero point the header of the cutout does not have; those of g "
    "are on another scale than those of the other bands.",
)
_SDSS = SurveyFacts(
    survey="SDSS", pixel_scale_arcsec=0.396, unit="nanomaggy", resampled=True,
    licence="public domain",
    licence_source="https://www.sdss.org/collaboration/image-use-policy/",
    reference="Ahn et al. 2012, ApJS 203, 21",
)  # fmt: skip
_UNWISE = SurveyFacts(
    survey="unWISE", pixel_scale_arcsec=2.75, unit="nanomaggy", resampled=True,
    reference="Lang 2014, AJ 147, 108; Meisner et al. 2022, RNAAS 6, 188",
    coverage="the whole sky",
    note="Nanomaggies of the Vega system: m_Vega = 22.5 - 2.5 log10(flux).",
)  # fmt: skip
_DSS2 = SurveyFacts(
    survey="DSS2",
    unit="photographic density",
    pixel_scale_arcsec=1.0,
    resampled=True,
    licence="copyrighted: free for research, teaching and other non-profit use",
    licence_source="https://gsss.stsci.edu/Acknowledgements/DSSCopyrights.htm",
    reference="Lasker et al. 1996, ASP Conf. Ser. 101, 88",
    coverage="the whole sky",
    note="Densities are no fluxes.",
)


def _one(service: str, field: str, name: str, facts: SurveyFacts) -> tuple[str, Survey]:
    return service, Survey(service, {"": Band(field, name, facts)})


def _many(service: str, *bands: tuple[str, Band]) -> tuple[str, Survey]:
    return service, Survey(service, dict(bands))


def _optical(
    service: str, field: str, name: str, facts: SurveyFacts, bands: str
) -> tuple[str, Survey]:
    """Return a survey with one band for each letter; ``{}`` in a name stands for the band."""
    return _many(service, *(
        (band, Band(
            field.format(band), name.format(band),
            replace(facts, survey=f"{facts.survey} {band}"),
        ))
        for band in bands.split()
    ))  # fmt: skip


def _gleam(low: int, high: int, pixel: float) -> tuple[str, Band]:
    facts = replace(_GLEAM, pixel_scale_arcsec=pixel, frequency_mhz=(low + high) / 2)
    return f"{low}-{high}", Band(f"GLEAM{low}-{high}", f"GLEAM {low}-{high} MHz", facts)


def _racs(band: str, frequency_mhz: float, coverage: str, noise: float) -> tuple[str, Band]:
    facts = replace(
        _RACS, survey=f"RACS-{band}", frequency_mhz=frequency_mhz, coverage=coverage, noise=noise,
        pixel_scale_arcsec=2.0,
    )  # fmt: skip
    return band, Band(f"RACS{band}", f"CSIRO/P/RACS/{band}/I", facts)


SURVEYS: Mapping[str, Survey] = dict((
    _one("first", "FIRST", "", _FIRST),
    _one("nvss", "NVSS", "NVSS", _NVSS),
    _one("vlass", "VLASS", "", _VLASS),
    _many(
        "racs",
        _racs("low", 887.5, "south of declination 41 deg", math.nan),
        _racs("mid", 1367.5, "south of declination 49 deg", 0.198e-3),
    ),
    _one("tgss", "TGSS", "", _TGSS),
    _one("lolss", "LoLSS", "", _LOLSS),
    _one("sumss", "SUMSS", "SUMSS 843 MHz", _SUMSS),
    _one("wenss", "WENSS", "WENSS", _WENSS),
    _one("vlssr", "VLSSr", "VLSSr", _VLSSR),
    _many(
        "gleam",
        _gleam(170, 231, 28.0), _gleam(139, 170, 34.0), _gleam(103, 134, 44.0),
        _gleam(72, 103, 56.0),
    ),
    _optical("legacy", "LegacySurveys{}", "{}", _LEGACY, "r g i z"),
    _optical("panstarrs", "PS1{}", "CDS/P/PanSTARRS/DR1/{}", _PANSTARRS, "r g i z y"),
    _optical("sdss", "SDSS{}", "CDS/P/SDSS9/{}", _SDSS, "r u g i z"),
    _optical("unwise", "unWISE{}", "CDS/P/unWISE/{}", _UNWISE, "W1 W2"),
    _optical("dss2", "DSS2{}", "CDS/P/DSS2/{}", _DSS2, "red blue"),
))  # fmt: skip
"""By the name of the service, radio surveys first."""

_FACTS_BY_NAME = {
    band.name: band.facts for survey in SURVEYS.values() for band in survey.bands.values()
} | {
    "VLA FIRST (1.4 GHz)": replace(_FIRST, note=""),
    "TGSS ADR1": replace(_TGSS, note=""),
    "astron.nl/P/tgssadr": replace(_TGSS, note=""),
    "CDS/P/NVSS": _NVSS,
    "CDS/P/SUMSS": _SUMSS,
    "CDS/P/WENSS": _WENSS,
    "CDS/P/VLSSr": _VLSSR,
}


def facts_of_images(name: str) -> SurveyFacts:
    """Return what is known about a survey of SkyView or a HiPS, by the name that it has there.

    >>> str(facts_of_images("CDS/P/NVSS").beam), facts_of_images("CDS/P/2MASS/K").beam
    ('45 arcsec', None)
    """
    return _FACTS_BY_NAME.get(name, NO_FACTS) if name else NO_FACTS
