"""What a service knows about its images completes their headers and never replaces them."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service.base import CutoutRequest, FactsService, fetch_cutouts, survey_facts
from mingolotss.service.survey_facts import SurveyBeam, SurveyFacts
from mingolotss.sky.header_facts import HeaderFacts, header_facts
from mingolotss.sky.wcs import SkyWCS, simple_header

NVSS = SurveyFacts(
    survey="NVSS", telescope="VLA", pixel_scale_arcsec=15.0, beam=SurveyBeam(45.0),
    frequency_mhz=1400.0, unit="Jy/beam",
)  # fmt: skip


def wcs_with(**cards: object) -> SkyWCS:
    """Return the WCS of an image at declination 30 whose header has further cards."""
    plain = simple_header(10.0, 30.0, shape=(20, 20), scale_arcsec=15.0).decode()
    header = fits.Header.fromstring(plain)
    header.update(cards)
    return SkyWCS.from_header(header.tostring().encode())


class StatedService:
    """Images in memory, of which the service states facts."""

    def __init__(self, cutout: Cutout, facts: object = NVSS) -> None:
        self.image, self.survey_facts = cutout, facts

    def search(self, position, size):
        """Give the only image."""
        return [Candidate("", "memory")]

    def cutout(self, candidate, position, size):
        """Give the whole image."""
        return self.image


def fetched(service) -> Cutout:
    """Fetch the only image for a source at declination 30."""
    source = Catalogue.from_columns(["A"], [10.0], [30.0]).source(0)
    [outcome] = fetch_cutouts(service, [CutoutRequest(Candidate("", "memory"), source)], 0.1)
    assert isinstance(outcome, Cutout), outcome
    return outcome


def test_a_header_wins_over_the_facts_of_its_service():
    """Unit, beam, frequency, telescope and survey are taken from the header where it has them."""
    pixels = np.ones((20, 20), "f4")
    silent = fetched(StatedService(Cutout(pixels, None, wcs_with())))
    assert header_facts(silent.wcs) == HeaderFacts(
        "Jy/beam", 1400.0, 45.0, 45.0, 0.0, "VLA", "NVSS"
    )
    assert silent.wcs.beam == (45.0, 45.0, 0.0)
    cards = {"BUNIT": "mJy/beam", "BMAJ": 50 / 3600, "BMIN": 40 / 3600, "SURVEY": "other",
             "RESTFRQ": 1.5e9, "TELESCOP": "E"}  # fmt: skip
    stated = fetched(StatedService(Cutout(pixels, None, wcs_with(**cards))))
    facts = header_facts(stated.wcs)
    assert facts == replace(header_facts(wcs_with(**cards)))
    assert (facts.unit, round(facts.beam_major_arcsec), facts.survey) == ("mJy/beam", 50, "other")
    assert math.isnan(facts.beam_pa_deg), "half a beam of the service beside that of the header"


def test_a_service_without_facts_and_one_with_other_facts_change_nothing():
    """The cutout is returned as the service gives it, with the same WCS object."""
    cutout = Cutout(np.ones((20, 20), "f4"), None, wcs_with())
    for facts in (SurveyFacts(), "an attribute of that name with another meaning", None):
        assert fetched(StatedService(cutout, facts)).wcs is cutout.wcs
    assert isinstance(StatedService(cutout), FactsService)
    assert survey_facts(StatedService(cutout)) is NVSS


def test_what_is_not_known_is_equal():
    """Also where the NaN of two objects are not the same object, on every version of Python."""
    other = float("nan")
    pairs = [
        (SurveyFacts(), SurveyFacts(frequency_mhz=other, blank=other)),
        (HeaderFacts("Jy"), HeaderFacts("Jy", beam_pa_deg=other)),
        (Source(0, "A", 1.0, 2.0), Source(0, "A", 1.0, 2.0, size_arcsec=other)),
    ]
    for one, same in pairs:
        assert one == same
        assert hash(one) == hash(same)
    assert SurveyFacts() != SurveyFacts(frequency_mhz=1400.0)
    assert SurveyFacts() != HeaderFacts()


def test_facts_of_a_service_survive_the_way_to_a_worker():
    """A pickled WCS has the completed facts and the same place on the sky."""
    wcs = fetched(StatedService(Cutout(np.ones((20, 20), "f4"), None, wcs_with()))).wcs
    copy = pickle.loads(pickle.dumps(wcs))
    assert copy.facts == wcs.facts
    np.testing.assert_array_equal(copy.to_sky([1.0], [2.0]), wcs.to_sky([1.0], [2.0]))


@pytest.mark.parametrize(
    ("beam", "dec", "expected"),
    [
        (SurveyBeam(45.0), 89.0, (45.0, 45.0, 0.0)),
        (SurveyBeam(54.0, stretch="cosec"), 90.0, (54.0, 54.0, 0.0)),
        (SurveyBeam(43.0, stretch="cosec"), -30.0, (86.0, 43.0, 0.0)),
        (SurveyBeam(25.0, stretch="zenith", latitude_deg=19.0), 19.5, (25.0, 25.0, 0.0)),
        (SurveyBeam(25.0, stretch="zenith", latitude_deg=19.0), -41.0, (50.0, 25.0, 0.0)),
    ],
)
def test_the_beam_depends_on_declination(beam, dec, expected):
    """East-west arrays stretch with cosec(dec), GMRT images with 1 / cos(dec - latitude)."""
    assert beam.at(dec) == pytest.approx(expected)


def test_a_beam_without_end_or_in_an_unknown_zone_is_none():
    """An east-west array does not resolve the equator, and a zone may be unknown."""
    assert SurveyBeam(43.0, stretch="cosec").at(0.0) is None
    assert SurveyBeam(5.4, zones=((-2.5, None),)).at(-3.0) is None
    facts = SurveyFacts(beam=SurveyBeam(43.0, stretch="cosec")).complete(HeaderFacts(), 0.0)
    assert math.isnan(facts.beam_major_arcsec)


def test_pixels_with_the_blank_value_of_a_service_are_nan():
    """Only exact blanks become NaN, in the type of the image; the original is not written to."""
    for dtype in ("f4", ">f4", "f8"):
        pixels = np.array([[0, 1, -0.0], [1e-30, np.nan, 2]], dtype)
        pixels.flags.writeable = False
        facts = SurveyFacts(blank=0.0)
        image = fetched(StatedService(Cutout(pixels, None, wcs_with()), facts)).image
        assert image.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(np.isnan(image), [[1, 0, 1], [0, 1, 0]])
    plain = fetched(StatedService(Cutout(pixels, None, wcs_with()), SurveyFacts(unit="K"))).image
    assert plain is pixels


def test_zones_of_a_beam_are_read_from_the_south():
    """The first zone whose limit is above a declination applies, the beam itself north of all."""
    beam = SurveyBeam(5.4, zones=((-2.5, SurveyBeam(5.4, 6.8)), (4.5, SurveyBeam(5.4, 6.4))))
    assert [(beam.at(dec) or ())[0] for dec in (-9.0, -2.5, 4.4, 4.5)] == [6.8, 6.4, 6.4, 5.4]
