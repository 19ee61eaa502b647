"""Find images that are equal in every pixel, as they are or turned by quarters or mirrored.

Sums over the pixels do not depend on their order, so that images with other sums are not compared.

>>> image = np.array([[0, 1, 0], [0, 2, 3], [0, 0, 4]], np.uint8)
>>> find_quarter_turn(image, np.rot90(image)), find_quarter_turn(image, np.fliplr(image))
(QuarterTurn(mirrored=False, quarters=1), QuarterTurn(mirrored=True, quarters=0))
>>> keys = order_free_sums(np.stack([image, np.rot90(image), image + 1]))
>>> bool(keys[0] == keys[1]), bool(keys[0] == keys[2])
(True, False)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray

__all__ = ["QuarterTurn", "are_constant", "find_quarter_turn", "order_free_sums"]

_SUMS = np.dtype([("first", np.uint64), ("second", np.uint64)])


class QuarterTurn(NamedTuple):
    """``numpy.rot90(image, quarters)`` of an image that is perhaps mirrored left to right first."""

    mirrored: bool
    quarters: int


def order_free_sums(images: ImageArray) -> NDArray[np.void]:
    """Return two sums over the pixels of each image, shape (n,), which are equal for turned copies.

    Parameters
    ----------
    images : uint8 or float32 array, shape (n, ny, nx)
    """
    # The bits of float32 are summed as integers: a sum of floats depends on the order.
    is_byte = images.dtype == np.uint8
    bits = images if is_byte else images.astype(np.float32, copy=False).view(np.uint32)
    flat = bits.reshape(len(images), -1).astype(np.uint64)
    sums = np.empty(len(images), _SUMS)
    sums["first"] = flat.sum(axis=1)
    sums["second"] = np.einsum("np,np,np->n", flat, flat, flat)  # modulo 2**64
    return sums


def are_constant(images: ImageArray) -> NDArray[np.bool_]:
    """Return which images, shape (n, ny, nx), have one value in all pixels that are not NaN."""
    flat = images.reshape(len(images), -1)
    # The largest and the smallest value of an image of NaN alone are NaN, which is no warning here.
    return np.asarray(~(np.fmax.reduce(flat, axis=1) > np.fmin.reduce(flat, axis=1)))


def find_quarter_turn(first: ImageArray, second: ImageArray) -> QuarterTurn | None:
    """Return how the first image becomes the second, shape (ny, nx); None if it does not.

    NaN is equal to NaN.
    """
    is_float = first.dtype != np.uint8
    for mirrored in (False, True):
        base = np.fliplr(first) if mirrored else first
        for quarters in range(4):
            if np.array_equal(np.rot90(base, quarters), second, equal_nan=is_float):
                return QuarterTurn(mirrored, quarters)
    return None
