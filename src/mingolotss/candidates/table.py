"""The images on offer for every source, as columns.

A survey has few images and many sources, so `CandidateTable` keeps each image once and, for every
source,
the numbers of its images: a million sources take 12 MB where lists of `Candidate` take 200. It
reads like the list of lists that it stands for.

>>> image = Candidate("P1", "P1-mosaic.fits", source="A")
>>> offers = CandidateTable.of([[image], []], names=["A", "B"])
>>> offers[0] == [image], offers[1], offers.counts.tolist()
(True, [], [1, 0])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mingolotss.model import Candidate

__all__ = ["CandidateTable", "Image"]

Image = tuple[str, str, str]  # field, image, rms


class CandidateTable(Sequence[list[Candidate]]):
    """For each source its candidates, sorted by field.

    Attributes
    ----------
    images : list of (field, image, rms)
        Each once.
    starts : int64 array, shape (n + 1,)
        The candidates of source i are ``which[starts[i]:starts[i + 1]]``.
    which : int32 array
        Places in `images`.
    names : list of str
        Of the sources.
    """

    __slots__ = ("images", "names", "starts", "which")

    def __init__(
        self,
        images: list[Image],
        starts: npt.NDArray[np.int64],
        which: npt.NDArray[np.int32],
        names: list[str],
    ) -> None:
        self.images, self.starts, self.which, self.names = images, starts, which, names

    @classmethod
    def of(cls, offers: Iterable[Sequence[Candidate]], names: list[str]) -> CandidateTable:
        """Make columns of a list of lists; what is columns already stays."""
        if isinstance(offers, cls):
            return offers
        numbers: dict[Image, int] = {}
        which: list[int] = []
        starts = [0]
        for offer in offers:
            for one in offer:
                image = (one.field, one.image, one.rms)
                which.append(numbers.setdefault(image, len(numbers)))
            starts.append(len(which))
        return cls(list(numbers), np.array(starts, np.int64), np.array(which, np.int32), names)

    @classmethod
    def of_pairs(
        cls,
        images: list[Image],
        rows: npt.NDArray[np.int64],
        which: npt.NDArray[np.int32],
        names: list[str],
    ) -> CandidateTable:
        """Make columns of pairs (source, image) in any order; `images` must be sorted by field."""
        order = np.lexsort((which, rows))
        counts = np.bincount(rows, minlength=len(names))
        return cls(images, np.concatenate([[0], np.cumsum(counts)]), which[order], names)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> list[Candidate]: ...
    @overload
    def __getitem__(self, row: slice) -> list[list[Candidate]]: ...
    def __getitem__(self, row: Any) -> Any:
        if not isinstance(row, slice):
            row = range(len(self))[row]
            return self[row : row + 1][0]
        start, stop, step = row.indices(len(self))
        if step != 1:
            return [self[one] for one in range(start, stop, step)]
        stop = max(start, stop)
        ends = self.starts[start : stop + 1].tolist()
        images = [self.images[one] for one in self.which[ends[0] : ends[-1]].tolist()]
        first = ends[0]
        return [
            [Candidate(f, image, rms, name) for f, image, rms in images[low - first : high - first]]
            for name, low, high in zip(self.names[start:stop], ends, ends[1:], strict=False)
        ]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Return how many images each source has."""
        return np.diff(self.starts)

    @property
    def first(self) -> npt.NDArray[np.int32]:
        """Return the number of each source's first image, -1 where there is none."""
        found = np.full(len(self), -1, np.int32)
        some = self.counts > 0
        found[some] = self.which[self.starts[:-1][some]]
        return found

    def take(self, rows: npt.NDArray[np.int64]) -> CandidateTable:
        """Return the offers of some sources, with only the images that they need."""
        counts = self.counts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        used, which = np.unique(self.which[places], return_inverse=True)
        images = [self.images[one] for one in used.tolist()]
        names = list(map(self.names.__getitem__, rows.tolist()))
        return CandidateTable(images, starts, which.astype(np.int32), names)
