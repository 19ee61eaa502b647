"""Scale bars and beams on stamps: their lengths and directions, compared with astropy."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from mingolotss.qa.report.stamp_marks import MarkTable, compass_of, scale_bar
from report_views import make_view


@pytest.mark.parametrize(
    ("scale", "side", "label"),
    [(1.5, 150, "30\N{DOUBLE PRIME}"), (0.25, 100, "5\N{DOUBLE PRIME}"),
     (45.0, 64, "600\N{DOUBLE PRIME}"), (0.01, 50, "0.1\N{DOUBLE PRIME}")],
)  # fmt: skip
def test_a_bar_is_as_long_as_its_label(scale, side, label):
    length, text = scale_bar(scale, side)
    assert text == label
    assert length * scale == pytest.approx(float(label[:-1]))
    assert side / 20 < length < side / 2


@pytest.mark.parametrize("scale", [np.nan, 0.0, -1.0, np.inf, 1e9])
def test_a_stamp_of_unknown_scale_has_no_bar(scale):
    assert scale_bar(scale, 150) is None


def rotated(angle: float, *, mirrored: bool = False) -> str:
    """The cards of an image whose y axis points `angle` degrees from north towards east."""
    turn = np.radians(angle)
    east = 1 if mirrored else -1
    cd = (
        1.5
        / 3600
        * np.array([[east * np.cos(turn), np.sin(turn)], [-east * np.sin(turn), np.cos(turn)]])
    )
    cards = {"CTYPE1": "'RA---SIN'", "CTYPE2": "'DEC--SIN'", "CRVAL1": 180.0, "CRVAL2": 50.0}
    cards |= {f"CD{i + 1}_{j + 1}": cd[i, j] for i in range(2) for j in range(2)}
    return "\n".join(f"{key:8}= {value}" for key, value in cards.items())


@pytest.mark.parametrize("angle", [0, 30, 90, 200, -45])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("pa", [0, 60, 135])
def test_a_beam_points_where_astropy_says(tmp_path, angle, mirrored, pa):
    """The major axis, drawn clockwise from the x axis with y down, is at its position angle."""
    cards = rotated(angle, mirrored=mirrored)
    view = make_view(
        tmp_path, 1, beam_major_arcsec=[12.0], beam_minor_arcsec=[6.0], beam_pa_deg=[float(pa)],
        ra=[180.0], dec=[50.0], wcs=[cards], crpix1=[76.0], crpix2=[76.0],
    )  # fmt: skip
    (marks,) = MarkTable(view.records([0]), 150).all
    rx, ry, turn = marks.beam
    assert (rx, ry) == pytest.approx((4.0, 2.0))
    header = dict(line.split("= ") for line in cards.splitlines())
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---SIN", "DEC--SIN"
    wcs.wcs.crval, wcs.wcs.crpix = (180.0, 50.0), (76.0, 76.0)
    wcs.wcs.cd = [[float(header[f"CD{i}_{j}".ljust(8)]) for j in (1, 2)] for i in (1, 2)]
    tip = SkyCoord(180, 50, unit="deg").directional_offset_by(pa * u.deg, 10 * u.arcsec)
    x, y = (float(value) - 75 for value in wcs.world_to_pixel(tip))
    expected = np.degrees(np.arctan2(-y, x))
    # An ellipse is the same after half a turn; of a mirrored image the angle grows the other way.
    assert (turn - expected + 90) % 180 - 90 == pytest.approx(0, abs=1.1)


@pytest.mark.parametrize(
    "columns",
    [
        {"beam_major_arcsec": [np.nan]}, {"beam_minor_arcsec": [None]},
        {"beam_major_arcsec": [1e6]}, {"beam_major_arcsec": [12.0]},
        {"beam_major_arcsec": [12.0], "beam_pa_deg": [10.0], "wcs": ["CTYPE1  = 1"],
         "crpix1": [1.0], "crpix2": [1.0]},
    ],
)  # fmt: skip
def test_a_beam_that_is_not_known_is_not_drawn(tmp_path, columns):
    """Neither a beam without both axes, nor a long one whose direction is not known."""
    (marks,) = MarkTable(make_view(tmp_path, 1, **columns).records([0]), 150).all
    assert marks.beam is None
    assert marks.bar == 20


def test_stamps_with_the_same_marks_share_them(tmp_path):
    table = MarkTable(make_view(tmp_path, 50).records(range(50)), 150)
    assert len(table.all) == 1
    assert [table.number(row) for row in range(50)] == [0] * 50


@pytest.mark.parametrize(("side", "scale"), [(150, 1.5), (8, 28.125), (1024, 0.2197265625)])
def test_marks_do_not_depend_on_the_number_of_pixels(tmp_path, side, scale):
    """A stamp of 225 arcsec has the same marks in 8 pixels and in 1,024."""
    view = make_view(tmp_path, 1, pixel_scale_arcsec=[scale])
    (marks,) = MarkTable(view.records([0]), side).all
    assert (marks.bar, marks.label, marks.beam) == (20.0, "30\N{DOUBLE PRIME}", (2.0, 2.0, 0.0))


@pytest.mark.parametrize("angle", [6, 30, 90, 200, -45])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_compass_points_where_astropy_says(tmp_path, angle, mirrored):
    """North and east of a turned stamp are the directions to points there, y down."""
    cards = rotated(angle, mirrored=mirrored)
    view = make_view(tmp_path, 1, ra=[180.0], dec=[50.0], wcs=[cards], crpix1=[76.0], crpix2=[76.0])
    (marks,) = MarkTable(view.records([0]), 150).all
    header = dict(line.split("= ") for line in cards.splitlines())
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---SIN", "DEC--SIN"
    wcs.wcs.crval, wcs.wcs.crpix = (180.0, 50.0), (76.0, 76.0)
    wcs.wcs.cd = [[float(header[f"CD{i}_{j}".ljust(8)]) for j in (1, 2)] for i in (1, 2)]
    for shown, pa in zip(marks.compass, (0, 90), strict=True):
        tip = SkyCoord(180, 50, unit="deg").directional_offset_by(pa * u.deg, 10 * u.arcsec)
        x, y = (float(value) - 75 for value in wcs.world_to_pixel(tip))
        expected = np.degrees(np.arctan2(-y, x))
        assert (shown - expected + 180) % 360 - 180 == pytest.approx(0, abs=0.6)


@pytest.mark.parametrize(
    ("angle", "mirrored", "is_drawn"), [(0, False, False), (4, False, False), (0, True, True)]
)
def test_only_another_orientation_than_the_usual_one_has_a_compass(
    tmp_path, angle, mirrored, is_drawn
):
    """Within 5 deg of north up and east left there is none; a mirrored image has one."""
    cards = rotated(angle, mirrored=mirrored)
    view = make_view(tmp_path, 1, ra=[180.0], dec=[50.0], wcs=[cards], crpix1=[76.0], crpix2=[76.0])
    (marks,) = MarkTable(view.records([0]), 150).all
    assert (marks.compass is not None) == is_drawn


def test_a_stamp_of_unknown_orientation_has_no_compass(tmp_path):
    assert compass_of(make_view(tmp_path, 1).record(0)) is None


def test_the_beam_that_is_drawn_is_that_of_the_stamp(tmp_path):
    """After a convolution to a common beam it is not that of the image."""
    record = make_view(tmp_path, 1).record(0)
    record |= {"stamp_beam_major_arcsec": 9.0, "stamp_beam_minor_arcsec": 9.0,
               "stamp_beam_pa_deg": 0.0}  # fmt: skip
    (marks,) = MarkTable([record], 150).all
    assert marks.beam == (3.0, 3.0, 0.0)
