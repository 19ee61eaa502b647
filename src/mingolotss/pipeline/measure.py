"""The first stage of a part: fetch the cutout of every candidate, and measure it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.requests import CutoutRequests
from mingolotss.candidates.selection import locate_sources
from mingolotss.candidates.status import CandidateStatus, StatusArray
from mingolotss.errors import ServiceError
from mingolotss.image.pixels import has_signal, percent_nan
from mingolotss.model import Floats
from mingolotss.recipe.model import NoiseSettings
from mingolotss.service.base import ImageService, cutouts

__all__ = ["Measured", "fetch_and_measure"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The cutouts of m candidates, and what was measured of them.

    Attributes
    ----------
    cutouts : CutoutArray
    x, y : float64 array, shape (m,), px
        Where the source is in its cutout; NaN where there is no cutout.
    separation_arcsec : float64 array, shape (m,)
        From the catalogue position to the cutout's central pixel.
    percent_nan : float64 array, shape (m,)
    status : int8 array, shape (m,)
        `CandidateStatus.USABLE`, or why not.
    reasons : dict of int to str
        The reason in words for each candidate that is not usable.
    retryable : bool
        The service may be able to deliver one of the missing cutouts another time.
    """

    cutouts: CutoutArray
    x: Floats
    y: Floats
    separation_arcsec: Floats
    percent_nan: Floats
    status: StatusArray
    reasons: dict[int, str]
    retryable: bool


def fetch_and_measure(
    requests: CutoutRequests, service: ImageService, size_deg: float, noise: NoiseSettings
) -> Measured:
    """Fetch and measure the cutouts of all candidates.

    Parameters
    ----------
    requests : CutoutRequests
        One for each of m candidates.
    service : ImageService
    size_deg : float, deg
        Side of the cutouts.
    noise : NoiseSettings
        Decides whether an image without an rms map can be used.

    Raises
    ------
    RuntimeError
        The service broke its contract: it returned too few or too many cutouts.
    """
    boxes = CutoutArray.from_outcomes(cutouts(service, requests, size_deg))
    if len(boxes) != len(requests):
        raise RuntimeError(f"{len(requests)} cutouts were requested and {len(boxes)} came")
    if sorted(boxes.errors) != np.flatnonzero(boxes.plane_index < 0).tolist():
        raise RuntimeError("a requested cutout has neither pixels nor an error, or both")
    reasons: dict[int, str] = {}
    fetch_failed, retryable = [], False
    for index, error in boxes.errors.items():
        reasons[index] = str(error) or type(error).__name__
        if isinstance(error, ServiceError):
            fetch_failed.append(index)
            retryable |= error.retry
    percentages = _measure_pixels(boxes, noise, reasons)
    x, y, separation = locate_sources(boxes, requests.ra, requests.dec)
    off_projection = ~(np.isfinite(x) & np.isfinite(separation)) & (boxes.plane_index >= 0)
    for index in np.flatnonzero(off_projection).tolist():
        reasons.setdefault(index, "the source's place is not on the image's projection")
    status = np.zeros(len(boxes), np.int8)
    status[list(reasons)] = CandidateStatus.REJECTED
    status[fetch_failed] = CandidateStatus.FETCH_FAILED
    return Measured(boxes, x, y, separation, percentages, status, reasons, retryable)


def _measure_pixels(boxes: CutoutArray, noise: NoiseSettings, reasons: dict[int, str]) -> Floats:
    """Return the percentage of NaN of each cutout; add the reasons why some cannot be used.

    Cutouts that the service knows to be fully observed are not looked at.
    """
    if noise.method_for(has_rms_map=False) == "reject":
        lacking = boxes.per_cutout((plane.rms is None for plane in boxes.planes), False)
        for index in np.flatnonzero(lacking).tolist():
            reasons[index] = "no rms map, which the recipe's noise needs"
    percentages = np.zeros(len(boxes))
    for index in np.flatnonzero((boxes.plane_index >= 0) & ~boxes.fully_observed).tolist():
        image = boxes.cutout(index).image
        percentages[index] = percent_nan(image)
        if not has_signal(image):
            reasons[index] = "no finite non-zero pixel"
    return percentages
