"""Verification of tags and votes: those of a reader against the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import class_names_of, read_vectors
from mingolotss.dataset.manifest import further_fields
from mingolotss.model import Bools

__all__ = ["check_vectors"]


def check_vectors(
    stored: LabelVectors | None, classes: tuple[str, ...], names: Sequence[str], written: pa.Table
) -> Iterator[str]:
    """Compare tags or votes with the manifest; a dataset of single classes has none.

    Parameters
    ----------
    stored : LabelVectors or None, n rows
    classes : tuple of str
        The names that a reader gets.
    names : sequence of str, length n
        The name of each image in the manifest.
    written : Table
        The written rows of the manifest.
    """
    further = [field.name for field in further_fields(written.schema)]
    expected = read_vectors(written.select(further), len(classes))
    kinds = ["classes" if one is None else one.kind for one in (stored, expected)]
    if kinds[0] != kinds[1]:
        yield f"the labels are {kinds[0]}, and those of the manifest are {kinds[1]}"
    if kinds[0] != kinds[1] or stored is None or expected is None:
        return
    if (listed := class_names_of(written.schema)) and listed != classes:
        yield f"the names of the classes are {classes!r:.200}, and not {listed!r:.200}"
    # Images that are not in the manifest have a line of their own.
    row_of = {name: row for row, name in enumerate(written["image_file"].to_pylist())}
    known = [index for index, name in enumerate(names) if name in row_of]
    ours = stored.take(np.array(known, np.int64))
    theirs = expected.take(np.array([row_of[names[index]] for index in known], np.int64))
    same = _equal(ours.values, theirs.values).all(axis=1) & _equal(ours.totals, theirs.totals)
    for place in np.flatnonzero(~same).tolist():
        yield f"{names[known[place]]}: its {stored.kind} are not the manifest's"


def _equal(a: npt.NDArray[np.number], b: npt.NDArray[np.number]) -> Bools:
    equal: Bools = (a == b) | (np.isnan(a) & np.isnan(b))
    return equal
