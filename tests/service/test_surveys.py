"""The addresses that surveys by name ask, and SkyView's images as its program writes them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from mingolotss.errors import InputError, ServiceAnswerError, ServiceUnavailableError
from mingolotss.io.http import RetryPolicy, Transport
from mingolotss.model import Source
from mingolotss.service.base import open_service
from mingolotss.service.remote.surveys import Nvss
from mingolotss.service.survey_table import SURVEYS
from misbehave import always, running

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "surveys.md"
PLACE = SkyCoord(180.0, 30.0, unit="deg")


def documented_hosts() -> dict[str, str]:
    """Return the host of each service, as the table of servers in the docs has it."""
    hosts = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and (host := re.search(r"`((?:[\w-]+\.)+\w+)`", cells[1])):
            hosts |= dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), host[1])
    return hosts


@pytest.mark.parametrize("name", SURVEYS)
def test_each_band_asks_the_server_that_its_name_stands_for(name):
    """One address, of the documented host, by https; the position and the band are in it."""
    for band in SURVEYS[name].bands:
        service = open_service(f"{name}:{band}" if band else name)
        address = service.query(Source(0, "A", 205.125, -3.5), 0.1)
        parts = urlsplit(address)
        assert (parts.scheme, parts.hostname) == ("https", documented_hosts()[name])
        words = str(parse_qs(parts.query))
        assert "205.125" in words or "13.675" in words
        assert "-3.5" in words
        assert SURVEYS[name].bands[band].name in words
        if name not in ("vlass", "lolss"):
            scale = service.survey_facts.pixel_scale_arcsec
            assert scale == SURVEYS[name].bands[band].facts.pixel_scale_arcsec


@pytest.mark.parametrize(
    ("address", "arcmin"), [("first", 61.5), ("legacy:z", 13.5), ("lotss-dr2", 121)]
)
def test_a_cutout_that_is_too_large_is_refused_before_it_is_asked_for(address, arcmin):
    """The line says how much the server cuts, and which key of the recipe to change."""
    with pytest.raises(InputError, match=r"cuts [\d.]+ at most; set images.size_arcmin"):
        open_service(address).query(Source(0, "A", 1.0, 2.0), arcmin / 60)


def skyview_file(kind: str) -> bytes:
    """Return an image as SkyView writes it: comments in the first cards, 0 where there is none."""
    cards = (
        "SIMPLE  =                    T / Written by SkyView Mon Feb 01 11:39:05 EST 2021",
        "BITPIX  =                  {} / {} byte floating point",
        "NAXIS   =                    2 / Two dimensional image",
        "NAXIS1  =                    3 / Width of image",
        "NAXIS2  =                    3 / Height of image",
        "CRVAL1  =                180.0 / Reference longitude",
        "CRVAL2  =                 30.0 / Reference latitude",
        "RADESYS = 'FK5     '           / Coordinate system",
        "EQUINOX =               2000.0 / Epoch of the equinox",
        "CTYPE1  = 'RA---TAN'           / Coordinates -- projection",
        "CTYPE2  = 'DEC--TAN'           / Coordinates -- projection",
        "CRPIX1  =                  2.0 / X reference pixel",
        "CRPIX2  =                  2.0 / Y reference pixel",
        "CDELT1  =             -0.00417 / X scale",
        "CDELT2  =              0.00417 / Y scale",
        "COMMENT Copyright:   1994, University of California. \t  Permission is granted",
        "COMMENT PixelUnits:  Janskies/beam",
        "SURVEY  = 'NVSS    '",
        "HISTORY Resampler used: NNSampler",
        "END",
    )
    size = np.dtype(kind).itemsize
    header = "".join(card.ljust(80) for card in cards).replace("{}", f"{-8 * size}", 1)
    header = header.replace("{}", str(size)).ljust(2880)
    pixels = np.arange(9, dtype=kind).reshape(3, 3) * 1e-3
    return header.encode() + pixels.astype(kind).tobytes().ljust(2880, b"\0")


@pytest.mark.parametrize("kind", [">f4", ">f8"])
def test_an_image_of_skyview_has_no_data_where_it_is_zero(kind):
    """Pixels, place and what its header says, completed by what is known about NVSS."""
    with running({"/s": always(skyview_file(kind))}) as server:
        service = open_service(f"nvss:{server.url}/s")
        [candidate] = service.search(PLACE, 45 * u.arcsec)
        cutout = service.cutout(candidate, PLACE, 45 * u.arcsec)
    expected = np.arange(9).reshape(3, 3) * 1e-3
    expected[0, 0] = np.nan
    np.testing.assert_allclose(cutout.image, expected, rtol=1e-6)
    assert np.hypot(*np.subtract(cutout.wcs.to_pixel(180.0, 30.0), 1)) < 0.01
    assert (cutout.wcs.facts.survey, cutout.wcs.facts.unit) == ("NVSS", "Jy/beam")
    assert cutout.wcs.beam == (45.0, 45.0, 0.0)
    assert candidate.field == "NVSS"


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        (b"<html><body><h2> Error processing survey: NVSS</h2><p>Error: No candidate images were "
         b"found in the region. Position may be outside the coverage area.", "200 OK",
         ServiceAnswerError, "No candidate images"),
        (b"<html>Unable to find requested survey:x</html>", "200 OK", ServiceAnswerError, "Unable"),
        (b"<html>The site is down for maintenance, no images in FOV</html>", "200 OK",
         ServiceUnavailableError, "maintenance"),
        (b"<html>An irrecoverable error terminated the request.</html>", "200 OK",
         ServiceUnavailableError, "irrecoverable"),
        (b"gone", "404 Not Found", ServiceUnavailableError, "404"),
    ],
)  # fmt: skip
def test_only_a_page_about_the_position_or_the_survey_is_final(tmp_path, body, status, kind, words):
    """It is kept as a refusal; all else is asked for again in the next run."""
    with running({"/s": always(body, status)}) as server:
        service = open_service(f"nvss:{server.url}/s", workspace=tmp_path)
        [candidate] = service.search(PLACE, 45 * u.arcsec)
        for _run in range(2):
            with pytest.raises(kind, match=words) as caught:
                service.cutout(candidate, PLACE, 45 * u.arcsec)
            assert "\n" not in str(caught.value)
        assert sum(server.asked.values()) == (1 if kind is ServiceAnswerError else 2)


def test_an_answer_that_is_small_cut_short_or_no_fits_is_one_line():
    """Nothing of it becomes an image."""
    whole = skyview_file(">f4")
    answers = {
        "/empty": b"", "/short": whole[:3000], "/tiny": whole[:80],
        "/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0", "/gif": b"GIF89a\0\0",
    }  # fmt: skip
    with running({path: always(body) for path, body in answers.items()}) as server:
        for path in answers:
            quick = Transport(retry_policy=RetryPolicy(attempts=2, first_s=0.0, longest_s=0.01))
            service = Nvss.open(f"{server.url}{path}", transport=quick)
            [candidate] = service.search(PLACE, 45 * u.arcsec)
            with pytest.raises((ServiceAnswerError, ServiceUnavailableError)) as caught:
                service.cutout(candidate, PLACE, 45 * u.arcsec)
            assert "\n" not in str(caught.value)


def test_fields_of_surveys_are_no_other_product():
    """A folder of downloads is read again: no field ends as a product that is left out."""
    fields = [band.field for survey in SURVEYS.values() for band in survey.bands.values()]
    assert len(set(fields)) == len(fields)
    assert not [field for field in fields if field.endswith(("-low", "-residual"))]
    assert all(re.fullmatch(r"[\w-]+", field) and "_" not in field for field in fields)
