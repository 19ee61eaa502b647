"""CHECKSUM and DATASUM: whether a unit of a FITS file is as it was written.

They are in section 4.4.2.7 of the FITS standard 4.0. Both are sums of 32-bit words in ones'
complement (appendix J): DATASUM is that of the data, and CHECKSUM makes that of the whole unit
zero. A unit without the cards, or with empty ones, is not checked.

>>> ones_complement_sum(bytes([0, 0, 0, 1, 255, 255, 255, 255]))
1
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from mingolotss.errors import ImageError
from mingolotss.io.fits_layout import ImageLayout, data_bytes
from mingolotss.sky.fits_header import BLOCK, card_values
from mingolotss.sky.similar_headers import MAX_KINDS, split_header

__all__ = ["check_checksums", "checksum_problem", "encode_checksum", "ones_complement_sum"]

_ONES = 0xFFFFFFFF
_UNDEFINED = b"0000000000000000"  # a CHECKSUM that is not computed yet
_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")  # which no CHECKSUM has


def check_checksums(raw: bytes | memoryview, layout: ImageLayout, path: str) -> None:
    """Compare the unit of an image with its own checksums.

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
    ImageError
        The unit is damaged, or a program has changed it and not its checksums.
    """
    problem = checksum_problem(layout.header, memoryview(raw)[layout.offset :])
    if problem:
        raise ImageError(
            f"read {path}: damaged ({problem}); fetch it again or, if a program has changed the "
            'file on purpose, set images.checksums = "none" in the recipe',
            path=path,
        )


def checksum_problem(header: bytes, data: bytes | memoryview) -> str:
    """Return what is wrong with the checksums of a unit; "" if nothing is known to be.

    Parameters
    ----------
    header : bytes
        All blocks of the header.
    data : bytes
        The data of the unit, and anything after them.
    """
    # Of an image in compressed tiles, the unit is the table, with cards of its own; ZHECKSUM and
    # ZDATASUM are of the image before it was compressed, which need not be the same.
    split = split_header(header)
    if not (_may_have_checksums(split.rest) if split.starts else _mentions_checksums(header)):
        return ""
    values = card_values(header)
    datasum, checksum = (values.get(key, b"").strip(b"' ") for key in (b"DATASUM", b"CHECKSUM"))
    length = data_bytes(values)
    if length is None or not (datasum.isdigit() or len(checksum) == len(_UNDEFINED)):
        return ""
    of_data = ones_complement_sum(memoryview(data)[: math.ceil(length / BLOCK) * BLOCK])
    if datasum.isdigit() and not _is_equal(of_data, int(datasum)):
        return f"its data have the DATASUM {of_data} and not {datasum.decode()}"
    if len(checksum) == len(_UNDEFINED) and checksum != _UNDEFINED:
        of_unit = of_data + ones_complement_sum(memoryview(header))
        if not _is_equal(of_unit % _ONES, 0):
            return "its header does not have the CHECKSUM that it gives"
    return ""


def _mentions_checksums(header: bytes) -> bool:
    return b"DATASUM " in header or b"CHECKSUM" in header


# Most headers have no such card, and are alike but for the numbers of their position.
_may_have_checksums = lru_cache(maxsize=MAX_KINDS)(_mentions_checksums)


def ones_complement_sum(data: bytes | memoryview) -> int:
    """Return the sum of big-endian words of 32 bits in ones' complement; zeros fill the last word.

    500 MB take 0.2 s (2 cores, in memory, median).
    """
    whole = len(data) // 4 * 4
    total = int(np.frombuffer(data[:whole], ">u4").sum(dtype=np.uint64))
    total += int.from_bytes(bytes(data[whole:]).ljust(4, b"\0"), "big")
    return total and (total - 1) % _ONES + 1  # carries are added at the other end


def encode_checksum(total: int) -> str:
    """Return the CHECKSUM of a unit as 16 letters and digits (appendix J.2).

    Parameters
    ----------
    total : int
        The sum of the unit, whose CHECKSUM is sixteen zeros.

    >>> encode_checksum(868229149)  # the example of the standard
    'hcHjjc9ghcEghc9g'
    """
    # Each byte of the complement becomes four characters with that sum, and the characters of one
    # byte stand in one column of the 32-bit words. Two of them give and take until none is
    # punctuation.
    rows = []
    for byte in ((_ONES - total % _ONES) & _ONES).to_bytes(4, "big"):
        four = [byte // 4 + ord("0")] * 4
        four[0] += byte % 4
        while not _PUNCTUATION.isdisjoint(four):
            for first in (0, 2):
                if not _PUNCTUATION.isdisjoint(four[first : first + 2]):
                    four[first] += 1
                    four[first + 1] -= 1
        rows.append(four)
    text = "".join(chr(rows[byte][place]) for place in range(4) for byte in range(4))
    return text[-1] + text[:-1]


def _is_equal(a: int, b: int) -> bool:
    """Compare in ones' complement, which has two zeros."""
    return a % _ONES == b % _ONES
