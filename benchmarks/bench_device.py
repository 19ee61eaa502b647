"""Measure batches from a dataset on a device, ``dataset.to(device)``, against a DataLoader.

Run ``python benchmarks/bench_device.py [--device cuda] [--busy] [--train]``. It makes 5,805 images
of 150 x 150 pixels in a temporary folder. Contestants take turns, an epoch each in every round; the
tables give images per second on the device, the median of the rounds, and microseconds of the
processor for an image, without those of worker processes, which outlive an epoch. ``--train``
measures a network that is fed by either: a small one on the CPU, ResNet-18 elsewhere.

The DataLoader applies the same changes, a turn by any angle, a mirror and a shift, as a transform
of each image, with ``affine_grid`` and ``grid_sample`` as torchvision's ``RandomAffine`` does; and,
if it is installed, with torchvision itself. Before all, the pixels without changes are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import make_batches
import torch
from machine import busy, cores
from rounds import compare_passes
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from mingolotss import MingoLoTSS

SHIFT = 3.0  # px
Feeds = dict[str, Callable[[], Iterable[tuple[torch.Tensor, torch.Tensor]]]]


def random_affine(image: torch.Tensor) -> torch.Tensor:
    """Turn an image by any angle, mirror every second one and shift it."""
    angle = float(torch.rand(())) * 2 * math.pi
    sign = -1.0 if torch.rand(()) < 0.5 else 1.0
    right, down = ((torch.rand(2) * 2 - 1) * SHIFT * 2 / image.shape[-1]).tolist()
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor([[sign * cosine, -sign * sine, right], [sine, cosine, down]])[None]
    grid = functional.affine_grid(matrix, [1, *image.shape], align_corners=False)
    return functional.grid_sample(image[None], grid, align_corners=False)[0]


def torchvision_transform() -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return the same changes by torchvision, if it is installed."""
    if find_spec("torchvision") is None:
        return None
    from torchvision.transforms import InterpolationMode, v2

    share = SHIFT / make_batches.SIDE
    affine = v2.RandomAffine(180, (share, share), interpolation=InterpolationMode.BILINEAR)
    return v2.Compose([v2.RandomHorizontalFlip(), affine])


def feeds(root: Path, count: int, device: torch.device, batch: int, workers: list[int]) -> Feeds:
    """Return the contestants that change `count` images, and one of each kind that does not."""

    def loader(processes: int, transform: Any = None) -> Callable[[], Iterable[Any]]:
        dataset = MingoLoTSS(root, split="all", tensors=True, transform=transform)[:count]
        options: dict[str, Any] = {"num_workers": processes, "pin_memory": device.type == "cuda"}
        batches = DataLoader(
            dataset, batch, shuffle=True, persistent_workers=processes > 0, **options
        )
        return lambda: ((x.to(device, non_blocking=True), y.to(device)) for x, y in batches)

    dataset = MingoLoTSS(root, split="all", tensors=True)[:count]

    def resident(**options: Any) -> Callable[[], Iterable[Any]]:
        batches = dataset.to(device, batch_size=batch, **options)
        return lambda: batches

    result: Feeds = {
        "to(device), any turns, mirrors, shifts": resident(turns="any", mirror=True, shift=SHIFT)
    }
    for number in workers:
        result[f"DataLoader, the same changes, {number} workers"] = loader(number, random_affine)
        if (transform := torchvision_transform()) is not None:
            result[f"DataLoader, torchvision, {number} workers"] = loader(number, transform)
    result["to(device), quarter turns, mirrors"] = resident(turns="quarter", mirror=True)
    result["to(device), no changes"] = resident()
    result["DataLoader, no changes, 0 workers"] = loader(0)
    return result


def check_pixels(root: Path, device: torch.device) -> None:
    """Compare the pixels of both without changes."""
    dataset = MingoLoTSS(root, split="all", tensors=True)
    pairs = zip(DataLoader(dataset, 64), dataset.to(device, shuffle=False), strict=True)
    for (images, labels), (own, own_labels) in pairs:
        if not (torch.equal(images, own.cpu()) and torch.equal(labels, own_labels.cpu())):
            raise SystemExit("the pixels differ")


def block(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return two convolutions of a ResNet, without the shortcut."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """A basic block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main, self.short = block(inputs, outputs, stride), nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Add the shortcut."""
        return functional.relu(self.main(images) + self.short(images))


def resnet18() -> nn.Module:
    """Return ResNet-18 (He et al. 2016) for one channel and ten classes."""
    sizes = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1),
             (256, 512, 2), (512, 512, 1)]  # fmt: skip
    stem = [nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    blocks = [Residual(*size) for size in sizes]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    return nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1), *blocks, *head)


def small_network() -> nn.Module:
    """Return a network that a CPU trains in seconds."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, 3), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


def run_epoch(
    feed: Callable[[], Iterable[Any]], device: torch.device, network: nn.Module | None
) -> int:
    """Read an epoch, and train the network with it; return the number of images."""
    images, optimiser = 0, None
    if network is not None:
        optimiser = torch.optim.SGD(network.parameters(), 0.01)
    for pixels, labels in feed():
        images += len(pixels)
        if network is not None and optimiser is not None:
            optimiser.zero_grad(set_to_none=True)
            functional.cross_entropy(network(pixels), labels).backward()
            optimiser.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return images


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=make_batches.COUNT)
    parser.add_argument("--busy", action="store_true", help="beside a busy process on each core")
    parser.add_argument("--train", action="store_true", help="feed a network as well")
    options = parser.parse_args()
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dataset"
        make_batches.main(root)
        check_pixels(root, device)
        name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
        print(f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads of PyTorch")
        contestants = feeds(root, options.images, device, options.batch, options.workers)
        with busy(cores()) if options.busy else contextlib.nullcontext():
            kinds: dict[str, nn.Module | None] = {"batches alone": None}
            if options.train:
                network = small_network() if device.type == "cpu" else resnet18()
                kinds["with training"] = network.to(device)
            for kind, network in kinds.items():
                passes = {
                    name: partial(run_epoch, feed, device, network)
                    for name, feed in contestants.items()
                }
                print(f"\n{compare_passes(passes, options.rounds, None, kind)}", flush=True)


if __name__ == "__main__":
    main()
