"""The cutouts of many candidates as columns: windows of a few images.

A chunk of sources has hundreds of cutouts, taken from a handful of mosaics. `CutoutArray` keeps
each image (plane) once, and the window of each cutout in it. It reads like the list of cutouts and
errors that it stands for.

>>> mosaic = Cutout(np.zeros((500, 600), np.float32), None, wcs=None)
>>> cutouts = CutoutArray(3)
>>> cutouts.set_windows(
...     np.array([0, 2]), mosaic, y0=np.array([10, 90]), x0=np.array([20, 70]), ny=40, nx=30)
>>> cutouts.set_outcome(1, ImageError("cut B out of P1: the position is not on the image"))
>>> cutouts[2].image.shape, cutouts[2].origin, str(cutouts[1])[:5], cutouts.plane_index.tolist()
((40, 30), (70, 90), 'cut B', [0, -1, 0])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.errors import ImageError, ServiceError
from mingolotss.image.lazy_sequence import LazySequence
from mingolotss.model import Bools, Cutout, Ints

__all__ = ["CutoutArray", "Outcome"]

Outcome = Cutout | ImageError | ServiceError
"""The result of one request: the cutout, or the reason why there is none."""


class CutoutArray(LazySequence[Outcome]):
    """The outcomes of n requests: pixels, or the reason why there are none.

    Parameters
    ----------
    n : int
        The number of requests; `set_outcome` and `set_windows` fill in their outcomes.

    Attributes
    ----------
    planes : list of Cutout
        The images with their rms maps, whole or, if in `parts`, in part.
    parts : set of int
        The planes of which only the pixels of cutouts are sure to be those of the image.
    mapped : set of int
        The planes that are in a mapped file: an image, or the copy of parts of one.
    plane_index : int64 array, shape (n,)
        The plane of each cutout; -1 where there is no cutout.
    y0, x0, ny, nx : int64 array, shape (n,), px
        First row and first column of the cutout in its plane, and its size.
    fully_observed : bool array, shape (n,)
        True where all pixels of a cutout are known to be finite and not all are 0.
    errors : dict of int to error
        The reason for each request without a cutout.
    """

    __slots__ = (
        "_columns", "errors", "fully_observed", "mapped", "nx", "ny", "parts", "plane_index",
        "planes", "x0", "y0",
    )  # fmt: skip

    def __init__(self, n: int) -> None:
        self.planes: list[Cutout] = []
        self.parts: set[int] = set()
        self.mapped: set[int] = set()
        self.fully_observed: Bools = np.zeros(n, bool)
        self.errors: dict[int, ImageError | ServiceError] = {}
        # One row for each cutout, so that `cutout` reads its five numbers at once; the attributes
        # are views of the columns.
        self._columns = np.zeros((n, 5), np.int64)
        self.plane_index, self.y0, self.x0, self.ny, self.nx = self._columns.T
        self.plane_index[:] = -1

    @classmethod
    def from_outcomes(cls, outcomes: Iterable[Outcome]) -> CutoutArray:
        """Make an array from outcomes one by one; a `CutoutArray` is returned as it is."""
        if isinstance(outcomes, cls):
            return outcomes
        listed = list(outcomes)
        cutouts = cls(len(listed))
        for index, outcome in enumerate(listed):
            cutouts.set_outcome(index, outcome)
        return cutouts

    def set_outcome(self, index: int, outcome: Outcome) -> None:
        """Set one outcome: a cutout that is an image of its own, or an error.

        A cutout whose rms map has another shape than its image becomes an `ImageError`.
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
        self._columns[index] = len(self.planes), 0, 0, *image.shape
        self.fully_observed[index] = outcome.fully_observed
        self.planes.append(outcome)

    def set_windows(
        self,
        indices: Ints,
        plane: Cutout,
        *,
        y0: Ints,
        x0: Ints,
        ny: int | Ints,
        nx: int | Ints,
        fully_observed: Bools | bool = False,
        is_part: bool = False,
        is_mapped: bool = False,
    ) -> None:
        """Set the outcomes of many requests to windows of one image.

        Parameters
        ----------
        indices : int64 array, shape (m,)
            The requests.
        plane : Cutout
            The image, or a part of it.
        y0, x0 : int64 array, shape (m,), px
            First row and first column of each window in it.
        ny, nx : int, or int64 array of shape (m,), px
            Size of the windows.
        fully_observed : bool, or bool array of shape (m,)
        is_part : bool
            Only the pixels of the windows are sure to be those of the image.
        is_mapped : bool
            The pixels are in a mapped file, and take no memory.

        Raises
        ------
        ValueError
            A window leaves the image, or the rms map has another shape than the image.
        """
        (height, width), rms = plane.image.shape, plane.rms
        inside = (y0 >= 0) & (x0 >= 0) & (y0 + ny <= height) & (x0 + nx <= width)
        if not np.all(inside) or (rms is not None and rms.shape != plane.image.shape):
            raise ValueError("a cutout leaves its image, or the rms map is of another size")
        # Broadcast column by column: the plane is one number, the size may be one, and the corners
        # are arrays.
        for column, values in enumerate((len(self.planes), y0, x0, ny, nx)):
            self._columns[indices, column] = values
        self.fully_observed[indices] = fully_observed
        for numbers, is_member in ((self.parts, is_part), (self.mapped, is_mapped)):
            if is_member:
                numbers.add(len(self.planes))
        self.planes.append(plane)

    def replaced(self, cutouts: Mapping[int, Cutout]) -> CutoutArray:
        """Return the same outcomes with some cutouts replaced by images of their own.

        Parameters
        ----------
        cutouts : mapping of int to Cutout
            By the index of the request.
        """
        other = CutoutArray(len(self))
        other.planes, other.errors = list(self.planes), dict(self.errors)
        other.parts, other.mapped = set(self.parts), set(self.mapped)
        other._columns[:], other.fully_observed[:] = self._columns, self.fully_observed
        for index, cutout in cutouts.items():
            other.set_outcome(index, cutout)
        return other

    def without_parts(self) -> CutoutArray:
        """Return the same outcomes, in which each window of an image in part is an image alone.

        For what samples pixels around a cutout: they are those of its plane, or there are none.
        """
        if not self.parts:
            return self
        in_part = np.flatnonzero(np.isin(self.plane_index, list(self.parts)))
        other = self.replaced({index: self.cutout(index) for index in in_part.tolist()})
        other.parts = set()
        return other

    def per_cutout(
        self, values: Iterable[object], missing: object, dtype: npt.DTypeLike | None = None
    ) -> npt.NDArray[Any]:
        """Return for every cutout the value of its plane.

        Parameters
        ----------
        values : iterable
            One value for each of `planes`.
        missing : object
            The value where there is no cutout.
        dtype : dtype, optional

        Returns
        -------
        array, shape (n,)
        """
        # Index -1 (no cutout) takes the last value, `missing`.
        taken: npt.NDArray[Any] = np.array([*values, missing], dtype)[self.plane_index]
        return taken

    @property
    def nbytes(self) -> int:
        """Return the size of all cutouts with their rms maps in bytes."""
        # A plane that is shared counts once for each of its cutouts: the sum is the memory that the
        # cutouts would take as copies, which is what their processing costs.
        pixel_bytes = (
            plane.image.itemsize + (0 if plane.rms is None else plane.rms.itemsize)
            for plane in self.planes
        )
        return int((self.ny * self.nx * self.per_cutout(pixel_bytes, 0)).sum())

    @property
    def held_bytes(self) -> int:
        """Return how many bytes all cutouts with their rms maps take in memory.

        Those of mapped images take none: the system keeps as many of their pages as it likes.
        """
        planes = (plane for number, plane in enumerate(self.planes) if number not in self.mapped)
        return sum(one.image.nbytes + (0 if one.rms is None else one.rms.nbytes) for one in planes)

    def __len__(self) -> int:
        return len(self.fully_observed)

    def item(self, index: int) -> Outcome:
        """Return one outcome."""
        error = self.errors.get(index)
        return self.cutout(index) if error is None else error

    def cutout(self, index: int) -> Cutout:
        """Return one cutout as views of its plane; `index` must have one."""
        plane_index, y0, x0, ny, nx = self._columns[index].tolist()
        plane = self.planes[plane_index]
        window = slice(y0, y0 + ny), slice(x0, x0 + nx)
        x, y = plane.origin
        return Cutout(
            plane.image[window],
            None if plane.rms is None else plane.rms[window],
            plane.wcs,
            (x + x0, y + y0),
            plane.sha256,
            plane.rms_sha256,
            bool(self.fully_observed[index]),
            plane.file,
        )
