"""The compiled loops against the steps and the look at squares that numpy does."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import contents
from mingolotss import cleanmap, kernel
from mingolotss.build import build
from mingolotss.kernel import SIDES, SQUARE, Made, clean_squares, grey_stamps, takes
from mingolotss.readers.arrays import load
from mingolotss.recipe import load_recipe
from mingolotss.simulate import SkyModel, write_sky
from mingolotss.stamp import STEPS, Stack, finish, fused, run_steps
from mingolotss.stamps import _floors
from mingolotss.wcs import simple_header
from mingolotss.windows import Windows
from skies import write_catalogue, write_fits

ROOT = Path(__file__).parents[1]
COMPILER = shutil.which(os.environ.get("CC") or "cc")
compiled = pytest.mark.skipif(
    not kernel.ready() and not COMPILER,
    reason="no C compiler was there to compile the loops with",
)
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C compiler is here")
HARD = (0.0, -0.0, 1e-45, 1e38, -1e38, np.inf, -np.inf, np.nan)
BRIGHT = (3.4e38, -3.4e38)  # not of noise: numpy's mean of two such is infinite


@compiled
def test_the_loops_are_those_of_the_sources():
    """What was compiled when the package was installed is what lies here."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    assert kernel.ready(), "install again: pip install -e ."
    assert kernel._library().mingolotss_sources().decode() == hook.digest(kernel.LIBRARY.parent)


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


def together(stacks: Iterable[Made]) -> Made:
    """Return stack after stack as one; each is copied before the next is made over it."""
    rows = [[getattr(made, one.name).copy() for one in fields(Made)] for made in stacks]
    return Made(*(np.concatenate(column) for column in zip(*rows, strict=True)))


@compiled
@settings(max_examples=150, deadline=None)
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
    """Pixels, rows, blanks, peaks and floors are equal bit for bit, whatever is in the images."""
    rng = np.random.default_rng(seed)
    images, noises = windows(rng, 3, side)
    if flat:
        noises = [noise[:1, :1] for noise in noises]
    views = Windows.of(images), Windows.of(noises)
    made = together(
        grey_stamps(*views, sigma=sigma, radius=radius, inside=inside, lanes=lanes, stack=stack)
    )
    native = [np.stack(one).astype("f4") for one in (images, noises)]
    steps = [("zero-nan", {})]
    steps += [] if sigma is None else [("clip", {"sigma": sigma})]
    steps += [] if radius is None else [("mask", {"radius": radius})]
    steps += [("minmax", {"inside": inside})]
    with np.errstate(all="ignore"):
        pixels, blank = finish(run_steps(Stack(*native, side), steps), "uint8")
        peaks = np.fmax.reduce(native[0], axis=(1, 2)) + 0
        floors = _floors(native[1])
    np.testing.assert_array_equal(made.pixels, pixels)
    np.testing.assert_array_equal(made.rows[:, :, 1:], pixels)
    assert not made.rows[:, :, 0].any()
    np.testing.assert_array_equal(made.blank, blank)
    for values, wanted in ((made.peaks, peaks), (made.floors, floors)):
        np.testing.assert_array_equal(values, wanted)
        np.testing.assert_array_equal(np.signbit(values), np.signbit(wanted))


@compiled
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), lanes=st.sampled_from([4, 8, 16]))
def test_squares_are_those_of_a_plain_look(seed, lanes):
    """Finite throughout and not all 0, where 0 has a sign or none; many squares in a row."""
    rng = np.random.default_rng(seed)
    high, wide = rng.integers(1, 5), rng.integers(1, 40)
    pixels = rng.normal(size=(high * SQUARE, wide * SQUARE)).astype(rng.choice(["<f4", ">f4"]))
    for _ in range(rng.integers(0, 20)):
        y, x = rng.integers(0, high) * SQUARE, rng.integers(0, wide) * SQUARE
        pixels[y : y + SQUARE, x : x + SQUARE] = rng.choice([0.0, -0.0])
        if rng.random() < 0.5:
            pixels[y + rng.integers(SQUARE), x + rng.integers(SQUARE)] = rng.choice(HARD)
    np.testing.assert_array_equal(clean_squares(pixels, lanes=lanes), cleanmap._clean(pixels))


@pytest.mark.parametrize("name", ["mingolotss", "mirabest", "lotss"])
def test_the_shipped_recipes_of_grey_stamps_are_made_at_once(name):
    """The steps that most datasets are made with are one."""
    assert fused(load_recipe(name).step_list) is not None


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
    assert fused([(name, {}) for name in steps]) is None


@pytest.mark.parametrize("step", [functools.partial(minmax_of, 1), Unhashable()])
def test_a_step_of_a_plugin_may_be_anything_that_is_called(monkeypatch, step):
    """It has no defaults to ask for, and need not be hashable."""
    monkeypatch.setitem(STEPS._known, "theirs", (step, ""))
    assert fused([("zero-nan", {}), ("theirs", {}), ("minmax", {})]) is None


@needs_compiler
def test_loops_of_another_version_are_not_used(tmp_path, no_loops):
    """A library that was left behind, or is another, is as good as none."""
    source, library = tmp_path / "other.c", tmp_path / "other.so"
    for text in ("int mingolotss_interface(void) { return 0; }", "int x;"):
        source.write_text(text)
        done = subprocess.run([COMPILER, "-shared", "-fPIC", source, "-o", library], check=False)
        assert done.returncode == 0
        no_loops(library)
        assert not kernel.ready()
        assert kernel.describe().startswith("without compiled loops")


def test_what_a_step_takes_by_itself_holds_at_once_too():
    """A recipe that sets nothing gets the defaults of the steps."""
    steps = fused([("zero-nan", {}), ("mask", {}), ("clip", {}), ("minmax", {})])
    assert (steps.sigma, steps.radius, steps.inside) == (3.0, 75.0, False)


def test_what_the_loops_cannot_read_they_do_not_take():
    """Other types and columns are numpy's."""
    image = np.ones((20, 20), np.float32)
    assert takes(image) == takes(image.astype(">f4")) == kernel.ready()
    for other in (image.astype("f8"), image.T, image[:, ::2], image[0]):
        assert not takes(other)


@pytest.fixture
def no_loops(tmp_path):
    """Give what takes the compiled loops away until the test ends."""
    with pytest.MonkeyPatch.context() as patch:

        def take_away(path: Path = tmp_path / "none.so") -> None:
            patch.setattr(kernel, "LIBRARY", path)
            kernel._library.cache_clear()

        yield take_away
    kernel._library.cache_clear()


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Give a small simulated sky: mosaics, a catalogue and cutouts, with every edge case."""
    return write_sky(SkyModel(seed=3, sources=60), tmp_path_factory.mktemp("sky"))


@compiled
@pytest.mark.parametrize("recipe", ["mingolotss", "lotss"])
def test_a_build_without_the_loops_is_the_same(tmp_path, no_loops, recipe, sky):
    """Every file is equal to the byte."""
    found = []
    for name in ("compiled", "numpy"):
        out = tmp_path / name
        build(recipe, catalogue=sky / "catalogue.fits", service=f"simulated:{sky}", out=out)
        found.append(contents(out))
        no_loops()
    assert not kernel.ready()
    assert found[0] == found[1]


@pytest.mark.parametrize("side", [SIDES[0] - 1, SIDES[0], SIDES[-1], SIDES[-1] + 1])
def test_stamps_of_any_size_are_made(tmp_path, side):
    """The smallest and largest that the loops make, and those beyond, which numpy makes."""
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


@pytest.mark.parametrize("compiler", ["cc", "no-such-compiler", "false"])
def test_the_package_is_built_with_or_without_a_compiler(tmp_path, compiler):
    """A wheel has the loops and a platform, or neither; that there is no compiler is no error."""
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
    assert ("mingolotss/compiled/kernel.so" in names) == (compiler == "cc")
    assert wheel.name.endswith("-none-any.whl") == (compiler != "cc")
