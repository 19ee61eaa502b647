"""Prepare the chosen cutouts of a chunk for their stamps: one beam, and the grid of each stamp.

Between `choose_candidates` and `make_stamps`. For a recipe with a common beam the chosen cutouts
are replaced by convolved ones; for one with resampled stamps, by cutouts that are exactly the
pixels of the stamps. For all other recipes nothing happens here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mingolotss.model import Objects
from mingolotss.pipeline.choice import Choices
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.common_beam import convolve_cutouts
from mingolotss.pipeline.measure import MeasuredCandidates
from mingolotss.recipe.model import Recipe
from mingolotss.sky.beams import Beam
from mingolotss.sky.stamp_grid import StampGrids

__all__ = ["Prepared", "prepare", "prepare_on"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The cutouts from which the stamps of n sources are made, in the place of those of a chunk.

    Attributes
    ----------
    measured : MeasuredCandidates
        The m candidates. The cutout of each chosen one may be replaced; the others are as before.
    choices : Choices
        A source whose cutout cannot be prepared is rejected.
    grids : StampGrids or None
        The grid of each of the n stamps if it is known before the stamps are made: those of
        resampled stamps. None for stamps of whole pixels of their images.
    noise_methods : object array of str, shape (n,), or None
        How the noise of the prepared cutouts came about, where that is not as for other cutouts.
    """

    measured: MeasuredCandidates
    choices: Choices
    grids: StampGrids | None = None
    noise_methods: Objects | None = None


def prepare(
    chunk: Chunk,  # noqa: ARG001
    measured: MeasuredCandidates,
    choices: Choices,
    recipe: Recipe,
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
    common = recipe.beam.beam
    if common is not None:
        measured = _convolve_chosen(measured, choices, common)
    return Prepared(measured, choices)


def _convolve_chosen(
    measured: MeasuredCandidates, choices: Choices, common: Beam
) -> MeasuredCandidates:
    """Return the candidates with the chosen cutouts convolved to a common beam."""
    chosen = choices.chosen[choices.chosen >= 0]
    convolved = convolve_cutouts(measured.cutouts, chosen, common)
    has_gaps = measured.has_gaps.copy()
    has_gaps[convolved.convolved] = convolved.has_gaps
    return replace(measured, cutouts=convolved.cutouts, has_gaps=has_gaps)


def prepare_on(
    grids: StampGrids,
    chunk: Chunk,  # noqa: ARG001
    measured: MeasuredCandidates,
    choices: Choices,
    recipe: Recipe,  # noqa: ARG001
) -> Prepared:
    """Prepare the chosen cutouts of a further channel on the grids of the reference channel.

    An image that has the grid of a stamp up to a whole number of pixels gives a window of it: the
    same bits, and no copy. Every other one is resampled.

    Parameters
    ----------
    grids : StampGrids
        Of the n stamps of the reference channel.
    chunk : Chunk
        n sources.
    measured : MeasuredCandidates
        The m candidates of the channel.
    choices : Choices
        The choice among them.
    recipe : Recipe
        Of the channel.
    """
    return Prepared(measured, choices, grids)
