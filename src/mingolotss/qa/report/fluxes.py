"""The flux densities of sources in their stamps beside those of the catalogue.

The brightness of the pixels of a stamp, turned back into Jy/beam, is summed in a circle around the
source and divided by the solid angle of the beam: the result is in Jy, as the catalogue's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

import numpy as np

from mingolotss.dataset.calibration import stamp_flux, unit_beam
from mingolotss.model import Floats
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.plotting import MAX_POINTS
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import StampPixels
from mingolotss.sky.header_facts import jy_per_beam

__all__ = ["Fluxes", "compare_fluxes"]

_BEAM_AREA = math.pi / (4 * math.log(2))  # of a Gaussian, in units of major times minor axis
_TOO_LARGE = 1e30  # mJy, which only damaged data give


@dataclass(frozen=True, slots=True)
class Fluxes:
    """The sources whose flux densities can be compared.

    Attributes
    ----------
    catalogue_mjy, measured_mjy : float64 array, shape (n,), mJy
    caption : str
        The result in words, or why there is none.
    """

    catalogue_mjy: Floats
    measured_mjy: Floats
    caption: str

    @property
    def count(self) -> int:
        """Number of sources."""
        return len(self.catalogue_mjy)


def compare_fluxes(build: BuildView) -> Fluxes:
    """Measure up to `MAX_POINTS` sources, evenly spaced in the catalogue."""
    flux = build.numbers("flux_mjy")
    in_catalogue = build.written & (flux > 0) & (flux < _TOO_LARGE)
    if not in_catalogue.any():
        return _none("The catalogue gives no flux densities.")
    beam = build.numbers("beam_major_arcsec") * build.numbers("beam_minor_arcsec")
    usable = (
        in_catalogue & (beam > 0) & np.isin(build.texts("scaling"), ("none", "linear", "asinh"))
    )
    rows = np.flatnonzero(usable)
    other = sorted(unit for unit in build.units if unit and math.isnan(jy_per_beam(unit)))
    if other or not rows.size:
        reason = (
            f"the unit of images is {', '.join(other[:3])}, no multiple of Jy/beam"
            if other
            else "no stamp has both a known beam and a known scaling"
        )
        return _none(
            "The brightness of the stamps cannot be compared with the flux densities of the "
            f"catalogue: {reason}."
        )
    rows = rows[np.linspace(0, len(rows) - 1, min(MAX_POINTS, len(rows))).round().astype(int)]
    records = {record["row"]: record for record in build.records(rows)}
    measured = {
        row: _measure(pixels, records[row], build.recipe)
        for row, pixels in build.reference_pixels(rows)
    }
    bright = [row for row in sorted(measured) if 0 < measured[row] < _TOO_LARGE]
    if not bright:
        return _none("No stamp has brightness at the position of its source.")
    catalogue, values = flux[bright], np.array([measured[row] for row in bright])
    ratio = median((values / catalogue).tolist())
    caption = (
        f"Flux densities of {len(bright):,} sources, measured in their stamps and in the "
        f"catalogue; they are equal on the dashed line. The median ratio is {ratio:.2f}. What the "
        "recipe clips is missing in a stamp, and neighbours are added."
    )
    if faint := len(measured) - len(bright):
        caption += (
            f" {faint:,} {'source has' if faint == 1 else 'sources have'} no brightness there."
        )
    return Fluxes(catalogue, values, caption)


def _none(caption: str) -> Fluxes:
    return Fluxes(np.empty(0), np.empty(0), caption)


def _measure(pixels: StampPixels, record: ManifestRow, recipe: Recipe) -> float:
    """Return the flux density in a circle around the middle of a stamp, mJy.

    Its radius is half the size of the source and the beam, and the offset of the source.
    """
    major, minor, _ = unit_beam(record, recipe)
    scale, size = record["pixel_scale_arcsec"], record["size_arcsec"]
    radius = (size / 2 if math.isfinite(size) else 0.0) + 1.5 * major
    if not record["recentred"]:
        radius += record["separation_arcsec"]
    ny, nx = pixels.shape
    y, x = np.ogrid[:ny, :nx]
    inside = np.hypot(y - ny // 2, x - nx // 2) * scale <= radius
    brightness = stamp_flux(pixels, record)[inside]
    beam_px = _BEAM_AREA * major * minor / scale**2
    return float(1000 * np.nansum(brightness) / beam_px)
