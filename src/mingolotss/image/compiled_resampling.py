"""The call of the compiled kernel that resamples a stamp, ``_kernel/resample.h``.

`mingolotss.image.resample` defines the methods, and does the same with numpy where the kernel is
not available.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mingolotss.image.kernel_library import PADDING, ResampledPlane, Resampling, call_kernel
from mingolotss.model import Bools, FloatImage, Floats

__all__ = ["LARGEST_PIXEL", "Method", "resample_by_kernel"]

LARGEST_PIXEL = 1000.0  # pixels of the image, along an axis; bounds the weights, on the stack


class Method(NamedTuple):
    """The numbers of a method of resampling.

    Attributes
    ----------
    is_exact : bool
        Whether weights are the areas of overlaps; otherwise they are a Gaussian.
    sigma : float, px
        Of the Gaussian, in pixels of the coarser grid.
    reach : float, px
        Half the side of the square that is sampled.
    least_known : float
        A pixel of which a smaller share is known is NaN.
    """

    is_exact: bool
    sigma: float
    reach: float
    least_known: float


def resample_by_kernel(
    planes: Sequence[FloatImage],
    known: Sequence[Bools | None],
    nodes: Floats,
    side: int,
    method: Method,
    lanes: int = 16,
) -> list[Floats]:
    """Resample images of one shape to a stamp.

    Parameters
    ----------
    planes : sequence of float array, shape (ny, nx)
    known : sequence of bool array, shape (ny, nx), or None
        Which of their pixels are known; None where all are.
    nodes : float64 array, shape (cells + 1, cells + 1, 2), px
        As for `mingolotss.image.resample.resample`.
    side : int, px
        Of the stamp.
    method : Method
    lanes : int
        The widest vector to use, as for `mingolotss.image.compiled.grey_stamps`.

    Returns
    -------
    list of float64 array, shape (side, side)

    Raises
    ------
    RuntimeError
        The kernel is not available.
    """
    ny, nx = planes[0].shape
    nodes = np.ascontiguousarray(nodes, np.float64)
    results = [np.empty((side, side)) for _ in planes]
    arrays = [
        (_pad(plane, mask), None if mask is None else _pad(mask))
        for plane, mask in zip(planes, known, strict=True)
    ]
    structures = (ResampledPlane * len(planes))(
        *(
            ResampledPlane(
                values.ctypes.data, None if mask is None else mask.ctypes.data, result.ctypes.data
            )
            for (values, mask), result in zip(arrays, results, strict=True)
        )
    )
    resampling = Resampling(
        nodes.ctypes.data, len(nodes) - 1, side, ny, nx, ctypes.addressof(structures), len(planes),
        method.is_exact, method.sigma, method.reach, method.least_known, LARGEST_PIXEL,
    )  # fmt: skip
    call_kernel("mingolotss_resample", ctypes.byref(resampling), lanes)
    return results


def _pad(values: FloatImage | Bools, known: Bools | None = None) -> Floats:
    """Return float64 values with zeros after each row, and 0 where they are not known."""
    ny, nx = values.shape
    padded = np.zeros((ny, nx + PADDING))
    np.copyto(padded[:, :nx], values, where=True if known is None else known)
    return padded
