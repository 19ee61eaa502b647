"""Which samples remain after ``dataset.data = dataset.data[mask]``.

Code that selects samples in the way of torchvision's older datasets assigns a part of `data` and of
`targets`. The metadata of the samples has to follow. `RowArray` is an array that knows which
samples lie along its first axis, through any number of selections; `matching_rows` finds them again
in an array that has lost this knowledge.

>>> images = RowArray.of(np.zeros((4, 2, 2, 1), np.uint8), np.arange(4), owner="train")
>>> images[np.array([True, False, True, True])][1:].rows.tolist()
[2, 3]
>>> (images[1:] / 2).rows.tolist(), images.reshape(2, 8).rows
([1, 2, 3], None)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.model import Ints

__all__ = ["RowArray", "matching_rows"]


class RowArray(np.ndarray[Any, Any]):
    """An array whose first axis are samples of a dataset.

    Attributes
    ----------
    rows : int array or None
        The number of each sample in its dataset; None where a computation may have moved them.
    owner : object
        Of the numbers: rows of another dataset mean other samples.
    """

    rows: npt.NDArray[np.integer] | None = None
    owner: object = None

    @classmethod
    def of(
        cls, array: npt.NDArray[Any], rows: npt.NDArray[np.integer] | None, owner: object
    ) -> RowArray:
        """Return a view of `array` with the numbers of its samples."""
        result = array.view(cls)
        result.rows, result.owner = rows, owner
        return result

    def __getitem__(self, key: Any) -> Any:
        """Return what an array returns; a selection of samples keeps their numbers."""
        result = super().__getitem__(key)
        first = key[0] if isinstance(key, tuple) and key else key
        is_selection = isinstance(result, RowArray) and result.ndim == self.ndim
        if self.rows is None or not is_selection or first is None or first is Ellipsis:
            return result
        rows = self.rows[first]
        if rows.shape == result.shape[:1]:
            result.rows, result.owner = rows, self.owner
        return result

    def __array_wrap__(self, array: Any, *args: Any) -> Any:
        """Return the result of a function of each pixel: the samples are the same."""
        return self._with_rows(super().__array_wrap__(array, *args))

    def astype(self, *args: Any, **options: Any) -> Any:
        """Convert the pixels."""
        return self._with_rows(super().astype(*args, **options))

    def copy(self, order: Any = "C") -> Any:
        """Copy the pixels."""
        return self._with_rows(super().copy(order))

    def _with_rows(self, result: Any) -> Any:
        if isinstance(result, RowArray) and result.shape == self.shape:
            result.rows, result.owner = self.rows, self.owner
        return result

    def take(self, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
        """Take samples as ``numpy.take`` does."""
        if axis == 0 and out is None and mode == "raise":
            return self[np.asarray(indices)]
        return super().take(indices, axis, out, mode)

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Any:
        """Select samples as ``numpy.compress`` does."""
        if axis == 0 and out is None:
            return self[np.flatnonzero(condition)]
        return super().compress(condition, axis, out)


def matching_rows(new: ImageArray, old: ImageArray) -> Ints | None:
    """Find each image of an array in another one.

    Parameters
    ----------
    new, old : array, shape (k, ny, nx) and (n, ny, nx)

    Returns
    -------
    int array, shape (k,), or None
        The index of each image in `old`. If their number is the same and no image has moved, all
        are in their order, those that were changed too. None if an image is not there, or cannot
        be told from an equal one.
    """
    old_digests, digests = ([_digest(image) for image in images] for images in (old, new))
    places: dict[bytes, list[int]] = {}
    for row, digest in enumerate(old_digests):
        places.setdefault(digest, []).append(row)
    if len(new) == len(old):
        pairs = zip(digests, old_digests, strict=True)
        if all(digest == before or digest not in places for digest, before in pairs):
            return np.arange(len(old))
    # Images that are equal to each other, for example blank ones, are known only if all of them
    # are still there: they are then taken to be in their order.
    if any(len(places.get(one, ())) not in (1, count) for one, count in Counter(digests).items()):
        return None
    remaining = {digest: iter(rows) for digest, rows in places.items() if len(rows) > 1}
    rows = [next(remaining[one]) if one in remaining else places[one][0] for one in digests]
    return np.array(rows, np.int64)


def _digest(image: ImageArray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()
