"""The candidates of every source of a catalogue, as columns.

A survey has few images and many sources. `CandidateTable` keeps each image once and, for every
source, the indices of its images: a million sources take 12 MB, lists of `Candidate` 200 MB. It
reads like the list of lists that it stands for.

>>> image = Candidate("P1", "P1-mosaic.fits", source="A")
>>> table = CandidateTable.from_lists([[image], []], names=["A", "B"])
>>> table[0] == [image], table[1], table.counts.tolist()
(True, [], [1, 0])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from mingolotss.io.summaries import Shown, Summary, count_text
from mingolotss.model import Candidate

__all__ = ["CandidateTable", "Image"]

Image = tuple[str, str, str]  # field, address of the image, address of the rms map


class CandidateTable(Shown, Sequence[list[Candidate]]):
    """For each source its candidates, sorted by field.

    Attributes
    ----------
    images : list of (field, image, rms)
        Each image once.
    starts : int64 array, shape (n + 1,)
        The candidates of source i are ``image_index[starts[i]:starts[i + 1]]``.
    image_index : int32 array
        Indices into `images`.
    names : list of str, length n
        The sources.
    """

    __slots__ = ("image_index", "images", "names", "starts")

    def __init__(
        self,
        images: list[Image],
        starts: npt.NDArray[np.int64],
        image_index: npt.NDArray[np.int32],
        names: list[str],
    ) -> None:
        self.images, self.starts, self.image_index, self.names = images, starts, image_index, names

    def _summary(self) -> Summary:
        candidates = count_text(len(self.image_index), "candidate")
        facts = {"images": f"{len(self.images):,}"}
        title = f"CandidateTable: {candidates} of {count_text(len(self.names), 'source')}"
        return Summary(title, facts)

    @classmethod
    def from_lists(
        cls, candidates: Iterable[Sequence[Candidate]], names: list[str]
    ) -> CandidateTable:
        """Make a table from a list of candidates for each source; a table is returned as it is."""
        if isinstance(candidates, cls):
            return candidates
        index_of: dict[Image, int] = {}
        image_index: list[int] = []
        starts = [0]
        for of_source in candidates:
            for candidate in of_source:
                image = (candidate.field, candidate.image, candidate.rms)
                image_index.append(index_of.setdefault(image, len(index_of)))
            starts.append(len(image_index))
        return cls(
            list(index_of), np.array(starts, np.int64), np.array(image_index, np.int32), names
        )

    @classmethod
    def from_pairs(
        cls,
        images: list[Image],
        rows: npt.NDArray[np.int64],
        image_index: npt.NDArray[np.int32],
        names: list[str],
    ) -> CandidateTable:
        """Make a table from pairs (source, image) in any order.

        Parameters
        ----------
        images : list of (field, image, rms)
            Sorted by field.
        rows : int64 array, shape (m,)
            The source of each pair, an index into `names`.
        image_index : int32 array, shape (m,)
            The image of each pair, an index into `images`.
        names : list of str
        """
        # `lexsort` sorts by its last key first: by source, then by image, and so by field. The
        # candidates of a source are then neighbours, and the counts of the sources give the place
        # where each one begins.
        order = np.lexsort((image_index, rows))
        counts = np.bincount(rows, minlength=len(names))
        return cls(images, np.concatenate([[0], np.cumsum(counts)]), image_index[order], names)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> list[Candidate]: ...
    @overload
    def __getitem__(self, row: slice) -> list[list[Candidate]]: ...
    def __getitem__(self, row: int | slice) -> list[Candidate] | list[list[Candidate]]:
        if not isinstance(row, slice):
            row = range(len(self))[row]
            return self[row : row + 1][0]
        start, stop, step = row.indices(len(self))
        if step != 1:
            return [self[index] for index in range(start, stop, step)]
        # The candidates of consecutive sources are consecutive: take their images in one go, then
        # cut the list at the ends of the sources. `ends` counts from the first candidate of all.
        stop = max(start, stop)
        ends = self.starts[start : stop + 1].tolist()
        first = ends[0]
        images = [self.images[index] for index in self.image_index[first : ends[-1]].tolist()]
        return [
            [Candidate(f, image, rms, name) for f, image, rms in images[low - first : high - first]]
            for name, low, high in zip(self.names[start:stop], ends, ends[1:], strict=False)
        ]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Return the number of candidates of each source."""
        return np.diff(self.starts)

    @property
    def first_image(self) -> npt.NDArray[np.int32]:
        """Return the index of the first image of each source, -1 where it has no candidate."""
        first = np.full(len(self), -1, np.int32)
        has_candidates = self.counts > 0
        first[has_candidates] = self.image_index[self.starts[:-1][has_candidates]]
        return first

    def without(self, rows: npt.NDArray[np.bool_]) -> CandidateTable:
        """Return the same sources, of which some have no candidates.

        Parameters
        ----------
        rows : bool array, shape (n,)
            True for those without.
        """
        if not rows.any():
            return self
        kept = self.image_index[~np.repeat(rows, self.counts)]
        starts = np.concatenate([[0], np.cumsum(np.where(rows, 0, self.counts))])
        return CandidateTable(self.images, starts, kept, self.names)

    def take(self, rows: npt.NDArray[np.int64]) -> CandidateTable:
        """Return the table of some sources, with only the images that they need."""
        # The candidates of the sources are ranges of `image_index`. All ranges are written out at
        # once: count through the new table, and shift the entries of each source by the difference
        # between where they were and where they go.
        counts = self.counts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        entries = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        needed, image_index = np.unique(self.image_index[entries], return_inverse=True)
        images = [self.images[index] for index in needed.tolist()]
        names = list(map(self.names.__getitem__, rows.tolist()))
        return CandidateTable(images, starts, image_index.astype(np.int32), names)
