"""Some sources of a partition on their way to records or rejections, as columns.

Nothing in here is an object for each source: a survey has millions, and making the objects would
take as long as making the stamps. What is particular to few sources is noted by row.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.requests import CutoutRequests
from mingolotss.model import Ints, Objects, Source
from mingolotss.pipeline.task import Task

__all__ = ["Chunk"]


class Chunk:
    """Neighbouring sources of a task, n of them, with all their candidates, m.

    Attributes
    ----------
    task : Task
    some : slice
        The rows of the task.
    names : list of str
        Of the sources.
    starts : int64 array, shape (n + 1,)
        The candidates of source i are ``starts[i]`` to ``starts[i + 1]``.
    of : int64 array, shape (m,)
        The source of each candidate.
    image : int32 array, shape (m,)
        The image of each, a place in ``task.offers.images``.
    boxes : CutoutArray
        The cutouts, once they are read.
    x, y, separation : float64 array, shape (m,), px and arcsec
        As `mingolotss.candidates.selection.Place` has them.
    percent_nan : float64 array, shape (m,)
    verdict : object array of str, shape (m,)
        "" while a candidate is usable; then why it is not, or whether it was chosen.
    unfetched : bool array, shape (m,)
        The service did not give it.
    again : bool
        A later try may do better by one of the candidates.
    chosen : int64 array, shape (n,)
        The candidate of each source, -1 for none.
    case, undecided, decided_by : arrays, shape (n,)
        As `mingolotss.candidates.selection.Choice` has them.
    lost : dict of int to (str, str)
        The sources without a stamp: stage and reason.
    recentred, blank : bool array, shape (n,)
    noise_jy, peak_jy : float64 array, shape (n,), Jy/beam
    images : object array of bytes or None, shape (n,)
        The stamps, as they are stored.
    pixels_sha256 : object array of str or None, shape (n,)
    """

    def __init__(self, task: Task, start: int, stop: int) -> None:
        self.task, self.some = task, slice(start, stop)
        self.names = task.catalogue.names[self.some]
        n = len(self.names)
        ends = task.offers.starts[start : start + n + 1]
        self.starts: Ints = ends - ends[0]
        self.image = task.offers.which[ends[0] : ends[-1]]
        self.of: Ints = np.repeat(np.arange(n), np.diff(ends))
        m = len(self.of)
        self.boxes = CutoutArray(m)
        self.x, self.y, self.separation = np.full((3, m), np.nan)
        self.percent_nan = np.zeros(m)
        self.verdict: Objects = np.full(m, "", object)
        self.unfetched, self.again = np.zeros(m, bool), False
        self.chosen: Ints = np.full(n, -1)
        self.case = np.zeros(n, np.int8)
        self.undecided, self.recentred, self.blank = np.zeros((3, n), bool)
        self.decided_by: Objects = np.full(n, None)
        self.lost: dict[int, tuple[str, str]] = {}
        self.noise_jy, self.peak_jy = np.full((2, n), np.nan)
        self.images: Objects = np.full(n, None)
        self.pixels_sha256: Objects = np.full(n, None)

    def __len__(self) -> int:
        return len(self.names)

    def field(self, offer: int) -> str:
        """Return the field of a candidate."""
        return self.task.offers.images[int(self.image[offer])][0]

    def reject(self, row: int, stage: str, reason: str) -> None:
        """Note where a source was lost, and why."""
        self.lost[row], self.chosen[row] = (stage, reason), -1

    @cached_property
    def wants(self) -> CutoutRequests:
        """Return the cutouts of all candidates, to be asked for."""
        catalogue, some, of = self.task.catalogue, self.some, self.of.tolist()
        numbers = self.task.rows[some].tolist()

        def sources() -> list[Source]:  # knows nothing of the chunk, which goes when it is done
            each = catalogue.sources(some, numbers)
            return [each[row] for row in of]

        return CutoutRequests(
            self.task.offers.images,
            self.image,
            [self.names[row] for row in of],
            catalogue.ra[some][self.of],
            catalogue.dec[some][self.of],
            sources,
        )
