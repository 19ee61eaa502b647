"""Verification of ``splits.csv``: it has each source of the manifest, in the same split."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.errors import DatasetError
from mingolotss.formats.splits_csv import read_splits

__all__ = ["check_splits"]

_SHOWN = 3


def check_splits(folder: DatasetFolder, written: pa.Table) -> Iterator[str]:
    """Compare ``splits.csv`` with the written rows of the manifest, if a dataset has it.

    Parameters
    ----------
    folder : DatasetFolder
    written : Table
        The written rows of the manifest.
    """
    if not folder.splits.is_file():
        return  # where a list of checksums has it, it is reported as missing
    try:
        listed = read_splits(folder.splits)
    except DatasetError as error:
        yield str(error)
        return
    names, splits = (written[name].fill_null("").to_pylist() for name in ("source", "split"))
    differing = [
        f"{name!r} {listed[name].split or 'none'}, not {split or 'none'}"
        if name in listed
        else f"{name!r} is not in it"
        for name, split in zip(names, splits, strict=True)
        if name not in listed or listed[name].split != split
    ]
    if differing:
        more = f" and {len(differing) - _SHOWN:,} more" if len(differing) > _SHOWN else ""
        yield (
            f"{folder.splits.name}: {len(differing):,} of {len(names):,} sources are in another "
            f"split than in the manifest: {'; '.join(differing[:_SHOWN])}{more}"
        )
    without = [name for name, row in listed.items() if not row.split and not row.reason]
    if without:
        yield (
            f"{folder.splits.name}: no reason is given for {len(without):,} sources that are left "
            f"out, for example {without[0]!r}"
        )
