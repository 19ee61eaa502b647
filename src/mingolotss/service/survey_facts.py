"""What is known about the images of a service before any of them is read.

A header states the same for one image, and it wins: `SurveyFacts.complete` fills in only what a
header leaves open. What nobody has stated stays unknown here as well: NaN, None or "".

>>> nvss = SurveyFacts(survey="NVSS", beam=SurveyBeam(45.0), frequency_mhz=1400.0, unit="Jy/beam")
>>> facts = nvss.complete(HeaderFacts(unit="mJy/beam"), dec_deg=30.0)
>>> facts.unit, facts.beam_major_arcsec, facts.frequency_mhz
('mJy/beam', 45.0, 1400.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mingolotss.model import Cutout, EqualWithNaN
from mingolotss.sky.header_facts import HeaderFacts
from mingolotss.sky.wcs import SkyWCS

__all__ = ["NO_FACTS", "Beam", "SurveyBeam", "SurveyFacts"]

Beam = tuple[float, float, float]
"""Major and minor axis (FWHM, arcsec) and position angle (deg, east of north)."""


@dataclass(frozen=True, slots=True, eq=False)
class SurveyBeam(EqualWithNaN):
    """The restoring beam of a survey, as a function of declination.

    Attributes
    ----------
    minor_arcsec, major_arcsec : float, arcsec
        FWHM; `major_arcsec` is that at the zenith if the beam is stretched. 0 for a round beam.
    pa_deg : float, deg
        Position angle of the major axis, east of north.
    stretch : {"", "cosec", "zenith"}
        How the major axis grows: ``cosec`` with the cosecant of the declination, as for an array
        from east to west; ``zenith`` with the secant of the zenith angle at culmination, south of
        `latitude_deg` only.
    latitude_deg : float, deg
        Of the telescope.
    zones : tuple of (float, SurveyBeam or None)
        Other beams in the south: each is that of declinations below its limit (deg), and the first
        whose limit is above a declination applies. None is one that is not known.

    Examples
    --------
    >>> SurveyBeam(45.0, stretch="cosec").at(-30.0)
    (90.0, 45.0, 0.0)
    >>> SurveyBeam(5.4, zones=((4.556, SurveyBeam(5.4, 6.4)),)).at(-1.0)
    (6.4, 5.4, 0.0)
    """

    minor_arcsec: float
    major_arcsec: float = 0.0
    pa_deg: float = 0.0
    stretch: Literal["", "cosec", "zenith"] = ""
    latitude_deg: float = math.nan
    zones: tuple[tuple[float, SurveyBeam | None], ...] = ()

    def __str__(self) -> str:
        minor, major = self.minor_arcsec, self.major_arcsec or self.minor_arcsec
        size = f"{minor:g}" if minor == major else f"{major:g} x {minor:g}"
        text = f"{size} arcsec"
        if self.stretch == "cosec":
            text = f"{minor:g} x {major:g} cosec(dec) arcsec"
        elif self.stretch == "zenith":
            latitude = f"{self.latitude_deg:g} deg"
            text += f"; {minor:g} x {major:g} / cos(dec - {latitude}) arcsec south of {latitude}"
        for limit, beam in reversed(self.zones):
            text += f"; {beam or 'not known'} south of {limit:.1f} deg"
        return text

    def at(self, dec_deg: float) -> Beam | None:
        """Return the beam at a declination, None if it is not known or has no end there."""
        for limit, beam in self.zones:
            if dec_deg < limit:
                return None if beam is None else beam.at(dec_deg)
        major = self.major_arcsec or self.minor_arcsec
        if self.stretch == "cosec":
            major *= _inverse(math.sin(math.radians(abs(dec_deg))))
        elif self.stretch == "zenith" and dec_deg < self.latitude_deg:
            major *= _inverse(math.cos(math.radians(self.latitude_deg - dec_deg)))
        return (round(major, 6), self.minor_arcsec, self.pa_deg) if major < math.inf else None


@dataclass(frozen=True, slots=True, eq=False)
class SurveyFacts(EqualWithNaN):
    """What is known about all images of a service; NaN, None and "" where nothing is.

    Attributes
    ----------
    survey, telescope : str or None
        Names, as a header gives them.
    pixel_scale_arcsec : float, arcsec
        Side of a pixel of the images that the service delivers.
    beam : SurveyBeam or None
        None if it is not known, or differs from image to image, and for images that have none.
    frequency_mhz : float, MHz
    unit : str or None
        Of the pixels.
    noise : float
        Typical noise, in `unit`.
    resampled : bool
        The images that the service delivers are not on the survey's own pixels.
    blank : float
        The value of pixels without data, where a service writes a number for them; NaN otherwise.
    licence, licence_source : str
        The terms of use in a line, and the page that states them.
    reference : str
        The paper that describes the survey.
    coverage : str
        Of the sky.
    note : str
        What a user has to know besides.
    """

    survey: str | None = None
    telescope: str | None = None
    pixel_scale_arcsec: float = math.nan
    beam: SurveyBeam | None = None
    frequency_mhz: float = math.nan
    unit: str | None = None
    noise: float = math.nan
    resampled: bool = False
    blank: float = math.nan
    licence: str = ""
    licence_source: str = ""
    reference: str = ""
    coverage: str = ""
    note: str = ""

    def rows(self) -> list[tuple[str, str]]:
        """Return what is known as names and values, for people."""
        unit = self.unit or ""
        beam = str(self.beam) if self.beam else "as the header of an image states it"
        pixels = f"{self.pixel_scale_arcsec:g} arcsec, " if self.pixel_scale_arcsec > 0 else ""
        pixels += "computed by the server" if self.resampled else "those of the survey's images"
        rows = [
            ("survey", self.survey or ""),
            ("telescope", self.telescope or ""),
            ("frequency", f"{self.frequency_mhz:g} MHz" if self.frequency_mhz > 0 else ""),
            ("pixels", pixels),
            ("beam (FWHM)", beam if unit.endswith("/beam") else ""),
            ("unit", unit),
            ("typical noise", _in_milli(self.noise, unit) if self.noise > 0 else ""),
            ("without data", f"pixels with the value {self.blank:g}" if self.blank == 0 else ""),
            ("coverage", self.coverage),
            ("terms of use", self.licence or "not known here: ask the survey"),
            ("stated by", self.licence_source),
            ("to cite", self.reference),
            ("note", self.note),
        ]
        return [(name, value) for name, value in rows if value]

    def complete(self, header: HeaderFacts, dec_deg: float) -> HeaderFacts:
        """Return the facts of a header, completed where the header states nothing.

        Parameters
        ----------
        header : HeaderFacts
        dec_deg : float, deg
            Declination of the source, which the beam may depend on.
        """
        facts = replace(
            header,
            unit=header.unit or self.unit,
            telescope=header.telescope or self.telescope,
            survey=header.survey or self.survey,
        )
        if math.isnan(header.frequency_mhz):
            facts = replace(facts, frequency_mhz=self.frequency_mhz)
        beam = None if self.beam is None else self.beam.at(dec_deg)
        if math.isnan(header.beam_major_arcsec) and beam is not None:
            major, minor, pa = beam
            facts = replace(facts, beam_major_arcsec=major, beam_minor_arcsec=minor, beam_pa_deg=pa)
        return facts

    def complete_cutout(self, cutout: Cutout, dec_deg: float) -> Cutout:
        """Return a cutout whose WCS states what its header and these facts state together.

        Its blank pixels are NaN. The WCS of another class than `SkyWCS` is left as it is.
        """
        if self == NO_FACTS:
            return cutout
        if not math.isnan(self.blank):
            is_blank, nan = cutout.image == self.blank, cutout.image.dtype.type(np.nan)
            cutout = replace(cutout, image=np.where(is_blank, nan, cutout.image))
        if not isinstance(cutout.wcs, SkyWCS):
            return cutout
        wcs = cutout.wcs.with_facts(self.complete(cutout.wcs.facts, dec_deg))
        return replace(cutout, wcs=wcs)


NO_FACTS = SurveyFacts()
"""Of a service that states nothing about its images."""


def _in_milli(value: float, unit: str) -> str:
    """Return a value with its unit, faint ones in the thousandth of it."""
    return f"{value * 1e3:g} m{unit}" if value < 0.1 else f"{value:g} {unit}"


def _inverse(value: float) -> float:
    return 1 / value if value > 0 else math.inf
