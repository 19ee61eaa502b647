"""The brightness of the stamps beside the flux densities of the catalogue.

The brightest pixel of an unresolved source in Jy/beam is its flux density in Jy, whatever the beam.
Of a resolved source it is less. A source above this is brighter in the image than in the catalogue,
or something else in its stamp is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from mingolotss.model import Floats
from mingolotss.qa.report.build_view import BuildView
from mingolotss.sky.header_facts import jy_per_beam

__all__ = ["Fluxes", "compare_fluxes"]

_TOO_LARGE = 1e30  # mJy, which only damaged data give
_MARGIN = 1.2  # a pixel this much brighter than the catalogue is not noise or calibration alone


@dataclass(frozen=True, slots=True)
class Fluxes:
    """The sources whose brightness can be compared.

    Attributes
    ----------
    catalogue_mjy, peak_mjy : float64 array, shape (n,), mJy and mJy/beam
    caption : str
        The result in words, or why there is none.
    """

    catalogue_mjy: Floats
    peak_mjy: Floats
    caption: str

    @property
    def count(self) -> int:
        """Number of sources."""
        return len(self.catalogue_mjy)


def compare_fluxes(build: BuildView) -> Fluxes:
    """Return the sources with a stamp whose brightness and flux density are known and positive."""
    flux, peak = build.numbers("flux_mjy"), 1000 * build.numbers("peak_jy")
    in_catalogue = build.written & np.isfinite(flux)
    none = np.empty(0)
    if not in_catalogue.any():
        return Fluxes(none, none, "The catalogue gives no flux densities.")
    other = sorted(unit for unit in build.units if unit and not isfinite(jy_per_beam(unit)))
    if other:
        return Fluxes(
            none, none,
            "The brightness of the images cannot be compared with the flux densities of the "
            f"catalogue: the unit of images is {', '.join(other[:3])}, no multiple of Jy/beam.",
        )  # fmt: skip
    usable = in_catalogue & (flux > 0) & (peak > 0) & (flux < _TOO_LARGE) & (peak < _TOO_LARGE)
    count, above = int(usable.sum()), int((peak[usable] > _MARGIN * flux[usable]).sum())
    caption = (
        f"Brightest pixel of {count:,} stamps and flux density in the catalogue. They are equal, "
        "on the dashed line, for an unresolved source, and a resolved source is below it. "
        f"{above:,} {'is' if above == 1 else 'are'} more than 20 % above it: their stamps contain "
        "something brighter than the source in the catalogue."
    )
    return Fluxes(flux[usable], peak[usable], caption)
