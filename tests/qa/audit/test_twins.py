"""Images that are the same up to a turn or mirror are found, and images that look alike are not.

A twin is drawn anew from the model of the galaxy at another position angle, so that it is turned
without interpolation, and gets noise of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mingolotss.image.pixels import disc, minmax, to_uint8
from mingolotss.qa.audit.twins import find_twins
from mingolotss.simulate import draw_source
from mingolotss.simulate.noise import beam_noise
from mingolotss.simulate.population import draw_sizes_fluxes

SIDE, NOISE_JY, BEAM_PX = 150, 70e-6, 4.0
EXTENDED = ("FRI", "FRI NAT", "FRI WAT", "FRII", "Double Double", "Indeterminate")
COMPACT = ("FRI Small", "FRII Small", "Indeterminate Small", "Small")


@dataclass(frozen=True)
class Galaxy:
    """The model of a galaxy, and how it is observed."""

    kind: str
    size_arcsec: float
    flux_mjy: float
    seed: int
    pa_deg: float = 30.0
    mirrored: bool = False
    shift: tuple[int, int] = (0, 0)
    noise: float = 1.0

    def jansky(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the galaxy with noise, Jy/beam."""
        model = np.random.default_rng(self.seed)
        drawn = draw_source(self.kind, self.size_arcsec, self.flux_mjy, self.pa_deg, model)
        if self.mirrored:
            drawn = drawn[:, ::-1]
        padded = np.pad(drawn, SIDE)
        y, x = (SIDE + len(drawn) // 2 - SIDE // 2 + step for step in self.shift)
        stamp = padded[y : y + SIDE, x : x + SIDE]
        noise = beam_noise(SIDE + SIDE % 2, BEAM_PX, rng)[:SIDE, :SIDE]
        return stamp + np.float32(self.noise * NOISE_JY) * noise

    def observed(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Draw a stamp as the recipe makes it: clipped, masked and scaled to bytes."""
        image = self.jansky(rng)
        image[image <= 3 * self.noise * NOISE_JY] = 0
        image[~disc(SIDE, 75)] = 0
        return to_uint8(minmax(image))


def draw_galaxies(kinds, count, rng) -> list[Galaxy]:
    """Draw models with the sizes and fluxes of their classes, each at another position angle."""
    galaxies = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        (size,), (flux,) = draw_sizes_fluxes(kind, 1, 6.0, NOISE_JY * 1000, rng)
        seed, angle = int(rng.integers(2**32)), float(rng.uniform(0, 360))
        galaxies.append(Galaxy(kind, min(size, 150.0), flux, seed, angle))
    return galaxies


def test_turned_and_mirrored_copies_with_other_noise_are_found():
    """All of 20 copies are found among 100 images, and nothing else."""
    rng = np.random.default_rng(11)
    galaxies = draw_galaxies(EXTENDED, 40, rng) + draw_galaxies(COMPACT, 60, rng)
    copies = [
        replace(
            galaxy,
            pa_deg=galaxy.pa_deg + float(rng.uniform(0, 360)),
            mirrored=bool(number % 2),
            shift=tuple(rng.integers(-4, 5, 2).tolist()),
        )
        for number, galaxy in enumerate(galaxies[:20])
    ]
    images = np.stack([galaxy.observed(rng) for galaxy in galaxies + copies])
    pairs = find_twins([images]).pairs
    assert [(twin.first, twin.second) for twin in pairs] == [(k, 100 + k) for k in range(20)]
