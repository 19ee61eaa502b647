"""Which samples of which tiles one process reads in an epoch, and in what order.

A tile is a run of neighbouring sources in one file. The samples of an epoch have places from 0, in
the order of the tiles of that epoch. They are divided into batches, and the processes share the
batches: each sample belongs to one process, every batch but the last is full, and the number of
batches depends on no number of processes.

>>> order = TileOrder.of_epoch(np.array([3, 0, 4]), 2, None, Share())
>>> [(tile, rows.tolist()) for tile, rows in order]
[(0, [0, 1, 2]), (2, [0, 1, 2, 3])]
>>> shares = [Share(worker=worker, workers=2) for worker in (0, 1)]
>>> for share in shares:
...     order = TileOrder.of_epoch(np.array([3, 0, 4]), 2, None, share)
...     print(len(order), [(tile, rows.tolist()) for tile, rows in order])
4 [(0, [0, 1]), (2, [1, 2])]
3 [(0, [2]), (2, [0, 3])]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mingolotss.model import Bools, Ints

__all__ = ["Share", "TileOrder", "batch_count"]


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
        cls, counts: Ints, batch: int, rng: np.random.Generator | None, share: Share
    ) -> TileOrder:
        """Return the order of an epoch.

        Parameters
        ----------
        counts : int array, shape (number of tiles,)
            Samples of each tile.
        batch : int
        rng : Generator or None
            The same one for all processes. None keeps the order of the tiles: the batches of all
            workers, taken in turn, are then those of one process.
        share : Share
        """
        tiles = np.arange(len(counts)) if rng is None else rng.permutation(len(counts))
        return cls(tiles, counts[tiles], batch, share, rng is not None)

    def __len__(self) -> int:
        """Count the samples of the process."""
        return sum(len(rows) for _, rows in self)

    def __iter__(self) -> Iterator[tuple[int, Ints]]:
        """Give each tile that has samples of the process, and which of its samples they are."""
        stops = np.cumsum(self.counts)
        for tile, count, stop in zip(
            self.tiles.tolist(), self.counts.tolist(), stops.tolist(), strict=True
        ):
            rows = np.flatnonzero(self._is_own(np.arange(stop - count, stop) // self.batch))
            if len(rows):
                yield tile, rows

    def _is_own(self, batches: Ints) -> Bools:
        """Return which of the batches are read by the process."""
        share, samples = self.share, int(self.counts.sum())
        first, after = share.batches_of_rank(samples, self.batch)
        is_own: Bools = (first <= batches) & (batches < after)
        if self.batch > 1 and not self.is_shuffled:
            # A DataLoader takes the batches of its workers in turn.
            is_own &= (batches - first) % share.workers == share.worker
            return is_own
        # Neighbouring batches, so that few tiles are read by two processes.
        count = after - first
        start = first + share.worker * count // share.workers
        stop = first + (share.worker + 1) * count // share.workers
        return is_own & (start <= batches) & (batches < stop)
