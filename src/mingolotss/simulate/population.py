"""The number, the sizes and the fluxes of the galaxies of each class.

The counts and quantiles are those of the 5,805 sources of Mingo et al. (2019, MNRAS 488, 2701),
measured for each class in the published table. The table itself is not needed.

>>> class_counts(600)["FRI"]
82
"""

from dataclasses import dataclass

import numpy as np

from mingolotss.simulate.layout import Floats

__all__ = ["CLASSES", "FLAGS", "Population", "class_counts", "draw_sizes_fluxes"]

FLAGS = ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D")
"""Logical columns of the catalogue, in its order."""

_QUANTILES = np.array([-2.326, -1.645, -0.674, 0, 0.674, 1.645, 2.326])  # 1 5 25 50 75 95 99 %
_CORRELATION = 0.3  # correlation of log size and log flux


@dataclass(frozen=True)
class Population:
    """One class.

    Attributes
    ----------
    flags : tuple of str
        The columns of the catalogue that are true for this class.
    count : int
        Number of sources in the published table.
    sizes : tuple of float, arcsec
        Quantiles 1, 5, 25, 50, 75, 95 and 99 %.
    fluxes : tuple of float, mJy
        The same quantiles of the flux, except that the first is also 5 %.
    """

    flags: tuple[str, ...]
    count: int
    sizes: tuple[float, ...]
    fluxes: tuple[float, ...]


CLASSES: dict[str, Population] = {
    "FRI": Population(
        ("FR1",), 797, (39.8, 41.4, 51.3, 70.4, 101, 184, 286), (6.9, 6.9, 16.6, 32.5, 69, 323, 790)
    ),
    "FRI NAT": Population(
        ("FR1", "NAT"),
        264,
        (29.2, 39.3, 43.7, 52.9, 66.6, 112, 153),
        (6.7, 6.7, 16.5, 29.8, 60, 271, 1013),
    ),
    "FRI WAT": Population(
        ("FR1", "WAT"),
        195,
        (39.8, 41.3, 58.4, 77.7, 103, 177, 271),
        (13.1, 13.1, 29.8, 53.9, 111, 620, 1222),
    ),
    "FRI Small": Population(
        ("FR1", "Small"),
        1709,
        (17, 20, 24.2, 28, 33.5, 38.1, 39.3),
        (3, 3, 8.9, 20.2, 59.9, 442, 1689),
    ),
    "FRII": Population(
        ("FR2",),
        423,
        (33, 42, 51.7, 70.5, 103, 225, 385),
        (3.4, 3.4, 21.8, 95.1, 310, 2049, 5820),
    ),
    "FRII Small": Population(
        ("FR2", "Small"),
        123,
        (17.9, 20.6, 25.3, 28.9, 34.4, 38.2, 39.4),
        (1.3, 1.3, 2.6, 6.4, 17.1, 308, 1528),
    ),
    "Double Double": Population(
        ("D-D",), 19, (71, 76.3, 90.5, 97.5, 133, 219, 358), (11, 11, 35.3, 77.3, 162, 265, 470)
    ),
    "Indeterminate": Population(
        ("Indeterminate",),
        995,
        (39.6, 40.5, 47.6, 62.4, 96.2, 195, 378),
        (7.7, 7.7, 20.6, 44.4, 119, 518, 1518),
    ),
    "Indeterminate Small": Population(
        ("Indeterminate", "Small"),
        246,
        (12.9, 17.1, 23.7, 29, 33.7, 38.4, 39.2),
        (1.5, 1.5, 5, 12.9, 73, 705, 1850),
    ),
    "Small": Population(
        ("Small",), 1034, (8.1, 10.5, 15.1, 18, 20.6, 24.8, 30.7), (1.2, 1.2, 2, 4.2, 9, 203, 1307)
    ),
}
"""The ten classes by name, in the order of their labels."""


def class_counts(sources: int) -> dict[str, int]:
    """Distribute a number of sources over the classes.

    The proportions are the published ones, by the method of the largest remainder. With 75 sources
    or more every class has at least three, and with 25 or more at least one.
    """
    # Strategy: start from the integer part of each share, or the minimum. Then add a source where
    # most is missing, or remove one where the excess is largest, until the sum is right.
    published = np.array([c.count for c in CLASSES.values()], float)
    exact = published / published.sum() * sources
    counts = np.maximum(np.floor(exact).astype(int), min(3, sources // 25))
    while counts.sum() != sources:
        short = counts.sum() < sources
        worst = np.argmax(exact - counts) if short else np.argmax((counts - exact) * (counts > 3))
        if not short and counts[worst] <= 3:
            worst = np.argmax(counts)
        counts[worst] += 1 if short else -1
    return dict(zip(CLASSES, map(int, counts), strict=True))


def draw_sizes_fluxes(
    kind: str, count: int, beam_arcsec: float, noise_mjy: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw the sizes, arcsec, and fluxes, mJy, of galaxies of a class.

    A flux below about four times the noise in all its beams is increased to that, since a catalogue
    has only detected sources.
    """
    normal = rng.normal(size=(2, count))
    normal[1] = _CORRELATION * normal[0] + np.sqrt(1 - _CORRELATION**2) * normal[1]
    population = CLASSES[kind]
    size, flux = (
        np.exp(np.interp(z, _QUANTILES, np.log(table)))
        for z, table in zip(normal, (population.sizes, population.fluxes), strict=True)
    )
    filled = 0.5 if kind.startswith("Indet") else 0.25
    beams = 1 + filled * size**2 / (1.133 * beam_arcsec**2)
    return size, np.maximum(flux, 4 * noise_mjy * (beams + 3))
