"""How fast a dataset of 5,805 stamps loads, next to the ways people load theirs.

Run ``python benchmarks/bench_readers.py [--workers N]``. It makes a dataset of the real size (a
simulated pattern, as empty as clipped stamps are) in a temporary folder, and prints images per
second: the median of five passes, after one that warms the page cache.
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

from mingolotss.formats.batches import batch_name, write_batch, write_meta
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


class Usual(Dataset):  # type: ignore[type-arg]
    """What dataset classes of this kind do: unpickle all, stack, one PIL image an item."""

    def __init__(self, root: Path, transform: Callable[..., Any] | None = None) -> None:
        self.transform, parts, self.targets = transform, [], []
        for index in range(TRAIN + 1):
            with (root / "mingo-batches-py" / batch_name(index, TRAIN)).open("rb") as file:
                entry = pickle.load(file, encoding="latin1")  # noqa: S301 - made above
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


class Files(Dataset):  # type: ignore[type-arg]
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
    """Do as torchvision's ToTensor: float32 from 0 to 1, shape (1, ny, nx)."""
    pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))[None]
    return pixels.to(torch.float32).div(255)


def rate(passes: Callable[[], Iterable[Any]], count: int = COUNT) -> float:
    """Return the median images per second of five passes."""
    took = []
    for turn in range(6):
        start = time.perf_counter()
        for _ in passes():
            pass
        if turn:
            took.append(time.perf_counter() - start)
    return count / statistics.median(took)


def seconds(make: Callable[[], Any]) -> float:
    """Return the median seconds that five calls take."""
    took = []
    for _ in range(5):
        start = time.perf_counter()
        make()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


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

    def ours(**options: Any) -> MingoLoTSS:
        return MingoLoTSS(root, split="all", **options)

    usual, plain = Usual(root), ours()
    lines = [
        ("uint8 tensors, in order", rate(loader(ours(tensors=torch.uint8)))),
        ("uint8 tensors, shuffled", rate(loader(ours(tensors=torch.uint8), shuffle=True))),
        ("float32 tensors, in order", rate(loader(ours(tensors=True)))),
        ("float32 tensors, shuffled", rate(loader(ours(tensors=True), shuffle=True))),
        ("PIL and ToTensor, ours", rate(loader(ours(transform=to_tensor)))),
        ("PIL and ToTensor, as usual", rate(loader(Usual(root, to_tensor)))),
        ("PNG files one by one", rate(loader(Files(root)))),
        ("PIL items, ours, no loader", rate(lambda: (plain[i] for i in range(COUNT)))),
        ("PIL items, as usual, no loader", rate(lambda: (usual[i] for i in range(COUNT)))),
    ]
    print(f"{COUNT} images of {SIDE} x {SIDE}, batches of {batch}, {workers} workers; images/s")
    for what, value in lines:
        print(f"{what:32s} {value:10,.0f}")
    for what, make in (
        ("open, ours", ours),
        ("open, as usual", lambda: Usual(root)),
        ("load() everything, ours", lambda: load(root)),
    ):
        print(f"{what:32s} {seconds(make) * 1000:10.1f} ms")


if __name__ == "__main__":
    main()
