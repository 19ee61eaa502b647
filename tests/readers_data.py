"""Small datasets in the documented formats, for the tests of the readers."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CLASSES = (
    "FRI", "FRI NAT", "FRI WAT", "FRI Small", "FRII", "FRII Small", "Double Double",
    "Indeterminate", "Indeterminate Small", "Small",
)  # fmt: skip
PUBLISHED = ("FRI", "FRI WAT", "FRI NAT", *CLASSES[3:])


def make_images(count: int, seed: int = 0, side: int = 150) -> np.ndarray:
    """Draw `count` stamps: mostly zero, as clipped images are."""
    rng = np.random.default_rng(seed)
    lit = rng.random((count, side, side)) < 0.03
    return np.where(lit, rng.integers(1, 256, (count, side, side)), 0).astype(np.uint8)


IMAGES = make_images(60)
LABELS = [index % 10 for index in range(60)]


def batch(images: np.ndarray, labels: list[int], first: int, label: str) -> dict:
    """Make the dict of one batch."""
    names = [f"ILTJ{first + index:06d}" for index in range(len(images))]
    return {
        "batch_label": label,
        "labels": labels,
        "data": images.reshape(len(images), -1),
        "filenames": [f"{name}_P1.png" for name in names],
        "src_ids": names,
        "fieldnames": ["P1"] * len(images),
    }


def write_batches(root: Path, images: np.ndarray, labels: list[int], names=CLASSES) -> Path:
    """Write six batches: five of a sixth each for training, the rest for the test."""
    folder = root / "mingo-batches-py"
    folder.mkdir(parents=True)
    per = max(1, len(images) // 6)
    for number in range(6):
        last = number == 5
        part = slice(number * per, None if last else (number + 1) * per)
        title = "testing batch 1 of 1" if last else f"training batch {number + 1} of 5"
        content = batch(images[part], labels[part], number * per, title)
        path = folder / ("test_batch" if last else f"data_batch_{number + 1}")
        path.write_bytes(pickle.dumps(content, 4))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(names)}, 4))
    return root


def png(image: np.ndarray) -> bytes:
    """Encode one stamp, rows filtered as Pillow likes."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def write_stamps(path: Path, pngs: list[bytes], labels: list[int | None], **extra) -> Path:
    """Write one part of a build's stamps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f"ILTJ{index:06d}" for index in range(len(pngs))]
    rows = {
        "image": [
            {"bytes": data, "path": f"{name}_P1.png"}
            for data, name in zip(pngs, names, strict=True)
        ],
        "source": names,
        "label": pa.array(labels, pa.int16()),
        "class": [None if label is None else CLASSES[label] for label in labels],
        "image_file": [f"{name}_P1.png" for name in names],
        "split": ["train"] * (len(pngs) - 2) + ["test"] * 2,
    }
    pq.write_table(pa.table(rows | extra), path)
    return path


def header(names: list[str]) -> bytes:
    """Make the Hugging Face header of a table of labelled images."""
    label = {"names": names, "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": label}
    return json.dumps({"info": {"features": features}}).encode()
