"""Images that are the same up to a turn or mirror are found, and images that look alike are not.

A twin is drawn anew from the model of the galaxy at another position angle, so that it is turned
without interpolation, and gets noise of its own.
"""

from __future__ import annotations

import csv
import pickle
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mingolotss.image.pixels import disc, minmax, to_uint8
from mingolotss.qa.audit.twins import find_twins
from mingolotss.simulate import draw_source
from mingolotss.simulate.noise import beam_noise
from mingolotss.simulate.population import draw_sizes_fluxes

SIDE, NOISE_JY, BEAM_ARCSEC = 150, 70e-6, 6.0
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
    pixel_arcsec: float = 1.5

    def jansky(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the galaxy with noise, Jy/beam."""
        model = np.random.default_rng(self.seed)
        drawn = draw_source(
            self.kind, self.size_arcsec, self.flux_mjy, self.pa_deg, model,
            pixel_arcsec=self.pixel_arcsec,
        )  # fmt: skip
        if self.mirrored:
            drawn = drawn[:, ::-1]
        padded = np.pad(drawn, SIDE)
        y, x = (SIDE + len(drawn) // 2 - SIDE // 2 + step for step in self.shift)
        stamp = padded[y : y + SIDE, x : x + SIDE]
        noise = beam_noise(SIDE, BEAM_ARCSEC / self.pixel_arcsec, rng)
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
        (size,), (flux,) = draw_sizes_fluxes(kind, 1, BEAM_ARCSEC, NOISE_JY * 1000, rng)
        seed, angle = int(rng.integers(2**32)), float(rng.uniform(0, 360))
        galaxies.append(Galaxy(kind, min(size, 150.0), flux, seed, angle))
    return galaxies


def turned_copies(galaxies, rng, **changes) -> list[Galaxy]:
    """Turn each galaxy by any angle, shift it, and mirror every other one."""
    return [
        replace(
            galaxy,
            pa_deg=galaxy.pa_deg + float(rng.uniform(0, 360)),
            mirrored=bool(number % 2),
            shift=(int(rng.integers(-4, 5)), int(rng.integers(-4, 5))),
            **changes,
        )
        for number, galaxy in enumerate(galaxies)
    ]


def found_pairs(*sets, **options) -> list[tuple[int, int]]:
    return [(twin.first, twin.second) for twin in find_twins(sets, **options).pairs]


@pytest.mark.slow
@pytest.mark.parametrize("noise", [1.0, 2.0])
def test_a_turned_or_mirrored_copy_with_other_noise_is_found(noise):
    """Each copy is found among extended and compact sources, with its orientation."""
    rng = np.random.default_rng(11)
    galaxies = draw_galaxies(EXTENDED, 6, rng) + draw_galaxies(COMPACT, 14, rng)
    copies = turned_copies(galaxies[:6], rng, noise=noise)
    images = np.stack([galaxy.observed(rng) for galaxy in galaxies + copies])
    pairs = find_twins([images]).pairs
    assert [(twin.first, twin.second) for twin in pairs] == [(k, 20 + k) for k in range(6)]
    assert [twin.mirrored for twin in pairs] == [copy.mirrored for copy in copies]
    for twin, copy, galaxy in zip(pairs, copies, galaxies, strict=False):
        assert not twin.equal_pixels
        assert 0.85 < twin.similarity < 1
        assert twin.residual < 1.2
        if not copy.mirrored:  # from north to east, which is counterclockwise in the array
            turn = twin.angle_deg - (copy.pa_deg - galaxy.pa_deg)
            assert abs((turn + 180) % 360 - 180) < 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_twenty_of_twenty_copies_are_found_and_nothing_else(seed):
    """Of extended sources of 30 mJy or more, which are not at the limit of the detection."""
    rng = np.random.default_rng(seed)
    galaxies = draw_galaxies(EXTENDED, 40, rng) + draw_galaxies(COMPACT, 60, rng)
    galaxies = [replace(g, flux_mjy=max(g.flux_mjy, 30.0)) for g in galaxies[:40]] + galaxies[40:]
    copies = turned_copies(galaxies[:20], rng)
    images = np.stack([galaxy.observed(rng) for galaxy in galaxies + copies])
    assert found_pairs(images) == [(k, 100 + k) for k in range(20)]


@pytest.mark.slow
def test_barely_resolved_sources_are_no_twins():
    """Most of them agree with many others within the noise."""
    rng = np.random.default_rng(3)
    images = np.stack([galaxy.observed(rng) for galaxy in draw_galaxies(COMPACT, 60, rng)])
    assert found_pairs(images) == []


def test_two_point_sources_alone_are_no_twins():
    """Without other images, the elliptical Gaussian is the look-alike."""
    rng = np.random.default_rng(4)
    point = Galaxy("Small", 2.0, 20.0, 7)
    images = np.stack([galaxy.observed(rng) for galaxy in [point, *turned_copies([point], rng)]])
    assert found_pairs(images) == []


@pytest.mark.slow
def test_a_family_of_copies_is_found_completely():
    """Each of four copies is paired with each other one, as in an augmented dataset."""
    rng = np.random.default_rng(5)
    galaxies = draw_galaxies(EXTENDED, 12, rng)
    family = [copy for _ in range(3) for copy in turned_copies(galaxies[1:2], rng)]
    images = np.stack([galaxy.observed(rng) for galaxy in galaxies + family])
    members = [1, 12, 13, 14]
    assert found_pairs(images) == [(a, b) for a in members for b in members if a < b]


@pytest.mark.slow
def test_stamps_in_jansky_with_noise_are_compared_with_clipped_bytes():
    rng = np.random.default_rng(6)
    galaxies = [
        replace(g, flux_mjy=max(g.flux_mjy, 100.0)) for g in draw_galaxies(EXTENDED, 12, rng)
    ]
    stamps = np.stack([galaxy.observed(rng) for galaxy in galaxies])
    jansky = np.stack([copy.jansky(rng) for copy in turned_copies(galaxies[:4], rng)])
    assert found_pairs(stamps, jansky) == [(k, 12 + k) for k in range(4)]


@pytest.mark.slow
def test_images_of_other_pixel_scale_are_compared_on_a_common_grid():
    rng = np.random.default_rng(8)
    galaxies = [
        replace(g, size_arcsec=80.0, flux_mjy=max(g.flux_mjy, 200.0))
        for g in draw_galaxies(EXTENDED, 12, rng)
    ]
    fine = np.stack([galaxy.observed(rng) for galaxy in galaxies])
    coarse = np.stack(
        [copy.observed(rng) for copy in turned_copies(galaxies[:3], rng, pixel_arcsec=1.8)]
    )
    assert found_pairs(fine, coarse, pixel_arcsec=[1.5, 1.8]) == [(k, 12 + k) for k in range(3)]


def test_sets_that_cannot_be_compared_are_named():
    small, large = np.zeros((1, 64, 64), np.uint8), np.zeros((1, 150, 150), np.uint8)
    assert find_twins([small, large]).not_compared == (
        (0, 1, "images of 64 x 64 and 150 x 150 pixels of unknown scale"),
    )
    assert find_twins([small, small], pixel_arcsec=[1.8, 15.0]).not_compared == (
        (0, 1, "pixels of 1.8 and 15 arcsec"),
    )
    assert find_twins([small, large], pixel_arcsec=[1.5, 1.8]).not_compared == ()


def test_blank_and_constant_images_are_no_twins():
    images = np.zeros((4, 32, 32), np.uint8)
    images[2:] = 7
    twins = find_twins([images])
    assert twins.pairs == ()
    assert twins.blank == (0, 1, 2, 3)


def test_few_images_or_none_have_no_twins():
    assert find_twins([]).pairs == ()
    assert found_pairs(np.zeros((0, 32, 32), np.uint8)) == []
    assert found_pairs(np.eye(32, dtype=np.uint8)[None] * 200) == []


def read_published(archive: Path) -> tuple[np.ndarray, list[str]]:
    """Read all batches of a published archive, which are known to be harmless."""
    images, names = [], []
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            if "batch" in Path(member.name).name and "meta" not in member.name and member.isfile():
                batch = pickle.load(tar.extractfile(member), encoding="latin1")
                images += [np.reshape(image, (SIDE, SIDE)) for image in batch["data"]]
                names += [Path(name).stem for name in batch["filenames"]]
    return np.asarray(images, np.uint8), names


def separation(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return an angle in arcsec on the tangent plane."""
    dec = np.radians((first[1] + second[1]) / 2)
    return 3600 * float(np.hypot((first[0] - second[0]) * np.cos(dec), first[1] - second[1]))


@pytest.mark.slow
def test_every_pair_in_frdeep_shows_the_same_sky(shared):
    """NGC 5782 is found under its two names, and each pair lies within one stamp on the sky."""
    images, names = read_published(shared / "data/frdeep/FIRST.tar.gz")
    with (shared / "data/frdeep/published.csv").open(newline="") as file:
        position = {
            row["name"]: (float(row["ra"]), float(row["dec"])) for row in csv.DictReader(file)
        }
    pairs = [(names[a], names[b]) for a, b in found_pairs(images)]
    assert {"NGC 5782_I", "SDSS J145555.27+115141.4_I"} in [set(pair) for pair in pairs]
    assert len(pairs) >= 5
    assert max(separation(position[a], position[b]) for a, b in pairs) < SIDE * 1.8


@pytest.mark.slow
def test_every_pair_in_mirabest_shows_the_same_sky(shared):
    images, names = read_published(shared / "data/mirabest/MiraBest_F_batches.tar.gz")
    places = [(float(name[4:11]), float(name[11:19])) for name in names]
    pairs = found_pairs(images)
    assert len(pairs) >= 3
    assert max(separation(places[a], places[b]) for a, b in pairs) < SIDE * 1.8
