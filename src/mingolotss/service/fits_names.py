"""The names of FITS files: which are images, which of two is used, and what distinguishes them.

All services that list files use these rules, so that a file is found, or named as passed over,
wherever it is. A plain file goes before its compressed copies. Names that begin with a dot are
those of other programs (``._P1-mosaic.fits`` of macOS, temporary files of editors and of rsync).

>>> split_suffix("P1-mosaic.FITS.gz")
FitsName(stem='P1-mosaic', suffix='.FITS.gz', rank=1)
>>> split_suffix("readme.txt") is None
True
>>> distinct_names([("P1+50", "P1+50"), ("P1+50", "P1_50"), ("P2+50", "P2_50")])
['P1+50', 'P1_50', 'P2+50']
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = [
    "FitsName",
    "PassedOver",
    "distinct_names",
    "is_hidden",
    "preferred_files",
    "split_suffix",
    "unread_suffix",
]

# The extensions that the FITS standard registers as media type (RFC 4047, section 5.1), and those
# that fpack and gzip append.
_SUFFIX = re.compile(r"\.(?:fits?|fts)(?:\.([gf])z)?", re.IGNORECASE)
_UNREAD = re.compile(
    r"\.(?:fits?|fts)(?:\.[gf]z)?\.(gz|fz|bz2|xz|zst|zip|z|part|filepart|crdownload|download|tmp)\Z",
    re.IGNORECASE,
)
_INCOMPLETE = ("part", "filepart", "crdownload", "download", "tmp")
_RANKS = {None: 0, "g": 1, "f": 2}  # plain, then gzip, which loses nothing, then fpack, which may
_MAX_SHOWN = 3
_MAX_LINES = 1000


class FitsName(NamedTuple):
    """The parts of a file name, and its rank among copies: 0 plain, 1 gzip'd, 2 fpack'd."""

    stem: str
    suffix: str
    rank: int


def split_suffix(name: str) -> FitsName | None:
    """Return the parts of the name of a FITS file, None for other names; case does not matter."""
    if name.endswith(".fits"):
        return FitsName(name[:-5], ".fits", 0)  # nearly always
    dot = name.rfind(".")
    if name[dot + 1 :].lower() in {"gz", "fz"}:
        dot = name.rfind(".", 0, dot)
    match = _SUFFIX.fullmatch(name, max(dot, 0))
    if match is None:
        return None
    compression = match[1] and match[1].lower()
    return FitsName(name[:dot], match[0], _RANKS[compression])


def unread_suffix(name: str) -> str:
    """Return why a file that seems to contain a FITS image is not read by its name, or "".

    >>> unread_suffix("P1-mosaic.fits.bz2"), unread_suffix("P1-mosaic.fits")
    ('compressed with bz2, which is not read; unpack it', '')
    """
    match = _UNREAD.search(name)
    if match is None or split_suffix(name) is not None:
        return ""
    end = match[1].lower()
    if end in _INCOMPLETE:
        return "an incomplete download"
    if end in {"gz", "fz"}:
        return "compressed twice, which is not read; unpack it once"
    return f"compressed with {end}, which is not read; unpack it"


def is_hidden(name: str) -> bool:
    """Return whether a file or folder belongs to another program, by its name."""
    return name.startswith(".")


def preferred_files(files: Iterable[tuple[str, FitsName]]) -> tuple[list[str], list[str]]:
    """Divide files of one stem in one folder into those to use and their compressed copies.

    Returns
    -------
    files, copies : list of str
        Usually one file to use. Several differ in their suffix only, e.g. ``.fits`` and ``.FITS``.
    """
    ordered = sorted(files, key=lambda item: (item[1].rank, item[0]))
    best = ordered[0][1].rank
    return (
        [file for file, name in ordered if name.rank == best],
        [file for file, name in ordered if name.rank > best],
    )


def distinct_names(spellings: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each item, so that different items have different names.

    Parameters
    ----------
    spellings : sequence of sequence of str
        For each item its names, from the usual one to the most exact one.

    Returns
    -------
    list of str
        The first spelling of each item that no other item has. Names are equal only where even the
        most exact spellings are.
    """
    if len(spellings) == 1:
        return [spellings[0][0]]
    # Items that share a name all move on to their next spelling, until nothing is shared: a name
    # that is ambiguous stands for none of them.
    levels = [0] * len(spellings)
    while True:
        names = [names[level] for names, level in zip(spellings, levels, strict=True)]
        counts = Counter(names)
        shared = [
            index for index, name in enumerate(names)
            if counts[name] > 1 and levels[index] + 1 < len(spellings[index])
        ]  # fmt: skip
        if not shared:
            return names
        for index in shared:
            levels[index] += 1


class PassedOver:
    """The files that a service found and does not use, each with the reason.

    >>> passed_over = PassedOver()
    >>> passed_over.add("P1-mosaic.fits.fz", "a compressed copy of another file")
    >>> passed_over.lines()
    ["passed over 'P1-mosaic.fits.fz': a compressed copy of another file"]
    """

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}  # by reason; ordered sets

    def add(self, name: str, reason: str) -> None:
        """Record a file; one that is recorded with the same reason counts once."""
        self._names.setdefault(reason, {})[name] = None

    def lines(self) -> list[str]:
        """Return one line for each reason, with the first few files that it is true for."""
        lines = []
        for reason, names in self._names.items():
            shown = ", ".join(repr(name) for name in sorted(names)[:_MAX_SHOWN])
            more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
            lines.append(f"passed over {shown}{more}: {reason}")
        if len(lines) <= _MAX_LINES:
            return lines
        remaining = len(lines) - _MAX_LINES
        return [*lines[:_MAX_LINES], f"passed over other files, for {remaining} more reasons"]
