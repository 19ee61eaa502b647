"""The content of a simulated sky: all galaxies and background sources with their positions."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mingolotss.model import Bools
from mingolotss.simulate.edges import EDGE_CASES, edge_case_positions
from mingolotss.simulate.layout import Field, Floats, place_fields, predict_cutouts
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.occupied import OccupiedPositions
from mingolotss.simulate.population import class_counts, draw_sizes_fluxes

__all__ = ["Background", "Galaxy", "Sky", "populate_sky", "scatter_points"]

_MASK_RADIUS = 112.5  # arcsec, radius of a stamp's mask


@dataclass(frozen=True)
class Galaxy:
    """One row of the catalogue, and the truth about it.

    Attributes
    ----------
    index : int
        With the seed, it determines the appearance of the galaxy.
    kind : str
        Class name.
    ra, dec : float, deg
    size_arcsec, flux_mjy, pa_deg : float
    edge_case : str
        The reason for its position, or empty.
    """

    index: int
    kind: str
    size_arcsec: float
    flux_mjy: float
    pa_deg: float
    edge_case: str = ""
    ra: float = math.nan
    dec: float = math.nan


@dataclass(frozen=True)
class Background:
    """Unlabelled point sources; every array has shape (sources,).

    Attributes
    ----------
    ra, dec : float64 array, deg
    flux_mjy : float64 array, mJy
    """

    ra: Floats
    dec: Floats
    flux_mjy: Floats


@dataclass(frozen=True)
class Sky:
    """The fields of a sky, and the sources in them."""

    fields: list[Field]
    galaxies: list[Galaxy]
    background: Background


def populate_sky(model: SkyModel) -> Sky:
    """Place the fields, the galaxies and the background sources of a sky."""
    rng = np.random.default_rng([model.seed, 1])
    fields = place_fields(model)
    galaxies = _galaxies(model, rng)
    occupied = OccupiedPositions(model.dec)
    if model.edge_cases:
        galaxies = _place_edge_cases(fields, galaxies, occupied, rng)
    galaxies = [_place(fields, g, occupied, rng) if math.isnan(g.ra) else g for g in galaxies]
    galaxies.sort(key=lambda g: (g.ra, g.dec))
    return Sky(fields, galaxies, _background(model, fields, galaxies, rng))


def _galaxies(model: SkyModel, rng: np.random.Generator) -> list[Galaxy]:
    """Draw classes, sizes, fluxes and orientations, in random order."""
    rows: list[tuple[str, float, float]] = []
    for kind, count in class_counts(model.sources).items():
        draws = draw_sizes_fluxes(kind, count, model.beam_arcsec, model.noise_ujy / 1000, rng)
        rows += [(kind, float(size), float(flux)) for size, flux in zip(*draws, strict=True)]
    order, angles = rng.permutation(len(rows)), rng.uniform(0, 360, len(rows))
    shuffled = (rows[k] for k in order)
    return [
        Galaxy(index, kind, size, flux, float(angles[index]))
        for index, (kind, size, flux) in enumerate(shuffled)
    ]


def _place_edge_cases(
    fields: list[Field],
    galaxies: list[Galaxy],
    occupied: OccupiedPositions,
    rng: np.random.Generator,
) -> list[Galaxy]:
    """Turn some galaxies into edge cases, as far as there are positions for them."""
    repeats = max(1, min(4, len(galaxies) // 150))
    names = [name for name in EDGE_CASES for _ in range(repeats)][: len(galaxies) // 2]
    positions, free = edge_case_positions(fields, rng), list(range(len(galaxies)))
    result = list(galaxies)
    for name in names:
        if name == "exceeds-stamp":
            k = _take_galaxy(free, result, {"FRI", "FRII", "Indeterminate"})
            flux = max(result[k].flux_mjy * 6, 400.0)
            size = float(rng.uniform(240, 330))
            large = replace(result[k], size_arcsec=size, flux_mjy=flux, edge_case=name)
            result[k] = _place(fields, large, occupied, rng)
        elif name == "neighbours":
            pair = _take_galaxy(free, result), _take_galaxy(free, result)
            _place_pair(fields, result, pair, occupied, rng)
        else:
            k = _take_galaxy(free, result)
            result[k] = _place_at(positions[name], name, result[k], occupied)
    return result


def _take_galaxy(free: list[int], galaxies: list[Galaxy], kinds: set[str] | None = None) -> int:
    """Remove the next galaxy of moderate size, or of the given classes, from the free ones."""
    for k in free:
        if (galaxies[k].kind in kinds) if kinds else (galaxies[k].size_arcsec < 75):
            free.remove(k)
            return k
    return free.pop(0)


def _place_at(positions: Floats, name: str, galaxy: Galaxy, occupied: OccupiedPositions) -> Galaxy:
    """Place a galaxy at the first free position."""
    radius = 240.0 if name == "blank" else _radius(galaxy)
    if name == "blank":
        galaxy = replace(galaxy, flux_mjy=0.02, size_arcsec=min(galaxy.size_arcsec, 40.0))
    for ra, dec in positions:
        if occupied.is_free(ra, dec, radius):
            occupied.occupy(ra, dec, radius)
            return replace(galaxy, ra=float(ra), dec=float(dec), edge_case=name)
    return galaxy


def _place_pair(
    fields: list[Field],
    galaxies: list[Galaxy],
    pair: tuple[int, int],
    occupied: OccupiedPositions,
    rng: np.random.Generator,
) -> None:
    """Place one galaxy at random, and a second one on the same stamp."""
    first = replace(galaxies[pair[0]], edge_case="neighbours")
    # More than ten beams, so that the two do not blend, and less than the 112.5 arcsec of the mask,
    # so that each is on the stamp of the other. The plane is flat enough over this distance.
    apart = float(rng.uniform(65, 100)) / 3600
    angle = float(rng.uniform(0, 2 * math.pi))
    galaxies[pair[0]] = first = _place(fields, first, occupied, rng, extra=110)
    dec = first.dec + apart * math.sin(angle)
    ra = first.ra + apart * math.cos(angle) / math.cos(math.radians(dec))
    galaxies[pair[1]] = replace(galaxies[pair[1]], ra=ra % 360, dec=dec, edge_case="neighbours")


def _radius(galaxy: Galaxy) -> float:
    """Return the radius that a galaxy occupies, arcsec; its stamp usually has no other source."""
    return 76 + galaxy.size_arcsec / 3 + min(80, galaxy.flux_mjy / 20)


def _place(
    fields: list[Field],
    galaxy: Galaxy,
    occupied: OccupiedPositions,
    rng: np.random.Generator,
    extra: float = 0,
) -> Galaxy:
    """Place a galaxy at a random free position well inside a field.

    After many attempts it may be closer to others.
    """
    # The whole cutout of 240 pixels must lie on the array (half a side and a margin: 130) and
    # inside the round coverage (half its diagonal: 170). The radius to keep free shrinks with every
    # failure, to a quarter after 2,250, so that in a small sky the galaxies become crowded and
    # still have a place.
    for attempt in range(4000):
        field = fields[rng.integers(len(fields))]
        inside = 1 - 2 * (130 + galaxy.size_arcsec / 2) / field.side
        x, y = rng.uniform(-inside, inside, 2) * field.side / 2
        if math.hypot(x, y) > field.radius - 170 - galaxy.size_arcsec / 2:
            continue
        ra, dec = field.to_sky(*np.array([x, y]) + field.side // 2)
        radius = (_radius(galaxy) + extra) * max(0.25, 1 - attempt / 3000)
        if occupied.is_free(float(ra), float(dec), radius):
            occupied.occupy(float(ra), float(dec), radius)
            return replace(galaxy, ra=float(ra), dec=float(dec))
    return replace(galaxy, ra=float(ra), dec=float(dec))


def _background(
    model: SkyModel, fields: list[Field], galaxies: list[Galaxy], rng: np.random.Generator
) -> Background:
    """Draw point sources away from galaxies, with N(>S) as S^-0.9 from 0.3 to 30 mJy.

    The slope is that of LoTSS counts below 0.1 Jy (Shimwell et al. 2019, section 4.5).
    """
    # Inversion of the cumulative counts: with u uniform in (0, 1), S = S_min u^(-1/0.9) has
    # N(>S) as S^-0.9; u is drawn above 100^-0.9, where S is 100 S_min = 30 mJy.
    points = scatter_points(
        model, fields, model.background_per_deg2, rng,
        lambda count: 0.3 * (1 - rng.uniform(0, 1 - 100**-0.9, count)) ** (-1 / 0.9),
    )  # fmt: skip
    ra, dec, flux = points.ra, points.dec, points.flux_mjy
    clear = _away_from(galaxies, ra, dec, flux)
    return Background(ra[clear], dec[clear], flux[clear])


def scatter_points(
    model: SkyModel,
    fields: list[Field],
    per_deg2: float,
    rng: np.random.Generator,
    draw_flux: Callable[[int], Floats],
) -> Background:
    """Draw point sources at random positions, each once where fields overlap.

    Parameters
    ----------
    model : SkyModel
    fields : list of Field
    per_deg2 : float
        Their mean number.
    rng : numpy.random.Generator
    draw_flux : callable
        Returns as many fluxes as it is asked for.
    """
    area = (fields[0].side * model.pixel_arcsec / 3600) ** 2
    parts = []
    for k, field in enumerate(fields):
        count = rng.poisson(per_deg2 * area)
        ra, dec = field.to_sky(*rng.uniform(0, field.side, (2, count)))
        flux = draw_flux(count)
        new: Bools = np.ones(count, bool)
        if k:  # the sources in a part that an earlier field covers are already drawn
            new = ~np.any(predict_cutouts(fields[:k], ra, dec).covered, axis=0)
        parts.append(np.stack([ra, dec, flux])[:, new])
    return Background(*np.concatenate(parts, axis=1))


def _away_from(galaxies: list[Galaxy], ra: Floats, dec: Floats, flux: Floats) -> Floats:
    """Mark background sources that are not on a galaxy, brighter than it, or on a blank stamp."""
    # Strategy: the sources are sorted by declination, so that each galaxy is only compared with
    # those in a strip of 0.12 degrees around it.
    clear = np.ones(len(ra), bool)
    order = np.argsort(dec)
    sorted_dec = dec[order]
    # The strip reaches 216 arcsec to both sides, more than `minimum` for galaxies of up to 335
    # arcsec.
    for galaxy in galaxies:
        low, high = np.searchsorted(sorted_dec, (galaxy.dec - 0.06, galaxy.dec + 0.06))
        near = order[low:high]
        east = (ra[near] - galaxy.ra) * math.cos(math.radians(galaxy.dec))
        distance = np.hypot(east, dec[near] - galaxy.dec) * 3600
        is_blank = galaxy.edge_case == "blank"
        minimum = _MASK_RADIUS + 60 if is_blank else 0.6 * galaxy.size_arcsec + 15
        outshines = (distance < 1.1 * _MASK_RADIUS) & (flux[near] > 0.08 * galaxy.flux_mjy + 0.4)
        clear[near[(distance < minimum) | outshines]] = False
    return clear
