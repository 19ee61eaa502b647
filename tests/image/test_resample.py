"""Resampling to any grid: the compiled kernel and numpy agree, and the brightness is kept.

`reproject` is the oracle of the whole way from the image to the stamp in
``tests/sky/test_pixel_map.py``.
"""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest

from compilers import needs_kernel
from mingolotss.image import kernel_library
from mingolotss.image.compiled_resampling import resample_by_kernel
from mingolotss.image.kernel_library import ResampledPlane, Resampling
from mingolotss.image.resample import (
    METHODS,
    kernel_covariance,
    noise_ratio,
    resample,
    resample_by_numpy,
    sampled_box,
)

both_methods = pytest.mark.parametrize("method", ["adaptive", "exact"])
SIDE = 40


def affine_nodes(
    matrix: np.ndarray, side: int = SIDE, cells: int = 5, centre: tuple[float, float] = (59.3, 61.8)
) -> np.ndarray:
    """Return the nodes of a linear map that takes the middle of the stamp to `centre`."""
    edges = np.linspace(-0.5, side - 0.5, cells + 1) - (side - 1) / 2
    x, y = np.meshgrid(edges, edges)
    return np.stack([x, y], axis=-1) @ np.asarray(matrix, float).T + centre


def turned(scale: float, degrees: float) -> np.ndarray:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return scale * np.array([[cosine, -sine], [sine, cosine]])


def noise_image(seed: int = 1, shape: tuple[int, int] = (120, 124)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


MAPS = [
    turned(1, 0), turned(1, 33), turned(0.5, 10), turned(1.5, 200), turned(4, 77), turned(0.07, 5),
    turned(1, 0) @ np.diag([-1, 1]), np.array([[3.0, 0.4], [0.0, 0.6]]),
    np.array([[0.3, 0.1], [-2.0, 5.0]]), np.array([[12.0, 0.0], [0.0, 0.2]]),
]  # fmt: skip


@needs_kernel
@both_methods
@pytest.mark.parametrize("matrix", MAPS)
@pytest.mark.parametrize("cells", [1, 5, SIDE])
def test_kernel_and_numpy_agree(method, matrix, cells):
    """With gaps, at the edges, mirrored, sheared, and for the longest ellipses."""
    image, rms = noise_image(), np.abs(noise_image(2))
    image[30:50, 41:80], rms[55:58] = np.nan, np.nan
    image[70, 70], rms[10, 10] = np.inf, -np.inf
    planes, known = [image, rms], [np.isfinite(image), np.isfinite(rms)]
    nodes = affine_nodes(matrix, cells=cells)
    for masks in (known, [None, known[1]]):
        shown = [np.where(np.isfinite(one), one, 0) for one in planes]
        plain = resample_by_numpy(shown, masks, nodes, SIDE, METHODS[method])
        fast = resample_by_kernel(shown, masks, nodes, SIDE, METHODS[method])
        for one, other in zip(plain, fast, strict=True):
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
    for lanes in (16, 8, 4):
        again = resample_by_kernel(shown, masks, nodes, SIDE, METHODS[method], lanes)
        for one, other in zip(fast, again, strict=True):
            assert one.tobytes() == other.tobytes()


@needs_kernel
@both_methods
@pytest.mark.parametrize("left", [-7.3, -3.6, -1.2, 0.4])
def test_pixels_at_the_left_edge_know_nothing_of_others(method, left):
    """Large samples come first, and leave weights in memory; small ones at the edge follow."""
    image, side = noise_image().astype(float) + 5, 24
    x, y = left + 0.9 * side * np.arange(3) / 2, np.array([0.0, 26.4, 36.4])
    nodes = np.stack(np.meshgrid(x, y), axis=-1)  # 2.2 px high below the middle, and 0.83 above
    (plain,) = resample_by_numpy([image], [None], nodes, side, METHODS[method])
    (fast,) = resample_by_kernel([image], [None], nodes, side, METHODS[method])
    np.testing.assert_allclose(fast, plain, rtol=1e-9)


@both_methods
@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", "<f8"])
def test_the_type_of_the_image_stays(method, dtype):
    """Pixels of FITS files come in big-endian order and leave in that of the machine."""
    image = noise_image().astype(dtype)
    (stamp,) = resample([image], affine_nodes(turned(1.3, 20)), SIDE, method)
    assert stamp.dtype == np.dtype(dtype).newbyteorder("=")
    expected = resample([image.astype(float)], affine_nodes(turned(1.3, 20)), SIDE, method)[0]
    np.testing.assert_allclose(stamp, expected, rtol=2e-6, atol=1e-6)


def test_a_map_to_the_same_pixels_is_exact():
    """The areas of overlap with one whole pixel are 1 and 0."""
    image = noise_image()
    nodes = affine_nodes(np.eye(2), centre=(59.5, 61.5))  # stamp pixel (0, 0) is (40, 42)
    np.testing.assert_array_equal(resample([image], nodes, SIDE, "exact")[0], image[42:82, 40:80])
    mirrored = affine_nodes(np.diag([-1, 1]), centre=(59.5, 61.5))
    np.testing.assert_array_equal(
        resample([image], mirrored, SIDE, "exact")[0], image[42:82, 40:80][:, ::-1]
    )


@both_methods
def test_a_constant_image_stays_constant(method):
    """Weighted means keep the brightness, whatever the map is."""
    image = np.full((120, 124), 3.25)
    for matrix in MAPS:
        (stamp,) = resample([image], affine_nodes(matrix), SIDE, method)
        np.testing.assert_allclose(stamp[np.isfinite(stamp)], 3.25, rtol=1e-12)


@both_methods
@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.2, 1.5, 2.25, 2.667, 4.0])
@pytest.mark.parametrize("degrees", [0.0, 27.0])
def test_flux_is_conserved(method, scale, degrees):
    """The integral of a source over the sky changes by less than 0.5 %."""
    # A point source and an extended one, with a beam of four pixels, anywhere on the pixels.
    y, x = np.indices((200, 200))
    side = int(170 / scale / (1.5 if degrees else 1))
    for seed in range(3):
        dx, dy = np.random.default_rng(seed).uniform(-0.5, 0.5, 2)
        for sigma in (4 / 2.3548, 6.0):
            image = np.exp(-((x - 99.5 - dx) ** 2 + (y - 99.5 - dy) ** 2) / (2 * sigma**2))
            nodes = affine_nodes(turned(scale, degrees), side, centre=(99.5, 99.5))
            (stamp,) = resample([image.astype(np.float32)], nodes, side, method)
            assert np.nansum(stamp) * scale**2 == pytest.approx(image.sum(), rel=0.005)


@both_methods
def test_half_of_a_pixel_must_be_known(method):
    """A pixel of which less is known is NaN; the others are means of what is known."""
    image = np.ones((60, 60), np.float32)
    image[:, 30:] = np.nan
    for shift, known in ((0.0, True), (0.3, False), (-0.3, True)):
        nodes = affine_nodes(np.diag([2.0, 2.0]), 9, 3, centre=(29.5 + shift, 29.5))
        column = resample([image], nodes, 9, method)[0][:, 4]  # the middle one
        assert np.isfinite(column).all() == known
        assert (column[np.isfinite(column)] == pytest.approx(1.0)) or not known


@both_methods
def test_what_lies_off_the_image_is_nan(method):
    """Nodes that are NaN, infinitely far, or beside the image give NaN, in no time."""
    image = noise_image()
    for centre in ((1e4, 50), (50, -1e6), (1e300, 0), (np.nan, np.nan)):
        nodes = affine_nodes(np.eye(2), centre=centre)
        assert np.isnan(resample([image], nodes, SIDE, method)[0]).all()
    seam = affine_nodes(np.eye(2), cells=SIDE)
    seam[:, 20:] += 1e6  # where the longitude of a map of the whole sky starts again
    stamp = resample([image], seam, SIDE, method)[0]
    assert np.isfinite(stamp[:, :19]).all()
    assert np.isnan(stamp[:, 19:]).all()


def test_the_sampled_box_holds_all_that_is_sampled():
    """Pixels outside it do not change the stamp."""
    image = noise_image()
    for matrix in MAPS[:6]:
        nodes = affine_nodes(matrix, 12)
        left, right, low, high = sampled_box(nodes, 12)
        y, x = np.indices(image.shape)
        inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
        changed = np.where(inside, image, 1e9).astype(np.float32)
        for method in METHODS:
            one, other = (resample([i], nodes, 12, method)[0] for i in (image, changed))
            np.testing.assert_array_equal(one, other)
    assert sampled_box(np.full((3, 3, 2), np.nan), 12) is None


@both_methods
@pytest.mark.parametrize("matrix", [turned(1, 0), turned(2.5, 30), turned(0.5, 70),
                                    np.array([[3.0, 0.4], [0.0, 1.6]])])  # fmt: skip
def test_a_point_is_broadened_by_the_stated_covariance(method, matrix):
    """The second moments of a resampled source are those before, and the kernel's."""
    y, x = np.indices((200, 200))
    before = np.array([[20.0, 5.0], [5.0, 12.0]])
    offset = np.stack([x - 99.5, y - 99.5], axis=-1)
    image = np.exp(-0.5 * np.einsum("...i,ij,...j", offset, np.linalg.inv(before), offset))
    side = 100
    nodes = affine_nodes(matrix, side, centre=(99.5, 99.5))
    stamp = np.nan_to_num(resample([image], nodes, side, method)[0])
    v, u = np.indices(stamp.shape) - (side - 1) / 2
    points = np.stack([u, v], axis=-1) @ matrix.T
    after = np.einsum("yx,yxi,yxj", stamp, points, points) / stamp.sum()
    expected = before + kernel_covariance(matrix, method)
    np.testing.assert_allclose(after, expected, rtol=0.02, atol=0.15)


@both_methods
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 3.5])
def test_the_noise_ratio_is_measured(method, scale):
    """Noise with the beam as its autocorrelation is reduced by the stated ratio."""
    rng, size = np.random.default_rng(5), 512
    sigma = 5.0 / 2.3548 / math.sqrt(2)  # of the filter: the autocorrelation has twice its variance
    k = np.fft.fftfreq(size) * 2 * np.pi
    transfer = np.exp(-0.5 * sigma**2 * (k[:, None] ** 2 + k[None, :] ** 2))
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * transfer).real
    side = int(440 / scale)
    nodes = affine_nodes(turned(scale, 15), side, centre=(255.5, 255.5))
    stamp = resample([noise], nodes, side, method)[0]
    measured = np.nanstd(stamp) / noise.std()
    covariance = np.eye(2) * 2 * sigma**2
    assert noise_ratio(turned(scale, 15), covariance, method) == pytest.approx(measured, rel=0.04)


# The checks of the kernel: one for each number that a caller can get wrong.


def call(**changes: object) -> None:
    """Call the kernel with correct arguments, but for the changes."""
    nodes, values = affine_nodes(np.eye(2)), np.zeros((60, 64))
    result = np.zeros((SIDE, SIDE))
    plane = ResampledPlane(values.ctypes.data, None, result.ctypes.data)
    for name in ("values", "known", "result"):
        if name in changes:
            setattr(plane, name, changes.pop(name))
    resampling = Resampling(
        nodes.ctypes.data, 5, SIDE, 60, 60, ctypes.addressof(plane), 1, 0, 0.65, 2.0, 0.5, 1000.0
    )
    lanes = changes.pop("lanes", 16)
    for name, value in changes.items():
        setattr(resampling, name, value)
    kernel_library.call_kernel("mingolotss_resample", ctypes.byref(resampling), lanes)


@needs_kernel
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None), ({"nodes": None}, "null"), ({"planes": None}, "null"),
        ({"values": None}, "null"), ({"result": None}, "null"), ({"nodes": 12345}, "aligned"),
        ({"values": 12345}, "aligned"), ({"known": 12345}, "aligned"), ({"cells": 0}, "range"),
        ({"cells": SIDE + 1}, "range"), ({"side": 0}, "range"), ({"side": 1 << 40}, "range"),
        ({"ny": 0}, "range"), ({"nx": -1}, "range"), ({"plane_count": 0}, "range"),
        ({"plane_count": 5}, "range"), ({"is_exact": 2}, "range"), ({"sigma": 0.0}, "range"),
        ({"sigma": math.nan}, "range"), ({"reach": -1.0}, "range"), ({"largest": 0.5}, "range"),
        ({"largest": 2000.0}, "range"), ({"least_known": 0.0}, "range"),
        ({"lanes": 5}, "lanes"),
    ],
)  # fmt: skip
def test_the_kernel_refuses(change, message):
    """Nothing is read or written with arguments that would lead out of bounds."""
    if message is None:
        call(**change)
        return
    with pytest.raises(RuntimeError, match=message):
        call(**change)
