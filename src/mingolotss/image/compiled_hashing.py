"""SHA-256 by the compiled kernel: of many images of one size, and of any two byte strings.

The images are hashed in the lanes of a vector (``_kernel/hashes.h``), the two byte strings with the
instructions of the processor for SHA-256 (``_kernel/sha256.h``).

>>> hash_images(np.zeros((2, 3), np.uint8))[1][:8]
'709e80c8'
"""

from __future__ import annotations

import ctypes
import hashlib

import numpy as np
import numpy.typing as npt

from mingolotss.image.kernel_library import (
    LANES,
    available,
    call_kernel,
    describe,
    load_library,
    widest_vector,
)

__all__ = ["hash_images", "sha256_pair"]

_FEWEST_LANES = 8
_DIGEST_BYTES = 32


def hash_images(images: npt.NDArray[np.generic], *, lanes: int | None = None) -> list[str]:
    """Return the SHA-256 of the bytes of each image, in hexadecimal.

    Parameters
    ----------
    images : array, shape (n, ...)
        In C order.
    lanes : {4, 8, 16}, optional
        The widest vector to use, for all images. By default the kernel hashes whole vectors of
        images where that is faster, and ``hashlib`` the others.

    Raises
    ------
    RuntimeError
        The kernel is not available, and `lanes` asks for it.
    ValueError
        The images are not in C order, or `lanes` is out of range.
    """
    # The kernel takes as long for one image as for a vector of them. hashlib takes a tenth of that
    # for an image with 16 lanes, an eighth with 8, and a third with 4, with a processor that has
    # instructions for SHA-256; without them, it takes four times as long.
    if not images.flags.c_contiguous or lanes not in (None, *LANES):
        raise ValueError(
            f"hash images of strides {images.strides} with {lanes} lanes: they must be in C order, "
            f"and the lanes in {LANES}"
        )
    if lanes and not available():
        raise RuntimeError(describe())
    count = len(images) if lanes else _count_for_kernel(len(images))
    digests = np.empty((count, _DIGEST_BYTES), np.uint8)
    if count:
        call_kernel(
            "mingolotss_hash_images", images.ctypes.data, count, images[0].nbytes,
            digests.ctypes.data, count, lanes or LANES[-1],
        )  # fmt: skip
    text, width = digests.tobytes().hex(), 2 * _DIGEST_BYTES
    return [
        *(text[start : start + width] for start in range(0, len(text), width)),
        *(hashlib.sha256(image.data).hexdigest() for image in images[count:]),
    ]


def _count_for_kernel(count: int) -> int:
    """Return how many of so many images the kernel hashes: whole vectors, or nearly whole ones."""
    widest = widest_vector()
    if widest < _FEWEST_LANES:
        return 0
    rest = count % widest
    return count - rest if rest <= widest // 2 else count


def sha256_pair(first: bytes | memoryview, second: bytes | memoryview) -> tuple[str, str] | None:
    """Return the SHA-256 of two byte strings, in hexadecimal.

    None if there is no compiled kernel, if the processor has no instructions for SHA-256, or if a
    string is empty.
    """
    library = load_library()
    if library is None or not (len(first) and len(second)):
        return None
    digests = ctypes.create_string_buffer(2 * _DIGEST_BYTES)
    arrays = [np.frombuffer(raw, np.uint8) for raw in (first, second)]
    places = [(array.__array_interface__["data"][0], array.size) for array in arrays]
    if not library.mingolotss_sha256(*places[0], *places[1], digests):
        return None
    both = digests.raw.hex()
    return both[: 2 * _DIGEST_BYTES], both[2 * _DIGEST_BYTES :]
