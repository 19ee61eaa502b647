"""Measure how fast a dataset of 5,805 stamps loads, compared with typical dataset classes.

Run ``python benchmarks/bench_readers.py [--workers N]``. It makes a dataset of the published size
(a simulated pattern with as many empty pixels as clipped stamps have) in a temporary folder, and
prints images per second: the median of five passes, after one that fills the page cache.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from mingolotss.dataset.layout import batch_name
from mingolotss.formats.batches import write_batch, write_meta
from mingolotss.io.png import encode_png
from mingolotss.loaders.arrays import load
from mingolotss.loaders.torch import MingoLoTSS

COUNT, SIDE, TRAIN = 5805, 150, 5


def make_dataset(root: Path) -> None:
    """Write six batches and a folder of PNGs."""
    rng = np.random.default_rng(1)
    (root / "png").mkdir()
    for index in range(TRAIN + 1):
        count = 805 if index == TRAIN else 1000
        lit = rng.random((count, SIDE * SIDE)) < 0.05
        pixels = np.where(lit, rng.integers(1, 256, lit.shape), 0).astype(np.uint8)
        names = [f"ILT{index}{row:04d}_P1.png" for row in range(count)]
        folder = root / "mingo-batches-py"
        labels = rng.integers(0, 10, count).tolist()
        write_batch(
            folder / batch_name(index, TRAIN), "", pixels, labels, names, names, ["P1"] * count
        )
        for name, image in zip(names, pixels, strict=True):
            (root / "png" / name).write_bytes(encode_png(image.reshape(SIDE, SIDE)))
    write_meta(folder / "batches.meta", [f"class {label}" for label in range(10)])


class TypicalDataset(Dataset):  # type: ignore[type-arg]
    """A typical dataset class: all batches are unpickled and joined, each item is a PIL image."""

    def __init__(self, root: Path, transform: Callable[..., Any] | None = None) -> None:
        self.transform, parts, self.targets = transform, [], []
        for index in range(TRAIN + 1):
            with (root / "mingo-batches-py" / batch_name(index, TRAIN)).open("rb") as file:
                entry = pickle.load(file, encoding="latin1")  # noqa: S301 - written above
            parts.append(entry["data"])
            self.targets += entry["labels"]
        self.data = np.vstack(parts).reshape(-1, 1, SIDE, SIDE).transpose((0, 2, 3, 1))

    def __len__(self) -> int:
        """Count the images."""
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Return an image and its label."""
        image: Any = Image.fromarray(np.reshape(self.data[index], (SIDE, SIDE)))
        return (self.transform(image) if self.transform else image), self.targets[index]


class PNGFiles(Dataset):  # type: ignore[type-arg]
    """PNG files, opened one by one."""

    def __init__(self, root: Path) -> None:
        self.paths = sorted((root / "png").iterdir())

    def __len__(self) -> int:
        """Count the images."""
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Return an image and a label."""
        with Image.open(self.paths[index]) as image:
            return to_tensor(image), 0


def to_tensor(image: Image.Image) -> torch.Tensor:
    """Convert as torchvision's ToTensor does: float32 from 0 to 1, shape (1, ny, nx)."""
    pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))[None]
    return pixels.to(torch.float32).div(255)


def rate(one_pass: Callable[[], Iterable[Any]], count: int = COUNT) -> float:
    """Return the images per second of the median of five passes."""
    durations = []
    for number in range(6):
        start = time.perf_counter()
        for _ in one_pass():
            pass
        if number:
            durations.append(time.perf_counter() - start)
    return count / statistics.median(durations)


def seconds(call: Callable[[], Any]) -> float:
    """Return the median duration of five calls, in seconds."""
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_dataset(root)
        measure(root, options.batch, options.workers)


def measure(root: Path, batch: int, workers: int) -> None:
    """Print every figure."""

    def loader(dataset: Any, **options: Any) -> Callable[[], Iterable[Any]]:
        return lambda: DataLoader(dataset, batch, num_workers=workers, **options)

    def mingolotss(**options: Any) -> MingoLoTSS:
        return MingoLoTSS(root, split="all", **options)

    bytes_, floats = mingolotss(tensors=torch.uint8), mingolotss(tensors=True)
    images, typical = mingolotss(), TypicalDataset(root)
    rates = {
        "uint8 tensors, in order": rate(loader(bytes_)),
        "uint8 tensors, shuffled": rate(loader(bytes_, shuffle=True)),
        "float32 tensors, in order": rate(loader(floats)),
        "float32 tensors, shuffled": rate(loader(floats, shuffle=True)),
        "PIL and ToTensor": rate(loader(mingolotss(transform=to_tensor))),
        "PIL and ToTensor, typical class": rate(loader(TypicalDataset(root, to_tensor))),
        "PNG files one by one": rate(loader(PNGFiles(root))),
        "PIL items, no loader": rate(lambda: (images[i] for i in range(COUNT))),
        "PIL items, typical class": rate(lambda: (typical[i] for i in range(COUNT))),
    }
    print(f"{COUNT} images of {SIDE} x {SIDE}, batches of {batch}, {workers} workers; images/s")
    for name, value in rates.items():
        print(f"{name:32s} {value:10,.0f}")
    calls = {
        "open": mingolotss,
        "open, typical class": lambda: TypicalDataset(root),
        "load() of everything": lambda: load(root),
    }
    for name, call in calls.items():
        print(f"{name:32s} {seconds(call) * 1000:10.1f} ms")


if __name__ == "__main__":
    main()
