"""The column ``image`` of the Multimodal Universe, made from arrays."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy import units

from mingolotss.dataset.channel_table import CHANNELS, CHANNELS_COLUMN
from mingolotss.errors import DatasetError
from mingolotss.formats.hats.image_column import (
    flux_unit,
    image_column,
    image_facts,
    image_feature,
    image_field,
)


def _manifest(n=1, **columns):
    values = {
        "unit": "Jy/beam", "survey": None, "frequency_mhz": None, "beam_major_arcsec": 6.0,
        "beam_minor_arcsec": 6.0, "pixel_scale_arcsec": 1.5,
    } | columns  # fmt: skip
    kinds = {"unit": pa.string(), "survey": pa.string()}
    return pa.table({
        name: pa.array(value if isinstance(value, list) else [value] * n,
                       kinds.get(name, pa.float64()))
        for name, value in values.items()
    })  # fmt: skip


def _channels(*stamps, scale=1.5):
    """Return rows of stamps with channels; each stamp is a list of columns of ``channels``."""
    empty = dict.fromkeys(CHANNELS.names)
    lists = [[empty | one for one in stamp] for stamp in stamps]
    return pa.table({
        CHANNELS_COLUMN.name: pa.array(lists, CHANNELS_COLUMN.type),
        "pixel_scale_arcsec": pa.array([scale] * len(stamps), pa.float64()),
    })  # fmt: skip


def _one(table, flux=0.25, rms=0.5, channels=()):
    """Return the struct of the first row, for stamps of one pixel."""
    shape = len(table), max(1, len(channels)), 1, 1
    images = np.full(shape, flux, np.float32), np.full(shape, rms, np.float32)
    return image_column(*images, image_facts(table, channels)).to_pylist()[0]


def test_every_pixel_is_where_it_was():
    """Compared with loops over sources, channels, rows and columns."""
    rng = np.random.default_rng(3)
    flux = rng.normal(size=(3, 2, 4, 5)).astype(np.float32)
    rms = rng.uniform(0.5, 2, size=flux.shape).astype(np.float32)
    flux[1, 0, 2, 3], flux[2, 1, 0, 0] = np.nan, np.inf
    low = {"channel": "low + high; 1", "unit": "Jy/beam", "beam_major_arcsec": 8.0,
           "beam_minor_arcsec": 2.0}  # fmt: skip
    table = _channels(*[[low, {"channel": "r"}]] * 3)
    column = image_column(flux, rms, image_facts(table, ("low + high; 1", "r")))
    column.validate(full=True)
    assert column.type == image_field().type
    for row, image in enumerate(column.to_pylist()):
        assert image["band"] == ["low + high; 1", "r"]
        assert image["psf_fwhm"][0] == 4.0
        assert math.isnan(image["psf_fwhm"][1])
        assert image["scale"] == [1.5, 1.5]
        for channel in range(2):
            for y in range(4):
                for x in range(5):
                    value = flux[row, channel, y, x]
                    place = [image[name][channel][y][x] for name in ("flux", "ivar", "mask")]
                    good = bool(np.isfinite(value))
                    noise = float(rms[row, channel, y, x])
                    ivar = np.float32(1 / noise**2) if good else 0.0
                    np.testing.assert_array_equal(place, [value, ivar, good])


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mJy/beam", 1e-3), ("uJy/beam", 1e-6), ("JY/BEAM", 1), (None, 1), ("MJy/beam", 1e6)],
)
def test_flux_and_noise_are_in_jy_per_beam(unit, factor):
    image = _one(_manifest(unit=unit))
    flux, noise = 0.25 * factor * units.Jy / units.beam, 0.5 * factor * units.Jy / units.beam
    stated = image_field(flux_unit(_manifest(unit=unit), ())).type
    of = {
        name: units.Unit(stated.field(name).metadata[b"unit"].decode()) for name in ("flux", "ivar")
    }
    assert image["flux"][0][0][0] == pytest.approx(flux.to_value(of["flux"]), rel=1e-7)
    assert image["ivar"][0][0][0] == pytest.approx((1 / noise**2).to_value(of["ivar"]), rel=1e-7)


def test_pixels_that_float32_cannot_hold_give_no_warning():
    image = _one(_manifest(unit="MJy/beam"), flux=3e38, rms=1e-38)
    assert image["flux"] == [[[np.inf]]]
    assert math.isnan(image["ivar"][0][0][0])


def test_the_brightness_of_other_units_is_left_as_it_is():
    image = _one(_manifest(unit="K"))
    assert image["flux"] == [[[0.25]]]
    assert image["ivar"] == [[[4.0]]]


def test_jy_per_beam_is_left_to_the_bit():
    flux = np.array([1.1e-5, -3.3e-4, 1e-45, -0.0], np.float32).reshape(1, 1, 1, 4)
    column = image_column(flux, None, image_facts(_manifest(), ()))
    values = column.field("flux").flatten().flatten().flatten().to_numpy()
    assert values.tobytes() == flux.tobytes()


@pytest.mark.parametrize(
    ("surveys", "unit"),
    [
        (["Jy/beam", "mJy/beam", None], "Jy/beam"),
        (["K", "K"], "K"),
        (["K", "Jy/beam"], ""),
        (["nanomaggy", "counts"], ""),
    ],
)
def test_one_unit_is_stated_only_if_all_have_it(surveys, unit):
    assert flux_unit(_manifest(unit=surveys, n=len(surveys)), ()) == unit
    field = image_field(unit).type.field("flux")
    assert (field.metadata.get(b"unit", b"").decode()) == unit


@pytest.mark.parametrize("rms", [0.0, -1.0, np.nan, np.inf, 1e-30])
def test_noise_that_is_not_known_has_no_inverse(rms):
    image = _one(_manifest(), rms=rms)
    assert math.isnan(image["ivar"][0][0][0])
    assert image["mask"] == [[[True]]]


def test_without_a_map_of_the_noise_nothing_is_known_of_it():
    flux = np.array([[[[1.0, np.nan]]]], np.float32)
    [image] = image_column(flux, None, image_facts(_manifest(), ())).to_pylist()
    assert image["mask"] == [[[True, False]]]
    np.testing.assert_array_equal(image["ivar"], [[[np.nan, 0]]])


@pytest.mark.parametrize(
    ("beams", "width"),
    [
        ({"beam_major_arcsec": 9.0, "beam_minor_arcsec": 4.0}, 6.0),
        ({"beam_major_arcsec": 9.0, "beam_minor_arcsec": None}, math.nan),
        ({"beam_major_arcsec": 0.0, "beam_minor_arcsec": 0.0}, math.nan),
        ({"stamp_beam_major_arcsec": 20.0, "stamp_beam_minor_arcsec": 5.0}, 10.0),
        ({"stamp_beam_major_arcsec": None, "stamp_beam_minor_arcsec": None}, 6.0),
    ],
)
def test_the_width_is_that_of_the_stamp(beams, width):
    """The geometric mean, as the Multimodal Universe has it for HSC: 2.355 det^(1/4)."""
    [value] = _one(_manifest(**beams))["psf_fwhm"]
    assert value == pytest.approx(width, nan_ok=True)


@pytest.mark.parametrize(
    ("survey", "frequency", "band"),
    [
        ("LoTSS", 143.65, "LoTSS 143.65 MHz"),
        ("RACS-low", None, "RACS-low"),
        (None, 1400.0, "1400 MHz"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_band_of_a_single_image_is_its_survey_and_frequency(survey, frequency, band):
    table = _manifest(survey=survey, frequency_mhz=frequency)
    assert _one(table)["band"] == [band]


def test_surveys_of_several_images_are_told_apart():
    table = _manifest(3, survey=["A", None, "B"], frequency_mhz=[10.0, 20.0, None])
    assert image_facts(table, ()).band.to_pylist() == ["A 10 MHz", "20 MHz", "B"]


def test_a_scale_of_zero_is_not_known():
    assert math.isnan(_one(_manifest(pixel_scale_arcsec=0.0))["scale"][0])


def test_a_missing_channel_has_a_place():
    """Every stamp has all channels, so that arrays of many stamps can be stacked."""
    table = _channels([{"channel": "low"}, {"channel": "r", "status": "missing"}])
    flux = np.array([1, np.nan], np.float32).reshape(1, 2, 1, 1)
    [image] = image_column(flux, flux, image_facts(table, ("low", "r"))).to_pylist()
    assert image["mask"] == [[[True]], [[False]]]
    assert image["ivar"] == [[[1.0]], [[0.0]]]
    assert math.isnan(image["flux"][1][0][0])


def test_rows_of_another_number_of_channels_are_refused():
    table = _channels([{"channel": "low"}])
    with pytest.raises(DatasetError, match="2 channels"):
        image_facts(table, ("low", "r"))


def test_no_rows_are_a_column_without_rows():
    facts = image_facts(_manifest(0), ())
    column = image_column(np.zeros((0, 1, 3, 3), np.float32), None, facts)
    assert len(column) == 0
    assert column.type == image_field().type


def test_the_feature_has_the_fields_of_the_column():
    feature = image_feature(3, 5)
    assert list(feature["feature"]) == [field.name for field in image_field().type]
    assert feature["feature"]["flux"]["shape"] == [3, 5]


def test_the_docs_state_the_unit_of_each_field():
    page = Path(__file__).parents[3] / "docs/reference/image-column.md"
    stated = dict(re.findall(r"^\| `(\w+)` \| [^|]+\|([^|]*)\|", page.read_text(), re.MULTILINE))
    units_of = {
        field.name: field.metadata.get(b"unit", b"").decode() for field in image_field().type
    }
    assert {name: unit.strip() for name, unit in stated.items()} == units_of
