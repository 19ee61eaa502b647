"""The compiled loops of the fast path, where there was a compiler: ``compiled/kernel.c``.

They do in one pass over memory what the steps of a usual recipe (`mingolotss.stamp`) and the look
for gaps (`mingolotss.cleanmap`) do with numpy in many, bit for bit the same: 17 us a stamp where
numpy takes 100 (2 cores, AVX-512, median). Installing the package compiles them with GCC or Clang;
where that could not be done all is made with numpy, slower.

>>> pixels = np.ones((64, 128), np.float32); pixels[10, 100] = np.nan
>>> clean_squares(pixels).tolist() if takes(pixels) else [[True, False]]
[[True, False]]
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.model import Bools, FloatImage
from mingolotss.pixels import disc
from mingolotss.windows import Windows, addresses

__all__ = [
    "LIBRARY",
    "SIDES",
    "SPARSE",
    "SQUARE",
    "Made",
    "clean_squares",
    "describe",
    "grey_stamps",
    "ready",
    "takes",
]

LIBRARY = Path(__file__).parent / "compiled" / "kernel.so"
_INTERFACE = 2  # of kernel.c
SQUARE = 64  # pixels on a side of what `clean_squares` looks at
SPARSE = 5  # every fifth pixel on a side says enough of the noise
SIDES = range(16, 513)  # pixels of a stamp: from the widest vector to what fits on a small stack


@dataclass(frozen=True, slots=True)
class Made:
    """A stack of finished stamps, and what was seen on the way.

    Attributes
    ----------
    pixels : uint8 array, shape (n, side, side)
    rows : uint8 array, shape (n, side, side + 1)
        The pixels again, each row after a 0, as PNG wants them.
    blank : bool array, shape (n,)
    peaks : float32 array, shape (n,), Jy/beam
        Largest pixel under each stamp, before anything was done to it; NaN if there is none.
    floors : float32 array, shape (n,), Jy/beam
        Median of the noise under each stamp, of every `SPARSE`-th pixel on either axis; NaN is left
        out, and 0 is the answer where no pixel is finite.
    """

    pixels: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.uint8]
    blank: Bools
    peaks: FloatImage
    floors: FloatImage


class _Recipe(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("side", "sparse", "clipped", "everywhere")),
        ("starts", ctypes.c_void_p), ("stops", ctypes.c_void_p), ("sigma", ctypes.c_float),
    )  # fmt: skip


class _Made(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("pixels", "rows", "blank", "peaks", "floors", "room")
        ),
        ("empty", ctypes.c_int64),
    )


def ready() -> bool:
    """Return whether there are compiled loops."""
    return _library() is not None


def describe() -> str:
    """Return in a few words whether there are compiled loops, and how wide their vectors are."""
    library = _library()
    if library is None:
        return "without compiled loops: slower; with a C compiler here, install it again"
    return f"with compiled loops, {library.mingolotss_lanes()} pixels at once"


def takes(image: FloatImage) -> bool:
    """Return whether the compiled loops can work on an image: float32 in rows, any byte order."""
    return (
        ready()
        and image.dtype.num == np.dtype(np.float32).num
        and image.ndim == 2
        and image.strides[1] == image.itemsize
    )


def grey_stamps(
    images: Windows,
    noises: Windows,
    *,
    sigma: float | None,
    radius: float | None,
    inside: bool,
    lanes: int = 16,
    stack: int = 16,
) -> Iterator[Made]:
    """Make grey stamps as the steps zero-nan, clip, mask and minmax do.

    Parameters
    ----------
    images : Windows of float32 images, Jy/beam
        Of a size in `SIDES`; they are read where they are.
    noises : Windows of float32 rms maps, Jy/beam
        Of the same size, or of one pixel.
    sigma : float or None
        Of the step clip; None leaves it out.
    radius : float or None, px
        Of the step mask; None leaves it out.
    inside : bool
        Whether minmax looks inside the mask only.
    lanes : int
        How many pixels are worked on at once, at most: 4, 8 or 16.
    stack : int
        How many stamps are made at once.

    Yields
    ------
    Made
        Stack after stack; the arrays of one are those of the next.
    """
    n, side, most = len(images), images.side, min(stack, len(images))
    if noises.side == 1:
        noises = _spread(noises, side)
    starts, stops = _mask(side, radius)
    recipe = _Recipe(
        side, SPARSE, sigma is not None, not inside, starts.ctypes.data, stops.ctypes.data,
        sigma or 0.0,
    )  # fmt: skip
    made = Made(
        np.empty((most, side, side), np.uint8),
        np.empty((most, side, side + 1), np.uint8),
        np.empty(most, np.bool_),
        np.empty(most, np.float32),
        np.empty(most, np.float32),
    )
    room = np.empty((3, side, side + 32), np.float32)
    into = _Made(*(one.ctypes.data for one in (*_arrays(made), room)))
    here, there, step = (images.addresses.ctypes.data, noises.addresses.ctypes.data,
                         images.addresses.strides[0])  # fmt: skip
    for start in range(0, n, stack):
        some = min(stack, n - start)
        _call("mingolotss_stamps", some, here + start * step, there + start * step,
              ctypes.byref(recipe), ctypes.byref(into), lanes)  # fmt: skip
        if into.empty:
            for index in np.flatnonzero(made.peaks[:some] == -np.inf).tolist():
                made.peaks[index] = np.fmax.reduce(images[start + index], axis=None)
        yield made if some == most else Made(*(one[:some] for one in _arrays(made)))


def _arrays(made: Made) -> tuple[npt.NDArray[Any], ...]:
    return made.pixels, made.rows, made.blank, made.peaks, made.floors


def clean_squares(pixels: FloatImage, *, lanes: int = 16) -> Bools:
    """Return which squares of an image are finite throughout and not all 0.

    Parameters
    ----------
    pixels : float32 array, shape (high * 64, wide * 64), as `takes` wants it

    Returns
    -------
    bool array, shape (high, wide)
    """
    high, wide = (n // SQUARE for n in pixels.shape)
    clean = np.empty((high, wide), np.bool_)
    window = addresses([pixels])
    _call("mingolotss_squares", high, wide, window.ctypes.data, clean.ctypes.data, lanes)
    return clean


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Return the compiled loops, or None where there are none for this machine."""
    if ctypes.sizeof(ctypes.c_void_p) != ctypes.sizeof(ctypes.c_int64):
        return None
    try:
        library = ctypes.CDLL(str(LIBRARY))
        if library.mingolotss_interface() != _INTERFACE:
            return None  # of another version: install again
    except (OSError, AttributeError):  # not there, made for another machine, or something else
        return None
    whole, at, most = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int
    library.mingolotss_stamps.argtypes = (whole, at, at, at, at, most)
    library.mingolotss_stamps.restype = None
    library.mingolotss_squares.argtypes = (whole, whole, at, at, most)
    library.mingolotss_squares.restype = None
    library.mingolotss_sources.restype = ctypes.c_char_p
    return library


def _call(name: str, *arguments: Any) -> None:
    getattr(_library(), name)(*arguments)


def _spread(noises: Windows, side: int) -> Windows:
    """Return noise of one value each as windows of an image: one row, laid over every row."""
    values = np.array([noise[0, 0] for noise in noises], np.float32)
    rows = np.repeat(values, side).reshape(-1, 1, side)
    return Windows.of(list(np.broadcast_to(rows, (len(values), side, side))))


@functools.lru_cache(maxsize=8)
def _mask(side: int, radius: float | None) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the first pixel inside the mask of every row, and the one after the last."""
    mask = np.ones((side, side), bool) if radius is None else disc(side, radius)
    starts = mask.argmax(1).astype(np.int32)
    return starts, starts + mask.sum(1, dtype=np.int32)
