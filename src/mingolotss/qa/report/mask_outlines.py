"""The outlines of a mask over the picture of its stamp: of the source, and of other sources.

The lines run along the edges of the pixels, in pixels of the stamp from the upper left corner of
the picture, in which FITS row 0 is at the bottom.

>>> mask = np.zeros((3, 4), np.uint8)
>>> mask[0, 1:3] = OWN
>>> outlines_of(mask).own
'M1 2h2v1h-2z'
>>> outlines_of(mask).other
''
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.image.masks import OTHER, OWN, Masks
from mingolotss.model import Bools

__all__ = ["MaskOutlines", "outlines_of"]


class MaskOutlines(NamedTuple):
    """The outlines of one mask.

    Attributes
    ----------
    nx, ny : int
        Size of the stamp.
    own, other : str
        SVG paths; "" where there are no such pixels.
    """

    nx: int
    ny: int
    own: str
    other: str


def outlines_of(mask: Masks) -> MaskOutlines:
    """Return the outlines of a mask, uint8 array, shape (ny, nx)."""
    ny, nx = mask.shape
    picture = mask[::-1]  # row 0 of the stamp is the last of the picture
    return MaskOutlines(nx, ny, _edges(picture == OWN), _edges(picture == OTHER))


def _edges(inside: Bools) -> str:
    """Return closed paths along the edges between pixels inside and outside, and at the border."""
    # Strategy: an edge between two pixels has a direction, with the inside on its right. Edges in a
    # row are one segment. Segments are joined at their ends, until each path is back at its start.
    padded = np.pad(inside, 1).astype(np.int8)
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y, start, stop, sign in _segments(np.diff(padded[:, 1:-1], axis=0)):
        left, right = (start, y), (stop, y)
        begin, end = (left, right) if sign > 0 else (right, left)
        ends.setdefault(begin, []).append(end)
    for x, start, stop, sign in _segments(np.diff(padded[1:-1], axis=1).T):
        top, bottom = (x, start), (x, stop)
        begin, end = (bottom, top) if sign > 0 else (top, bottom)
        ends.setdefault(begin, []).append(end)
    path = []
    while ends:
        first = here = next(iter(ends))
        path.append(f"M{first[0]} {first[1]}")
        while (after := ends[here].pop()) != first:
            dx, dy = after[0] - here[0], after[1] - here[1]
            path.append(f"h{dx}" if dx else f"v{dy}")
            if not ends[here]:
                del ends[here]
            here = after
        if not ends[here]:
            del ends[here]
        path.append("z")
    return "".join(path)


def _segments(edges: npt.NDArray[np.int8]) -> list[tuple[int, int, int, int]]:
    """Return line, start, stop and sign of every run of equal edges, 0 where there is no edge.

    Parameters
    ----------
    edges : int8 array, shape (lines, places)
    """
    padded = np.pad(edges, ((0, 0), (1, 1)))
    changes = padded[:, 1:] != padded[:, :-1]
    lines, starts = np.nonzero(changes & (padded[:, 1:] != 0))
    stops = np.nonzero(changes & (padded[:, :-1] != 0))[1]
    signs = edges[lines, starts]
    columns = (column.tolist() for column in (lines, starts, stops, signs))
    return list(zip(*columns, strict=True))
