"""SHA-256 of several byte strings.

A processor with instructions for SHA-256 waits most of the time for the result of the one before,
so that two checksums computed step by step together take the time of one: 260 µs for an image and
its rms map of 230 kB each one after another, and 130 together (one core, median).
`_kernel/sha256.h` does that; on other processors, `hashlib` computes each.

>>> sha256_all([b"abc", b""])[1][:16]
'e3b0c44298fc1c14'
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mingolotss.image.compiled_hashing import sha256_pair

__all__ = ["sha256_all"]


def sha256_all(contents: Sequence[bytes | memoryview]) -> list[str]:
    """Return the SHA-256 of each of some byte strings, in hexadecimal."""
    digests: list[str] = []
    for index in range(0, len(contents), 2):
        pair = contents[index : index + 2]
        both = sha256_pair(*pair) if len(pair) == 2 else None
        digests += both or (hashlib.sha256(raw).hexdigest() for raw in pair)
    return digests
