"""Which samples of which tiles one process reads in an epoch, and in what order.

A tile is a run of neighbouring sources in one file. The samples of an epoch have places from 0, in
the order of the tiles of that epoch. They are divided into batches, and the processes share the
batches: each sample belongs to one process, every batch but the last is full, and the number of
batches depends on no number of processes.

>>> counts, files = np.array([3, 0, 4]), np.array([0, 0, 1])
>>> order = TileOrder.of_epoch(counts, files, 2, None, Share())
>>> [(tile, rows.tolist()) for tile, rows in order]
[(0, [0, 1, 2]), (2, [0, 1, 2, 3])]
>>> shares = [Share(worker=worker, workers=2) for worker in (0, 1)]
>>> for share in shares:
...     order = TileOrder.of_epoch(counts, files, 2, None, share)
...     print(len(order), [(tile, rows.tolist()) for tile, rows in order])
4 [(0, [0, 1]), (2, [1, 2])]
3 [(0, [2]), (2, [0, 3])]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mingolotss.model import Ints

__all__ = ["FILES_AT_A_TIME", "Share", "TileOrder", "batch_count"]

FILES_AT_A_TIME = 32
"""How many files the tiles of a shuffled order are drawn from at a time."""


@dataclass(frozen=True, slots=True)
class Share:
    """One process among those that read a dataset together.

    Attributes
    ----------
    rank, ranks : int
        Of the process that trains.
    worker, workers : int
        Of the process that reads for it.
    drop_last : bool
        Leave out the incomplete batch, and batches that not every rank could have.
    """

    rank: int = 0
    ranks: int = 1
    worker: int = 0
    workers: int = 1
    drop_last: bool = False

    def batches_of_rank(self, samples: int, batch: int) -> tuple[int, int]:
        """Return the first batch of the rank, and the one after its last.

        Parameters
        ----------
        samples : int
            Of all ranks.
        batch : int
            Samples in a batch.
        """
        if self.drop_last:
            each = samples // batch // self.ranks
            return self.rank * each, (self.rank + 1) * each
        total = -(-samples // batch)
        return self.rank * total // self.ranks, (self.rank + 1) * total // self.ranks


def batch_count(samples: int, batch: int, share: Share) -> int:
    """Return the number of batches of a rank, by all its workers together."""
    start, stop = share.batches_of_rank(samples, batch)
    return stop - start


@dataclass(frozen=True, slots=True)
class TileOrder:
    """The samples of one process in one epoch; iterate over (tile, rows).

    Attributes
    ----------
    tiles : int array
        The tiles of all processes, in order.
    counts : int array
        How many samples each of them has.
    batch : int
        Samples in a batch.
    share : Share
    is_shuffled : bool
    """

    tiles: Ints
    counts: Ints
    batch: int
    share: Share
    is_shuffled: bool

    @classmethod
    def of_epoch(
        cls, counts: Ints, files: Ints, batch: int, rng: np.random.Generator | None, share: Share
    ) -> TileOrder:
        """Return the order of an epoch.

        Parameters
        ----------
        counts : int array, shape (number of tiles,)
            Samples of each tile.
        files : int array, shape (number of tiles,)
            The file of each tile.
        batch : int
        rng : Generator or None
            The same one for all processes. None keeps the order of the tiles: the batches of all
            workers, taken in turn, are then those of one process.
        share : Share
        """
        tiles = np.arange(len(counts))
        if rng is not None:
            # The tiles of a few files at a time: a process then opens each file once, or twice.
            place = rng.permutation(int(files.max(initial=0)) + 1)[files]
            tiles = np.lexsort((rng.random(len(counts)), place // FILES_AT_A_TIME))
        return cls(tiles, counts[tiles], batch, share, rng is not None)

    def __len__(self) -> int:
        """Count the samples of the process."""
        return sum(len(rows) for _, rows in self)

    def __iter__(self) -> Iterator[tuple[int, Ints]]:
        """Give each tile that has samples of the process, and which of its samples they are."""
        first, after, step, offset = self._batches()
        stops = np.cumsum(self.counts)
        places = zip(self.tiles.tolist(), self.counts.tolist(), stops.tolist(), strict=True)
        for tile, count, stop in places:
            start = stop - count
            begin, end = max(start, first * self.batch), min(stop, after * self.batch)
            if begin >= end:
                continue
            rows = np.arange(begin, end)
            if step > 1:
                rows = rows[rows // self.batch % step == offset]
            if len(rows):
                yield tile, rows - start

    def _batches(self) -> tuple[int, int, int, int]:
        """Return the first batch of the process, the one after its last, and which of these."""
        share = self.share
        first, after = share.batches_of_rank(int(self.counts.sum()), self.batch)
        if self.batch > 1 and not self.is_shuffled:
            # A DataLoader takes the batches of its workers in turn.
            return first, after, share.workers, (first + share.worker) % share.workers
        # Neighbouring batches, so that few tiles are read by two processes.
        count = after - first
        start = first + share.worker * count // share.workers
        return start, first + (share.worker + 1) * count // share.workers, 1, 0
