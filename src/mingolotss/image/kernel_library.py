"""The compiled kernel as a library: its file, its structures, and whether it fits this version.

``_kernel/kernel.c`` is compiled by GCC or Clang when the package is installed; where that is not
possible, `available` is False and everything is made with numpy. This module needs no numpy, so
that `mingolotss --version` can say what there is. Not here: the calls (`mingolotss.image.compiled`,
``compiled_hashing.py``, ...).

>>> describe().startswith("compiled kernel")
True
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "LANES",
    "LIBRARY",
    "N_RANDOM",
    "PADDING",
    "SIDES",
    "SQUARE",
    "KernelBuffers",
    "KernelRecipe",
    "KernelWindow",
    "KernelWindowArray",
    "ResampledPlane",
    "Resampling",
    "Tile",
    "Tiling",
    "available",
    "call_kernel",
    "describe",
    "load_library",
    "widest_vector",
]

LIBRARY = Path(__file__).parent / "_kernel" / "kernel.so"
SQUARE = 64  # pixels on a side of the squares of `mingolotss.image.compiled.fully_observed_squares`
PADDING = 4  # numbers that follow each row of a plane that is resampled
N_RANDOM = 10000  # of the random numbers for dithered tiles
SIDES = range(16, 513)  # px of a stamp: from the widest vector to what fits on a small stack
_INTERFACE = 11  # of the functions in kernel.c
LANES = (4, 8, 16)


# The structures of kernel.c. `_layout` compares them with the library's own when it is loaded.


class KernelWindow(ctypes.Structure):
    """The ``struct window`` of the kernel: one row of `WindowArray.memory_layout`."""

    _fields_ = (
        ("first", ctypes.c_void_p), ("row_stride", ctypes.c_int64), ("byteswapped", ctypes.c_int64),
    )  # fmt: skip


class KernelWindowArray(ctypes.Structure):
    """The ``struct window_array`` of the kernel."""

    _fields_ = (
        ("windows", ctypes.c_void_p), ("count", ctypes.c_int64), ("side", ctypes.c_int64),
    )  # fmt: skip


class KernelRecipe(ctypes.Structure):
    """The ``struct recipe`` of the kernel."""

    _fields_ = (
        ("side", ctypes.c_int64), ("noise_stride", ctypes.c_int64), ("clip", ctypes.c_int64),
        ("scale_outside_mask", ctypes.c_int64), ("mask_start", ctypes.c_void_p),
        ("mask_stop", ctypes.c_void_p), ("mask_rows", ctypes.c_int64), ("sigma", ctypes.c_float),
    )  # fmt: skip


class KernelBuffers(ctypes.Structure):
    """The ``struct result`` of the kernel."""

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
        return f"compiled kernel not available (about 2.2x slower); {reason}"
    return f"compiled kernel, {widest_vector()} pixels at once"


def widest_vector() -> int:
    """Return how many pixels a vector of this processor holds, 1 without the kernel."""
    library = load_library()
    return 1 if library is None else int(library.mingolotss_lanes())


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
        KernelWindow, KernelWindowArray, KernelRecipe, KernelBuffers, ResampledPlane, Resampling,
        Tile, Tiling,
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
