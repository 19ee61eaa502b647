"""The images of a dataset as one stack that keeps nothing in memory but what is being read.

Images in Parquet files are decoded from one group of rows, and those that a format holds encoded
are decoded again each time: a dataset of any size takes a few megabytes.

>>> stack = audit_images(np.arange(12, dtype=np.uint8).reshape(3, 2, 2))
>>> [(indices.tolist(), block.shape) for indices, block in blocks(stack)]
[([0, 1, 2], (3, 2, 2))]
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.image_stack import ImageArray, ImagePiece, ImageStack
from mingolotss.dataset.lazy_png import LazyImages
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.errors import DatasetError
from mingolotss.model import Ints

__all__ = ["BLOCK", "audit_images", "blocks", "one_channel", "stamp_images"]

BLOCK = 512
"""Images in a block."""


def blocks(images: ImageStack) -> Iterator[tuple[Ints, ImageArray]]:
    """Give the indices and the pixels, shape (k, ny, nx), of all images, block by block."""
    for start in range(0, len(images), BLOCK):
        indices = range(start, min(start + BLOCK, len(images)))
        yield np.array(indices), images.gather(indices)


def stamp_images(paths: Sequence[Path]) -> ImageStack:
    """Open the images of Parquet files.

    Raises
    ------
    DatasetError
        A file is damaged, or files have images of several sizes.
    """
    return ImageStack([_StampImages(path) for path in paths])


def audit_images(images: ImageArray | ImageStack) -> ImageStack:
    """Return the images of another format as a stack that does not keep what it decodes."""
    pieces = images.pieces if isinstance(images, ImageStack) else [images]
    return ImageStack([_Redecoded(one) if isinstance(one, LazyImages) else one for one in pieces])


def one_channel(images: ImageStack, channel: int) -> ImageStack:
    """Return one channel of images with channels, shape (n, ny, nx)."""
    return ImageStack(
        [
            piece[:, channel] if isinstance(piece, np.ndarray) else _Channel(piece, channel)
            for piece in images.pieces
        ]
    )


class _Channel:
    """One channel of images that are read one by one."""

    def __init__(self, images: ImagePiece, channel: int) -> None:
        self._images, self._channel = images, channel
        n, _, ny, nx = images.shape
        self.shape, self.dtype = (n, ny, nx), images.dtype

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> ImageArray:
        image: ImageArray = self._images[index][self._channel]
        return image


class _Redecoded:
    """Encoded images in memory, decoded each time."""

    def __init__(self, images: LazyImages) -> None:
        self._images = images
        self.shape, self.dtype = images.shape, images.dtype

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> ImageArray:
        image: ImageArray = self._images.decode(index, index + 1)[0]
        return image


class _StampImages:
    """The images of one Parquet file; the encoded ones of the last group of rows are kept."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.uint8 | np.float32]

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # several threads may read images
        with StampFile(path) as stamps:
            counts = [stamps.group_rows(group) for group in range(stamps.row_groups)]
            self._shape = stamps.shape
        self._starts: list[int] = np.cumsum([0, *counts]).tolist()
        self._last: tuple[int, pa.ChunkedArray] | None = None
        self.dtype = np.dtype(self._shape.dtype)
        first = self._decode(0).shape if len(self) else self._shape.axes
        self.shape = (len(self), *first)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> ImageArray:
        image = self._decode(index)
        if image.shape != self.shape[1:]:
            raise DatasetError(
                f"read {self._path}: image {index} has {image.shape} pixels and the first has "
                f"{self.shape[1:]}; fetch or build it again"
            )
        return image

    def _decode(self, index: int) -> ImageArray:
        group = bisect_right(self._starts, index) - 1
        with self._lock:
            if self._last is None or self._last[0] != group:
                with StampFile(self._path) as stamps:
                    self._last = group, stamps.encoded(group)
            encoded = self._last[1][index - self._starts[group]].as_py() or b""
        name = f"{self._path}, image {index}"
        image: ImageArray = decode_stamps([encoded], [name], self._shape)[0]
        return image
