"""Small datasets with faults in known places, for the tests of the audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import BatchFolder
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import stamp_bytes, stamp_schema
from mingolotss.formats.batch_layout import BatchContent, BatchLayout
from mingolotss.io.png import encode_png

SIDE, SCALE = 20, 1.5  # of a stamp: px, and arcsec a pixel
CLASSES = ("FRI", "FRII")


@dataclass
class Planted:
    """A dataset without any fault: sources far apart, every class in every split.

    A test changes some of its columns and writes it.
    """

    n: int = 40
    seed: int = 1
    classes: tuple[str, ...] = CLASSES
    columns: dict[str, list] = field(default_factory=dict)
    images: np.ndarray | None = None

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        every = np.arange(self.n)
        self.columns = {
            "source": [f"S{self.seed}-{index}" for index in every],
            "ra": (10 + every * 0.5).tolist(),
            "dec": [40.0 + self.seed] * self.n,
            "label": (every % 2).tolist(),
            "split": ["test" if index % 4 > 1 else "train" for index in every],
            "flux_mjy": rng.lognormal(2, 1, self.n).tolist(),
            "size_arcsec": rng.lognormal(3, 0.5, self.n).tolist(),
            "field": [f"P{index % 3}" for index in every],
            "pixel_scale_arcsec": [SCALE] * self.n,
        }
        self.images = smooth_images(rng, self.n)

    def __getitem__(self, name: str) -> list:
        return self.columns[name]

    def move(self, index: int, to: int, north_arcsec: float) -> None:
        """Place a source to the north of another."""
        self["ra"][index] = self["ra"][to]
        self["dec"][index] = self["dec"][to] + north_arcsec / 3600

    def table(self) -> pa.Table:
        """Return the columns of a file of stamps."""
        columns = self.columns | {
            "row": list(range(self.n)),
            "class": [None if label is None else self.classes[label] for label in self["label"]],
            "status": ["written"] * self.n,
            "image_file": [f"image-{index}.png" for index in range(self.n)],
        }
        schema = stamp_schema(StampShape())
        pngs = [{"bytes": encode_png(image), "path": None} for image in self.images]
        arrays = [pa.array(pngs, schema.field("image").type)]
        arrays += [pa.array(columns.get(one.name, [None] * self.n), one.type) for one in MANIFEST]
        return pa.table(arrays, schema=schema)

    def write_parquet(self, folder: Path) -> Path:
        """Write the dataset as Parquet, in two files."""
        (folder / "data").mkdir(parents=True)
        table, half = self.table(), self.n // 2
        for number, part in enumerate((table.slice(0, half), table.slice(half))):
            (folder / "data" / f"all-{number}.parquet").write_bytes(stamp_bytes(part))
        return folder

    def write_batches(self, folder: Path) -> Path:
        """Write the dataset as pickled batches, which have names and no positions."""
        batches = BatchFolder(folder)
        folder.mkdir(parents=True)
        splits = np.array(self["split"])
        for path, split in ((batches.training(0), "train"), (batches.test, "test")):
            rows = np.flatnonzero(splits == split)
            content = BatchContent(
                split, self.images[rows].reshape(len(rows), -1),
                [self["label"][row] for row in rows],
                [f"{self['source'][row]}.png" for row in rows],
                [self["source"][row] for row in rows], [""] * len(rows),
            )  # fmt: skip
            BatchLayout().write_batch(path, content)
        BatchLayout().write_meta(batches.meta, self.classes, side=SIDE, size=self.n)
        return folder


def smooth_images(rng: np.random.Generator, n: int, side: int = SIDE) -> np.ndarray:
    """Return images of two lobes of random brightness, place and size."""
    y, x = np.mgrid[:side, :side]
    images = []
    for _ in range(n):
        image = rng.normal(0, 4, (side, side))
        for _ in range(2):
            cx, cy = rng.uniform(side * 0.25, side * 0.75, 2)
            image += rng.uniform(80, 220) * np.exp(
                -((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(2, 12)
            )
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return np.array(images)
