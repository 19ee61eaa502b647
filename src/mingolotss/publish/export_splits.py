"""The splits of an export: those of the build, or others, with ``splits.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mingolotss.dataset.layout import DatasetFolder, split_of_batch
from mingolotss.dataset.provenance import Provenance
from mingolotss.dataset.records import Records
from mingolotss.dataset.split_plans import read_split_plan
from mingolotss.dataset.splits import SplitPlan, SplitResult, SplitSources
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.dataset.stamp_extents import stamp_regions
from mingolotss.errors import InputError
from mingolotss.formats.split_records import read_split_record
from mingolotss.formats.splits_csv import read_splits, write_splits
from mingolotss.recipe.model import Recipe

__all__ = ["SplitRecords", "split_records"]

_BY_ORDER = {"published", "catalogue-order"}


@dataclass(frozen=True, slots=True)
class SplitRecords:
    """The records of an export with their splits.

    Attributes
    ----------
    records : Records
        Without those that are left out.
    plan : str
    sha256 : str
        Of the list or of the splits of the dataset that the plan names; "" if it names none.
    result : SplitResult or None
        How the sources were split; None for the splits of the build.
    names, splits, reasons : sequence of str
        Of all sources; a split is "" and has a reason for one that is left out.
    """

    records: Records
    plan: str
    sha256: str
    result: SplitResult | None
    names: Sequence[str]
    splits: Sequence[str]
    reasons: Sequence[str]

    def write(self, folder: Path) -> None:
        """Write ``splits.csv``, unless the splits follow from the order of the catalogue."""
        if self.plan not in _BY_ORDER or any(self.reasons):
            write_splits(DatasetFolder(folder).splits, self.names, self.splits, self.reasons)


def split_records(
    records: Records, folder: Path, provenance: Provenance, split: SplitPlan | str | None
) -> SplitRecords:
    """Divide records into splits.

    Parameters
    ----------
    records : Records
    folder : Path
        The build or the export that they are from.
    provenance : Provenance
        Of `folder`.
    split : SplitPlan, str or None
        None keeps the splits of the records.

    Raises
    ------
    InputError
        The records cannot be split so.
    """
    plan = SplitPlan.parse(split) if isinstance(split, str) else split
    if plan is None:
        return _with_own_splits(records, folder, provenance)
    if plan.kind in _BY_ORDER:
        return _with_splits_of_batches(records, plan, provenance)
    sources = _split_sources(records, provenance.recipe)
    result = assign_splits(plan, sources, read_split_record(plan))
    return SplitRecords(
        records=records.with_splits(result.names.tolist(), result.plan.text).in_splits(),
        plan=result.plan.text,
        sha256="" if result.origin is None else result.origin.sha256,
        result=result,
        names=sources.names,
        splits=result.names.tolist(),
        reasons=result.reasons.tolist(),
    )


def _with_own_splits(records: Records, folder: Path, provenance: Provenance) -> SplitRecords:
    """Return the records in the splits that they have; what was left out is listed again."""
    dataset = DatasetFolder(folder)
    listed = read_splits(dataset.splits) if dataset.splits.is_file() else {}
    names, splits = [*records.texts("source")], [*records.texts("split")]
    known = set(names)
    left_out = [name for name, row in listed.items() if not row.split and name not in known]
    reasons = [
        "" if split or name not in listed else listed[name].reason
        for name, split in zip(names, splits, strict=True)
    ]
    return SplitRecords(
        records=records.in_splits(),
        plan=records.split_plan or provenance.split_plan,
        sha256=read_split_plan(folder).sha256,
        result=None,
        names=[*names, *left_out],
        splits=[*splits, *[""] * len(left_out)],
        reasons=[*reasons, *(listed[name].reason for name in left_out)],
    )


def _with_splits_of_batches(
    records: Records, plan: SplitPlan, provenance: Provenance
) -> SplitRecords:
    """Return the records in the splits that the batches of the build have."""
    # `published` also means the order of another catalogue in a recipe that has published batches:
    # the notes of the export then call it by its true name.
    own = provenance.split_plan
    if own not in {plan.kind, "catalogue-order"}:
        raise InputError(
            f"export {records.origin} with --split {plan.kind}: the split of the build is {own}; "
            "leave out --split to keep it, or give another, such as stratified"
        )
    splits = list(map(split_of_batch, records.texts("batch")))
    divided = records.with_splits(splits, own)
    names = records.texts("source")
    return SplitRecords(divided.in_splits(), own, "", None, names, splits, [""] * len(splits))


def _split_sources(records: Records, recipe: Recipe) -> SplitSources:
    stamps = stamp_regions(records.table, recipe)
    return SplitSources(
        names=records.texts("source"),
        labels=records.labels,
        ra=stamps.ra,
        dec=stamps.dec,
        extent_arcsec=stamps.extent_arcsec,
        shape=stamps.shape,
        angle_deg=stamps.angle_deg,
        classes=records.classes,
        table=records.table,
        vectors=records.vectors,
    )
