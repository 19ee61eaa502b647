"""Run-length encoding of masks as COCO has it: counts of pixels, compressed into a text.

The columns of a mask are joined; the counts are those of 0 and of 1 in turn, beginning with 0. From
the fourth on, a count is stored as the difference to the one two places before it, in groups of
five bits, each a printable character. Masks are encoded by the library pycocotools. A text that may
come from anywhere is decoded here: the library reads past the end of damaged texts, and such a text
can end its process (pycocotools 2.0.11, ``maskApi.c``).

>>> decode_rle({"size": [2, 3], "counts": "221O"}, (2, 3)).tolist()
[[0, 1, 0], [0, 1, 1]]
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import numpy.typing as npt

from mingolotss.image.masks import Masks
from mingolotss.model import Bools, Ints

__all__ = ["Rle", "decode_rle", "encode_rles"]

Rle = dict[str, object]
"""``size``, [ny, nx], and ``counts``, a text."""
_FIRST, _BITS, _MORE, _SIGN = 48, 5, 0x20, 0x10
_LONGEST = 7  # characters of a count below 2**31, with its sign


def encode_rles(coco_mask: ModuleType, masks: Bools) -> list[Rle]:
    """Return the encoding of each mask.

    Parameters
    ----------
    coco_mask : module
        ``pycocotools.mask``.
    masks : bool array, shape (n, ny, nx)
    """
    if not len(masks):
        return []
    stack = np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8))
    return [
        {"size": list(map(int, rle["size"])), "counts": rle["counts"].decode("ascii")}
        for rle in coco_mask.encode(stack)
    ]


def decode_rle(rle: object, axes: tuple[int, int]) -> Masks:
    """Return a mask of 0 and 1.

    Parameters
    ----------
    rle : mapping
        As `encode_rles` returns it.
    axes : (int, int)
        The height and width of the image.

    Returns
    -------
    uint8 array, shape (ny, nx)

    Raises
    ------
    ValueError
        It is no such encoding, or not of a mask of this size.
    """
    size, counts = (rle.get("size"), rle.get("counts")) if isinstance(rle, dict) else (None, None)
    if size != list(axes) or not isinstance(counts, str) or not counts.isascii():
        raise ValueError(f"a segmentation that is no compressed RLE of {axes} pixels")
    runs = _decode_counts(np.frombuffer(counts.encode("ascii"), np.uint8))
    if runs.min(initial=0) < 0 or runs.max(initial=0) > axes[0] * axes[1]:
        raise ValueError("a segmentation with runs of impossible length")
    if runs.sum() != axes[0] * axes[1]:
        raise ValueError(f"a segmentation of {runs.sum()} pixels, and not {axes[0] * axes[1]}")
    values = np.repeat((np.arange(len(runs)) & 1).astype(np.uint8), runs)
    mask: Masks = values.reshape(axes[1], axes[0]).T
    return mask


def _decode_counts(characters: npt.NDArray[np.uint8]) -> Ints:
    """Return the lengths of the runs.

    Raises
    ------
    ValueError
        There is another character, or a count does not end.
    """
    codes = characters.astype(np.int64) - _FIRST
    if not len(codes):
        return np.zeros(0, np.int64)
    if codes.min() < 0 or codes.max() >= 1 << (_BITS + 1) or codes[-1] & _MORE:
        raise ValueError("a segmentation with other characters than compressed RLE has")
    # A character without _MORE ends a count. The groups of a count follow from the lowest to the
    # highest, and the sign of the last one is that of the count.
    ends = np.flatnonzero((codes & _MORE) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST:
        raise ValueError("a segmentation with a run of impossible length")
    places = np.arange(len(codes)) - np.repeat(starts, lengths)
    runs: Ints = np.add.reduceat((codes & (_MORE - 1)) << (_BITS * places), starts)
    runs -= np.where(codes[ends] & _SIGN, 1 << (_BITS * lengths), 0)
    # Differences to the count two places before: two sums, of which the one of the even places
    # begins with the third count.
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
