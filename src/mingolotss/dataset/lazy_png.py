"""PNG images that are decoded when they are first used, once.

Decoding 5,805 stamps takes a tenth of a second or more; opening a dataset should not. The headers
are read at once, so images of several sizes are refused before training starts.

>>> from mingolotss.io.png import encode_png
>>> pngs = [encode_png(np.full((2, 3), value, np.uint8)) for value in (5, 6)]
>>> images = LazyImages(pngs, ["a.png", "b.png"])
>>> images.shape, images[1].max(), np.asarray(images).sum()
((2, 2, 3), np.uint8(6), np.uint64(66))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.io.png import common_size, decode_png, decode_pngs

__all__ = ["LazyImages"]


class LazyImages:
    """Encoded images of one size, for use as a piece of an `ImageStack`.

    Parameters
    ----------
    pngs : sequence of bytes
    names : sequence of str
        The name of each image in errors.
    channels : {None, 1, 3}
        As for `mingolotss.io.png.decode_png`: None for images without an axis of channels.
    check : callable, optional
        Is given each image that is decoded, and its name; raises DatasetError for one that these
        images cannot be.

    Raises
    ------
    DatasetError
        An image is no 8-bit PNG of this number of channels, or has another size than the first. A
        damaged image raises it when it is decoded.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        pngs: Sequence[bytes],
        names: Sequence[str],
        channels: int | None = None,
        check: Callable[[NDArray[np.uint8], str], None] | None = None,
    ) -> None:
        axes = () if channels is None else (channels,)
        self.shape: tuple[int, ...] = (
            len(pngs), *axes, *common_size(pngs, names, channels or 1)
        )  # fmt: skip
        self._pngs, self._names, self._channels = list(pngs), list(names), channels
        self._check = check
        self._clear()

    def _clear(self) -> None:
        # The system provides the memory of an image when it is decoded.
        self._pixels: NDArray[np.uint8] = np.empty(self.shape, np.uint8)
        self._is_decoded = bytearray(len(self._pngs))

    def __len__(self) -> int:
        return len(self._pngs)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Return one image, shape (ny, nx) or (channels, ny, nx)."""
        if not self._is_decoded[index]:
            name = self._names[index]
            self._pixels[index] = decode_png(self._pngs[index], name, self._channels)
            if self._check is not None:
                self._check(self._pixels[index], name)
            self._is_decoded[index] = 1
        image: NDArray[np.uint8] = self._pixels[index]
        return image

    def decode(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return images as a new array, shape (k, ...), without keeping them."""
        names = self._names[start:stop]
        images = decode_pngs(self._pngs[start:stop], names, self._channels)
        if self._check is not None:
            for image, name in zip(images, names, strict=True):
                self._check(image, name)
        return images

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> ImageArray:
        for index in range(len(self)):
            self[index]
        return self._pixels.astype(dtype or np.uint8, copy=bool(copy))

    def __getstate__(self) -> dict[str, object]:
        names = ("shape", "_pngs", "_names", "_channels", "_check")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        self.__dict__.update(state)
        self._clear()
