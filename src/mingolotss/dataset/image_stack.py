"""A stack of images that lie in several files, opened without reading them.

Five batches are five memory maps. Joining them would copy 130 MB before the first image is seen;
an `ImageStack` looks like the joined array and copies only the images that are asked for. A stack
with an `ImageOrigin` is pickled as the place of its files and the numbers of its images: a worker
process that is started by spawn or forkserver opens the files itself.

>>> pieces = [np.full((2, 1, 1), 1, np.uint8), np.full((3, 1, 1), 2, np.uint8)]
>>> stack = ImageStack(pieces)
>>> stack.shape, stack[1].item(), stack.gather([4, 0]).ravel().tolist()
((5, 1, 1), 1, [2, 1])
>>> np.asarray(stack.select([0, 2, 3])).ravel().tolist()
[1, 2, 2]
>>> ImageStack([np.zeros((2, 3, 1, 1), np.uint8)]).select_channels([2, 0]).shape
(2, 2, 1, 1)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mingolotss.dataset.indexing import sample_rows
from mingolotss.errors import DatasetError
from mingolotss.image import compiled_unit_range as kernel
from mingolotss.model import Ints

__all__ = [
    "ImageArray",
    "ImageOrigin",
    "ImagePiece",
    "ImageStack",
    "gather",
    "gather_unit_range",
    "take_images",
    "unit_range",
]

ImageArray = NDArray[np.uint8 | np.float32]


class ImagePiece(Protocol):
    """What an `ImageStack` needs of each of its pieces: an array, or ``LazyImages``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give (n, ny, nx), or (n, channels, ny, nx)."""

    @property
    def dtype(self) -> np.dtype[np.uint8 | np.float32]:
        """Give the type of the pixels."""

    def __len__(self) -> int:
        """Count the images."""

    def __getitem__(self, index: int, /) -> ImageArray:
        """Return one image, shape (ny, nx) or (channels, ny, nx)."""


class ImageOrigin(Protocol):
    """Where the pieces of an `ImageStack` come from; it is pickled in their place."""

    def open(self) -> Sequence[ImagePiece]:
        """Open the same pieces again, perhaps in another process."""


class ImageStack:
    """Images of one shape in several arrays, in order, or some of them.

    Parameters
    ----------
    pieces : sequence of array or LazyImages, shape (n_i, ny, nx) or (n_i, channels, ny, nx)
    rows : sequence of int, optional
        Which images of all the pieces together; all of them if not given.
    origin : ImageOrigin, optional
        How another process opens the pieces. Without it, a pickle contains their pixels.
    channels : sequence of int, optional
        Which channels of each image, in this order; all of them if not given.

    Raises
    ------
    DatasetError
        The pieces differ in image shape or type.
    """

    def __init__(
        self,
        pieces: Sequence[ImagePiece],
        rows: Sequence[int] | None = None,
        origin: ImageOrigin | None = None,
        channels: Sequence[int] | None = None,
    ) -> None:
        filled = [piece for piece in pieces if len(piece)] or list(pieces[:1])
        kinds = {(piece.shape[1:], piece.dtype.name) for piece in filled}
        if len(kinds) > 1:
            raise DatasetError(f"read a dataset: images of several kinds, {sorted(kinds)}")
        self._pieces = filled
        self._starts: list[int] = np.cumsum([0, *map(len, filled)]).tolist()
        self._rows = range(self._starts[-1]) if rows is None else rows
        self._origin = origin
        self._channels = None if channels is None else list(channels)

    def __reduce__(self) -> tuple[object, ...]:
        if self._origin is None:
            return ImageStack, (self._pieces, self._rows, None, self._channels)
        return _reopen, (self._origin, self._rows, self._channels)

    def with_origin(self, origin: ImageOrigin) -> ImageStack:
        """Return the same images, which another process opens through `origin`."""
        return ImageStack(self._pieces, self._rows, origin, self._channels)

    @property
    def pieces(self) -> Sequence[ImagePiece]:
        """Give the arrays that hold the images."""
        return self._pieces

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of the joined array: (n, ny, nx), or (n, channels, ny, nx)."""
        axes = self._pieces[0].shape[1:]
        if self._channels is not None:
            axes = (len(self._channels), *axes[1:])
        return (len(self._rows), *axes)

    @property
    def dtype(self) -> np.dtype[np.uint8 | np.float32]:
        """Give the type of the joined array."""
        return self._pieces[0].dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> ImageArray:
        """Return one image, shape (ny, nx) or (channels, ny, nx): a view of a whole image."""
        row = self._rows[index]
        piece = bisect_right(self._starts, row) - 1
        image = self._pieces[piece][row - self._starts[piece]]
        return image if self._channels is None else image[self._channels]

    def gather(self, indices: Sequence[int], out: ImageArray | None = None) -> ImageArray:
        """Return the images at `indices` as one array, shape (k, ...): a copy, or `out`."""
        only = self._pieces[0] if len(self._pieces) == 1 else None
        if out is None and isinstance(only, np.ndarray) and isinstance(self._rows, range):
            # numpy gathers from a single array twice as fast as the loop below
            places = np.asarray(indices, np.intp)
            stored = only[self._rows.start : self._rows.stop]
            return stored[places if self._channels is None else (places[:, None], self._channels)]
        images = np.empty((len(indices), *self.shape[1:]), self.dtype) if out is None else out
        if self._channels is not None:
            _copy_all([self[index] for index in indices], images)
            return images
        rows, starts, pieces = self._rows, self._starts, self._pieces
        views = []
        for index in indices:  # `self[index]`, without a call for each image
            row = rows[index]
            piece = bisect_right(starts, row) - 1
            views.append(pieces[piece][row - starts[piece]])
        _copy_all(views, images)
        return images

    def gather_unit_range(self, indices: Sequence[int], out: NDArray[np.float32]) -> None:
        """Write the images at `indices` into an array, as `unit_range` gives them."""
        if self._channels is None:
            rows = [self._rows[index] for index in indices]
            if kernel.gather(self._pieces, rows, out):
                return
        self.gather(indices, out)  # which converts, and the division is then in place
        if self.dtype != np.float32:
            np.divide(out, np.float32(255), out=out)

    def select(self, indices: Sequence[int]) -> ImageStack:
        """Return the stack of the images at `indices`, still without reading them."""
        if isinstance(indices, range) and indices.step == 1:
            rows = self._rows[indices.start : indices.stop]
        else:
            rows = [self._rows[index] for index in indices]
        return ImageStack(self._pieces, rows, self._origin, self._channels)

    def select_channels(self, channels: Sequence[int]) -> ImageStack:
        """Return the stack of some channels of the images, still without reading them."""
        own = range(self.shape[1]) if self._channels is None else self._channels
        chosen = [own[channel] for channel in channels]
        return ImageStack(self._pieces, self._rows, self._origin, chosen)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> ImageArray:
        kind = np.dtype(dtype or self.dtype)
        is_view = self._channels is None and not copy
        if len(self._pieces) == 1 and isinstance(self._rows, range) and is_view:
            images: ImageArray = np.asarray(self._pieces[0])[self._rows.start : self._rows.stop]
            return images.astype(kind, copy=False)
        return self.gather(range(len(self))).astype(kind, copy=False)


def _reopen(origin: ImageOrigin, rows: Sequence[int], channels: Sequence[int] | None) -> ImageStack:
    """Open the images of a stack in another process."""
    return ImageStack(origin.open(), rows, origin, channels)


def gather(
    images: ImageArray | ImageStack, indices: Sequence[int], out: ImageArray | None = None
) -> ImageArray:
    """Return the images at `indices` as a new array, shape (k, ny, nx) or (k, channels, ny, nx).

    The array `out` takes them, if it is given, and may be float32 for images of uint8.

    Raises
    ------
    IndexError
        There is no such image.
    """
    if isinstance(images, ImageStack):
        return images.gather(indices, out)
    if out is None:
        return images[np.asarray(indices, np.intp)]
    _copy_all([images[index] for index in indices], out)
    return out


def _copy_all(views: Sequence[ImageArray], out: ImageArray) -> None:
    """Copy images into an array of all of them, in one call, and convert them to its type."""
    if views:
        np.concatenate(views, out=out.reshape(-1, *out.shape[2:]))


def gather_unit_range(
    images: ImageArray | ImageStack, indices: Sequence[int], out: NDArray[np.float32]
) -> None:
    """Write the images at `indices` into an array, as `unit_range` gives them.

    They are converted while they are copied: one pass over memory less than to gather them first.
    """
    stack = images if isinstance(images, ImageStack) else ImageStack([images])
    stack.gather_unit_range(indices, out)


def take_images(
    images: ImageArray | ImageStack, selection: ArrayLike | range
) -> tuple[ImageArray | ImageStack, Ints]:
    """Return some of the images, and their indices from 0; those of a stack are not read.

    Parameters
    ----------
    images : array or ImageStack, shape (n, ...)
    selection : array-like of int or of bool, or range
        As `mingolotss.dataset.indexing.sample_rows` takes it.

    Raises
    ------
    InputError
        It is neither, or there are no such images.
    """
    rows = sample_rows(selection, len(images))
    if not isinstance(images, ImageStack):
        return images[rows], rows
    return images.select(selection if isinstance(selection, range) else rows.tolist()), rows


def unit_range(images: ImageArray, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return uint8 images as float32 from 0 to 1; float32 images, in Jy/beam, as they are.

    The array `out` takes the result of uint8 images, if it is given.

    It is done in one thread. PyTorch would use every core, and each of its operations then waits
    for the slowest: with another process on one of two cores, 5,000 instead of 110,000 images/s.
    """
    if images.dtype == np.float32:
        return images.astype(np.float32, copy=False)
    result = np.empty(images.shape, np.float32) if out is None else out
    if kernel.convert(images, result):
        return result
    return np.divide(images, np.float32(255), out=result, dtype=np.float32)
