"""Cutouts of many sources as columns: boxes of a few images.

A chunk of sources has cutouts by the hundred, of mosaics by the handful. `CutoutArray` keeps each
image once, and of every cutout where it lies; it reads like the list of cutouts and errors that it
stands for.

>>> mosaic = Cutout(np.zeros((500, 600), np.float32), None, wcs=None)
>>> boxes = CutoutArray(3)
>>> boxes.cut(np.array([0, 2]), mosaic, y0=np.array([10, 90]), x0=np.array([20, 70]), ny=40, nx=30)
>>> boxes.put(1, ImageError("cut B out of P1: the place is not on the image"))
>>> boxes[2].image.shape, boxes[2].origin, str(boxes[1])[:5], boxes.which.tolist()
((40, 30), (70, 90), 'cut B', [0, -1, 0])
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.errors import ImageError, ServiceError
from mingolotss.image.lazy_sequence import LazySequence
from mingolotss.model import Cutout, Ints

__all__ = ["CutoutArray", "Outcome"]

Outcome = Cutout | ImageError | ServiceError


class CutoutArray(LazySequence[Outcome]):
    """What became of some wanted cutouts: pixels, or why there are none.

    Parameters
    ----------
    n : int
        How many were asked for; `put` and `cut` say what became of each.

    Attributes
    ----------
    planes : list of Cutout
        The images, whole, with their rms maps.
    which : int64 array, shape (n,)
        The plane of each cutout; -1 where there is none.
    y0, x0, ny, nx : int64 array, shape (n,), px
        Its first row and column there, and its size.
    fully_observed : bool array, shape (n,)
        True where a cutout is known to be finite throughout and not all 0.
    errors : dict of int to error
        Why there is no cutout.
    """

    __slots__ = ("_at", "errors", "fully_observed", "nx", "ny", "planes", "which", "x0", "y0")

    def __init__(self, n: int) -> None:
        self.planes: list[Cutout] = []
        self.fully_observed = np.zeros(n, bool)
        self.errors: dict[int, ImageError | ServiceError] = {}
        self._at = np.zeros((n, 5), np.int64)
        self.which, self.y0, self.x0, self.ny, self.nx = self._at.T
        self.which[:] = -1

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> CutoutArray:
        """Make columns of outcomes one by one; what is columns already stays."""
        if isinstance(outcomes, cls):
            return outcomes
        listed = list(outcomes)
        boxes = cls(len(listed))
        for index, outcome in enumerate(listed):
            boxes.put(index, outcome)
        return boxes

    def put(self, index: int, outcome: Outcome) -> None:
        """Note one outcome: a cutout that is an image of its own, or an error.

        A cutout whose rms map is of another size is an error, too.
        """
        if not isinstance(outcome, Cutout):
            self.errors[index] = outcome
            return
        image, rms = outcome.image, outcome.rms
        if rms is not None and rms.shape != image.shape:
            self.errors[index] = ImageError(
                f"the rms map has the shape {rms.shape} and its image {image.shape}: they must be "
                "of one size"
            )
            return
        self._at[index] = len(self.planes), 0, 0, *image.shape
        self.fully_observed[index] = outcome.fully_observed
        self.planes.append(outcome)

    def cut(
        self,
        indices: Ints,
        plane: Cutout,
        *,
        y0: Ints,
        x0: Ints,
        ny: int | Ints,
        nx: int | Ints,
        fully_observed: npt.NDArray[np.bool_] | bool = False,
    ) -> None:
        """Note many cutouts of one image.

        Raises
        ------
        ValueError
            One leaves the image, or the rms map is of another size.
        """
        (high, wide), rms = plane.image.shape, plane.rms
        inside = (y0 >= 0) & (x0 >= 0) & (y0 + ny <= high) & (x0 + nx <= wide)
        if not np.all(inside) or (rms is not None and rms.shape != plane.image.shape):
            raise ValueError("a cutout leaves its image, or the rms map is of another size")
        for column, values in enumerate((len(self.planes), y0, x0, ny, nx)):
            self._at[indices, column] = values
        self.fully_observed[indices] = fully_observed
        self.planes.append(plane)

    def each(self, values: Iterable[Any], missing: Any, dtype: Any = None) -> npt.NDArray[Any]:
        """Return for every cutout what `values` say of its plane, `missing` where there is none."""
        found: npt.NDArray[Any] = np.array([*values, missing], dtype)[self.which]
        return found

    @property
    def nbytes(self) -> int:
        """Return how much the cutouts hold, with their rms maps."""
        sizes = (
            plane.image.itemsize + (0 if plane.rms is None else plane.rms.itemsize)
            for plane in self.planes
        )
        return int((self.ny * self.nx * self.each(sizes, 0)).sum())

    def __len__(self) -> int:
        return len(self.fully_observed)

    def item(self, index: int) -> Outcome:
        """Return one cutout, or why there is none."""
        error = self.errors.get(index)
        return self.cutout(index) if error is None else error

    def cutout(self, index: int) -> Cutout:
        """Return one cutout, where there is one."""
        which, y0, x0, ny, nx = self._at[index].tolist()
        plane = self.planes[which]
        box = slice(y0, y0 + ny), slice(x0, x0 + nx)
        x, y = plane.origin
        return Cutout(
            plane.image[box],
            None if plane.rms is None else plane.rms[box],
            plane.wcs,
            (x + x0, y + y0),
            plane.sha256,
            plane.rms_sha256,
            bool(self.fully_observed[index]),
            plane.file,
        )
