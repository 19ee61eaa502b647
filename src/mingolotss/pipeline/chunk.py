"""A chunk: some neighbouring sources of a part with all their candidates, as columns.

A survey has millions of sources, and to make an object for each would take as long as to make the
stamps. A chunk is what the stages of a part begin with; each stage returns its own result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.requests import CutoutRequests
from mingolotss.model import Ints, Source
from mingolotss.pipeline.task import Task

__all__ = ["Chunk"]


@dataclass(frozen=True)
class Chunk:
    """Sources `start` to `stop` of a task: n sources with m candidates.

    Attributes
    ----------
    task : Task
    start, stop : int
    """

    task: Task
    start: int
    stop: int

    def __len__(self) -> int:
        return len(self.names)

    @property
    def rows(self) -> slice:
        """Return which rows of the task these are."""
        return slice(self.start, self.stop)

    @cached_property
    def names(self) -> list[str]:
        """Return the names of the sources."""
        return self.task.catalogue.names[self.rows]

    @cached_property
    def _ends(self) -> Ints:
        return self.task.candidates.starts[self.start : self.start + len(self) + 1]

    @cached_property
    def starts(self) -> Ints:
        """Return where the candidates of each source start, shape (n + 1,).

        Those of source i are ``starts[i]`` to ``starts[i + 1]``.
        """
        starts: Ints = self._ends - self._ends[0]
        return starts

    @cached_property
    def source_index(self) -> Ints:
        """Return the source of each candidate, shape (m,)."""
        return np.repeat(np.arange(len(self)), np.diff(self._ends))

    @cached_property
    def images(self) -> npt.NDArray[np.int32]:
        """Return the image of each candidate, shape (m,), a place in ``task.candidates.images``."""
        return self.task.candidates.image_index[self._ends[0] : self._ends[-1]]

    def field(self, candidate: int) -> str:
        """Return the field of a candidate."""
        return self.task.candidates.images[int(self.images[candidate])][0]

    @cached_property
    def requests(self) -> CutoutRequests:
        """Return the requests for the cutouts of all candidates."""
        catalogue, rows, index = self.task.catalogue, self.rows, self.source_index.tolist()
        numbers = self.task.rows[rows].tolist()

        def sources() -> list[Source]:  # keeps no reference to the chunk and its pixels
            all_sources = catalogue.sources(rows, numbers)
            return [all_sources[row] for row in index]

        return CutoutRequests(
            self.task.candidates.images,
            self.images,
            [self.names[row] for row in index],
            catalogue.ra[rows][self.source_index],
            catalogue.dec[rows][self.source_index],
            sources,
        )
