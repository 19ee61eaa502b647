"""Columns in place of objects: cutouts, windows and requests read like lists."""

from __future__ import annotations

import gc
import pickle
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import ImageError, ServiceUnavailableError
from mingolotss.image.pixels import take_window
from mingolotss.image.windows import WindowArray
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.pipeline.choice import choose_candidates
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.measure import fetch_and_measure
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build
from mingolotss.pipeline.stamps import make_stamps
from mingolotss.sky.wcs import SkyWCS, simple_header
from skies import random_sky

WCS = SkyWCS.from_header(simple_header(150.0, 45.0, shape=(300, 300), scale_arcsec=1.5))


def cutout(rng, ny, nx, **more):
    """Return a cutout of random pixels, with an rms map or without."""
    image = rng.normal(size=(ny, nx)).astype(rng.choice(["<f4", ">f4", "<f8"]))
    return Cutout(image, np.abs(image) if rng.random() < 0.5 else None, WCS, **more)


def same(one, other):
    """Say whether two cutouts are equal in everything."""
    values = ("origin", "sha256", "rms_sha256", "fully_observed", "file", "wcs")
    return (
        all(getattr(one, name) == getattr(other, name) for name in values)
        and np.array_equal(one.image, other.image)
        and (one.rms is None) == (other.rms is None)
        and (one.rms is None or np.array_equal(one.rms, other.rms))
    )


def test_cutouts_read_like_the_list_that_they_were_made_from():
    """Cutouts one by one, errors among them, by place, from the end and in slices."""
    rng = np.random.default_rng(1)
    listed = [
        cutout(rng, 9, 7, origin=(3, -4), sha256="a", rms_sha256="b", file="x.fits"),
        ImageError("no pixels"),
        cutout(rng, 5, 5, fully_observed=True),
        ServiceUnavailableError("no answer"),
    ]
    cutouts = CutoutArray.from_outcomes(iter(listed))
    assert CutoutArray.from_outcomes(cutouts) is cutouts
    assert len(cutouts) == 4
    for index in (0, 2, -2):
        assert same(cutouts[index], listed[index])
    assert [cutouts[index] for index in (1, 3, -1)] == [listed[index] for index in (1, 3, -1)]
    assert cutouts[1:4][0] is listed[1]
    assert cutouts.plane_index.tolist() == [0, -1, 1, -1]
    assert cutouts.per_cutout([10, 20], 99).tolist() == [10, 99, 20, 99]
    held = sum(
        c.image.nbytes + (0 if c.rms is None else c.rms.nbytes) for c in (listed[0], listed[2])
    )
    assert cutouts.nbytes == cutouts.held_bytes == held
    with pytest.raises(IndexError):
        cutouts[4]


def test_cutouts_of_one_image_are_views_of_it():
    """Each has its own corner, origin and flag; no pixel is copied."""
    rng = np.random.default_rng(2)
    whole = Cutout(rng.normal(size=(90, 80)), None, WCS, (1000, 2000))
    cutouts = CutoutArray(3)
    cutouts.set_windows(
        np.array([2, 0]), whole, y0=np.array([5, 50]), x0=np.array([6, 60]), ny=10, nx=20,
        fully_observed=np.array([True, False]), is_mapped=True,
    )  # fmt: skip
    cutouts.set_outcome(1, ImageError("off"))
    last, first = cutouts[2], cutouts[0]
    assert (last.origin, last.fully_observed) == ((1006, 2005), True)
    assert (first.origin, first.fully_observed) == ((1060, 2050), False)
    np.testing.assert_array_equal(last.image, whole.image[5:15, 6:26])
    assert np.shares_memory(first.image, whole.image)
    assert last.rms is None
    assert cutouts.nbytes == 2 * 10 * 20 * 8
    assert cutouts.held_bytes == 0  # of a mapped file
    single = Cutout(np.ones((9, 7), "f4"), np.ones((9, 7), "f4"), WCS)
    assert cutouts.replaced({1: single}).held_bytes == 2 * 9 * 7 * 4


def test_a_part_of_an_image_is_held_in_memory():
    """It was decoded, and counts once for all its windows."""
    part = Cutout(np.ones((90, 80), "f4"), np.ones((90, 80), "f4"), WCS)
    cutouts, corners = CutoutArray(3), np.array([0, 4, 8])
    cutouts.set_windows(np.arange(3), part, y0=corners, x0=corners, ny=60, nx=60, is_part=True)
    assert cutouts.held_bytes == 2 * 90 * 80 * 4
    assert cutouts.nbytes == 3 * 2 * 60 * 60 * 4


@pytest.mark.parametrize("is_part", [True, False])
@pytest.mark.parametrize("is_mapped", [True, False])
def test_only_what_is_in_a_mapped_file_takes_no_memory(is_part, is_mapped):
    """Whether it is the whole image or the copy of some parts."""
    plane, corners = Cutout(np.ones((90, 80), "f4"), None, WCS), np.array([0, 4, 8])
    cutouts = CutoutArray(3)
    cutouts.set_windows(
        np.arange(3), plane, y0=corners, x0=corners, ny=60, nx=60,
        is_part=is_part, is_mapped=is_mapped,
    )  # fmt: skip
    assert cutouts.parts == ({0} if is_part else set())
    assert cutouts.held_bytes == (0 if is_mapped else 90 * 80 * 4)
    assert cutouts.replaced({}).held_bytes == cutouts.held_bytes


def test_a_cutout_whose_rms_map_is_of_another_size_is_an_error():
    """A service of somebody else's may give one; it costs its source and is said."""
    image = np.ones((40, 40), np.float32)
    for shape in ((1, 1), (40, 39), (41, 41)):
        (outcome,) = CutoutArray.from_outcomes([Cutout(image, np.ones(shape, np.float32), WCS)])
        assert isinstance(outcome, ImageError)
        assert str(shape) in str(outcome)
        assert "(40, 40)" in str(outcome)


@pytest.mark.parametrize(
    ("shape", "corner"), [((1, 1), (5, 5)), ((50, 50), (41, 5)), ((50, 50), (5, -1))]
)
def test_cutouts_lie_in_their_image(shape, corner):
    """What is cut is inside, and so in the rms map; nothing beyond is ever read."""
    cutouts, (y0, x0) = CutoutArray(1), (np.array([one]) for one in corner)
    plane = Cutout(np.ones((50, 50), "f4"), np.ones(shape, "f4"), WCS)
    with pytest.raises(ValueError, match="leaves its image"):
        cutouts.set_windows(np.array([0]), plane, y0=y0, x0=x0, ny=10, nx=10)
    assert cutouts.plane_index.tolist() == [-1]


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([1, 4, 15]))
def test_windows_are_where_their_memory_layout_says(seed, side):
    """Whatever the type and byte order, whole and in part."""
    rng = np.random.default_rng(seed)
    kinds = ["<f4", ">f4", "<f8", ">f8"]
    planes = [
        rng.normal(size=rng.integers(side, 40, 2)).astype(rng.choice(kinds))[:, :] for _ in range(3)
    ]
    which = rng.integers(0, 3, 8)
    y, x = (
        np.array([rng.integers(0, planes[w].shape[axis] - side + 1) for w in which])
        for axis in (0, 1)
    )
    windows = WindowArray(planes, which, y=y, x=x, side=side)
    assert len(windows) == 8
    for index in range(8):
        plane, window = planes[which[index]], windows[index]
        address, row_stride, byteswapped = windows.memory_layout[index].tolist()
        np.testing.assert_array_equal(window, plane[y[index] :, x[index] :][:side, :side])
        assert (window.ctypes.data, window.strides[0]) == (address, row_stride)
        assert byteswapped == (window.dtype.byteorder not in "=|<")
    assert [one.ctypes.data for one in windows[2:5]] == windows.memory_layout[2:5, 0].tolist()


def test_requests_read_like_the_list_that_they_were_made_from():
    """Each image is kept once; sources are made when they are asked for."""
    sources = [Source(i, f"S{i}", 10.0 + i, 20.0, 0, 1.0, 1.0) for i in range(3)]
    images = [("P1", "a.fits", "b.fits"), ("P2", "c.fits", "")]
    listed = [
        CutoutRequest(Candidate(*images[k], sources[i].name), sources[i])
        for i, k in ((0, 0), (0, 1), (1, 1), (2, 0))
    ]
    requests = CutoutRequests.from_requests(listed)
    assert CutoutRequests.from_requests(requests) is requests
    assert list(requests) == listed == requests[:]
    assert requests[2] == listed[2]
    assert requests[-1] == listed[-1]
    assert (requests.images, requests.image_index.tolist()) == (images, [0, 1, 1, 0])
    assert requests.names == ["S0", "S0", "S1", "S2"]
    assert requests.ra.tolist() == [10.0, 10.0, 11.0, 12.0]
    asked = []
    lazy = CutoutRequests(
        requests.images, requests.image_index, requests.names, requests.ra, requests.dec,
        lambda: asked.append(1) or [one.source for one in listed],
    )  # fmt: skip
    assert asked == []
    assert list(lazy) == listed == list(lazy)
    assert asked == [1]
    assert list(pickle.loads(pickle.dumps(lazy))) == listed


def test_a_chunk_goes_with_its_last_name(tmp_path):
    """It holds images, and nothing in it holds it: no memory waits for the collector."""
    sky = random_sky(tmp_path / "sky", 12, 1)
    planned = plan("mingolotss", catalogue=sky.catalogue, service=f"folder:{sky.folder}",
                   out=tmp_path / "out")  # fmt: skip
    gc.disable()
    try:
        task = planned.task(0)
        chunk = Chunk(task, 0, 8)
        measured = fetch_and_measure(chunk.requests, task.service, 0.1, task.recipe.noise)
        choices = choose_candidates(chunk, measured, {}, {}, task.recipe.choose)
        make_stamps(chunk, measured, choices, task.recipe)
        list(chunk.requests)
        plane = weakref.ref(measured.cutouts.planes[0].image)
        seen = weakref.ref(chunk)
        assert plane() is not None
        del chunk, measured
        assert seen() is None
        assert plane() is None
    finally:
        gc.enable()


class Plugin:
    """A service of somebody else's, with bulk methods that know nothing of columns."""

    def __init__(self, cutouts):
        self.given = cutouts

    def search_all(self, catalogue, size_deg):
        """Offer each source one image."""
        return [[Candidate("P1", f"{name}.fits", "", name)] for name in catalogue.names]

    def cutouts(self, wanted, size_deg):
        """Give cutouts one by one."""
        for one in wanted:
            yield self.given[one.source.row]


def test_a_service_that_knows_nothing_of_columns_is_served(tmp_path):
    """Cutouts of every kind, one after another: each source gets the stamp of its own."""
    rng = np.random.default_rng(3)
    names = [f"S{i}" for i in range(8)]
    given = [
        Cutout(rng.normal(0, 1e-4, (ny, nx)).astype(kind), None, WCS)
        for ny, nx, kind in (
            (150, 150, "<f4"), (240, 240, ">f4"), (151, 240, "<f8"), (100, 130, ">f4"),
        )
    ]  # fmt: skip
    given += [
        Cutout(given[0].image, np.ones((1, 1), "f4"), WCS),
        ImageError("broken"),
        Cutout(np.asfortranarray(given[1].image), None, WCS),
        ImageError(""),
    ]
    place = WCS.to_sky(np.full(8, 75.0), np.full(8, 75.0))
    catalogue = Catalogue.from_columns(names, *place)
    changes = {"stamp": {"kind": "float32"}, "steps": [], "formats": ["parquet"],
               "recentre": {"enabled": False}}  # fmt: skip
    from mingolotss.loaders.arrays import load
    from mingolotss.recipe.load import load_recipe

    recipe = load_recipe("lotss").changed(changes)
    built = build(recipe, catalogue=catalogue, service=Plugin(given), out=tmp_path)
    assert (built.written, built.rejected) == (5, 3)
    reasons = {row["source"]: row["reason"] for row in read_manifest(tmp_path).to_pylist()}
    assert "one size" in reasons["S4"]
    assert "broken" in reasons["S5"]
    assert "ImageError" in reasons["S7"]
    kept = [given[i].image for i in (0, 1, 2, 3, 6)]
    wanted = [
        take_window(image, image.shape[0] // 2 - 75, image.shape[1] // 2 - 75, 150)
        for image in kept
    ]
    found = load(tmp_path, "all").images
    np.testing.assert_array_equal(found, np.stack(wanted).astype("f4"))
