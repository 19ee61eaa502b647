"""A catalogue of a simulated sky with wrong labels, and how early a queue has them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from astropy.table import Table

import mingolotss
from mingolotss.qa.suspects.result import Suspects


def flip_catalogue(catalogue: Path, out: Path, *, seed: int, share: float = 0.05) -> list[str]:
    """Write a catalogue in which a share of the rows has another class, each equally likely.

    Returns the names of these sources.
    """
    rng = np.random.default_rng(seed)
    table, classes = Table.read(catalogue), mingolotss.load_recipe("mingolotss").classes
    flags = list(classes.columns)
    rows = np.array([[name in row.flags for name in flags] for row in classes.table])
    given = np.column_stack([np.asarray(table[name], bool) for name in flags])
    labels = (given[:, None] == rows).all(axis=2).argmax(axis=1)
    wrong = rng.choice(len(table), round(share * len(table)), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, len(rows), len(wrong))) % len(rows)
    for number, name in enumerate(flags):
        table[name] = rows[labels, number]
    table.write(out)
    return [str(name) for name in table["Source_Name"][wrong]]


def part_in_front(queue: Suspects, wrong: list[str], written: Collection[str]) -> float:
    """Return the part of the wrong labels of a dataset that are in the first tenth of a queue."""
    first = set(queue.sources[: round(0.1 * len(queue))])
    in_dataset = [name for name in wrong if name in set(written)]
    return sum(name in first for name in in_dataset) / len(in_dataset)
