"""Call the kernel for the SHA-256 of two byte strings at a time."""

from __future__ import annotations

import ctypes

import numpy as np

from mingolotss.image.compiled import load_library

__all__ = ["sha256_pair"]

_LENGTH = 32  # bytes of a digest


def sha256_pair(first: bytes | memoryview, second: bytes | memoryview) -> tuple[str, str] | None:
    """Return the SHA-256 of two byte strings, in hexadecimal.

    None if there is no compiled kernel, if the processor has no instructions for SHA-256, or if a
    string is empty.
    """
    library = load_library()
    if library is None or not (len(first) and len(second)):
        return None
    digests = ctypes.create_string_buffer(2 * _LENGTH)
    arrays = [np.frombuffer(raw, np.uint8) for raw in (first, second)]
    places = [(array.__array_interface__["data"][0], array.size) for array in arrays]
    if not library.mingolotss_sha256(*places[0], *places[1], digests):
        return None
    both = digests.raw.hex()
    return both[: 2 * _LENGTH], both[2 * _LENGTH :]
