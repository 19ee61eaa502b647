"""Flux densities measured in stamps: right for known sources, and left out where not known."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.qa.report.fluxes import compare_fluxes
from report_views import make_view


@pytest.mark.parametrize(("unit", "factor"), [("Jy/beam", 1.0), ("mJy/beam", 1e-3), (None, 1.0)])
def test_the_flux_density_of_an_unresolved_source_is_its_peak(tmp_path, unit, factor):
    """The sum over a Gaussian as wide as the beam, over the beam's area, is its peak in Jy/beam."""
    peak = np.array([0.001, 0.02, 3.0])
    fluxes = compare_fluxes(
        make_view(
            tmp_path, 3, scale_max=peak / factor, unit=[unit] * 3, flux_mjy=1000 * peak,
            size_arcsec=[np.nan] * 3,
        )
    )  # fmt: skip
    assert fluxes.measured_mjy == pytest.approx(1000 * peak, rel=0.02)
    assert fluxes.catalogue_mjy == pytest.approx(1000 * peak)
    assert "of 3 sources" in fluxes.caption
    assert "The median ratio is 1.0" in fluxes.caption or "is 0.99" in fluxes.caption


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"flux_mjy": [np.nan] * 4}, "The catalogue gives no flux densities."),
        ({"flux_mjy": [0.0, -1.0, np.nan, 1e300]}, "The catalogue gives no flux densities."),
        ({"unit": ["K"] * 4}, "the unit of images is K, no multiple of Jy/beam."),
        ({"unit": ["Jy/beam", "Jy/pixel", None, "MJy/sr"]},
         "the unit of images is Jy/pixel, MJy/sr, no multiple of Jy/beam."),
        ({"beam_major_arcsec": [np.nan] * 4},
         "no stamp has both a known beam and a known scaling."),
        ({"scaling": [None] * 4}, "no stamp has both a known beam and a known scaling."),
        ({"scale_max": [0.0] * 4}, "No stamp has brightness at the position of its source."),
        ({"status": ["rejected"] * 4}, "The catalogue gives no flux densities."),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_said(tmp_path, columns, reason):
    fluxes = compare_fluxes(make_view(tmp_path, 4, **columns))
    assert fluxes.count == 0
    assert reason in fluxes.caption


def test_of_many_sources_some_are_measured(tmp_path):
    """A thousand, evenly spaced in the catalogue."""
    fluxes = compare_fluxes(make_view(tmp_path, 5000))
    assert fluxes.count == 1000
