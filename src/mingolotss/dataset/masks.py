"""Masks of stamps as they are stored: which pixels are the source's own.

A mask has the size of its stamp and the values of `mingolotss.image.masks`. In a Parquet file it is
the column ``mask`` beside the image, a grey PNG in the layout of Hugging Face's Image feature. The
column ``mask_sha256`` of the manifest has the checksum of its pixels; a file without that column
has no masks, whatever another program calls ``mask`` in it. Not here: how a mask comes about
(``pipeline/masks.py``).

>>> mask = np.array([[0, 1], [2, 0]], np.uint8)
>>> decode_masks(encode_masks([mask]), ["x.png"]).tolist()
[[[0, 1], [2, 0]]]
>>> count_pixels(mask[None]).tolist()
[[1, 1]]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.typed_columns import KEPT_MARK
from mingolotss.errors import DatasetError
from mingolotss.image.masks import BACKGROUND, OTHER, OWN, Masks
from mingolotss.io.png import Allocate, decode_pngs, encode_png
from mingolotss.model import Ints

__all__ = [
    "MASK",
    "MASK_SHA256",
    "check_values",
    "count_pixels",
    "decode_masks",
    "encode_masks",
    "has_masks",
    "mask_column",
]

MASK = pa.field("mask", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
MASK_SHA256 = pa.field("mask_sha256", pa.string())
"""The column of the manifest with the SHA-256 of a mask's pixels, uint8 in C order."""


def has_masks(fields: Iterable[pa.Field]) -> bool:
    """Return whether stamps have masks.

    Parameters
    ----------
    fields : iterable of pyarrow.Field
        The columns of a manifest or of a file of stamps. A column that is kept from the catalogue
        may have any name.
    """
    return any(
        field.name == MASK_SHA256.name and not KEPT_MARK.items() <= (field.metadata or {}).items()
        for field in fields
    )


def encode_masks(masks: Sequence[Masks] | Masks) -> list[bytes]:
    """Return masks as they are stored, each a grey PNG.

    Parameters
    ----------
    masks : uint8 array, shape (n, ny, nx), or a sequence of n masks
    """
    return [encode_png(mask) for mask in masks]


def decode_masks(
    pngs: Sequence[bytes], names: Sequence[str], allocate: Allocate = np.empty
) -> Masks:
    """Return masks of one size as one array.

    Parameters
    ----------
    pngs : sequence of bytes, length n
    names : sequence of str
        The name of each for error messages.
    allocate : callable
        As for `decode_pngs`.

    Returns
    -------
    uint8 array, shape (n, ny, nx)

    Raises
    ------
    DatasetError
        One is damaged, has another size than the first, or a value that no mask has.
    """
    masks = decode_pngs(pngs, names, allocate=allocate)
    for mask, name in zip(masks, names, strict=True):
        check_values(mask, name)
    return masks


def check_values(mask: Masks, name: str) -> None:
    """Refuse an image that is no mask.

    Raises
    ------
    DatasetError
        It has a value beyond 0, 1 and 2.
    """
    largest = int(mask.max(initial=0))
    if largest > OTHER:
        raise DatasetError(
            f"read {name}: a pixel is {largest}, and a mask has the values "
            f"{BACKGROUND}, {OWN} and {OTHER}; fetch or build it again"
        )


def count_pixels(masks: Masks) -> Ints:
    """Return how many pixels of each mask are the source's own and how many are another source's.

    Parameters
    ----------
    masks : uint8 array, shape (n, ny, nx)

    Returns
    -------
    int64 array, shape (n, 2)
    """
    counts = [np.count_nonzero(masks == kind, axis=(1, 2)) for kind in (OWN, OTHER)]
    return np.stack(counts, axis=-1).astype(np.int64)


def mask_column(encoded: Sequence[bytes], image_files: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the column ``mask`` of a file of stamps.

    Parameters
    ----------
    encoded : sequence of bytes, length n
    image_files : array of string, length n
        The names of the images, which are those of their masks.
    """
    paths = (
        image_files.combine_chunks() if isinstance(image_files, pa.ChunkedArray) else image_files
    )
    return pa.StructArray.from_arrays(
        [pa.array(encoded, pa.binary()), paths], fields=list(MASK.type)
    )
