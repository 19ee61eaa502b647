"""Simulated skies as several observations see them, and measures of their stamps by numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss import build, load
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.recipe.model import Recipe, parse_recipe
from mingolotss.simulate import Observation, SkyModel, write_sky

FWHM = math.sqrt(8 * math.log(2))  # of a Gaussian, in standard deviations
PLAIN = {
    "name": "observed",
    "images": {"size_arcmin": 4.0},
    "recentre": {"enabled": False},
    "stamp": {"pixels": 41, "kind": "float32"},
    "formats": ["csv", "parquet"],
}


def recipe_of(**tables: object) -> Recipe:
    """Return a recipe for float32 stamps without steps; a table extends that of `PLAIN`."""
    settings = dict(PLAIN)
    for name, table in tables.items():
        old = settings.get(name)
        settings[name] = {**old, **table} if isinstance(old, dict) else table
    return parse_recipe(settings, "a test")


@dataclass(frozen=True)
class Places:
    """Positions on a simulated sky, and the flux of what is there, Jy."""

    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray

    def __len__(self) -> int:
        return len(self.ra)

    def __getitem__(self, rows: object) -> Places:
        return Places(self.ra[rows], self.dec[rows], self.flux[rows])

    @property
    def catalogue(self) -> Catalogue:
        """Return a catalogue of these positions, ``S0000`` and so on."""
        return Catalogue.from_columns([f"S{i:04d}" for i in range(len(self))], self.ra, self.dec)


def point_sources(sky: Path, apart_arcsec: float) -> Places:
    """Return the point sources with no other within a distance and far from the edge of a field.

    The brightest is first.
    """
    points, galaxies = (pq.read_table(sky / f"{n}.parquet") for n in ("point-sources", "truth"))
    ra, dec, flux = (np.array(points[name]) for name in ("ra", "dec", "observed_flux"))
    all_ra = np.concatenate([ra, np.array(galaxies["ra"])])
    all_dec = np.concatenate([dec, np.array(galaxies["dec"])])
    radius = np.zeros(len(all_ra))
    radius[len(ra) :] = np.array(galaxies["size_arcsec"])
    alone = np.empty(len(ra), bool)
    for k in range(len(ra)):
        east = (all_ra - ra[k] + 180) % 360 - 180
        distance = np.hypot(east * math.cos(math.radians(dec[k])), all_dec - dec[k]) * 3600
        distance[k] = np.inf
        alone[k] = (distance > apart_arcsec + radius).all()
    alone &= _are_inside(sky, ra, dec)
    order = np.flatnonzero(alone)[np.argsort(-flux[alone], kind="stable")]
    return Places(ra[order], dec[order], flux[order])


def _are_inside(sky: Path, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return which positions lie 3 arcmin or more inside a field and its coverage."""
    inside = np.zeros(len(ra), bool)
    for path in sorted(sky.glob("*-mosaic.fits")):
        header = fits.getheader(path)
        x, y = WCS(header).all_world2pix(ra, dec, 0) - np.array([[header["NAXIS1"] / 2]])
        inside |= np.hypot(x, y) < header["NAXIS1"] / 2 - 180 / (header["CDELT2"] * 3600)
    return inside


def random_places(sky: Path, count: int, seed: int) -> Places:
    """Return random positions in the middle of the fields of a sky."""
    rng = np.random.default_rng(seed)
    headers = [fits.getheader(path) for path in sorted(sky.glob("*-mosaic.fits"))]
    ra, dec = np.empty(count), np.empty(count)
    for k in range(count):
        header = headers[k % len(headers)]
        reach = 0.33 * header["NAXIS1"] * header["CDELT2"]
        east, north = rng.uniform(-reach, reach, 2)
        dec[k] = header["CRVAL2"] + north
        ra[k] = header["CRVAL1"] + east / math.cos(math.radians(dec[k]))
    return Places(ra, dec, np.full(count, np.nan))


def observed(folder: Path, model: SkyModel, **observations: Observation) -> dict[str, Path]:
    """Write a sky as each observation sees it."""
    return {name: write_sky(model, folder / name, seen) for name, seen in observations.items()}


def stamps_of(out: Path, recipe: Recipe, sky: Path | str, places: Places) -> np.ndarray:
    """Build stamps of every place; return them in the order of the places, all written."""
    service = sky if isinstance(sky, str) else f"simulated:{sky}"
    result = build(recipe, out=out, catalogue=places.catalogue, service=service)
    assert result.written == len(places), result
    data = load(out)
    assert list(data.sources) == places.catalogue.names
    return np.asarray(data.images)


def correlation_length(stamps: np.ndarray, pixel_arcsec: float) -> float:
    """Return the FWHM of the autocorrelation of the noise of many stamps, arcsec.

    By a straight line through the logarithm of the correlation against the square of the lag, at
    lags where the correlation is above 0.2.
    """
    noise = stamps.astype(float) - stamps.mean(dtype=float)
    lags, values = [], []
    for lag in range(1, stamps.shape[-1] // 2):
        across = (noise[..., lag:] * noise[..., :-lag]).mean()
        up = (noise[..., lag:, :] * noise[..., :-lag, :]).mean()
        value = (across + up) / 2 / np.mean(noise**2)
        if value < 0.2:
            break
        lags.append(lag)
        values.append(value)
    x, y = np.square(lags), np.log(values)
    slope = (x * y).sum() / (x * x).sum()
    return math.sqrt(-4 * math.log(2) / slope) * pixel_arcsec


def radial_power(stamps: np.ndarray, bins: int = 16) -> np.ndarray:
    """Return the logarithm of the power of each stamp in rings of frequency, shape (n, bins)."""
    side = stamps.shape[-1]
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.fft2(stamps.astype(float) * window)) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    ring = np.minimum((radius / 0.5 * bins).astype(int), bins)
    rings = [power[:, ring == k].mean(axis=1) for k in range(bins)]
    return np.log(np.stack(rings, axis=1) + 1e-30)


def classifier_auc(one: np.ndarray, two: np.ndarray, folds: int = 5) -> float:
    """Return the cross-validated AUC of a logistic regression that tells two samples apart.

    Parameters
    ----------
    one, two : float array, shape (n, features)
    """
    x = np.concatenate([one, two])
    y = np.concatenate([np.zeros(len(one)), np.ones(len(two))])
    fold = np.concatenate([np.arange(len(one)) % folds, np.arange(len(two)) % folds])
    scores = np.empty(len(y))
    for k in range(folds):
        train, test = fold != k, fold == k
        mean, width = x[train].mean(axis=0), x[train].std(axis=0) + 1e-12
        weights = _fit_logistic((x[train] - mean) / width, y[train])
        scores[test] = (x[test] - mean) / width @ weights[1:] + weights[0]
    # The AUC is the share of pairs that are in the right order (Mann & Whitney 1947).
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    positive = int(y.sum())
    rank_sum = ranks[y == 1].sum() - positive * (positive + 1) / 2
    return float(rank_sum / (positive * (len(y) - positive)))


def _fit_logistic(x: np.ndarray, y: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Return intercept and weights, by Newton's method with a ridge penalty on the weights."""
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 0
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (y - p) - penalty @ weights
        hessian = (design * (p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(hessian + 1e-9 * np.eye(len(weights)), gradient)
        weights += step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def offsets_between(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the shift (dx, dy) from each image to the other, px, shape (n, 2); below one pixel.

    By least squares on the gradient of the image (Lucas & Kanade 1981).
    """
    shifts = np.empty((len(one), 2))
    for k, (a, b) in enumerate(zip(one.astype(float), two.astype(float), strict=True)):
        gy, gx = np.gradient((a + b) / 2)
        inner = np.s_[2:-2, 2:-2]
        design = np.stack([-gx[inner].ravel(), -gy[inner].ravel()], axis=1)
        shifts[k] = np.linalg.lstsq(design, (b - a)[inner].ravel(), rcond=None)[0]
    return shifts
