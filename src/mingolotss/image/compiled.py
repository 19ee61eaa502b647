"""The compiled kernel of the fast path, ``_kernel/kernel.c``: argument checks and calls.

The kernel does in one pass over memory what the usual steps of a recipe (`mingolotss.recipe.steps`)
and the search for gaps (`mingolotss.image.coverage`) do with numpy in a dozen: 14 µs a stamp where
numpy takes 100 (2 cores, AVX-512, median). It is only an optimisation: its output must be
bit-identical to the Python steps for every recipe and every pixel. The library itself is in
`mingolotss.image.kernel_library`.

>>> pixels = np.ones((64, 128), np.float32); pixels[10, 100] = np.nan
>>> fully_observed_squares(pixels).tolist() if supports(pixels) else [[True, False]]
[[True, False]]
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mingolotss.image.kernel_library import (
    LANES,
    SIDES,
    SQUARE,
    KernelBuffers,
    KernelRecipe,
    KernelWindowArray,
    available,
    call_kernel,
    describe,
)
from mingolotss.image.pixels import disc
from mingolotss.image.windows import WindowArray, memory_layout
from mingolotss.model import Bools, FloatImage

__all__ = ["NOISE_STRIDE", "KernelResult", "fully_observed_squares", "grey_stamps", "supports"]

NOISE_STRIDE = 5  # the median noise is of every fifth pixel on either axis
_UNREADABLE = "the kernel reads float32 images of two axes whose rows are contiguous"
_FLOAT32 = np.dtype(np.float32).num  # of both byte orders


@dataclass(frozen=True, slots=True)
class KernelResult:
    """A stack of n finished stamps, and what was measured under them.

    Attributes
    ----------
    pixels : uint8 array, shape (n, side, side)
    rows : uint8 array, shape (n, side, side + 1)
        The same pixels as PNG scanlines: each row follows a filter byte 0.
    blank : bool array, shape (n,)
        True where every pixel is 0.
    peaks : float32 array, shape (n,), Jy/beam
        Largest pixel of each window before the steps; NaN if it has none.
    median_noise : float32 array, shape (n,), Jy/beam
        Median of the noise under each stamp, over every `NOISE_STRIDE`-th pixel on either axis.
        NaN is ignored; 0 where none of these pixels is finite.
    lowest, highest : float32 array, shape (n,), Jy/beam
        The pixels after clip and mask between which minmax scales.
    """

    pixels: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.uint8]
    blank: Bools
    peaks: FloatImage
    median_noise: FloatImage
    lowest: FloatImage
    highest: FloatImage

    def stack(self, start: int, stop: int) -> KernelResult:
        """Return views of the stamps in the buffers of pixels, numbers `start` to `stop` of all."""
        n, numbers = stop - start, slice(start, stop)
        return KernelResult(
            self.pixels[:n], self.rows[:n], self.blank[numbers], self.peaks[numbers],
            self.median_noise[numbers], self.lowest[numbers], self.highest[numbers],
        )  # fmt: skip


def supports(image: FloatImage) -> bool:
    """Return whether the kernel is available and can read an image.

    It reads float32 images of shape (ny, nx) in either byte order whose pixels are adjacent in
    memory along a row. The rows may lie anywhere.
    """
    return available() and _is_readable(image)


def grey_stamps(
    images: WindowArray,
    noises: WindowArray,
    *,
    sigma: float | None,
    radius: float | None,
    inside: bool,
    lanes: int = 16,
    stack: int = 16,
) -> Iterator[KernelResult]:
    """Make grey stamps as the steps zero-nan, clip, mask and minmax do.

    Parameters
    ----------
    images : WindowArray of float32 images, Jy/beam
        Of a size in `SIDES`. They are read where they are, without a copy.
    noises : WindowArray of float32 rms maps, Jy/beam
        One for each image, of the same size or of one pixel.
    sigma : float or None
        Setting of the step clip; None leaves the step out.
    radius : float or None, px
        Setting of the step mask; None leaves the step out.
    inside : bool
        Whether minmax finds its limits inside the mask only.
    lanes : int
        The widest vector to use: 4, 8 or 16 pixels.
    stack : int
        How many stamps are made in one call.

    Returns
    -------
    iterator of KernelResult
        One for each stack. All of them share the arrays of pixels and rows: use these before asking
        for the next.

    Raises
    ------
    RuntimeError
        The kernel is not available.
    ValueError
        The kernel cannot read these windows, or an argument is out of range. The caller is wrong:
        `supports` says which images the kernel reads.
    """
    if not available():
        raise RuntimeError(describe())
    if images.side not in SIDES:
        raise ValueError(f"stamps of {images.side} pixels: the kernel makes those in {SIDES}")
    if len(noises) != len(images) or noises.side not in (1, images.side):
        raise ValueError(
            f"noise for {len(noises)} windows of {noises.side} pixels, where the images are "
            f"{len(images)} windows of {images.side} pixels"
        )
    if lanes not in LANES or stack < 1:
        raise ValueError(f"{lanes} lanes and stacks of {stack}: not in {LANES}, or below 1")
    for windows in (images, noises):
        # Checked by plane, not by window: hundreds of windows share a mosaic.
        for plane in np.flatnonzero(np.bincount(windows.which)).tolist():
            if not _is_readable(windows.planes[plane]):
                raise ValueError(_UNREADABLE)
    return _grey_stacks(images, noises, sigma, radius, inside=inside, lanes=lanes, stack=stack)


def _grey_stacks(
    images: WindowArray,
    noises: WindowArray,
    sigma: float | None,
    radius: float | None,
    *,
    inside: bool,
    lanes: int,
    stack: int,
) -> Iterator[KernelResult]:
    # All buffers are allocated once and reused by every stack, so that they stay in the processor's
    # cache; the structures that point to them are built once, too. A call of the kernel is then a
    # handful of integers, and it releases the interpreter lock.
    n, side = len(images), images.side
    if not n:
        return
    capacity = min(stack, n)
    if noises.side == 1:
        noises = _spread(noises, side)
    mask_start, mask_stop = _mask(side, radius)
    recipe = KernelRecipe(
        side, NOISE_STRIDE, sigma is not None, not inside, mask_start.ctypes.data,
        mask_stop.ctypes.data, len(mask_start), sigma or 0.0,
    )  # fmt: skip
    stamps = KernelResult(
        np.empty((capacity, side, side), np.uint8),
        np.empty((capacity, side, side + 1), np.uint8),
        np.empty(n, np.bool_),
        *(np.empty(n, np.float32) for _ in range(4)),
    )
    workspace = np.empty((3, side, side + 32), np.float32)
    result = KernelBuffers(
        stamps.pixels.ctypes.data, stamps.rows.ctypes.data, stamps.blank.ctypes.data,
        stamps.peaks.ctypes.data, stamps.median_noise.ctypes.data,
        stamps.lowest.ctypes.data, stamps.highest.ctypes.data, capacity, n, side,
        workspace.ctypes.data, workspace.size, 0,
    )  # fmt: skip
    image_windows, noise_windows = _window_array(images), _window_array(noises)
    for start in range(0, n, stack):
        count = min(stack, n - start)
        call_kernel(
            "mingolotss_stamps", ctypes.byref(image_windows), ctypes.byref(noise_windows), start,
            count, ctypes.byref(recipe), ctypes.byref(result), lanes,
        )  # fmt: skip
        done = stamps.stack(start, start + count)
        if result.without_peak:  # minus infinity and NaN alone: numpy tells the two apart
            for index in np.flatnonzero(done.peaks == -np.inf).tolist():
                done.peaks[index] = np.fmax.reduce(images[start + index], axis=None)
        yield done


def fully_observed_squares(pixels: FloatImage, *, lanes: int = 16) -> Bools:
    """Return which squares of an image are finite throughout and not all 0.

    Parameters
    ----------
    pixels : float32 array, shape (64 * high, 64 * wide)
        An image for which `supports` is True.
    lanes : int
        The widest vector to use: 4, 8 or 16 pixels.

    Returns
    -------
    bool array, shape (high, wide)

    Raises
    ------
    RuntimeError
        The kernel is not available.
    ValueError
        It cannot read the image, or the image is no whole number of squares.
    """
    if not available():
        raise RuntimeError(describe())
    if not _is_readable(pixels):
        raise ValueError(_UNREADABLE)
    ny, nx = pixels.shape
    if ny % SQUARE or nx % SQUARE or lanes not in LANES:
        raise ValueError(f"{ny} x {nx} pixels and {lanes} lanes: not squares, or not in {LANES}")
    observed = np.empty((ny // SQUARE, nx // SQUARE), np.bool_)
    window = memory_layout([pixels])
    call_kernel(
        "mingolotss_squares", window.ctypes.data, ny, nx, observed.ctypes.data, observed.size, lanes
    )
    return observed


def _is_readable(image: FloatImage) -> bool:
    return image.dtype.num == _FLOAT32 and image.ndim == 2 and image.strides[1] == image.itemsize


def _window_array(windows: WindowArray) -> KernelWindowArray:
    """Return the structure for `windows`, which must stay alive as long as it."""
    layout = windows.memory_layout
    if layout.shape != (len(windows), 3) or not layout.flags.c_contiguous:
        raise ValueError("a memory layout is a C-contiguous array of shape (n, 3)")
    return KernelWindowArray(layout.ctypes.data, len(windows), windows.side)


def _spread(noises: WindowArray, side: int) -> WindowArray:
    """Return noise of one value each as windows of an image, without making the images."""
    # Each value becomes one row of pixels, and a row stride of 0 repeats it for every row.
    values = np.array([noise[0, 0] for noise in noises], np.float32)
    rows = np.repeat(values, side).reshape(-1, 1, side)
    return WindowArray.of(list(np.broadcast_to(rows, (len(values), side, side))))


@functools.lru_cache(maxsize=8)
def _mask(side: int, radius: float | None) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the first pixel inside the mask of every row, and the one after the last."""
    # A disc is one run of pixels in every row, so two numbers a row describe it exactly.
    mask = np.ones((side, side), bool) if radius is None else disc(side, radius)
    starts = mask.argmax(1).astype(np.int32)
    return starts, starts + mask.sum(1, dtype=np.int32)
