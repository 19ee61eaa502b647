"""Measure how fast a dataset of 5,805 stamps loads, beside a memory map and typical classes.

Run ``python benchmarks/bench_readers.py [--workers N] [--busy] [--before CHECKOUT]``. It makes a
dataset of the published size in a temporary folder (``make_batches.py``), and the contestants read
it in turn, an epoch each in every round; with ``--before``, another version of mingolotss does so
in a process of its own. The tables give images per second, the median of the rounds, and the
microseconds of the processor for an image, which depend less on what else the machine does. With
``--busy``, a process on each core that never waits competes with them.

The memory map is written as a user would: an array of all images in one file. Its best form gathers
a batch at once, converts it with numpy, which takes one thread, and has a collate function that
does nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import make_batches
import numpy as np
import torch
from machine import busy, cores
from make_batches import COUNT, SIDE
from PIL import Image
from rounds import OtherVersion, answer, compare_passes
from torch.utils.data import DataLoader, Dataset

from mingolotss.dataset.layout import BatchFolder
from mingolotss.loaders.arrays import load
from mingolotss.loaders.torch import MingoLoTSS

Passes = dict[str, Callable[[], int]]
OURS = {
    "float32, mingolotss", "uint8, mingolotss", "PIL and ToTensor", "PIL items, no loader",
}  # fmt: skip


class TypicalDataset(Dataset):  # type: ignore[type-arg]
    """A typical dataset class: all batches are unpickled and joined, each item is a PIL image."""

    def __init__(self, root: Path, transform: Callable[..., Any] | None = None) -> None:
        self.transform, parts, self.targets = transform, [], []
        folder = BatchFolder(root / "mingo-batches-py")
        for path in (*folder.training_files(), folder.test):
            with path.open("rb") as file:
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


class MemoryMap(Dataset):  # type: ignore[type-arg]
    """All images in one file that is mapped into memory, one by one."""

    def __init__(self, root: Path, *, is_float: bool) -> None:
        self.images = np.load(root / "images.npy", mmap_mode="r")
        self.labels, self.is_float = np.load(root / "labels.npy").tolist(), is_float

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return an image and its label."""
        image = np.array(self.images[index])
        if self.is_float:
            image = image.astype(np.float32) / 255
        return torch.from_numpy(image)[None], self.labels[index]


class MemoryMapBatches(Dataset):  # type: ignore[type-arg]
    """All images in one file that is mapped into memory, a batch at a time: the best form."""

    def __init__(self, root: Path, *, is_float: bool) -> None:
        self.images = np.load(root / "images.npy", mmap_mode="r")
        self.labels = torch.from_numpy(np.load(root / "labels.npy"))
        self.is_float = is_float

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def __getitems__(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the images and the labels of a batch."""
        images = self.images[indices]
        if self.is_float:
            images = np.divide(images, np.float32(255), dtype=np.float32)
        return torch.from_numpy(images)[:, None], self.labels[indices]


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


def as_it_is(batch: Any) -> Any:
    """Collate a batch that is one already."""
    return batch


def count(batches: Iterable[Any]) -> int:
    """Read all batches; return the number of images."""
    return sum(len(labels) for _, labels in batches)


def tensor_passes(root: Path, batch: int, workers: int) -> Passes:
    """Return what gives batches of tensors, shuffled."""

    def loader(dataset: Any, **options: Any) -> Callable[[], int]:
        return lambda: count(
            DataLoader(dataset, batch, shuffle=True, num_workers=workers, **options)
        )

    passes = {}
    for kind, dtype in (("float32", torch.float32), ("uint8", torch.uint8)):
        is_float = dtype is torch.float32
        batches = MemoryMapBatches(root, is_float=is_float)
        ours = MingoLoTSS(root, split="all", tensors=dtype)
        passes |= {
            f"{kind}, mingolotss": loader(ours),
            f"{kind}, memory map, best form": loader(batches, collate_fn=as_it_is),
            f"{kind}, memory map, item by item": loader(MemoryMap(root, is_float=is_float)),
        }
    return passes


def picture_passes(root: Path, batch: int, workers: int) -> Passes:
    """Return what gives images one by one."""

    def loader(dataset: Any) -> Callable[[], int]:
        return lambda: count(DataLoader(dataset, batch, num_workers=workers))

    images, typical = MingoLoTSS(root, split="all"), TypicalDataset(root)
    return {
        "PIL and ToTensor": loader(MingoLoTSS(root, split="all", transform=to_tensor)),
        "PIL and ToTensor, typical class": loader(TypicalDataset(root, to_tensor)),
        "PNG files one by one": loader(PNGFiles(root)),
        "PIL items, no loader": lambda: sum(len(images[i]) > 0 for i in range(COUNT)),
        "PIL items, typical class": lambda: sum(len(typical[i]) > 0 for i in range(COUNT)),
    }


def seconds(call: Callable[[], Any]) -> float:
    """Return the median duration of five calls, in seconds."""
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def all_passes(root: Path, given: argparse.Namespace) -> dict[str, Passes]:
    """Return the passes of each table."""
    tables = {"tensors": tensor_passes(root, given.batch, given.workers)}
    if not given.tensors:
        tables["images"] = picture_passes(root, given.batch, given.workers)
    return tables


def measure(root: Path, given: argparse.Namespace, before: OtherVersion | None) -> None:
    """Print the tables."""
    print(
        f"{COUNT} images of {SIDE} x {SIDE}, batches of {given.batch}, {given.workers} workers, "
        f"{torch.get_num_threads()} threads of PyTorch"
    )
    with busy(cores()) if given.busy else contextlib.nullcontext():
        for title, passes in all_passes(root, given).items():
            print(f"\n{compare_passes(passes, given.rounds, before, title)}", flush=True)
    if given.tensors:
        return
    print("\n| to open | ms |\n|---|---|")
    calls = {
        "mingolotss": lambda: MingoLoTSS(root, split="all"),
        "typical class": lambda: TypicalDataset(root),
        "load() of everything": lambda: load(root),
    }
    for name, call in calls.items():
        print(f"| {name} | {seconds(call) * 1000:.1f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--busy", action="store_true", help="beside a busy process on each core")
    parser.add_argument("--tensors", action="store_true", help="batches of tensors alone")
    parser.add_argument("--before", type=Path, help="another checkout of mingolotss")
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.answer:
        tables = all_passes(given.answer, given).values()
        answer({name: one for passes in tables for name, one in passes.items() if name in OURS})
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root, before = Path(folder) / "dataset", None
        make_batches.main(root)
        if given.before:
            arguments = ["--answer", str(root), f"--batch={given.batch}"]
            arguments += [f"--workers={given.workers}", *(["--tensors"] if given.tensors else [])]
            before = stack.enter_context(OtherVersion(given.before, __file__, *arguments))
        measure(root, given, before)


if __name__ == "__main__":
    main()
