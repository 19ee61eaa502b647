"""The content of a simulated sky: every galaxy and every background source, with its place."""

import math
from dataclasses import dataclass, replace

import numpy as np

from mingolotss.simulate.crowd import Crowd
from mingolotss.simulate.edges import EDGE_CASES, edge_places
from mingolotss.simulate.layout import Field, Floats, lay_fields, view
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.population import class_counts, draw_sizes_fluxes

__all__ = ["Background", "Galaxy", "Sky", "fill_sky"]

_MASK = 112.5  # arcsec, radius of a stamp's mask
_PLACED = ("case-1", "case-2", "case-3", "case-4", "recentre-x", "recentre-y", "blank")
_LOST = ("rejected-outside", "rejected-nan")


@dataclass(frozen=True)
class Galaxy:
    """One row of the catalogue, and the truth about it.

    Attributes
    ----------
    index : int
        With the seed, it determines how the galaxy looks.
    kind : str
        Class name.
    ra, dec : float, deg
    size_arcsec, flux_mjy, pa_deg : float
    edge_case : str
        Why it is where it is, or empty.
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
    """Everything that is to be drawn."""

    fields: list[Field]
    galaxies: list[Galaxy]
    background: Background


def fill_sky(model: SkyModel) -> Sky:
    """Lay the fields and put galaxies and background into them."""
    rng = np.random.default_rng([model.seed, 1])
    fields = lay_fields(model)
    galaxies = _galaxies(model, rng)
    crowd = Crowd(model.dec)
    if model.edge_cases:
        galaxies = _put_edge_cases(fields, galaxies, crowd, rng)
    placed = [g if not math.isnan(g.ra) else _put(fields, g, crowd, rng) for g in galaxies]
    placed.sort(key=lambda g: (g.ra, g.dec))
    return Sky(fields, placed, _background(model, fields, placed, rng))


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


def _put_edge_cases(
    fields: list[Field], galaxies: list[Galaxy], crowd: Crowd, rng: np.random.Generator
) -> list[Galaxy]:
    """Turn some galaxies into edge cases; a case for which there is no place is left out."""
    each = max(1, min(4, len(galaxies) // 150))
    wanted = [name for name in EDGE_CASES for _ in range(each)][: len(galaxies) // 2]
    places, free = edge_places(fields, rng), list(range(len(galaxies)))
    result = list(galaxies)
    for name in wanted:
        if name == "exceeds-stamp":
            k = _pick(free, result, {"FRI", "FRII", "Indeterminate"})
            flux = max(result[k].flux_mjy * 6, 400.0)
            size = float(rng.uniform(240, 330))
            large = replace(result[k], size_arcsec=size, flux_mjy=flux, edge_case=name)
            result[k] = _put(fields, large, crowd, rng)
        elif name == "neighbours":
            _put_pair(fields, result, (_pick(free, result), _pick(free, result)), crowd, rng)
        else:
            k = _pick(free, result)
            result[k] = _put_at(places[name], name, result[k], crowd)
    return result


def _pick(free: list[int], galaxies: list[Galaxy], kinds: set[str] | None = None) -> int:
    """Take the next free galaxy of modest size, or of the given classes, off the list."""
    for k in free:
        if (galaxies[k].kind in kinds) if kinds else (galaxies[k].size_arcsec < 75):
            free.remove(k)
            return k
    return free.pop(0)


def _put_at(places: Floats, name: str, galaxy: Galaxy, crowd: Crowd) -> Galaxy:
    """Put a galaxy at the first of the places that is free."""
    radius = 240.0 if name == "blank" else _radius(galaxy)
    if name == "blank":
        galaxy = replace(galaxy, flux_mjy=0.02, size_arcsec=min(galaxy.size_arcsec, 40.0))
    for ra, dec in places:
        if crowd.room(ra, dec, radius):
            crowd.take(ra, dec, radius)
            return replace(galaxy, ra=float(ra), dec=float(dec), edge_case=name)
    return galaxy


def _put_pair(
    fields: list[Field],
    galaxies: list[Galaxy],
    pair: tuple[int, int],
    crowd: Crowd,
    rng: np.random.Generator,
) -> None:
    """Put one galaxy somewhere and a second one on the same stamp."""
    first = replace(galaxies[pair[0]], edge_case="neighbours")
    apart = float(rng.uniform(65, 100)) / 3600
    angle = float(rng.uniform(0, 2 * math.pi))
    galaxies[pair[0]] = first = _put(fields, first, crowd, rng, extra=110)
    dec = first.dec + apart * math.sin(angle)
    ra = first.ra + apart * math.cos(angle) / math.cos(math.radians(dec))
    galaxies[pair[1]] = replace(galaxies[pair[1]], ra=ra % 360, dec=dec, edge_case="neighbours")


def _radius(galaxy: Galaxy) -> float:
    """Return how much room a galaxy wants, arcsec: nothing else on its stamp as a rule."""
    return 76 + galaxy.size_arcsec / 3 + min(80, galaxy.flux_mjy / 20)


def _put(
    fields: list[Field],
    galaxy: Galaxy,
    crowd: Crowd,
    rng: np.random.Generator,
    extra: float = 0,
) -> Galaxy:
    """Put a galaxy at a random free place well inside a field, closer to others if it must."""
    for attempt in range(4000):
        field = fields[rng.integers(len(fields))]
        inside = 1 - 2 * (130 + galaxy.size_arcsec / 2) / field.side
        x, y = rng.uniform(-inside, inside, 2) * field.side / 2
        if math.hypot(x, y) > field.radius - 170 - galaxy.size_arcsec / 2:
            continue
        ra, dec = field.to_sky(*np.array([x, y]) + field.side // 2)
        radius = (_radius(galaxy) + extra) * max(0.25, 1 - attempt / 3000)
        if crowd.room(float(ra), float(dec), radius):
            crowd.take(float(ra), float(dec), radius)
            return replace(galaxy, ra=float(ra), dec=float(dec))
    return replace(galaxy, ra=float(ra), dec=float(dec))


def _background(
    model: SkyModel, fields: list[Field], galaxies: list[Galaxy], rng: np.random.Generator
) -> Background:
    """Scatter point sources, N(>S) as S^-0.9 from 0.3 to 30 mJy, clear of galaxies.

    The slope is that of LoTSS counts below 0.1 Jy (Shimwell et al. 2019, section 4.5).
    """
    area = (fields[0].side * model.pixel_arcsec / 3600) ** 2
    parts = []
    for k, field in enumerate(fields):
        count = rng.poisson(model.background_per_deg2 * area)
        ra, dec = field.to_sky(*rng.uniform(0, field.side, (2, count)))
        flux = 0.3 * (1 - rng.uniform(0, 1 - 100**-0.9, count)) ** (-1 / 0.9)
        earlier = view(fields[:k], ra, dec).held.any(axis=0) if k else np.zeros(count, bool)
        parts.append(np.stack([ra, dec, flux])[:, ~earlier])
    ra, dec, flux = np.concatenate(parts, axis=1)
    clear = _clear_of(galaxies, ra, dec, flux)
    return Background(ra[clear], dec[clear], flux[clear])


def _clear_of(galaxies: list[Galaxy], ra: Floats, dec: Floats, flux: Floats) -> Floats:
    """Mark background sources that do not sit on a galaxy, outshine it, or spoil a blank stamp."""
    clear = np.ones(len(ra), bool)
    order = np.argsort(dec)
    sorted_dec = dec[order]
    for galaxy in galaxies:
        low, high = np.searchsorted(sorted_dec, (galaxy.dec - 0.06, galaxy.dec + 0.06))
        near = order[low:high]
        east = (ra[near] - galaxy.ra) * math.cos(math.radians(galaxy.dec))
        away = np.hypot(east, dec[near] - galaxy.dec) * 3600
        keep_off = _MASK + 60 if galaxy.edge_case == "blank" else 0.6 * galaxy.size_arcsec + 15
        outshines = (away < 1.1 * _MASK) & (flux[near] > 0.08 * galaxy.flux_mjy + 0.4)
        clear[near[(away < keep_off) | outshines]] = False
    return clear
