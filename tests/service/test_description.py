"""What is said about a service by its name, and about a name that is wrong."""

from __future__ import annotations

import re

import pytest

from mingolotss.errors import InputError
from mingolotss.service.description import describe_service


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "nvss",
            ("1400 MHz", "45 arcsec", "15 arcsec", "value 0", "Condon et al. 1998", "NRAO/AUI"),
        ),
        ("legacy", ("r, g, i, z", "nanomaggy", "0.262 arcsec", "value 0")),
        ("legacy:G", ("DR10 g", "nanomaggy")),
        ("gleam:72-103", ("87.5 MHz", "56 arcsec")),
        ("skyview:nvss", ("1400 MHz", "45 arcsec", "computed by the server")),
        ("hips:CDS/P/DSS2/red?pixel=2", ("2 arcsec", "photographic density")),
        ("hips:CDS/P/2MASS/K", ("1.5 arcsec", "not known here")),
        ("lotss-dr2", ("header of each image",)),
    ],
)
def test_the_facts_of_a_service_are_named(name, words):
    """Survey, pixels, beam, unit and terms of use, without any request."""
    rows = describe_service(name)
    text = "\n".join(f"{fact} {value}" for fact, value in rows)
    assert [word for word in words if word not in text] == [], text
    assert len({fact for fact, _ in rows}) == len(rows)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nvs", "did you mean 'nvss'"),
        ("Legacy:q", "did you mean 'legacy'"),
        ("legacy:q", "no band is called 'q'; known: r, g, i, z"),
        ("racs:lo", "did you mean 'low'"),
        ("nvss:x", "this survey has one"),
        ("skyview:nvs", "did you mean 'NVSS'"),
        ("skyview:qqqq", "give it, skyview:qqqq?pixel=ARCSEC"),
        ("skyview:NVSS?pixl=3", "did you mean 'pixel'"),
        ("skyview:NVSS?pixel=0", "no size in arcsec"),
        ("skyview:NVSS?pixel=nan", "no size in arcsec"),
        ("nvss:?sampler=best", "no sampler is called 'best'"),
        ("nvss:@ftp://x.org", "give its address"),
        ("hips:CDS/P/NVSS?pixel=one", "no size in arcsec"),
        ("first:?pixel=3", "no option is called 'pixel'"),
    ],
)
def test_a_wrong_name_of_a_survey_is_one_line(name, words):
    """The nearest name, band or option is suggested."""
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        describe_service(name)
    assert "\n" not in str(caught.value)
