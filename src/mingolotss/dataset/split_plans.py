"""How a dataset was split, as a build or an export has recorded it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.io.parquet import read_schema

__all__ = ["RecordedPlan", "read_split_plan"]


class RecordedPlan(NamedTuple):
    """A split plan.

    Attributes
    ----------
    plan : str
        As `mingolotss.dataset.splits.SplitPlan.parse` reads it; "" if it is not recorded.
    sha256 : str
        Of the list or of the splits of the dataset that the plan names; "" if it names none.
    """

    plan: str = ""
    sha256: str = ""


def read_split_plan(folder: Path) -> RecordedPlan:
    """Return the plan by which a build or an export was split.

    Raises
    ------
    DatasetError
        The record is damaged.
    """
    dataset = DatasetFolder(folder)
    if dataset.manifest.is_file():
        notes = ExportNotes.read(read_schema(dataset.manifest).metadata)
        if notes is not None:
            return RecordedPlan(notes.split_plan, notes.split_sha256)
    provenance = read_provenance(folder)
    if provenance is None:
        return RecordedPlan()
    split = provenance.split
    return RecordedPlan(provenance.split_plan, "" if split is None else split.source_sha256)
