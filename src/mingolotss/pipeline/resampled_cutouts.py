"""Resample cutouts to the grids of their stamps.

A resampled cutout is exactly the pixels of its stamp. The pixels around the cutout are used as far
as its plane has them. An rms map is resampled with the same weights, and multiplied by what the
weighted mean makes of noise with the autocorrelation that the image has
(`mingolotss.image.noise_correlation`). Without a beam it is scaled by the scatter of the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.errors import ImageError
from mingolotss.image.noise import sigma_clipped_noise
from mingolotss.image.resample import (
    Resampling,
    kernel_covariance,
    noise_ratio,
    resample,
    sampled_box,
)
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints, Sky
from mingolotss.pipeline.common_beam import beam_of, noise_covariance
from mingolotss.recipe.model import Recipe
from mingolotss.sky.beams import Beam, pixel_covariances
from mingolotss.sky.header_facts import header_facts
from mingolotss.sky.pixel_map import map_jacobian, map_stamps
from mingolotss.sky.stamp_grid import StampGrids

__all__ = ["ResampledCutouts", "resample_cutouts", "stamp_broadening", "widen_cutouts"]

_BY_BEAM = "rms-map, propagated to the resampled pixels with the beam"
_BY_PIXELS = "rms-map, scaled to the scatter of the resampled pixels"
_UNKNOWN = "rms-map, as if resampling left the noise as it is"
_FEWEST_PIXELS = 64  # from which noise is estimated
_MARGIN = 16  # px; windows are widened by whole multiples, so that many have one size


class ResampledCutouts(NamedTuple):
    """Cutouts on the grids of n stamps.

    Attributes
    ----------
    cutouts : dict of int to Cutout
        By their index in the array of all cutouts.
    has_gaps : bool array, shape (n,)
        A pixel of the stamp is NaN.
    broadening : float64 array, shape (n, 2, 2), arcsec^2
        `stamp_broadening`; 0 with a common beam, which the stamps have after they are resampled.
    noise_methods : list of str, length n
        How the noise of the stamp comes about.
    """

    cutouts: dict[int, Cutout]
    has_gaps: Bools
    broadening: Floats
    noise_methods: list[str]


def resample_cutouts(
    cutouts: CutoutArray,
    chosen: Ints,
    grids: StampGrids,
    skies: Sequence[Sky],
    recipe: Recipe,
) -> ResampledCutouts:
    """Resample the cutouts of n stamps.

    Parameters
    ----------
    cutouts : CutoutArray
    chosen : int64 array, shape (n,)
        The cutout of each stamp.
    grids : StampGrids
        Of the n stamps.
    skies : sequence of Sky, length n
        The grid of each stamp with the facts of its image.
    recipe : Recipe
        Its method, or ``adaptive`` without one; the noise; and the beam that the cutouts were
        convolved to.
    """
    method, common = recipe.stamp.resampling or "adaptive", recipe.beam.beam
    cutouts = cutouts.without_parts()
    resampled: dict[int, Cutout] = {}
    has_gaps, broadening = np.zeros(len(chosen), bool), np.zeros((len(chosen), 2, 2))
    estimated = [
        f"{recipe.noise.method_for(has_rms_map=plane.rms is not None)} of the resampled pixels"
        for plane in cutouts.planes
    ]
    methods = [estimated[index] for index in cutouts.plane_index[chosen].tolist()]
    uses_map = recipe.noise.method_for(has_rms_map=True) == "rms-map"
    for plane_index, members, maps in _by_plane(cutouts, chosen, grids):
        plane = cutouts.planes[plane_index]
        # Brightness per beam or solid angle is kept, and flux per pixel goes with its area.
        is_per_pixel = (header_facts(plane.wcs).unit or "").endswith(("/pixel", "/pix"))
        jacobians = np.array([map_jacobian(nodes, grids.side) for nodes in maps])
        if common is None:
            broadening[members] = _broadening(grids, members, jacobians, method)
        covariances = _correlations(plane, maps, common)
        for number, (member, nodes) in enumerate(zip(members.tolist(), maps, strict=True)):
            image, rms, window = _resample_one(plane, nodes, grids.side, method)
            if rms is not None and uses_map:
                ratio, methods[member] = 1.0, _UNKNOWN
                if covariances is None:
                    ratio, methods[member] = _measured_ratio(window, image)
                elif _is_regular(jacobians[number]):
                    ratio = noise_ratio(jacobians[number], covariances[number], method)
                    methods[member] = _BY_BEAM
                rms = (rms * ratio).astype(rms.dtype, copy=False)
            if is_per_pixel:
                area = abs(float(np.linalg.det(jacobians[number])))
                image = (image * area).astype(image.dtype, copy=False)
                rms = None if rms is None else (rms * area).astype(rms.dtype, copy=False)
            has_gaps[member] = not np.isfinite(image).all()
            resampled[int(chosen[member])] = Cutout(
                image, rms, skies[member], (0, 0), plane.sha256, plane.rms_sha256, False, plane.file
            )
    return ResampledCutouts(resampled, has_gaps, broadening, methods)


def stamp_broadening(
    cutouts: CutoutArray, chosen: Ints, grids: StampGrids, recipe: Recipe
) -> Floats:
    """Return what resampling adds to the covariance of the beam of n stamps.

    Parameters
    ----------
    cutouts, chosen, grids, recipe
        As for `resample_cutouts`.

    Returns
    -------
    float64 array, shape (n, 2, 2), arcsec^2
        For the axes east and north; 0 where a stamp has no place in its image.
    """
    method, broadening = recipe.stamp.resampling or "adaptive", np.zeros((len(chosen), 2, 2))
    for _, members, maps in _by_plane(cutouts, chosen, grids):
        jacobians = np.array([map_jacobian(nodes, grids.side) for nodes in maps])
        broadening[members] = _broadening(grids, members, jacobians, method)
    return np.nan_to_num(broadening)


def widen_cutouts(cutouts: CutoutArray, chosen: Ints, grids: StampGrids) -> CutoutArray:
    """Return the same cutouts, of which those of n stamps reach as far as the stamps sample.

    Where the plane of a cutout ends, the cutout does.

    Parameters
    ----------
    cutouts, chosen, grids
        As for `resample_cutouts`.
    """
    cutouts = cutouts.without_parts()
    wide = cutouts.replaced({})
    for plane_index, members, maps in _by_plane(cutouts, chosen, grids):
        plane = cutouts.planes[plane_index]
        for member, nodes in zip(members.tolist(), maps, strict=True):
            box = sampled_box(nodes - plane.origin, grids.side)
            if box is None:
                continue
            index = int(chosen[member])
            limits = []
            for (low, high), size in zip((box[2:], box[:2]), plane.image.shape, strict=True):
                length = math.ceil((high - low) / _MARGIN) * _MARGIN + 2
                start = max(0, min(math.floor(low), size))
                limits.append((start, max(0, min(math.floor(low) + length, size) - start)))
            (y0, ny), (x0, nx) = limits
            if ny and nx:
                wide.y0[index], wide.ny[index] = y0, ny
                wide.x0[index], wide.nx[index] = x0, nx
                wide.fully_observed[index] = False
    return wide


def _by_plane(
    cutouts: CutoutArray, chosen: Ints, grids: StampGrids
) -> Iterator[tuple[int, Ints, list[Floats]]]:
    """Yield each plane, the stamps that are made of it, and where they lie in its image."""
    # Planes that share a WCS, convolved windows of one mosaic for example, are mapped in one call.
    plane_index = cutouts.plane_index[chosen]
    planes = np.unique(plane_index).tolist()
    by_sky: dict[int, list[int]] = {}
    for number in planes:
        by_sky.setdefault(id(cutouts.planes[number].wcs), []).append(number)
    for numbers in by_sky.values():
        members = np.flatnonzero(np.isin(plane_index, numbers))
        maps = map_stamps(grids, members, cutouts.planes[numbers[0]].wcs)
        for number in numbers:
            own = np.flatnonzero(plane_index[members] == number)
            yield number, members[own], [maps[index] for index in own.tolist()]


def _resample_one(
    plane: Cutout, nodes: Floats, side: int, method: Resampling
) -> tuple[FloatImage, FloatImage | None, FloatImage]:
    """Return the image and the rms map of a stamp, and the part of the image that it samples."""
    nodes = nodes - plane.origin
    box = sampled_box(nodes, side)
    ny, nx = plane.image.shape
    left, right, low, high = (0.0, 0.0, 0.0, 0.0) if box is None else box
    x0, x1 = (int(np.clip(edge, 0, nx)) for edge in (math.floor(left), math.ceil(right) + 1))
    y0, y1 = (int(np.clip(edge, 0, ny)) for edge in (math.floor(low), math.ceil(high) + 1))
    window = plane.image[y0:y1, x0:x1]
    planes = [window] if plane.rms is None else [window, plane.rms[y0:y1, x0:x1]]
    if not window.size:
        empty = [np.full((side, side), np.nan, one.dtype.newbyteorder("=")) for one in planes]
        return empty[0], empty[1] if len(empty) > 1 else None, window
    results = resample(planes, nodes - (x0, y0), side, method)
    return results[0], results[1] if len(results) > 1 else None, window


def _broadening(grids: StampGrids, members: Ints, jacobians: Floats, method: Resampling) -> Floats:
    """Return the covariance of the weights on the sky, arcsec^2, for the axes east and north."""
    # The weights are known on the pixels of the image, whose steps on the sky are those of the
    # stamp, transformed with the inverse of the map.
    steps = grids.steps_arcsec(members)
    results = np.full((len(members), 2, 2), np.nan)
    for number, (step, jacobian) in enumerate(zip(steps, jacobians, strict=True)):
        if _is_regular(jacobian):
            to_sky = step @ np.linalg.inv(jacobian)
            results[number] = to_sky @ kernel_covariance(jacobian, method) @ to_sky.T
    return results


def _is_regular(jacobian: Floats) -> bool:
    return bool(np.isfinite(jacobian).all() and np.linalg.det(jacobian))


def _correlations(plane: Cutout, maps: list[Floats], common: Beam | None) -> Floats | None:
    """Return the autocorrelation of the noise in the middle of each stamp, px^2, if it is known."""
    beam = common or beam_of(header_facts(plane.wcs))
    if beam is None:
        return None
    covariance = beam.covariance if plane.rms is None else noise_covariance(plane, beam)
    middles = np.array([nodes[len(nodes) // 2, len(nodes) // 2] for nodes in maps])
    return pixel_covariances(covariance, plane.wcs, *np.nan_to_num(middles).T)


def _measured_ratio(window: FloatImage, image: FloatImage) -> tuple[float, str]:
    """Return how much less the pixels of a stamp scatter than those of the image, and in words."""
    if np.count_nonzero(np.isfinite(image)) < _FEWEST_PIXELS:
        return 1.0, _UNKNOWN
    try:
        before, after = (float(sigma_clipped_noise(one)[0, 0]) for one in (window, image))
    except ImageError:
        return 1.0, _UNKNOWN
    ratio = after / before if before > 0 else math.nan
    return (ratio, _BY_PIXELS) if math.isfinite(ratio) and ratio > 0 else (1.0, _UNKNOWN)
