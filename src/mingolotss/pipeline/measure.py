"""Fetch the cutout of every candidate of a chunk, and measure it.

A failure here is the reason of a rejection in the stages ``fetch`` and ``validate``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray, Outcome
from mingolotss.candidates.requests import CutoutRequests
from mingolotss.candidates.selection import SourcePixels, locate_sources
from mingolotss.candidates.status import CandidateStatus, StatusArray
from mingolotss.errors import ImageError, ServiceError, UnreadableFileError
from mingolotss.image.pixels import has_signal, percent_nan
from mingolotss.model import Bools, Floats
from mingolotss.pipeline.common_beam import beam_problem
from mingolotss.recipe.model import NoiseSettings
from mingolotss.service.base import ImageService, fetch_cutouts
from mingolotss.sky.beams import Beam
from mingolotss.sky.footprint import outside_reason

__all__ = ["Failures", "MeasuredCandidates", "fetch_and_measure"]

Failures = Mapping[str, tuple[type[ImageError], str]]
"""The kind and the text of an error, by the name of a source."""


@dataclass(frozen=True, slots=True)
class MeasuredCandidates:
    """The cutouts of m candidates, and the quantities that were measured on them.

    Attributes
    ----------
    cutouts : CutoutArray
        Length m.
    x, y : float64 array, shape (m,), px
        Position of the source in its cutout, from 0; NaN where there is no cutout.
    separation_arcsec : float64 array, shape (m,)
        From the catalogue position to the cutout's central pixel.
    percent_nan : float64 array, shape (m,), %
        0 where there is no cutout.
    has_gaps : bool array, shape (m,)
        A pixel of the cutout is not finite.
    status : int8 array, shape (m,)
        `CandidateStatus.USABLE`, or why the candidate is not.
    reasons : dict of int to str
        The reason in words for each candidate that is not usable, by its index.
    retryable : bool
        One of the missing cutouts may be delivered, or may be readable, another time.
    noise_methods : dict of int to str
        How the noise of a resampled cutout comes about, by its index.
    """

    cutouts: CutoutArray
    x: Floats
    y: Floats
    separation_arcsec: Floats
    percent_nan: Floats
    has_gaps: Bools
    status: StatusArray
    reasons: dict[int, str]
    retryable: bool
    noise_methods: Mapping[int, str] = field(default_factory=dict)


def fetch_and_measure(
    requests: CutoutRequests,
    service: ImageService,
    size_deg: float,
    noise: NoiseSettings,
    failures: Failures | None = None,
    common_beam: Beam | None = None,
) -> MeasuredCandidates:
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
    failures : mapping of str to (type, str), optional
        The sources whose images are not read, by name: the error that each of them gets instead,
        and what it says.
    common_beam : Beam, optional
        An image that cannot be convolved to it cannot be used.

    Raises
    ------
    RuntimeError
        The service broke its contract: it returned too few or too many cutouts.
    """
    outcomes = (
        _fetch_others(requests, service, size_deg, failures)
        if failures
        else fetch_cutouts(service, requests, size_deg)
    )
    cutouts = CutoutArray.from_outcomes(outcomes)
    _check_outcomes(cutouts, len(requests))
    percentages, has_gaps, without_signal = _measure_pixels(cutouts)
    pixels = locate_sources(cutouts, requests.ra, requests.dec)
    reasons = _reasons(requests, cutouts, without_signal, pixels, noise, common_beam)
    fetch_failures = {
        index: error
        for index, error in cutouts.errors.items()
        if isinstance(error, ServiceError | UnreadableFileError)
    }
    status = np.full(len(cutouts), CandidateStatus.USABLE, np.int8)
    status[list(reasons)] = CandidateStatus.REJECTED
    status[list(fetch_failures)] = CandidateStatus.FETCH_FAILED
    retryable = any(error.retry for error in cutouts.errors.values())
    return MeasuredCandidates(
        cutouts,
        pixels.x,
        pixels.y,
        pixels.separation_arcsec,
        percentages,
        has_gaps,
        status,
        reasons,
        retryable,
    )


def _fetch_others(
    requests: CutoutRequests, service: ImageService, size_deg: float, failures: Failures
) -> Iterator[Outcome]:
    """Yield the outcomes of requests, and an error for each of a source in `failures`."""
    for request in requests:
        candidate, source = request
        if source.name in failures:
            kind, reason = failures[source.name]
            yield kind(
                f"make the stamp of {source.name} from {candidate.image}: {reason}",
                path=candidate.image,
            )
        else:
            yield from fetch_cutouts(service, [request], size_deg)


def _check_outcomes(cutouts: CutoutArray, n_requests: int) -> None:
    """Raise RuntimeError unless each request has either pixels or an error."""
    if len(cutouts) != n_requests:
        raise RuntimeError(f"{n_requests} cutouts were requested and {len(cutouts)} came")
    if sorted(cutouts.errors) != np.flatnonzero(cutouts.plane_index < 0).tolist():
        raise RuntimeError("a requested cutout has neither pixels nor an error, or both")


def _measure_pixels(cutouts: CutoutArray) -> tuple[Floats, Bools, list[int]]:
    """Return percentages of NaN, which cutouts have gaps, and those without signal.

    Cutouts that the service knows to be fully observed have neither problem and are not read.
    """
    percentages, has_gaps = np.zeros(len(cutouts)), np.zeros(len(cutouts), bool)
    without_signal = []
    for index in np.flatnonzero((cutouts.plane_index >= 0) & ~cutouts.fully_observed).tolist():
        image = cutouts.cutout(index).image
        if not np.isfinite(image).all():
            has_gaps[index], percentages[index] = True, percent_nan(image)
        if not has_signal(image):
            without_signal.append(index)
    return percentages, has_gaps, without_signal


def _reasons(
    requests: CutoutRequests,
    cutouts: CutoutArray,
    without_signal: list[int],
    pixels: SourcePixels,
    noise: NoiseSettings,
    common_beam: Beam | None,
) -> dict[int, str]:
    """Return why candidates are not usable; of several reasons, the first in this order."""
    reasons = {index: str(error) or type(error).__name__ for index, error in cutouts.errors.items()}
    reasons |= dict.fromkeys(without_signal, "no finite non-zero pixel")
    if noise.method_for(has_rms_map=False) == "reject":
        no_rms_map = cutouts.per_cutout((plane.rms is None for plane in cutouts.planes), False)
        for index in np.flatnonzero(no_rms_map).tolist():
            reasons.setdefault(index, "no rms map, which the recipe's noise needs")
    if common_beam is not None:
        problems = (beam_problem(plane.wcs, common_beam) for plane in cutouts.planes)
        problem = cutouts.per_cutout(problems, "", object)
        for index in np.flatnonzero(problem != "").tolist():
            reasons.setdefault(index, problem[index])
    # Services find images in their own ways, by names or by answers of an archive: whatever they
    # say, a cutout without the source in it is of another piece of sky.
    for index in np.flatnonzero((cutouts.plane_index >= 0) & ~pixels.on_image).tolist():
        if index not in reasons:
            reasons[index] = _outside(requests, cutouts, index)
    return reasons


def _outside(requests: CutoutRequests, cutouts: CutoutArray, index: int) -> str:
    """Return how far from its cutout a source is."""
    cutout = cutouts.cutout(index)
    ra, dec = float(requests.ra[index]), float(requests.dec[index])
    return outside_reason(cutout.wcs, cutout.image.shape, ra, dec, origin=cutout.origin)
