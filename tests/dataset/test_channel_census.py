"""The statistics of channels, compared with plain Python on the same rows."""

import math
import statistics

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.dataset.channel_census import channel_counts


def make_table(rows):
    return pa.Table.from_pylist(rows)


@pytest.fixture
def rows():
    rng = np.random.default_rng(3)
    return [
        {
            "source": f"S{n}", "channel": channel,
            "status": rng.choice(["native", "resampled", "missing"]),
            "survey": "LoTSS" if channel == "six" else None,
            "frequency_mhz": 143.65 + n * 1e-9 if n % 5 else math.nan,
            "beam_major_arcsec": 6.0 + n % 2, "beam_minor_arcsec": 6.0,
            "stamp_beam_major_arcsec": 9.0, "stamp_beam_minor_arcsec": 9.0,
            "noise_jy": rng.uniform(1e-5, 1e-3) if n % 7 else None,
            "peak_jy": math.nan if channel == "optical" else rng.uniform(1e-3, 1),
        }
        for n in range(60)
        for channel in ("six", "twenty", "optical")
    ]  # fmt: skip


def test_each_channel_is_counted_and_measured(rows):
    counts = channel_counts(make_table(rows))
    assert [one.name for one in counts] == ["six", "twenty", "optical"]
    for one in counts:
        own = [row for row in rows if row["channel"] == one.name]
        with_image = [row for row in own if row["status"] != "missing"]
        for status in ("native", "resampled", "missing"):
            assert getattr(one, status) == sum(row["status"] == status for row in own)
        assert one.planes == len(with_image)
        noise = [row["noise_jy"] for row in with_image if row["noise_jy"] is not None]
        assert one.noise_jy == pytest.approx((min(noise), statistics.median(noise), max(noise)))
        beams = {beam.major_arcsec: beam.sources for beam in one.beams}
        assert beams == {
            major: sum(row["beam_major_arcsec"] == major for row in with_image)
            for major in (6.0, 7.0)
        }
        assert [beam.major_arcsec for beam in one.stamp_beams] == [9.0]


def test_what_no_header_states_is_not_known(rows):
    six, _, optical = channel_counts(make_table(rows))
    assert [value.value for value in six.surveys] == ["LoTSS"]
    assert [value.value for value in optical.surveys] == [None]
    assert optical.peak_jy is None
    # Frequencies that agree in six digits are one value; NaN is none.
    assert {value.value for value in six.frequencies_mhz} == {143.65, None}


def test_the_order_is_the_one_that_is_asked_for(rows):
    """A channel of the recipe without any row is counted, too."""
    counts = channel_counts(make_table(rows), ["optical", "six", "radar"])
    assert [one.name for one in counts] == ["optical", "six", "radar"]
    assert (counts[2].planes, counts[2].missing, counts[2].noise_jy) == (0, 0, None)
    assert counts[2].beams == []


def test_a_table_without_measurements_has_counts():
    table = make_table(
        [{"channel": "a", "status": "native"}, {"channel": "a", "status": "missing"}]
    )
    (one,) = channel_counts(table)
    assert (one.native, one.missing) == (1, 1)
    assert (one.surveys, one.beams, one.noise_jy, one.pixel_scale_arcsec) == ((), [], None, None)
