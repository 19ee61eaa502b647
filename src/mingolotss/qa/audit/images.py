"""The images of a dataset in blocks, in memory that does not grow with their number.

A block is a few hundred decoded images with their indices. Images can be read several times, and
some of them at random.

>>> images = StackImages(np.arange(12, dtype=np.uint8).reshape(3, 2, 2))
>>> [(indices.tolist(), block.shape) for indices, block in images.blocks()]
[([0, 1, 2], (3, 2, 2))]
>>> images.take(np.array([2, 0]))[:, 0, 0].tolist()
[8, 0]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import numpy as np

from mingolotss.dataset.image_stack import ImageArray, ImageStack, gather
from mingolotss.dataset.lazy_png import LazyImages
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.errors import DatasetError
from mingolotss.model import Ints

__all__ = ["BLOCK", "AuditImages", "StackImages", "StampImages"]

BLOCK = 512
"""Images in a block."""

Block = tuple[Ints, ImageArray]


class AuditImages(Protocol):
    """The images of a dataset."""

    def __len__(self) -> int:
        """Count the images."""

    def blocks(self) -> Iterator[Block]:
        """Give the indices and the pixels, shape (k, ny, nx), of all images, block by block."""

    def take(self, indices: Ints) -> ImageArray:
        """Return some of the images, shape (k, ny, nx)."""


class StampImages:
    """Images in Parquet files, decoded one group of rows at a time.

    Parameters
    ----------
    paths : sequence of Path
        The files. An image's index is its place in them.
    starts : int array, shape (files + 1,)
        The index of the first image of each file, then the number of all.
    """

    def __init__(self, paths: Sequence[Path], starts: Ints) -> None:
        self._paths, self._starts = paths, starts

    def __len__(self) -> int:
        return int(self._starts[-1])

    def blocks(self) -> Iterator[Block]:
        """Give the indices and the pixels of all images, block by block."""
        size: tuple[int, ...] | None = None
        for path, start in zip(self._paths, self._starts.tolist(), strict=False):
            first = start
            with closing(StampFile(path)) as stamps:
                for group in range(stamps.row_groups):
                    encoded = [data or b"" for data in stamps.encoded(group).to_pylist()]
                    for begin in range(0, len(encoded), BLOCK):
                        part = encoded[begin : begin + BLOCK]
                        images = self._decode(path, stamps, part, first - start)
                        size = _check_size(images, size, path)
                        yield np.arange(first, first + len(part)), images
                        first += len(part)

    def take(self, indices: Ints) -> ImageArray:
        """Return some of the images; the groups of rows they are in are read once each."""
        taken: dict[int, ImageArray] = {}
        files = np.searchsorted(self._starts, indices, "right") - 1
        for file in np.unique(files).tolist():
            rows = np.unique(indices[files == file]) - self._starts[file]
            taken |= self._take_of_file(self._paths[file], int(self._starts[file]), rows)
        return np.stack([taken[index] for index in indices.tolist()])

    def _take_of_file(self, path: Path, start: int, rows: Ints) -> dict[int, ImageArray]:
        taken, first = {}, 0
        with closing(StampFile(path)) as stamps:
            for group in range(stamps.row_groups):
                count = stamps.group_rows(group)
                inside = rows[(rows >= first) & (rows < first + count)]
                if inside.size:
                    column = stamps.encoded(group)
                    for row in inside.tolist():
                        data = column[row - first].as_py() or b""
                        taken[start + row] = self._decode(path, stamps, [data], row)[0]
                first += count
        return taken

    @staticmethod
    def _decode(path: Path, stamps: StampFile, encoded: list[bytes], first: int) -> ImageArray:
        names = [f"{path}, image {first + index}" for index in range(len(encoded))]
        return decode_stamps(encoded, names, is_float=stamps.is_float)


class StackImages:
    """Images of the other formats: in memory, mapped, or encoded in memory.

    Parameters
    ----------
    images : array or ImageStack, shape (n, ny, nx)
    """

    def __init__(self, images: ImageArray | ImageStack) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def blocks(self) -> Iterator[Block]:
        """Give the indices and the pixels of all images, block by block."""
        stack = self._images
        pieces = stack.pieces if isinstance(stack, ImageStack) else [stack]
        first = 0
        for piece in pieces:
            for start in range(0, len(piece), BLOCK):
                stop = min(start + BLOCK, len(piece))
                if isinstance(piece, LazyImages):
                    images: ImageArray = piece.decode(start, stop)
                else:
                    images = np.asarray(piece)[start:stop]
                yield np.arange(first + start, first + stop), images
            first += len(piece)

    def take(self, indices: Ints) -> ImageArray:
        """Return some of the images."""
        return gather(self._images, indices.tolist())


def _check_size(
    images: ImageArray, size: tuple[int, ...] | None, path: Path
) -> tuple[int, ...] | None:
    """Return the size of images; refuse a block of another size than the one before."""
    if len(images) and size is not None and images.shape[1:] != size:
        raise DatasetError(
            f"read {path}: an image of {images.shape[1:]} pixels where those before it have {size}; "
            "fetch or build it again"
        )
    return images.shape[1:] if len(images) else size
