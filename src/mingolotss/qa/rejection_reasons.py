"""Rejections summed by reason, for the terminal and the report.

>>> count_reasons([("fetch", "read a/A.fits: cut short"), ("fetch", "read a/B.fits: cut short")])
{('fetch', 'read FILE cut short'): 2}
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

__all__ = ["count_reasons"]


def count_reasons(rejections: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the number of rejections for each stage and kind of reason, largest first."""
    counts = Counter((stage, _without_names(reason)) for stage, reason in rejections)
    return dict(counts.most_common())


def _without_names(reason: str) -> str:
    """Return a reason without names, paths and numbers, so that equal reasons are counted together.

    >>> _without_names("read cutouts/A.fits: the file is cut short at 2880 bytes")
    'read FILE the file is cut short at N bytes'
    >>> _without_names("no file for it: looked for 'A 1.fits' and 'A_1.fits' in cutouts/x")
    'no file for it: looked for NAME in FILE'
    """
    quoted = re.sub(r"""(?<!\w)('[^']*'|"[^"]*")(?!\w)""", "NAME", reason)
    named = re.sub(r"NAME((, | and )NAME)+", "NAME", quoted)
    plain = re.sub(r"\S+", lambda word: "FILE" if "/" in word[0][:-1] else word[0], named)
    return re.sub(r"\b[A-Z]\w*(?:[+-]\w*)?:(?= )", "FIELD:", re.sub(r"\d+(\.\d+)?", "N", plain))
