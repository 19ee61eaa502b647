"""Every sample has one place in an epoch, whatever the sizes of tiles, files and batches are."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.loaders.tile_order import FILES_AT_A_TIME, Share, TileOrder, batch_count


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shuffle", [True, False])
def test_processes_divide_the_samples(seed, shuffle):
    """Random tiles, some without samples: each sample once, in full batches but for one."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 30, rng.integers(1, 40)) * rng.integers(0, 2)
    counts[rng.integers(len(counts))] = 1
    files = np.sort(rng.integers(0, 5, len(counts)))
    batch, ranks, workers = (int(rng.integers(1, high)) for high in (40, 5, 4))
    lengths, places = [], []
    for rank in range(ranks):
        own = 0
        for worker in range(workers):
            share = Share(rank, ranks, worker, workers)
            epoch = np.random.default_rng([seed, 7]) if shuffle else None
            order = TileOrder.of_epoch(counts, files, batch, epoch, share)
            lengths.append(len(order))
            own += -(-len(order) // batch)
            places += [(tile, row) for tile, rows in order for row in rows.tolist()]
        assert own == batch_count(int(counts.sum()), batch, share)
    assert sorted(places) == [(tile, row) for tile, n in enumerate(counts) for row in range(n)]
    assert sum(length % batch != 0 for length in lengths) <= 1


def test_a_shuffled_order_stays_in_few_files_at_a_time():
    """A process has to open each of many files once, and still sees tiles in random order."""
    files = np.repeat(np.arange(500), 7)
    rng = np.random.default_rng(3)
    order = TileOrder.of_epoch(np.ones(len(files), int), files, 1, rng, Share())
    of_tiles = files[[tile for tile, _ in order]]
    first = np.array([np.flatnonzero(of_tiles == file)[0] for file in range(500)])
    last = np.array([np.flatnonzero(of_tiles == file)[-1] for file in range(500)])
    assert (last - first).max() < FILES_AT_A_TIME * 7
    assert np.count_nonzero(np.diff(of_tiles) == 0) < len(files) / 10
    assert abs(np.corrcoef(np.arange(len(files)), of_tiles)[0, 1]) < 0.1
