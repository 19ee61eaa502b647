"""Read a HATS collection, or one of its catalogues: its records in the order of the manifest.

The partitions are Parquet files of stamps (``dataset/stamps.py``), which are found by the
properties of the catalogue (``dataset/hats_catalogue.py``). The library ``hats`` is not needed.
"""

from __future__ import annotations

from pathlib import Path

from mingolotss.dataset.records import read_stored_records
from mingolotss.dataset.samples import Arrays
from mingolotss.formats.record_arrays import arrays_of

__all__ = ["read_hats"]


def read_hats(path: Path, split: str = "all") -> Arrays:
    """Read images and labels, in the order of the catalogue of sources.

    Rows that other programs wrote, without the column ``row``, stay in the order of the sky.

    Parameters
    ----------
    path : Path
        A collection, or the folder of one catalogue.
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        The collection is damaged, lacks a partition or a column, names a folder outside of it, or
        holds anything but images of one size.
    InputError
        There is no such split.
    """
    return arrays_of(read_stored_records(path), split, str(path))
