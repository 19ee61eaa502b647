"""Train a small network to tell radio galaxies apart: a baseline to read in one sitting.

    mingolotss demo --out demo
    python examples/baseline.py demo            # FRI against FRII
    python examples/baseline.py demo --ten      # all ten classes

It trains on the CPU for a few minutes at most, prints the macro-averaged F1 score, and draws the
confusion matrix to ``confusion-2.png`` or ``confusion-10.png``. The same seed gives the same
numbers on the same machine.

What to expect. On the real images, published classifiers of FRI against FRII reach an accuracy of
about 0.88, and answering FRI to everything reaches 0.73: so look at the F1 of each class. On the
demo's simulated sky a score says how well the network tells the simulation's drawings apart, and
nothing about real galaxies.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from mingolotss import MLFR, MingoLoTSS

mpl.use("Agg")  # draw to a file; no window is needed
import matplotlib.pyplot as plt


def make_network(classes: int) -> nn.Module:
    """Stack five convolutions, each of which halves the image; about 100,000 weights."""
    layers: list[nn.Module] = [nn.AvgPool2d(2)]  # 150 px to 75: 3 arcsec, half of LoTSS's beam
    width = 1
    for wider in (16, 32, 48, 64, 96):
        layers += [
            nn.Conv2d(width, wider, 3, padding=1, bias=False),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        width = wider
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(classes))


def turn(images: torch.Tensor) -> torch.Tensor:
    """Turn and mirror a batch at random: the sky has no up, so every way up is as good."""
    images = torch.rot90(images, int(torch.randint(4, ())), (2, 3))
    return images.flip(3) if torch.rand(()) < 0.5 else images


def train(network: nn.Module, data: MingoLoTSS, weights: torch.Tensor, epochs: int) -> None:
    """Minimise the cross-entropy, in which each class counts the same however rare it is."""
    loader = DataLoader(data, batch_size=32, shuffle=True, drop_last=True)
    loss_of = nn.CrossEntropyLoss(weights, label_smoothing=0.05)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.02)
    steps = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for epoch in range(epochs):
        network.train()
        total = 0.0
        for images, labels in loader:
            optimiser.zero_grad()
            loss = loss_of(network(turn(images)), labels)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        if (epoch + 1) % 5 == 0:
            print(f"epoch {epoch + 1:3d} of {epochs}: loss {total / len(loader):.3f}")


@torch.no_grad()
def predict(network: nn.Module, data: MingoLoTSS) -> np.ndarray:
    """Return the class of every image: the best of the mean over its eight ways up."""
    network.eval()
    found = []
    for images, _ in DataLoader(data, batch_size=64):
        turns = [torch.rot90(images, k, (2, 3)) for k in range(4)]
        scores = sum(network(way).softmax(1) for t in turns for way in (t, t.flip(3)))
        found.append(scores.argmax(1))
    return torch.cat(found).numpy()


def confusion(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Count images by true class (rows) and answer (columns)."""
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (truth, found), 1)
    return counts


def f1_scores(counts: np.ndarray) -> np.ndarray:
    """Return F1 = 2 TP / (2 TP + FP + FN) of each class; NaN where the test set has none."""
    right, asked, answered = np.diag(counts), counts.sum(1), counts.sum(0)
    scores = 2 * right / np.maximum(asked + answered, 1)
    return np.where(asked > 0, scores, np.nan)


def draw(counts: np.ndarray, names: list[str], title: str, path: Path) -> None:
    """Draw the confusion matrix: a row sums to 1, the numbers are images."""
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.6 + 0.62 * len(names)
    figure, axes = plt.subplots(figsize=(size + 0.8, size), layout="constrained")
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer", ylabel="true class", title=title)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Train, test, print and draw."""
    parser = argparse.ArgumentParser(description="Train a small network on radio galaxies.")
    parser.add_argument("root", nargs="?", default="demo", help="a build, an export or batches")
    parser.add_argument("--ten", action="store_true", help="all classes, not FRI against FRII")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    options = parser.parse_args()
    torch.manual_seed(options.seed)

    kind = MingoLoTSS if options.ten else MLFR
    training, test = (kind(options.root, train=part, tensors=True) for part in (True, False))
    labels, classes = np.array(training.targets), len(training.classes)
    counts = np.bincount(labels, minlength=classes)
    weights = torch.tensor(len(labels) / np.maximum(counts, 1) / classes).clamp(max=5).float()

    start = time.perf_counter()
    network = make_network(classes)
    train(network, training, weights, options.epochs)
    truth = np.array(test.targets)
    table = confusion(truth, predict(network, test), classes)
    scores = f1_scores(table)

    usual = np.bincount(truth, minlength=classes).max() / len(truth)
    accuracy, macro = np.trace(table) / len(truth), np.nanmean(scores)
    took = time.perf_counter() - start
    print(f"{len(labels)} images to train on, {len(truth)} to test; {took:.0f} s")
    for name, count, score in zip(training.classes, table.sum(1), scores, strict=True):
        print(f"  {name:20s} {count:4d} in the test  F1 {score:.2f}")
    print(
        f"macro-F1 {macro:.3f}, accuracy {accuracy:.3f} (the commonest answer alone: {usual:.3f})"
    )
    path = options.out / f"confusion-{classes}.png"
    draw(table, training.classes, f"macro-F1 {macro:.2f}", path)
    print(f"see {path}")


if __name__ == "__main__":
    main()
