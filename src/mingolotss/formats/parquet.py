"""Read stamps from Parquet as arrays: a build's, or an export for Hugging Face.

What is not here: the columns besides image and label (``mingolotss.dataset.records``).
"""

from __future__ import annotations

from pathlib import Path

from mingolotss.dataset.image_stack import ImageStack
from mingolotss.dataset.lazy_png import LazyImages
from mingolotss.dataset.records import read_records
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import select

__all__ = ["read_parquet"]


def read_parquet(root: Path, split: str = "all") -> Arrays:
    """Read the stamps of one split, in the order of the catalogue; PNGs are decoded when used.

    Parameters
    ----------
    root : path
        A build, an export, or one Parquet file.
    split : str
        Name of a split, or "all".

    Raises
    ------
    DatasetError
        A file is no Parquet, lacks a column, or holds something else than images of one size.
    """
    records = read_records(root)
    splits = records.texts("split")
    if split != "all":
        records = records.take(select(splits, split, str(root)))
    texts = [records.texts(name) for name in ("source", "image_file", "split")]
    if records.is_float:
        return Arrays(records.images(), records.labels, records.classes, *texts)
    images = ImageStack([LazyImages(records.encoded(), records.names())])
    return Arrays(images, records.labels, records.classes, *texts)
