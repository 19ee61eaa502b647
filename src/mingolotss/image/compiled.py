"""The compiled kernel of the fast path, ``_kernel/kernel.c``: argument checks and calls.

The kernel does in one pass over memory what the usual steps of a recipe (`mingolotss.recipe.steps`)
and the search for gaps (`mingolotss.image.coverage`) do with numpy in a dozen: 14 µs a stamp where
numpy takes 100 (2 cores, AVX-512, median). It is only an optimisation: its output must be
bit-identical to the Python steps for every recipe and every pixel. Installing the package compiles
it with GCC or Clang; where that is not possible, `available` is False and everything is made with
numpy.

>>> pixels = np.ones((64, 128), np.float32); pixels[10, 100] = np.nan
>>> fully_observed_squares(pixels).tolist() if supports(pixels) else [[True, False]]
[[True, False]]
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.image.pixels import disc
from mingolotss.image.windows import WindowArray, memory_layout
from mingolotss.model import Bools, FloatImage

__all__ = [
    "LANES",
    "LIBRARY",
    "NOISE_STRIDE",
    "N_RANDOM",
    "PADDING",
    "SIDES",
    "SQUARE",
    "KernelResult",
    "ResampledPlane",
    "Resampling",
    "Tile",
    "Tiling",
    "available",
    "call_kernel",
    "describe",
    "fully_observed_squares",
    "grey_stamps",
    "load_library",
    "supports",
    "widest_vector",
]

LIBRARY = Path(__file__).parent / "_kernel" / "kernel.so"
SQUARE = 64  # pixels on a side of the squares of `fully_observed_squares`
NOISE_STRIDE = 5  # the median noise is of every fifth pixel on either axis
PADDING = 4  # numbers that follow each row of a plane that is resampled
N_RANDOM = 10000  # of the random numbers for dithered tiles
SIDES = range(16, 513)  # px of a stamp: from the widest vector to what fits on a small stack
_INTERFACE = 11  # of the functions in kernel.c
LANES = (4, 8, 16)
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


# The structures of kernel.c. `_layout` compares them with the library's own when it is loaded.


class _Window(ctypes.Structure):  # one row of `WindowArray.memory_layout`
    _fields_ = (
        ("first", ctypes.c_void_p), ("row_stride", ctypes.c_int64), ("byteswapped", ctypes.c_int64),
    )  # fmt: skip


class _WindowArray(ctypes.Structure):
    _fields_ = (
        ("windows", ctypes.c_void_p), ("count", ctypes.c_int64), ("side", ctypes.c_int64),
    )  # fmt: skip


class _Recipe(ctypes.Structure):
    _fields_ = (
        ("side", ctypes.c_int64), ("noise_stride", ctypes.c_int64), ("clip", ctypes.c_int64),
        ("scale_outside_mask", ctypes.c_int64), ("mask_start", ctypes.c_void_p),
        ("mask_stop", ctypes.c_void_p), ("mask_rows", ctypes.c_int64), ("sigma", ctypes.c_float),
    )  # fmt: skip


class _Result(ctypes.Structure):
    _fields_ = (
        ("pixels", ctypes.c_void_p), ("rows", ctypes.c_void_p), ("blank", ctypes.c_void_p),
        ("peaks", ctypes.c_void_p), ("median_noise", ctypes.c_void_p),
        ("lowest", ctypes.c_void_p), ("highest", ctypes.c_void_p),
        ("capacity", ctypes.c_int64), ("numbers", ctypes.c_int64), ("side", ctypes.c_int64),
        ("workspace", ctypes.c_void_p), ("workspace_size", ctypes.c_int64),
        ("without_peak", ctypes.c_int64),
    )  # fmt: skip


class ResampledPlane(ctypes.Structure):
    """The ``struct resampled_plane`` of the kernel."""

    _fields_ = (
        ("values", ctypes.c_void_p), ("known", ctypes.c_void_p), ("result", ctypes.c_void_p),
    )  # fmt: skip


class Resampling(ctypes.Structure):
    """The ``struct resampling`` of the kernel."""

    _fields_ = (
        ("nodes", ctypes.c_void_p), ("cells", ctypes.c_int64), ("side", ctypes.c_int64),
        ("ny", ctypes.c_int64), ("nx", ctypes.c_int64), ("planes", ctypes.c_void_p),
        ("plane_count", ctypes.c_int64), ("is_exact", ctypes.c_int64), ("sigma", ctypes.c_double),
        ("reach", ctypes.c_double), ("least_known", ctypes.c_double), ("largest", ctypes.c_double),
    )  # fmt: skip


class Tile(ctypes.Structure):
    """The ``struct tile`` of the kernel."""

    _fields_ = (
        ("start", ctypes.c_int64), ("length", ctypes.c_int64), ("row", ctypes.c_int64),
        ("column", ctypes.c_int64), ("height", ctypes.c_int64), ("width", ctypes.c_int64),
        ("seed", ctypes.c_int64), ("blank", ctypes.c_int64), ("scale", ctypes.c_double),
        ("zero", ctypes.c_double), ("problem", ctypes.c_int64),
    )  # fmt: skip


class Tiling(ctypes.Structure):
    """The ``struct tiling`` of the kernel."""

    _fields_ = (
        ("heap", ctypes.c_void_p), ("heap_size", ctypes.c_int64), ("tiles", ctypes.c_void_p),
        ("count", ctypes.c_int64), ("pixel_bytes", ctypes.c_int64), ("block", ctypes.c_int64),
        ("method", ctypes.c_int64), ("has_blank", ctypes.c_int64), ("random", ctypes.c_void_p),
        ("plane", ctypes.c_void_p), ("type", ctypes.c_int64), ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64), ("workspace", ctypes.c_void_p),
        ("workspace_size", ctypes.c_int64),
    )  # fmt: skip


def load_library() -> ctypes.CDLL | None:
    """Return the compiled kernel, or None if there is none that fits this version."""
    return _load().library


def available() -> bool:
    """Return whether there is a compiled kernel that fits this version."""
    return _load().library is not None


def describe() -> str:
    """Return one line for people: the kernel's vector width, or why it is not used."""
    library, reason = _load()
    if library is None:
        return f"compiled kernel not available (about 2.1x slower); {reason}"
    return f"compiled kernel, {widest_vector()} pixels at once"


def widest_vector() -> int:
    """Return how many pixels a vector of this processor holds, 1 without the kernel."""
    library = load_library()
    return 1 if library is None else int(library.mingolotss_lanes())


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
    recipe = _Recipe(
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
    result = _Result(
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


class _Loaded(NamedTuple):
    library: ctypes.CDLL | None
    reason: str  # why there is none, and what to do


@functools.cache
def _load() -> _Loaded:
    """Load the library; whatever does not fit is a reason to do without it, never an error."""
    advice = "install a C compiler and reinstall"
    if ctypes.sizeof(ctypes.c_void_p) != ctypes.sizeof(ctypes.c_int64):
        return _Loaded(None, "it needs a 64-bit machine")
    if not LIBRARY.exists():
        return _Loaded(None, advice)
    try:
        library = ctypes.CDLL(str(LIBRARY))
        version = library.mingolotss_interface()
    except (OSError, AttributeError) as error:  # made for another machine, or another library
        return _Loaded(None, f"{error}; {advice}")
    if version != _INTERFACE:
        return _Loaded(
            None, f"{LIBRARY} has interface {version}, not {_INTERFACE}; reinstall mingolotss"
        )
    if _layout_of(library) != _layout():
        return _Loaded(
            None, f"the structures of {LIBRARY} differ from those of {__file__}; "
            "reinstall mingolotss",
        )  # fmt: skip
    integer, pointer, lanes = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int
    library.mingolotss_stamps.argtypes = (
        pointer, pointer, integer, integer, pointer, pointer, lanes,
    )  # fmt: skip
    library.mingolotss_squares.argtypes = (pointer, integer, integer, pointer, integer, lanes)
    library.mingolotss_hash_images.argtypes = (
        pointer, integer, integer, pointer, integer, lanes,
    )  # fmt: skip
    library.mingolotss_unit_range.argtypes = (
        pointer, integer, integer, pointer, integer, lanes,
    )  # fmt: skip
    library.mingolotss_sha256.argtypes = (pointer, integer, pointer, integer, pointer)
    library.mingolotss_resample.argtypes = (pointer, lanes)
    library.mingolotss_tiles.argtypes = (pointer, lanes)
    library.mingolotss_watch.restype = library.mingolotss_end_watch.restype = integer
    library.mingolotss_end_watch.argtypes = (integer,)
    library.mingolotss_message.restype = library.mingolotss_sources.restype = ctypes.c_char_p
    return _Loaded(library, "")


def _layout() -> list[int]:
    """Return the numbers that ``layout`` of kernel.c holds, as this module understands them."""
    numbers: list[int] = []
    for structure in (
        _Window, _WindowArray, _Recipe, _Result, ResampledPlane, Resampling, Tile, Tiling,
    ):  # fmt: skip
        numbers.append(ctypes.sizeof(structure))
        for name, _ in structure._fields_:
            field = getattr(structure, name)
            numbers += [field.offset, field.size]
    return [*numbers, SQUARE, SIDES[0], SIDES[-1], PADDING, N_RANDOM]


def _layout_of(library: ctypes.CDLL) -> list[int]:
    """Return the same numbers as the library exports them."""
    library.mingolotss_layout.restype = ctypes.POINTER(ctypes.c_int64)
    length = ctypes.c_int64()
    numbers = library.mingolotss_layout(ctypes.byref(length))
    return [int(number) for number in numbers[: length.value]]


def call_kernel(name: str, *arguments: Any) -> None:
    """Call a function of the kernel that returns a status.

    Raises
    ------
    RuntimeError
        It refused an argument and did nothing: a bug in this module.
    """
    library = _load().library
    if status := getattr(library, name)(*arguments):
        message = library.mingolotss_message(status).decode()  # type: ignore[union-attr]
        raise RuntimeError(f"{name} refused its arguments: {message}")


def _is_readable(image: FloatImage) -> bool:
    return image.dtype.num == _FLOAT32 and image.ndim == 2 and image.strides[1] == image.itemsize


def _window_array(windows: WindowArray) -> _WindowArray:
    """Return the structure for `windows`, which must stay alive as long as it."""
    layout = windows.memory_layout
    if layout.shape != (len(windows), 3) or not layout.flags.c_contiguous:
        raise ValueError("a memory layout is a C-contiguous array of shape (n, 3)")
    return _WindowArray(layout.ctypes.data, len(windows), windows.side)


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
