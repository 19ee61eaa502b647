"""A chunk: some neighbouring sources of a part with all their candidates, as columns.

A survey has millions of sources, and creating an object for each would take as long as making the
stamps. A chunk has no pixels: it is the input of the stages, and each stage returns its own result.
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
    """Rows `start` to `stop` of a task: n sources with m candidates.

    Attributes
    ----------
    task : Task
    start, stop : int
        ``0 <= start <= stop <= len(task)``.
    """

    task: Task
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def task_slice(self) -> slice:
        """Return the rows of the task that are in this chunk."""
        return slice(self.start, self.stop)

    @cached_property
    def names(self) -> list[str]:
        """Return the names of the sources."""
        return self.task.catalogue.names[self.task_slice]

    @cached_property
    def _bounds(self) -> Ints:
        """Return the first candidate of each source, and one past the last, in the task's table."""
        return self.task.candidates.starts[self.start : self.stop + 1]

    @cached_property
    def starts(self) -> Ints:
        """Return where the candidates of each source start, shape (n + 1,).

        Those of source i are ``starts[i]`` to ``starts[i + 1]``.
        """
        starts: Ints = self._bounds - self._bounds[0]
        return starts

    @cached_property
    def source_index(self) -> Ints:
        """Return the source of each candidate, shape (m,)."""
        return np.repeat(np.arange(len(self)), np.diff(self._bounds))

    @cached_property
    def image_index(self) -> npt.NDArray[np.int32]:
        """Return the image of each candidate, shape (m,): indices into the task's images."""
        return self.task.candidates.image_index[self._bounds[0] : self._bounds[-1]]

    def field(self, candidate: int) -> str:
        """Return the field of a candidate."""
        field, _, _ = self.task.candidates.images[int(self.image_index[candidate])]
        return field

    def image(self, candidate: int) -> str:
        """Return the path or address of the image of a candidate."""
        _, image, _ = self.task.candidates.images[int(self.image_index[candidate])]
        return image

    def images(self) -> list[str]:
        """Return the images of all candidates, each once."""
        return list(dict.fromkeys(map(self.image, range(len(self.image_index)))))

    @cached_property
    def requests(self) -> CutoutRequests:
        """Return the requests for the cutouts of all candidates."""
        catalogue, task_slice = self.task.catalogue, self.task_slice
        index, source_rows = self.source_index.tolist(), self.task.rows[task_slice].tolist()

        def sources() -> list[Source]:  # refers to columns of the task, and not to the chunk
            all_sources = catalogue.sources(task_slice, source_rows)
            return [all_sources[row] for row in index]

        return CutoutRequests(
            self.task.candidates.images,
            self.image_index,
            [self.names[row] for row in index],
            catalogue.ra[task_slice][self.source_index],
            catalogue.dec[task_slice][self.source_index],
            sources,
        )
