"""Measure how fast a HATS collection is streamed to PyTorch: ``bench_tiles.py [--sources N]``.

A build of simulated stamps is made in a temporary folder, and exported as a collection. Contestants
take turns; the table gives images per second, the median of the rounds, and the seconds of the
processor for a million images, which depend less on what else the machine does. The memory-mapped
array is a dataset as plain as can be: all pixels in one file, gathered in a shuffled order. Others
than ours run if their library is installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import make_parts
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mingolotss import MingoLoTSS, ShuffledTiles, export
from mingolotss.dataset.layout import HatsCollection

WORKERS = 2
Contestants = dict[str, Callable[[], int]]


class MappedArray(IterableDataset):  # type: ignore[type-arg]
    """The pixels of all images in one file, gathered in a shuffled order."""

    def __init__(self, path: Path, batch: int) -> None:
        self.path, self.batch = path, batch

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Give every second batch to each worker."""
        images = np.load(self.path, mmap_mode="r")
        order = np.random.default_rng(0).permutation(len(images))
        starts = range(0, len(images), self.batch)
        for start in starts[get_worker_info().id :: WORKERS]:
            yield torch.from_numpy(images[order[start : start + self.batch]])


def stream(dataset: Any, size: int | None = None, workers: int = WORKERS) -> int:
    """Read an epoch; return the number of images."""
    images = 0
    for batch in DataLoader(dataset, batch_size=size, num_workers=workers):
        images += len(batch[0] if isinstance(batch, list | tuple) else batch)
    return images


def stream_hub(folder: Path, name: str, size: int) -> int:
    """Read the first rows of a collection with Hugging Face `datasets`, shuffled in a buffer."""
    import datasets

    pattern = str(HatsCollection(folder, name).catalogue / "dataset/**/*.parquet")
    rows = datasets.load_dataset("parquet", data_files=pattern, split="train", streaming=True)
    rows = rows.select_columns(["stamp", "split"]).shuffle(seed=0, buffer_size=size)
    return sum(np.asarray(row["stamp"]).shape[0] > 0 for row in rows.take(size))


def processor_seconds() -> float:
    """Return what this process and those that it waited for have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def contestants(folder: Path, array: Path, name: str, batch: int, limit: int) -> Contestants:
    """Return what is measured; each returns how many images it read."""
    tiles = partial(ShuffledTiles, folder, "all")
    found: Contestants = {
        "memory-mapped array": lambda: stream(MappedArray(array, batch)),
        "ShuffledTiles, uint8": lambda: stream(tiles(batch_size=batch, tensors=torch.uint8)),
        "ShuffledTiles, uint8, batches of 1024": lambda: stream(
            tiles(batch_size=1024, tensors=torch.uint8)
        ),
        "ShuffledTiles, float32": lambda: stream(tiles(batch_size=batch)),
        "ShuffledTiles, one by one": lambda: stream(
            tiles(batch_size=None, tensors=torch.uint8), batch
        ),
        "MingoLoTSS, uint8": lambda: stream(
            MingoLoTSS(folder, split="all", tensors=torch.uint8), batch
        ),
    }
    if find_spec("datasets"):
        found["datasets, streaming, one process"] = lambda: stream_hub(folder, name, limit)
    return found


def main() -> None:
    """Make the data, let everyone take turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64, help="of a stamp, px")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--collection", type=Path, help="one that was exported before")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.collection or Path(temporary) / "collection"
        if options.collection is None:
            make_parts.main(Path(temporary) / "build", options.sources, options.side)
            export(Path(temporary) / "build", "hats", folder)
        array = Path(temporary) / "images.npy"
        images = np.concatenate(
            [one.numpy() for one, _ in ShuffledTiles(folder, "all", tensors=torch.uint8)]
        )
        np.save(array, images)
        measure(contestants(folder, array, "small-stamps", options.batch, 5_000), options.rounds)
        started = time.perf_counter()
        dataset = ShuffledTiles(folder, "train")
        print(f"\nopened in {time.perf_counter() - started:.2f} s: {dataset!r:.60}...")


def measure(found: Contestants, rounds: int) -> None:
    """Print a table."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, contestant in found.items():
            started, used = time.perf_counter(), processor_seconds()
            images = contestant()
            seconds = time.perf_counter() - started
            rates[name].append((images / seconds, 1e6 * (processor_seconds() - used) / images))
    print(f"{WORKERS} workers, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("| what | images/s | processor, us an image |\n|---|---|---|")
    for name, values in rates.items():
        rate, used = map(statistics.median, zip(*values, strict=True))
        print(f"| {name} | {rate:,.0f} | {used:.1f} |")


if __name__ == "__main__":
    main()
