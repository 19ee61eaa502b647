"""Prepare the chosen cutouts of a chunk for their stamps: one beam, and the grid of each stamp.

Between `choose_candidates` and `make_stamps`. For a recipe with a common beam the chosen cutouts
are replaced by convolved ones; for one with resampled stamps, by cutouts that are exactly the
pixels of the stamps. For all other recipes nothing happens here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.errors import ImageError
from mingolotss.model import Cutout, Floats, Ints, Objects
from mingolotss.pipeline.choice import Choices, Rejection
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.common_beam import (
    beam_problem,
    convolve_cutouts,
    resampled_beam_problem,
)
from mingolotss.pipeline.measure import MeasuredCandidates
from mingolotss.pipeline.resampled_cutouts import (
    ResampledCutouts,
    resample_cutouts,
    stamp_broadening,
    widen_cutouts,
)
from mingolotss.pipeline.stamp_geometry import StampGeometry, StampPlace, stamp_geometry
from mingolotss.pipeline.stamp_windows import (
    StampBoxes,
    needed_windows,
    place_stamps,
    stamp_sides,
)
from mingolotss.recipe.model import Recipe
from mingolotss.sky.header_facts import header_facts
from mingolotss.sky.stamp_grid import StampGrids, StampSky, TangentGrids

__all__ = ["Prepared", "convolve_chosen", "prepare", "prepare_cutout", "prepare_on"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The cutouts from which the stamps of n sources are made, in the place of those of a chunk.

    Attributes
    ----------
    measured : MeasuredCandidates
        The m candidates. The cutout of each chosen one may be replaced; the others are as before.
        Where stamps are resampled, the position of the source is that in its new cutout.
    choices : Choices
        A source whose cutout cannot be prepared is rejected.
    grids : StampGrids or None
        The grid of each of the n stamps if it is known before the stamps are made: those of
        resampled stamps. None for stamps of whole pixels of their images.
    broadening : float64 array, shape (n, 2, 2), arcsec^2, or None
        The covariance, for the axes east and north, that resampling adds to that of the beam; 0
        with a common beam, which is that of the stamps after resampling. The brightness stays in
        Jy per beam of the image, or of the common beam.
    """

    measured: MeasuredCandidates
    choices: Choices
    grids: StampGrids | None = None
    broadening: Floats | None = None


def prepare(
    chunk: Chunk, measured: MeasuredCandidates, choices: Choices, recipe: Recipe
) -> Prepared:
    """Prepare the chosen cutouts of a chunk; those of a plain recipe are returned as they are.

    Parameters
    ----------
    chunk : Chunk
        n sources.
    measured : MeasuredCandidates
        Their m candidates.
    choices : Choices
        The choice among them.
    recipe : Recipe
    """
    if not recipe.stamp.resampling:
        return Prepared(convolve_chosen(measured, choices, recipe), choices)
    catalogue = chunk.task.catalogue.take(np.arange(chunk.start, chunk.stop))
    geometry = stamp_geometry(recipe, catalogue)
    choices = _without_geometry(choices, geometry)
    grids = _tangent_grids(catalogue.ra, catalogue.dec, geometry, measured.cutouts, choices, recipe)
    return prepare_on(grids, measured, choices, recipe)


def prepare_on(
    grids: StampGrids,
    measured: MeasuredCandidates,
    choices: Choices,
    recipe: Recipe,
) -> Prepared:
    """Resample the chosen cutouts of n sources to given grids, after a convolution if asked.

    Parameters
    ----------
    grids : StampGrids
        Of the n stamps, e.g. of those of the reference channel.
    measured : MeasuredCandidates
        The m candidates.
    choices : Choices
        The choice among them.
    recipe : Recipe
        Of the channel. Without a method of resampling of its own, it is ``adaptive``.
    """
    rows = np.flatnonzero(choices.chosen >= 0)
    added = _added_by_resampling(measured.cutouts, choices.chosen[rows], grids.take(rows), recipe)
    if added is not None:
        problems = _beam_problems(measured.cutouts, choices.chosen[rows], added, recipe)
        choices = _without(choices, rows, problems)
        rows, added = rows[problems == ""], added[problems == ""]
    chosen = choices.chosen[rows]
    resampled = _resample(measured.cutouts, chosen, grids.take(rows), recipe, added)
    x, y, separation = measured.x.copy(), measured.y.copy(), measured.separation_arcsec.copy()
    x[chosen] = y[chosen] = float(grids.side // 2)
    separation[chosen], has_gaps = 0.0, measured.has_gaps.copy()
    has_gaps[chosen] = resampled.has_gaps
    broadening = np.full((len(grids), 2, 2), np.nan)
    broadening[rows] = resampled.broadening
    measured = replace(
        measured,
        cutouts=measured.cutouts.replaced(resampled.cutouts),
        x=x,
        y=y,
        separation_arcsec=separation,
        has_gaps=has_gaps,
        noise_methods=dict(zip(chosen.tolist(), resampled.noise_methods, strict=True)),
    )
    return Prepared(measured, choices, grids, broadening)


def prepare_cutout(cutout: Cutout, place: StampPlace, recipe: Recipe) -> Cutout:
    """Return the pixels of one resampled stamp, as `prepare` returns those of many.

    Parameters
    ----------
    cutout : Cutout
    place : StampPlace
    recipe : Recipe

    Raises
    ------
    ImageError
        The cutout cannot be convolved to the common beam of the recipe, or its rms map is of
        another size.
    """
    cutouts, only = CutoutArray.from_outcomes([cutout]), np.array([0])
    if cutouts.errors:
        raise cutouts.errors[0]
    common = recipe.beam.beam
    if common is not None and (problem := beam_problem(cutout.wcs, common)):
        raise ImageError(problem)
    scale = place.pixel_scale_arcsec
    scale = cutout.wcs.pixel_scale_arcsec if np.isnan(scale) else scale
    ra, dec, scales, angle = np.array([[place.ra], [place.dec], [scale], [place.angle_deg]])
    grids = TangentGrids(ra, dec, scales, angle, recipe.stamp.pixels)
    added = _added_by_resampling(cutouts, only, grids, recipe)
    if added is not None and (problem := _beam_problems(cutouts, only, added, recipe)[0]):
        raise ImageError(problem)
    return _resample(cutouts, only, grids, recipe, added).cutouts[0]


def _added_by_resampling(
    cutouts: CutoutArray, chosen: Ints, grids: StampGrids, recipe: Recipe
) -> Floats | None:
    """Return `stamp_broadening` for a recipe with a common beam, None for others."""
    if recipe.beam.beam is None:
        return None
    return stamp_broadening(cutouts, chosen, grids, recipe)


def _beam_problems(cutouts: CutoutArray, chosen: Ints, added: Floats, recipe: Recipe) -> Objects:
    """Return why each of n resampled stamps cannot have the common beam, "" where it can."""
    common = recipe.beam.beam
    facts = [header_facts(plane.wcs) for plane in cutouts.planes]
    problems = [
        "" if common is None else resampled_beam_problem(facts[index], common, one)
        for index, one in zip(cutouts.plane_index[chosen].tolist(), added, strict=True)
    ]
    return np.array([*problems, ""], object)[:-1]


def _resample(
    cutouts: CutoutArray,
    chosen: Ints,
    grids: StampGrids,
    recipe: Recipe,
    added: Floats | None,
) -> ResampledCutouts:
    """Resample the cutouts of n stamps.

    For a common beam they are convolved before that, to one that is smaller by what resampling
    adds. The brightness is per common beam.
    """
    facts = [header_facts(plane.wcs) for plane in cutouts.planes]
    skies = [
        StampSky(grids, row, facts[index])
        for row, index in enumerate(cutouts.plane_index[chosen].tolist())
    ]
    common = recipe.beam.beam
    if common is not None:
        wide = widen_cutouts(cutouts, chosen, grids)
        cutouts = convolve_cutouts(wide, chosen, common, added=added).cutouts
    return resample_cutouts(cutouts, chosen, grids, skies, recipe)


def _tangent_grids(
    ra: Floats,
    dec: Floats,
    geometry: StampGeometry,
    cutouts: CutoutArray,
    choices: Choices,
    recipe: Recipe,
) -> TangentGrids:
    """Return the grids of n stamps, centred on positions; NaN for a source without a stamp."""
    scales = cutouts.per_cutout((plane.wcs.pixel_scale_arcsec for plane in cutouts.planes), np.nan)
    has_stamp = choices.chosen >= 0
    scale = geometry.pixel_scale_arcsec.copy()
    of_image = has_stamp & np.isnan(scale)
    scale[of_image] = scales[choices.chosen[of_image]]
    ra, dec, scale = (np.where(has_stamp, column, np.nan) for column in (ra, dec, scale))
    return TangentGrids(ra, dec, scale, geometry.angle_deg, recipe.stamp.pixels)


def _without_geometry(choices: Choices, geometry: StampGeometry) -> Choices:
    """Reject the sources whose stamps have no size or no orientation."""
    return _without(choices, np.arange(len(geometry.problems)), geometry.problems)


def _without(choices: Choices, rows: Ints, problems: Objects) -> Choices:
    """Reject those of some sources that have a problem, which is not "" then."""
    if not (problems != "").any():
        return choices
    chosen, rejections = choices.chosen.copy(), dict(choices.rejections)
    for row, problem in zip(rows.tolist(), problems.tolist(), strict=True):
        if problem:
            chosen[row] = -1
            rejections[row] = Rejection("stamp", str(problem))
    return replace(choices, chosen=chosen, rejections=rejections)


def convolve_chosen(
    measured: MeasuredCandidates,
    choices: Choices,
    recipe: Recipe,
    places: StampBoxes | None = None,
) -> MeasuredCandidates:
    """Return the candidates with the chosen cutouts at the common beam, if the recipe has one.

    Only the pixels that the stamps are made from are convolved; the others are NaN.

    Parameters
    ----------
    measured : MeasuredCandidates
    choices : Choices
        Of n sources.
    recipe : Recipe
    places : StampBoxes, optional
        Where the n stamps lie in their cutouts, as for `mingolotss.pipeline.stamps.make_stamps`.
    """
    common = recipe.beam.beam
    if common is None:
        return measured
    cutouts, rows = measured.cutouts, np.flatnonzero(choices.chosen >= 0)
    chosen = choices.chosen[rows]
    if places is None:
        positions = np.stack([measured.x, measured.y, measured.separation_arcsec])[:, chosen]
        sides, _ = stamp_sides(cutouts, recipe.stamp)
        side = cutouts.per_cutout(sides, 0)[chosen]
        boxes = place_stamps(cutouts, chosen, positions, side, recipe.recentre)
    else:
        y0, x0, side, recentred = places
        boxes = StampBoxes(y0[rows], x0[rows], side[rows], recentred[rows])
    windows = needed_windows(cutouts, chosen, boxes, recipe.noise)
    convolved = convolve_cutouts(cutouts, chosen, common, windows)
    has_gaps = measured.has_gaps.copy()
    has_gaps[convolved.convolved] = convolved.has_gaps
    return replace(measured, cutouts=convolved.cutouts, has_gaps=has_gaps)
