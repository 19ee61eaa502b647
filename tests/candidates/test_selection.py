"""Which field wins: the four cases, as a plain reading of the description has them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.decisions import Decision
from mingolotss.candidates.selection import Choice, MeasuredCandidate, choose, locate_sources
from mingolotss.errors import DecisionError
from mingolotss.model import Cutout
from mingolotss.sky.wcs import SkyWCS, simple_header

CANDIDATES = st.lists(
    st.tuples(
        st.sampled_from(["P1", "P10", "P2", "P3"]),
        st.sampled_from([0.0, 1e-9, 5.0, 14.999, 15.0, 15.001, 60.0]) | st.floats(0, 100),
        st.sampled_from([0.0, 1e-6, 5.0, 90.0]) | st.floats(0, 100),
    ),
    min_size=1, max_size=4, unique_by=lambda one: one[0],
)  # fmt: skip


def described(candidates, near=15.0):
    """Return (field, case) by the words of the method, step by step."""
    ordered = sorted(candidates, key=lambda one: (one[1], one[0]))
    nearest = ordered[0]
    if len(candidates) == 1:
        return nearest[0], 0
    if not any(one[2] for one in candidates):
        return nearest[0], 1
    least = min(one[2] for one in candidates)
    if nearest[2] == least:
        return nearest[0], 2
    if max(one[1] for one in candidates) < near:
        return next(one[0] for one in ordered if one[2] == least), 3
    return nearest[0], 4


@settings(max_examples=500)
@given(CANDIDATES)
def test_the_four_cases(candidates):
    """Field, case and flag are those of the description, in whatever order they come."""
    field, case = described(candidates)
    for order in itertools.islice(itertools.permutations(candidates), 6):
        choice = choose([MeasuredCandidate(*one) for one in order])
        assert (order[choice.index][0], choice.case) == (field, case)
        assert choice.undecided == (case == 4)
        assert choice.decided_by == ""


@settings(max_examples=200)
@given(CANDIDATES, st.integers(0, 3))
def test_a_decision_goes_before_every_case(candidates, which):
    """The field that a person accepted is taken, the case stays on record, none is undecided."""
    wanted = candidates[which % len(candidates)][0]
    decision = Decision("A", wanted, "accept", "ann")
    choice = choose([MeasuredCandidate(*one) for one in candidates], decision)
    assert candidates[choice.index][0] == wanted
    assert (choice.case, choice.undecided) == (described(candidates)[1], False)
    assert choice.decided_by == "ann"


def test_only_acceptance_chooses():
    """Another verdict that names a field does not choose it."""
    candidates = [MeasuredCandidate("P1", 1.0, 0.0), MeasuredCandidate("P2", 2.0, 0.0)]
    for verdict in ("reject", "label"):
        assert choose(candidates, Decision("A", "P2", verdict)) == Choice(0, 1)


def test_a_decision_on_a_field_that_is_not_there_says_what_is():
    """The line names source, field and the usable ones."""
    with pytest.raises(DecisionError, match=r"'P9'.*usable: P1, P2"):
        choose(
            [MeasuredCandidate("P1", 1, 0), MeasuredCandidate("P2", 2, 0)],
            Decision("A", "P9", "accept"),
        )


def test_nearness_is_a_setting():
    """Case 3 reaches as far as the recipe says, the limit itself left out."""
    candidates = [MeasuredCandidate("P1", 5.0, 9.0), MeasuredCandidate("P2", 20.0, 0.0)]
    assert choose(candidates).case == 4
    assert choose(candidates, near_arcsec=20.0).case == 4
    assert choose(candidates, near_arcsec=20.1) == Choice(1, 3)


@pytest.mark.parametrize("origin", [(0, 0), (7, 3), (-5, 40)])
@pytest.mark.parametrize("shape", [(40, 60), (41, 61), (40, 61)])
def test_places_are_measured_from_the_middle_pixel(origin, shape):
    """The separation is from the source to pixel (nx // 2, ny // 2), as astropy has it."""
    header = simple_header(150.0, 40.0, shape=(200, 200), scale_arcsec=1.5)
    wcs, reference = SkyWCS.from_header(header), WCS(header)
    rng = np.random.default_rng(1)
    ra, dec = 150 + rng.normal(0, 0.01, 5), 40 + rng.normal(0, 0.01, 5)
    cutout = Cutout(np.zeros(shape, "f4"), None, wcs, origin)
    places = locate_sources(CutoutArray.from_outcomes([cutout] * 5), ra, dec)
    for index, (lon, lat) in enumerate(zip(ra, dec, strict=True)):
        source = SkyCoord(lon, lat, unit="deg")
        middle = reference.pixel_to_world(origin[0] + shape[1] // 2, origin[1] + shape[0] // 2)
        separation = places.separation_arcsec[index]
        assert separation == pytest.approx(middle.separation(source).arcsec, abs=1e-9)
        x, y = np.array(reference.world_to_pixel(source)) - origin
        assert (places.x[index], places.y[index]) == pytest.approx((x, y), abs=1e-7)
        on_image = -0.5 <= x <= shape[1] - 0.5 and -0.5 <= y <= shape[0] - 0.5
        assert places.on_image[index] == on_image


def test_a_middle_off_the_projection_has_a_separation_in_pixels():
    """In the fold-out of a cube, the middle of a cutout may be no sky; the source still is."""
    header = fits.Header.fromstring(
        simple_header(0.0, 0.0, shape=(9, 9), scale_arcsec=36e3, projection="TSC").decode()
    )
    header["CRPIX1"], header["CRPIX2"] = 0.5, 0.5  # the first face ends after 4.5 pixels
    wcs, reference = SkyWCS.from_header(header.tostring().encode()), WCS(header)
    assert np.isnan(reference.pixel_to_world(1 + 4, 1 + 4).ra.deg)
    cutout = Cutout(np.zeros((9, 9), "f4"), None, wcs, (1, 1))
    source = reference.pixel_to_world(3.0, 2.0)
    places = locate_sources(
        CutoutArray.from_outcomes([cutout]), np.array([source.ra.deg]), np.array([source.dec.deg])
    )
    assert places.on_image[0]
    expected = np.hypot(3 - 5, 2 - 5) * wcs.pixel_scale_arcsec
    assert places.separation_arcsec[0] == pytest.approx(expected)


def test_images_with_and_without_a_common_wcs_agree():
    """Transforming together changes nothing, and the order is kept."""
    headers = [simple_header(150, dec, shape=(50, 50), scale_arcsec=1.5) for dec in (10, 20)]
    shared = [SkyWCS.from_header(header) for header in headers]
    order = [0, 1, 0, 1, 1]
    ra, dec = np.full(5, 150.0), np.array([10.0, 20.0, 10.001, 20.001, 20.0])
    image = np.zeros((50, 50), "f4")
    together = CutoutArray.from_outcomes([Cutout(image, None, shared[i]) for i in order])
    alone = CutoutArray.from_outcomes(
        [Cutout(image, None, SkyWCS.from_header(headers[i])) for i in order]
    )
    columns = zip(locate_sources(together, ra, dec), locate_sources(alone, ra, dec), strict=True)
    for of_together, of_alone in columns:
        np.testing.assert_array_equal(of_together, of_alone)
    nothing = locate_sources(CutoutArray(0), np.array([]), np.array([]))
    assert [len(column) for column in nothing] == [0, 0, 0, 0]
