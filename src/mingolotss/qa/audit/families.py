"""All pairs that follow from those of `find_twins`, which compares only one image of each kind.

Of images that are equal in every pixel, `find_twins` pairs each with the first of them, and
compares only the first with others. If that one is in another dataset, pairs within the dataset
follow: here each image is paired with the first of its kind in its own dataset and in every other
one.

>>> def twin(first, second, angle, equal=True):
...     return Twin(first, second, 1.0, 0.0, False, angle, (0.0, 0.0), equal)
>>> pairs = [twin(0, 2, 90.0), twin(0, 3, 0.0), twin(0, 1, 10.0, equal=False)]
>>> [(one.first, one.second, one.angle_deg) for one in complete_pairs(pairs, [0, 2, 4])]
[(0, 1, 10.0), (0, 2, 90.0), (0, 3, 0.0), (1, 2, 80.0), (2, 3, 270.0)]
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, product
from typing import NamedTuple

from mingolotss.qa.audit.twins import Twin

__all__ = ["complete_pairs"]


class _Turn(NamedTuple):
    """A turn of an image after a mirror, if it is mirrored; degrees."""

    mirrored: bool = False
    angle: float = 0.0

    def after(self, earlier: _Turn) -> _Turn:
        """Return both turns as one, `earlier` first."""
        angle = -earlier.angle if self.mirrored else earlier.angle
        return _Turn(self.mirrored != earlier.mirrored, (self.angle + angle) % 360)

    def inverse(self) -> _Turn:
        """Return the turn back."""
        return self if self.mirrored else _Turn(angle=-self.angle % 360)


class _Copy(NamedTuple):
    """An image that is equal to the first of its kind after a turn."""

    number: int
    turn: _Turn


def complete_pairs(pairs: Sequence[Twin], starts: Sequence[int]) -> list[Twin]:
    """Return the pairs of every dataset and of every two datasets, in order.

    Parameters
    ----------
    pairs : sequence of Twin
    starts : sequence of int, length datasets + 1
        The number of the first image of each dataset, then that of all images.
    """
    families: dict[int, list[_Copy]] = {}
    for twin in pairs:
        if twin.equal_pixels:
            family = families.setdefault(twin.first, [_Copy(twin.first, _Turn())])
            family.append(_Copy(twin.second, _Turn(twin.mirrored, twin.angle_deg)))
    found: dict[tuple[int, int], Twin] = {}
    for family in families.values():
        example = Twin(0, 0, 1.0, 0.0, False, 0.0, (0.0, 0.0), True)
        for one, other in _pairs_of_copies(_by_dataset(family, starts)):
            _add(found, example, one, other, _Turn())
    for twin in pairs:
        if not twin.equal_pixels:
            ends = [families.get(end, [_Copy(end, _Turn())]) for end in (twin.first, twin.second)]
            firsts = [[part[0] for part in _by_dataset(end, starts)] for end in ends]
            for one, other in product(*firsts):
                _add(found, twin, one, other, _Turn(twin.mirrored, twin.angle_deg))
    return sorted(found.values())


def _by_dataset(family: Sequence[_Copy], starts: Sequence[int]) -> list[list[_Copy]]:
    parts: dict[int, list[_Copy]] = {}
    for copy in sorted(family):
        parts.setdefault(bisect_right(starts, copy.number), []).append(copy)
    return list(parts.values())


def _pairs_of_copies(parts: Sequence[list[_Copy]]) -> Iterator[tuple[_Copy, _Copy]]:
    """Give the pairs of each copy with the first one of every dataset."""
    for one, other in combinations_with_replacement(parts, 2):
        if one is other:
            yield from ((one[0], copy) for copy in one[1:])
        else:
            yield from ((one[0], copy) for copy in other)
            yield from ((copy, other[0]) for copy in one[1:])


def _add(
    found: dict[tuple[int, int], Twin], twin: Twin, one: _Copy, other: _Copy, turn: _Turn
) -> None:
    """Add the pair of two copies; `turn` is that from the first of one kind to the other's."""
    whole = other.turn.after(turn).after(one.turn.inverse())
    first, second = one.number, other.number
    if first > second:
        first, second, whole = second, first, whole.inverse()
    found[first, second] = twin._replace(
        first=first, second=second, mirrored=whole.mirrored, angle_deg=whole.angle
    )
