"""Measure how fast a HATS collection is streamed to PyTorch: ``bench_tiles.py [--sources N]``.

A build of simulated stamps is made in a temporary folder, and exported as a collection. Contestants
take turns; the table gives images per second, the median of the rounds, and the seconds of the
processor for a million images, which depend less on what else the machine does. The memory-mapped
array is a dataset as plain as can be: all pixels in one file, gathered in a shuffled order. Others
than ours run if their library is installed. With ``--before CHECKOUT``, another version of
mingolotss takes turns, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import make_parts
import numpy as np
import torch
from rounds import OtherVersion, answer, compare_passes
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mingolotss import MingoLoTSS, ShuffledTiles, export
from mingolotss.dataset.layout import HatsCollection

WORKERS = 2
OURS = "ShuffledTiles", "MingoLoTSS"  # how the names of these contestants begin
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


def contestants(folder: Path, array: Path, batch: int) -> Contestants:
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
        found["datasets, streaming, one process"] = lambda: stream_hub(
            folder, "small-stamps", 5_000
        )
    return found


def main() -> None:
    """Make the data, let everyone take turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64, help="of a stamp, px")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--collection", type=Path, help="one that was exported before")
    parser.add_argument("--before", type=Path, help="another checkout of mingolotss")
    parser.add_argument("--answer", type=Path, metavar="ARRAY", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.answer:
        passes = contestants(given.collection, given.answer, given.batch)
        answer({name: one for name, one in passes.items() if name.startswith(OURS)})
        return
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder, before = given.collection or Path(temporary) / "collection", None
        if given.collection is None:
            make_parts.main(Path(temporary) / "build", given.sources, given.side)
            export(Path(temporary) / "build", "hats", folder)
        array = Path(temporary) / "images.npy"
        images = np.concatenate(
            [one.numpy() for one, _ in ShuffledTiles(folder, "all", tensors=torch.uint8)]
        )
        np.save(array, images)
        if given.before:
            arguments = ["--answer", str(array), "--collection", str(folder)]
            arguments.append(f"--batch={given.batch}")
            before = stack.enter_context(OtherVersion(given.before, __file__, *arguments))
        passes = contestants(folder, array, given.batch)
        title = f"{WORKERS} workers, {os.cpu_count()} cores"
        print(compare_passes(passes, given.rounds, before, title))
        started = time.perf_counter()
        dataset = ShuffledTiles(folder, "train")
        print(f"\nopened in {time.perf_counter() - started:.2f} s: {dataset!r:.60}...")


if __name__ == "__main__":
    main()
