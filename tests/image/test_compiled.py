"""The compiled kernel against the steps and the search for gaps in numpy, bit for bit."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import contents
from compilers import ROOT, build_hook, needs_kernel
from mingolotss.image import coverage, kernel_library
from mingolotss.image.compiled import KernelResult, fully_observed_squares, grey_stamps, supports
from mingolotss.image.kernel_library import SIDES, SQUARE
from mingolotss.image.windows import WindowArray
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.run import build
from mingolotss.pipeline.stamps import _median_noise
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.steps import STEPS, Stack, as_standard_steps, finish, run_steps
from mingolotss.simulate import SkyModel, write_sky
from mingolotss.sky.wcs import simple_header
from skies import write_catalogue, write_fits

HARD = (0.0, -0.0, 1e-45, 1e38, -1e38, np.inf, -np.inf, np.nan)
BRIGHT = (3.4e38, -3.4e38)  # not of noise: numpy's mean of two such is infinite


@needs_kernel
def test_the_kernel_was_compiled_from_these_sources():
    """The installed kernel and the sources in this checkout belong together."""
    assert kernel_library.available(), f"{kernel_library.describe()}: pip install -e ."
    sources = kernel_library._load().library.mingolotss_sources().decode()
    assert sources == build_hook().digest(kernel_library.LIBRARY.parent)


def minmax_of(_, stack):
    """Stand for a plug-in's step."""
    return stack


class Unhashable:
    """A plug-in's step, as an object."""

    __hash__ = None

    def __call__(self, stack):
        """Do nothing."""
        return stack


def windows(rng: np.random.Generator, n: int, side: int) -> tuple[list, list]:
    """Return images and rms maps as views of larger ones, in either byte order, hard pixels too."""
    images, noises = [], []
    for _ in range(n):
        noise = rng.uniform(1e-5, 2e-4, (side + 9, side + 7))
        if rng.random() < 0.3:
            noise[:] = rng.choice(HARD)
        image = rng.normal(size=noise.shape) * noise * 2
        image[rng.integers(0, side)] += rng.choice([0.01, 3.0])
        if rng.random() < 0.2:
            image[:] = rng.choice(HARD + BRIGHT)
        for pixels, hard in ((image, HARD + BRIGHT), (noise, HARD)):
            for _ in range(rng.integers(0, 40)):
                pixels[tuple(rng.integers(0, side, 2))] = rng.choice(hard)
        y, x = rng.integers(0, 7, 2)
        with np.errstate(over="ignore"):
            image, noise = (
                pixels.astype(rng.choice(["<f4", ">f4"]))[y : y + side, x : x + side]
                for pixels in (image, noise)
            )
        images.append(image)
        noises.append(noise)
    return images, noises


def joined(stacks: Iterable[KernelResult]) -> KernelResult:
    """Return all stacks as one; each is copied before the next overwrites it."""
    rows = [[getattr(one, field.name).copy() for field in fields(KernelResult)] for one in stacks]
    return KernelResult(*(np.concatenate(column) for column in zip(*rows, strict=True)))


@needs_kernel
@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    side=st.sampled_from([16, 17, 31, 50, 150]),
    lanes=st.sampled_from([4, 8, 16]),
    sigma=st.sampled_from([None, 0.0, 3.0, 5.5, -1.0]),
    radius=st.sampled_from([None, 0.0, 8.0, 75.0]),
    inside=st.booleans(),
    flat=st.booleans(),
    stack=st.sampled_from([2, 3, 16]),
)
def test_stamps_are_those_of_the_steps(seed, side, lanes, sigma, radius, inside, flat, stack):
    """All arrays of the result are equal bit for bit, whatever is in the images."""
    rng = np.random.default_rng(seed)
    images, noises = windows(rng, 3, side)
    if flat:
        noises = [noise[:1, :1] for noise in noises]
    views = WindowArray.of(images), WindowArray.of(noises)
    stamps = joined(
        grey_stamps(*views, sigma=sigma, radius=radius, inside=inside, lanes=lanes, stack=stack)
    )
    native = [np.stack(one).astype("f4") for one in (images, noises)]
    steps = [("zero-nan", {})]
    steps += [] if sigma is None else [("clip", {"sigma": sigma})]
    steps += [] if radius is None else [("mask", {"radius": radius})]
    steps += [("minmax", {"inside": inside})]
    with np.errstate(all="ignore"):
        scaled = run_steps(Stack(*native, side), steps)
        pixels, blank = finish(scaled, "uint8")
        peaks = np.fmax.reduce(native[0], axis=(1, 2)) + 0
        median_noise = _median_noise(native[1])
    np.testing.assert_array_equal(stamps.pixels, pixels)
    np.testing.assert_array_equal(stamps.rows[:, :, 1:], pixels)
    assert not stamps.rows[:, :, 0].any()
    np.testing.assert_array_equal(stamps.blank, blank)
    limits = [limit + 0 for limit in (scaled.scaling.low, scaled.scaling.high)]
    for values, expected in zip(
        (stamps.peaks, stamps.median_noise, stamps.lowest, stamps.highest),
        (peaks, median_noise, *limits),
        strict=True,
    ):
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(np.signbit(values), np.signbit(expected))


@needs_kernel
@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("low", [-1.0, 0.0, 1.0])
def test_the_darkest_pixel_is_found_wherever_it_is(lanes, inside, low):
    """All pixels are above the clip but one, in the mask, at its edge or outside of it."""
    side, radius = 50, 20.0
    noise = np.full((side, side), 1e-3, "f4")
    images = []
    for y, x in ((25, 25), (25, 5), (25, 4), (0, 0), (49, 49), (30, 47)):
        image = np.full((side, side), 2.0, "f4")
        image[20] = 3.0
        image[y, x] = low
        images.append(image)
    windows = WindowArray.of(images), WindowArray.of([noise] * len(images))
    settings = {"sigma": 3.0, "radius": radius, "inside": inside, "lanes": lanes}
    stamps = joined(grey_stamps(*windows, **settings))
    steps = [("zero-nan", {}), ("clip", {"sigma": 3.0}), ("mask", {"radius": radius})]
    stack = Stack(np.stack(images), np.stack([noise] * len(images)), side)
    scaled = run_steps(stack, [*steps, ("minmax", {"inside": inside})])
    pixels, blank = finish(scaled, "uint8")
    np.testing.assert_array_equal(stamps.pixels, pixels)
    np.testing.assert_array_equal(stamps.blank, blank)
    np.testing.assert_array_equal(stamps.lowest, scaled.scaling.low)
    np.testing.assert_array_equal(stamps.highest, scaled.scaling.high)


@needs_kernel
def test_numbers_of_a_stack_outlive_it():
    """Only pixels and rows are overwritten by the next stack."""
    rng = np.random.default_rng(3)
    images, noises = windows(rng, 7, 20)
    views = WindowArray.of(images), WindowArray.of(noises)
    settings = {"sigma": 3.0, "radius": None, "inside": False}
    kept = list(grey_stamps(*views, **settings, stack=3))
    whole = joined(grey_stamps(*views, **settings, stack=3))
    for name in ("blank", "peaks", "median_noise", "lowest", "highest"):
        column = np.concatenate([getattr(one, name) for one in kept])
        np.testing.assert_array_equal(column, getattr(whole, name))


@needs_kernel
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_pixels_may_lie_anywhere_in_memory(lanes):
    """Addresses that no float32 has, rows from the last to the first, rows that overlap."""
    side = 50
    pixels = np.random.default_rng(2).normal(size=(side, side)).astype("f4")
    padded = np.frombuffer(b"?" + pixels.tobytes(), np.float32, offset=1).reshape(side, side)
    sliding = np.lib.stride_tricks.sliding_window_view(pixels.ravel()[: 2 * side - 1], side)
    assert padded.ctypes.data % 4
    for image in (padded, pixels[::-1], sliding):
        there, copied = (
            joined(
                grey_stamps(
                    WindowArray.of([one]), WindowArray.of([one]),
                    sigma=0.5, radius=20.0, inside=False, lanes=lanes,
                )
            )
            for one in (image, image.copy())
        )  # fmt: skip
        for field in fields(KernelResult):
            values, others = getattr(there, field.name), getattr(copied, field.name)
            np.testing.assert_array_equal(values, others)
        assert there.pixels.any()


@needs_kernel
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), lanes=st.sampled_from([4, 8, 16]))
def test_squares_are_those_of_numpy(seed, lanes):
    """Finite throughout and not all 0, where 0 has a sign or none; many squares in a row."""
    rng = np.random.default_rng(seed)
    high, wide = rng.integers(1, 5), rng.integers(1, 40)
    pixels = rng.normal(size=(high * SQUARE, wide * SQUARE)).astype(rng.choice(["<f4", ">f4"]))
    for _ in range(rng.integers(0, 20)):
        y, x = rng.integers(0, high) * SQUARE, rng.integers(0, wide) * SQUARE
        pixels[y : y + SQUARE, x : x + SQUARE] = rng.choice([0.0, -0.0])
        if rng.random() < 0.5:
            pixels[y + rng.integers(SQUARE), x + rng.integers(SQUARE)] = rng.choice(HARD)
    np.testing.assert_array_equal(
        fully_observed_squares(pixels, lanes=lanes), coverage._by_numpy(pixels)
    )


@pytest.mark.parametrize("name", ["mingolotss", "mirabest", "lotss"])
def test_the_shipped_recipes_of_grey_stamps_are_made_at_once(name):
    """The steps that most datasets are made with are one."""
    assert as_standard_steps(load_recipe(name).step_list) is not None


@pytest.mark.parametrize(
    "steps",
    [
        ["zero-nan", "clip", "mask", "bin", "minmax"],
        ["zero-nan", "clip", "clip", "minmax"],
        ["clip", "zero-nan", "minmax"],
        ["zero-nan", "minmax", "mask"],
        ["zero-nan", "clip"],
        ["zero-nan", "asinh"],
        ["minmax"],
        [],
    ],
)
def test_other_steps_are_run_one_by_one(steps):
    """What is not known to be the same in one pass is not done in one."""
    assert as_standard_steps([(name, {}) for name in steps]) is None


@pytest.mark.parametrize("step", [functools.partial(minmax_of, 1), Unhashable()])
def test_a_step_of_a_plugin_may_be_anything_that_is_called(monkeypatch, step):
    """It has no defaults to ask for, and need not be hashable."""
    monkeypatch.setitem(STEPS._known, "theirs", (step, ""))
    assert as_standard_steps([("zero-nan", {}), ("theirs", {}), ("minmax", {})]) is None


def test_what_a_step_takes_by_itself_holds_at_once_too():
    """A recipe that sets nothing gets the defaults of the steps."""
    steps = as_standard_steps([("zero-nan", {}), ("mask", {}), ("clip", {}), ("minmax", {})])
    assert (steps.sigma, steps.radius, steps.inside) == (3.0, 75.0, False)


def test_other_images_are_not_supported():
    """Images of other types or memory layouts go to numpy."""
    image = np.ones((20, 20), np.float32)
    assert supports(image) == supports(image.astype(">f4")) == kernel_library.available()
    for other in (image.astype("f8"), image.T, image[:, ::2], image[0]):
        assert not supports(other)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Give a small simulated sky: mosaics, a catalogue and cutouts, with every edge case."""
    return write_sky(SkyModel(seed=3, sources=60), tmp_path_factory.mktemp("sky"))


@needs_kernel
@pytest.mark.parametrize("recipe", ["mingolotss", "lotss"])
def test_a_build_without_the_kernel_is_the_same(tmp_path, use_library, recipe, sky):
    """Every file is equal to the byte."""
    builds = []
    for name in ("compiled", "numpy"):
        out = tmp_path / name
        build(recipe, catalogue=sky / "catalogue.fits", service=f"simulated:{sky}", out=out)
        builds.append(contents(out))
        use_library(tmp_path / "no-such-file.so")
    assert not kernel_library.available()
    assert builds[0] == builds[1]


@pytest.mark.parametrize("side", [SIDES[0] - 1, SIDES[0], SIDES[-1], SIDES[-1] + 1])
def test_stamps_of_any_size_are_made(tmp_path, side):
    """The smallest and largest that the kernel makes, and those beyond, which numpy makes."""
    rng = np.random.default_rng(side)
    folder = tmp_path / "in"
    folder.mkdir()
    header = simple_header(150.0, 45.0, shape=(600, 600), scale_arcsec=1.5)
    image = rng.normal(0, 1e-4, (600, 600)).astype("f4")
    write_fits(folder / "A_P1-mosaic.fits", image, header)
    write_fits(folder / "A_P1-mosaic-rms.fits", np.full((600, 600), 5e-5, "f4"), header)
    write_catalogue(folder / "catalogue.fits", ["A"], np.array([150.0]), np.array([45.0]))
    recipe = load_recipe("lotss").changed({"stamp": {"pixels": side}})
    build(recipe, catalogue=folder / "catalogue.fits", service=f"folder:{folder}", out=tmp_path)
    start = 300 - side // 2
    window = (slice(start, start + side),) * 2
    stack = Stack(image[window][None], np.full((1, 1, 1), 5e-5, "f4"), side)
    pixels, _ = finish(run_steps(stack, recipe.step_list), "uint8")
    np.testing.assert_array_equal(load(tmp_path, "all").images, pixels)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["cc", "no-such-compiler", "false"])
def test_the_package_is_built_with_or_without_a_compiler(tmp_path, compiler):
    """A wheel has the kernel and a platform tag, or neither; a missing compiler is no error."""
    if compiler == "cc" and not shutil.which("cc"):
        pytest.skip("no C compiler is here")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"],
        cwd=tmp_path, env=os.environ | {"CC": compiler}, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
    assert ("mingolotss/image/_kernel/kernel.so" in names) == (compiler == "cc")
    assert wheel.name.endswith("-none-any.whl") == (compiler != "cc")
