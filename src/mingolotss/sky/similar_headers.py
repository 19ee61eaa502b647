"""Headers that are alike but for where their images are on the sky.

The cutouts of a survey have one header, in which only the numbers of the reference position and of
the reference pixel differ. `split_header` takes these numbers out, so that what follows from the
rest is derived once for all of them. The rest is compared byte for byte: a header that differs in
anything else has another one.

>>> from mingolotss.sky.wcs import simple_header
>>> first, second = (
...     split_header(simple_header(ra, 2.0, shape=(9, 9), scale_arcsec=1.5)) for ra in (1.0, 3.0))
>>> first.rest == second.rest, [number.strip() for number in second.numbers]
(True, [b'5.0', b'5.0', b'3.0', b'2.0'])
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mingolotss.sky.fits_header import BLOCK, CARD

__all__ = ["MAX_KINDS", "SplitHeader", "split_header"]

MAX_KINDS = 64
"""How many kinds of headers are remembered: those of images and of rms maps of some surveys."""
_MAX_BYTES = 16 * BLOCK  # of a header that is remembered
# In the fixed format, a number is in the bytes 10 to 29 of its card (FITS standard 4.0, 4.2.4).
_POSITION = re.compile(rb"(C(?:RPIX|RVAL)[12]  = )([-+.0-9DE ]{20})")
_BLANK = b" " * 20


class SplitHeader(NamedTuple):
    """A header in parts, from which it can be put together again.

    Attributes
    ----------
    rest : bytes
        The header with blanks in place of the numbers; the header itself if none is taken out.
    starts : tuple of int
        The first byte of each card with a number that is taken out, ascending. No two of them have
        the same keyword.
    numbers : tuple of bytes
        The numbers as they are written, 20 bytes each.
    """

    rest: bytes
    starts: tuple[int, ...]
    numbers: tuple[bytes, ...]


@lru_cache(maxsize=4)  # layout, position and facts of an image are read one after another
def split_header(header: bytes) -> SplitHeader:
    """Take the numbers of the reference position out of a header.

    No number is taken out of a header that is long, or has two such cards with one keyword, or one
    within another card.

    Parameters
    ----------
    header : bytes
        Whole 80-byte cards, as in the file.
    """
    if len(header) > _MAX_BYTES:
        return SplitHeader(header, (), ())
    parts = _POSITION.split(header)  # text, keyword, number, text, keyword, number, ..., text
    numbers = tuple(parts[2::3])
    parts[2::3] = [_BLANK] * len(numbers)
    rest = b"".join(parts)
    starts = _starts(rest)
    return SplitHeader(rest, starts, numbers) if starts else SplitHeader(header, (), ())


@lru_cache(maxsize=MAX_KINDS)
def _starts(rest: bytes) -> tuple[int, ...]:
    """Return the first byte of each card without its number; none if one of them is unusual."""
    matches = list(_POSITION.finditer(rest))
    starts = tuple(match.start() for match in matches)
    is_usual = len({match[1] for match in matches}) == len(matches)
    return starts if is_usual and not any(start % CARD for start in starts) else ()
