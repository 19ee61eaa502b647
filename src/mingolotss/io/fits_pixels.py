"""All pixels of one image of a FITS file, whatever their type, with or without compression."""

from __future__ import annotations

import math

from mingolotss.errors import ImageError
from mingolotss.io.fits_compressed import CompressedImage
from mingolotss.io.fits_layout import ImageLayout
from mingolotss.model import FloatImage

__all__ = ["whole_image"]

_MAX_BYTES = 2**28  # of an image that is decompressed or converted, and so copied to memory


def whole_image(
    raw: bytes | memoryview, layout: ImageLayout, path: str
) -> tuple[FloatImage, bytes]:
    """Return the physical values of a whole image, and its header.

    Parameters
    ----------
    raw : bytes
        The whole file.
    layout : ImageLayout
        That of the image.
    path : str
        The name for messages.

    Raises
    ------
    TruncatedFileError
        The file ends before its pixels do.
    ImageError
        The pixels cannot be read, or are too many to be copied.
    """
    layout.require_whole(len(raw), "read", path)
    ny, nx = layout.shape
    size = math.prod(layout.shape) * max(layout.dtype.itemsize, 4)
    if size > _MAX_BYTES and not layout.is_plain:
        raise ImageError(
            f"read {path}: an image of {nx} x {ny} pixels has {size} bytes, over the limit of "
            f"{_MAX_BYTES} bytes; cut it into smaller images, or use the service mosaics",
            path=path,
        )
    if layout.is_compressed:
        image = CompressedImage(raw, layout, path)
        return image.box(0, ny, 0, nx), image.header
    return layout.scaling.apply(layout.stored_pixels(raw)), layout.header
