"""Make a dataset of the published size in published batches: 5,805 stamps of 150 x 150 pixels.

The pixels are a simulated pattern with as many empty ones as clipped stamps have. The same images
are written as PNG files and as one array, ``images.npy``, with their labels, ``labels.npy``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import BatchFolder
from mingolotss.formats.batch_layout import BatchContent, BatchLayout
from mingolotss.io.png import encode_png

COUNT, SIDE = 5805, 150
TRAIN, ROWS = 5, 1000  # batches for training, and images in each


def main(root: Path) -> None:
    """Write six batches, a folder of PNGs and two arrays into the new folder `root`."""
    rng = np.random.default_rng(1)
    (root / "png").mkdir(parents=True)
    folder, layout = BatchFolder(root / "mingo-batches-py"), BatchLayout()
    folder.path.mkdir()
    images, every_label = [], []
    for index in range(TRAIN + 1):
        count = COUNT - TRAIN * ROWS if index == TRAIN else ROWS
        lit = rng.random((count, SIDE * SIDE)) < 0.05
        pixels = np.where(lit, rng.integers(1, 256, lit.shape), 0).astype(np.uint8)
        names = [f"ILT{index}{row:04d}_P1.png" for row in range(count)]
        labels = rng.integers(0, 10, count).tolist()
        path = folder.test if index == TRAIN else folder.training(index)
        layout.write_batch(path, BatchContent("", pixels, labels, names, names, ["P1"] * count))
        for name, image in zip(names, pixels, strict=True):
            (root / "png" / name).write_bytes(encode_png(image.reshape(SIDE, SIDE)))
        images.append(pixels.reshape(count, SIDE, SIDE))
        every_label += labels
    classes = [f"class {label}" for label in range(10)]
    layout.write_meta(folder.meta, classes, side=SIDE, size=ROWS)
    np.save(root / "images.npy", np.concatenate(images))
    np.save(root / "labels.npy", np.array(every_label))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
