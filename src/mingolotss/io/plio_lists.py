"""The line lists of PLIO, looked at before they are decoded (FITS standard 4.0, section 10.4.3).

A tile is a list of 16-bit words, of which each is an instruction of four bits and a number of
twelve. The decoder takes any list, and fills what it does not cover with zeros. A whole list covers
each pixel of its tile once, because its writer ends it with the last pixel. A wrong value cannot be
noticed: that is what CHECKSUM and DATASUM are for.

>>> whole = np.array([0, 7, -100, 9, 0, 0, 0, 0x0003, 0x4002])  # three zeros and two of one value
>>> line_list_problem(whole, 5), line_list_problem(whole, 6)
('', '5 pixels in a tile of 6')
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["line_list_problem"]

_SET_HIGH, _LAST_OPCODE = 1, 7
_RUNS, _PIXELS = (0, 4, 5), (6, 7)  # instructions for `number` pixels, and for one pixel


def line_list_problem(words: npt.NDArray[np.integer[Any]], pixels: int) -> str:
    """Return what is wrong with a line list; "" if nothing is known to be.

    Parameters
    ----------
    words : integer array, shape (n,)
    pixels : int
        Of its tile.
    """
    place = _place(words)
    if place is None:
        return f"a list of {len(words)} words whose header says otherwise"
    codes = words[place].astype(np.int64) & 0xFFFF
    opcodes, numbers = codes >> 12, codes & 0xFFF
    # The word after SET_HIGH is a number. It may look like another one, so that of several in a row
    # every second is an instruction.
    is_high = opcodes == _SET_HIGH
    indices = np.arange(len(codes))
    last_other = np.maximum.accumulate(np.where(is_high, -1, indices)) if len(codes) else indices
    is_instruction = np.ones(len(codes), bool)
    is_instruction[1:] = ~(is_high & ((indices - last_other) % 2 == 1))[:-1]
    if (opcodes[is_instruction] > _LAST_OPCODE).any():
        return "an instruction that does not exist"
    runs = numbers[is_instruction & np.isin(opcodes, _RUNS)].sum()
    covered = int(runs + np.isin(opcodes[is_instruction], _PIXELS).sum())
    return "" if covered == pixels else f"{covered} pixels in a tile of {pixels}"


def _place(words: npt.NDArray[np.integer[Any]]) -> slice | None:
    """Return where the instructions are; None if the header does not fit to the list."""
    if len(words) < 3:
        return None
    if words[2] > 0:  # the old form
        first, length = 3, int(words[2])
    elif len(words) >= 7:
        first, length = int(words[1]), (int(words[4]) << 15) + int(words[3])
    else:
        return None
    return slice(first, length) if 3 <= first <= length == len(words) else None
