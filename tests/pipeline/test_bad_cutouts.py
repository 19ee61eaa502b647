"""A bad cutout rejects its source and changes nothing else; a bug stops the build with its name."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import InputError
from mingolotss.foreign import mute_warnings
from mingolotss.model import Candidate, Cutout
from mingolotss.pipeline import stamp_windows
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.steps import STEPS, Stack
from mingolotss.sky.wcs import SkyWCS, simple_header
from skies import write_fits

N, BAD, SIDE = 20, 5, 96  # sources (a stack of 16 and one of 4), the bad one, pixels of a cutout
NAMES = [f"J{index}" for index in range(N)]
RA = 180 + 0.1 * np.arange(N)


def recipe(*steps, **changes):
    """Return a recipe for small float stamps."""
    settings = {
        "steps": [{"do": name} for name in steps], "formats": ["parquet"], "stamp.pixels": 32,
        "stamp.kind": "float32", "noise.method": "sigma-clipped", "images.size_arcmin": 2.4,
    }  # fmt: skip
    return load_recipe("lotss").changed(settings | changes)


def pixels_of(index):
    """Return the image of a source: noise, and the number of the source in the middle."""
    pixels = np.random.default_rng(index).normal(0, 1, (SIDE, SIDE)).astype(np.float32)
    pixels[SIDE // 2, SIDE // 2] = 100 + index
    return pixels


def wcs_cards(index, shape=(SIDE, SIDE)):
    return simple_header(RA[index], 50.0, shape=shape, scale_arcsec=1.5)


class Plain:
    """A service of another package, with one image for each source."""

    def search(self, position, size):
        """Offer the image of the nearest source."""
        index = int(np.argmin(abs(RA - position.icrs.ra.deg)))
        return [Candidate("P1", f"{NAMES[index]}.fits", "", NAMES[index])]

    def cutout(self, candidate, position, size):
        """Return its pixels."""
        index = NAMES.index(candidate.source)
        return Cutout(pixels_of(index), None, SkyWCS.from_header(wcs_cards(index)))


def make(out, steps=(), service=None, rows=range(N), **changes):
    """Build and return the rows of the manifest by source."""
    rows = list(rows)
    ones = np.ones(len(rows))
    catalogue = Catalogue.from_columns(
        [NAMES[i] for i in rows], RA[rows], 50 * ones, size_arcsec=ones, flux_mjy=ones
    )
    made = build(
        recipe(*steps, **changes), catalogue=catalogue, service=service or Plain(), out=out
    )
    return {row["source"]: row for row in read_manifest(made.out).to_pylist()}


@pytest.fixture
def add_step():
    """Return a function that registers a plug-in's step for one test."""
    names = []

    def add(function):
        names.append(f"test-{len(names)}")
        STEPS.add(names[-1], function)
        return names[-1]

    yield add
    for name in names:
        STEPS._known.pop(name)


def on_bad(behave):
    """Return a step that does something else for a stack with the bad source's image."""

    def a_step(stack):
        if (stack.image == 100 + BAD).any():
            return behave(stack)
        return Stack(stack.image * 2, stack.noise, stack.side)

    return a_step


def fail(error):
    def behave(stack):
        raise error

    return behave


def changed(**arrays):
    """Return a behaviour that returns other arrays."""
    return lambda stack: Stack(
        arrays.get("image", lambda a: a)(stack.image),
        arrays.get("noise", lambda a: a)(stack.noise),
        arrays.get("side", lambda a: a)(stack.side),
    )


MISBEHAVIOUR = {
    "value": (fail(ValueError("no finite\nvalues")), "ValueError: no finite values"),
    "linear algebra": (fail(np.linalg.LinAlgError("SVD did not converge")), "LinAlgError: SVD"),
    "assertion": (fail(AssertionError()), "AssertionError"),
    "name": (fail(NameError("name 'x' is not defined")), "NameError: name 'x'"),
    "its own recipe error": (fail(InputError("needs 0 < rms < top")), "needs 0 < rms < top"),
    "memory": (fail(MemoryError("Unable to allocate 7 TiB")), "MemoryError: Unable to allocate"),
    "exit": (fail(SystemExit(3)), "SystemExit: 3"),
    "nothing": (lambda _: None, "returned NoneType, not a Stack"),
    "a bare array": (lambda stack: stack.image, "returned ndarray, not a Stack"),
    "integers": (changed(image=lambda a: a.astype(int)), "returned image of int64, not floats"),
    "complex": (changed(image=lambda a: a + 0j), "returned image of complex64, not floats"),
    "a list": (changed(noise=list), "returned noise of <class 'list'>, not floats"),
    "one image less": (changed(image=lambda a: a[1:]), "into images of shape"),
    "a flat image": (changed(image=lambda a: a.reshape(len(a), -1)), "into images of shape"),
    "an oblong": (changed(image=lambda a: a[:, 1:]), "into images of shape"),
    "noise of one image": (changed(noise=lambda a: a[0]), "with noise of shape (1, 1)"),
    "another side": (changed(side=lambda _: 16), "changed the side of the stamp from 32 to 16"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Give the rows of a build without a fault; its step doubles the pixels."""
    STEPS.add("test-double", lambda stack: Stack(stack.image * 2, stack.noise, stack.side))
    yield {
        "step": make(tmp_path_factory.mktemp("good") / "out", ["test-double"]),
        "service": make(tmp_path_factory.mktemp("good") / "out"),
    }
    STEPS._known.pop("test-double")


def others(rows):
    """Return all rows but the bad one."""
    return {name: row for name, row in rows.items() if name != NAMES[BAD]}


@pytest.mark.parametrize("kind", MISBEHAVIOUR)
def test_a_step_that_fails_on_one_source_rejects_that_source(tmp_path, add_step, good, kind):
    """Whatever it does, one line says so, and the other stamps keep every byte."""
    behave, words = MISBEHAVIOUR[kind]
    rows = make(tmp_path / "out", [add_step(on_bad(behave))])
    bad = rows[NAMES[BAD]]
    assert (bad["status"], bad["stage"]) == ("rejected", "stamp")
    assert bad["reason"].startswith(f"make the stamp from {NAMES[BAD]}.fits: step 'test-0'")
    assert words in bad["reason"]
    assert "\n" not in bad["reason"]
    assert others(rows) == others(good["step"])


def test_a_step_that_fails_on_every_source_stops_the_build(tmp_path, add_step):
    """That is an error of the step: one line names it, a source and its file."""

    def broken(stack):
        """Have a bug."""
        return stack.imege

    with pytest.raises(
        InputError,
        match=r"source J\d+: make the stamp from J\d+\.fits: step 'test-0': AttributeError.*20 sou",
    ) as caught:
        make(tmp_path / "out", [add_step(broken)])
    assert "\n" not in str(caught.value)
    # Of one source alone nobody can tell whether the step or the image is at fault.
    assert make(tmp_path / "one", ["test-0"], rows=[3])["J3"]["status"] == "rejected"


def test_a_bug_stops_the_build_with_the_source_named(tmp_path, monkeypatch):
    """The exception of our own code is passed on, with a note that names source and file."""

    def noise(image, **settings):
        if (image == 100 + BAD).any():
            raise TypeError("unsupported operand")
        return np.ones((1, 1), image.dtype)

    monkeypatch.setattr(stamp_windows, "sigma_clipped_noise", noise)
    with pytest.raises(TypeError) as caught:
        make(tmp_path / "out")
    assert caught.value.__notes__ == [
        f"make the stamp of J{BAD} from J{BAD}.fits: TypeError: unsupported operand"
    ]


class Broken(Plain):
    """Its `cutout` does something else for the bad source."""

    def __init__(self, behave):
        self.behave = behave

    def cutout(self, candidate, position, size):
        """Return pixels, but not always."""
        if candidate.source == NAMES[BAD]:
            return self.behave(super().cutout(candidate, position, size))
        return super().cutout(candidate, position, size)


class BrokenBulk(Broken):
    """The same for many requests at once: the first bad one ends all others."""

    def search_all(self, catalogue, size_deg):
        """Have a bug that one row brings out."""
        raise IndexError("row 3")

    def cutouts(self, requests, size_deg):
        """Return the cutouts one after another."""
        return [self.cutout(candidate, None, None) for candidate, _ in requests]


class NoWCS:
    """A WCS that fails."""

    pixel_scale_arcsec = 1.5

    def to_pixel(self, ra, dec):
        """Fail as wcslib does."""
        raise ArithmeticError("ERROR 5 in wcss2p()")


ANSWERS = {
    "key": (lambda _: {}["CRVAL1"], "KeyError: 'CRVAL1'"),
    "exit": (lambda _: sys.exit("licence expired"), "SystemExit: licence expired"),
    "nothing": (lambda _: None, "gave NoneType, not a Cutout"),
    "integers": (lambda c: Cutout(c.image.astype("i2"), None, c.wcs), "an array of int16"),
    "cube": (lambda c: Cutout(c.image[None], None, c.wcs), "with the shape (1, 96, 96)"),
    "no pixels": (lambda c: Cutout(c.image[:0], None, c.wcs), "with the shape (0, 96)"),
    "a list": (lambda c: Cutout(c.image.tolist(), None, c.wcs), "image is list, not an array"),
    "rms": (lambda c: Cutout(c.image, 3.0, c.wcs), "rms is float, not an array"),
    "wcs": (lambda c: Cutout(c.image, None, NoWCS()), "its WCS: ArithmeticError: ERROR 5"),
    "no wcs": (lambda c: Cutout(c.image, None, None), "its WCS: AttributeError"),
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("service", [Broken, BrokenBulk])
def test_a_service_that_fails_on_one_source_rejects_that_source(tmp_path, good, service, kind):
    """The others are as with a service without a fault."""
    behave, words = ANSWERS[kind]
    rows = make(tmp_path / "out", service=service(behave))
    bad = rows[NAMES[BAD]]
    assert (bad["status"], bad["stage"]) == ("rejected", "validate")
    assert f"{NAMES[BAD]}.fits" in bad["reason"]
    assert words in bad["reason"]
    assert others(rows) == others(good["service"])


def test_a_search_that_fails_on_one_source_rejects_that_source(tmp_path):
    """The reason is the exception; the build goes on."""

    class Picky(Plain):
        def search(self, position, size):
            if abs(position.icrs.ra.deg - RA[BAD]) < 0.01:
                raise ZeroDivisionError("float division by zero")
            return super().search(position, size)

    rows = make(tmp_path / "out", service=Picky())
    assert [name for name, row in rows.items() if row["status"] == "rejected"] == [NAMES[BAD]]
    assert rows[NAMES[BAD]]["stage"] == "search"
    assert "ZeroDivisionError: float division by zero" in rows[NAMES[BAD]]["reason"]


def one_pixel(image):
    image[:] = np.nan
    image[SIDE // 2, SIDE // 2] = 5


def outside_only(image):
    image[20:-20, 20:-20] = np.nan


HOSTILE = {
    "one pixel": one_pixel,
    "outside only": outside_only,
    "mostly nan": lambda image: image[:, :90].fill(np.nan),
    "constant": lambda image: image.fill(7),
    "zeros but one": lambda image: (image.fill(0), image[:1, :1].fill(1)),
    "infinite pixels": lambda image: image[40:50, 40:50].fill(np.inf),
    "all infinite but one": lambda image: (image.fill(np.inf), image[:1, :1].fill(1)),
    "negative": lambda image: image.fill(-3),
    "huge": lambda image: np.multiply(image, 1e37, out=image),
    "subnormal": lambda image: np.multiply(image, 1e-42, out=image),
    "half infinite": lambda image: (image[:48].fill(-np.inf), image[48:].fill(np.inf)),
}
STEP_LISTS = [
    [], ["zero-nan", "clip", "minmax"], ["clip", "minmax"], ["zero-nan", "asinh"], ["asinh"],
    ["zero-nan", "zscale"], ["zscale"], ["minmax"],
]  # fmt: skip
METHODS = ["sigma-clipped", "background2d"]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_hostile_pixels_end_as_a_stamp_or_one_rejection(tmp_path, method, kind):
    """No noise method and no step ends in an exception or a warning."""
    if method == "background2d":
        pytest.importorskip("photutils", reason="needs pip install 'mingolotss[photutils]'")
    names = list(HOSTILE)
    folder = tmp_path / "in"
    folder.mkdir()
    for index, name in enumerate(names):
        image = pixels_of(index)
        with np.errstate(all="ignore"):
            HOSTILE[name](image)
        write_fits(folder / f"{NAMES[index]}_P1-mosaic.fits", image, wcs_cards(index))
    for index, (shape, dtype) in enumerate(
        [((2, 2), "f4"), ((3, 40), "f4"), ((SIDE, SIDE), "i2"), ((SIDE, SIDE), "u1")], len(names)
    ):
        image = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
        cards = wcs_cards(index, shape)
        write_fits(folder / f"{NAMES[index]}_P1-mosaic.fits", image, cards)
    rows = range(len(names) + 4)
    for number, steps in enumerate(STEP_LISTS):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            manifest = make(
                tmp_path / f"out{number}", steps, f"folder:{folder}", rows,
                **{"noise.method": method, "stamp.kind": kind},
            )  # fmt: skip
        for row in manifest.values():
            assert row["status"] == "written" or "\n" not in row["reason"]
        assert sum(row["status"] == "written" for row in manifest.values()) >= len(manifest) - 4


def test_muted_warnings_come_back_after_the_last_thread(recwarn):
    """Two that overlap do not leave the filters changed, whichever ends first."""
    before = warnings.filters[:]
    first, second = mute_warnings(), mute_warnings()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    warnings.warn("not shown", UserWarning, stacklevel=1)
    second.__exit__(None, None, None)
    assert warnings.filters == before
    assert not recwarn.list
