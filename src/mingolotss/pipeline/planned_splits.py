"""The splits and batches of a build, decided when it is planned.

A split by groups or regions needs to know how large the stamps are on the sky, before any pixel is
read (`mingolotss.pipeline.planned_extents`). The description of the finished build counts the pairs
across splits again, by the measured extents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.build_split import BuildSplit
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.manifest import name_kept_columns, recipe_columns
from mingolotss.dataset.measured_split import MAX_COUNTED
from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.splits import SplitPlan, SplitResult, SplitSources
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.dataset.splits.earlier import keep_splits
from mingolotss.dataset.splits.record import SplitOrigin
from mingolotss.dataset.splits.result import Assignment, describe_assignment
from mingolotss.dataset.stamp_extents import stamp_extent
from mingolotss.errors import InputError, RecipeError
from mingolotss.formats.batches import (
    Batch,
    batch_of_rows,
    list_batches,
    published_batches,
)
from mingolotss.formats.split_records import read_split_record
from mingolotss.formats.splits_csv import write_splits
from mingolotss.io.files import locate, md5_file, sha256_file
from mingolotss.model import Ints
from mingolotss.pipeline.planned_extents import planned_extents
from mingolotss.pipeline.recorded_splits import EarlierBuild
from mingolotss.recipe.model import DEFAULT_SPLIT, Recipe
from mingolotss.recipe.published_list import PublishedList
from mingolotss.service.base import ImageService

__all__ = ["PlannedSplits", "divide_into_batches", "parse_plan", "plan_splits", "split_sources"]

_ORDER = "catalogue-order"
_STATED = {"column", "file"}  # which have the split of a new source too
_NOT_LISTED = "it is not in the published list"


@dataclass(frozen=True)
class PlannedSplits:
    """The split and the batch of every source of a build.

    Attributes
    ----------
    plan : SplitPlan
        The plan that was used in the end.
    sources : sequence of str, length n
    batches : tuple of Batch
    batch_index : int64 array, shape (n,)
        The batch of each source, an index into `batches`; -1 for one that is left out.
    change : str
        Why `plan` is not the plan of the recipe; "" if it is.
    reasons : sequence of str
        Why a source is left out, "" for the others; empty if none is.
    origin : SplitOrigin or None
        The list or the dataset that the splits were taken from.
    notes : tuple of str
        Lines for the user about a list or an earlier dataset that was followed.
    """

    plan: SplitPlan
    sources: Sequence[str]
    batches: tuple[Batch, ...]
    batch_index: Ints
    change: str = ""
    reasons: Sequence[str] = ()
    origin: SplitOrigin | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, plan: SplitPlan, sources: Sequence[str]) -> Self:
        """Return the splits of sources before they are planned: all are in none."""
        return cls(plan, sources, (), np.full(len(sources), -1))

    @cached_property
    def names(self) -> list[str]:
        """Return the split of each source, "" for one that is left out."""
        names = [*(batch.split for batch in self.batches), ""]
        return [names[index] for index in self.batch_index.tolist()]

    def describe(self, sources: SplitSources) -> SplitResult:
        """Count shares, and pairs across splits among at most `MAX_COUNTED` sources."""
        if len(sources) > MAX_COUNTED:
            sources = replace(sources, extent_arcsec=np.full(len(sources), np.nan))
        reasons = np.array([*self.reasons], dtype=str) if self.reasons else None
        names = np.array(self.names, dtype=str)
        assignment = Assignment(self.plan, names, reasons, self.change, self.notes)
        return describe_assignment(assignment, sources)

    def write(self, folder: Path) -> BuildSplit:
        """Write ``splits.csv`` of a build if its splits need it; return their record."""
        path, sha256 = DatasetFolder(folder).splits, ""
        if self.follows_order and not self.reasons:
            path.unlink(missing_ok=True)
        else:
            write_splits(path, self.sources, self.names, self.reasons)
            sha256 = sha256_file(path)
        names = tuple(batch.name for batch in self.batches)
        source_sha256 = "" if self.origin is None else self.origin.sha256
        return BuildSplit(self.plan.text, self.change, names, source_sha256, sha256)

    @property
    def follows_order(self) -> bool:
        """Return whether the splits follow from the order of the catalogue, or from a list."""
        return self.plan.kind in {"published", _ORDER}


def parse_plan(recipe: Recipe) -> SplitPlan:
    """Return the split plan of a recipe.

    Raises
    ------
    RecipeError
        It is no plan.
    """
    try:
        return SplitPlan.parse(recipe.split.plan)
    except InputError as error:
        raise RecipeError(f"read split.plan of the recipe {recipe.name}: {error}") from error


def plan_splits(
    recipe: Recipe,
    catalogue: Catalogue,
    candidates: CandidateTable,
    service: ImageService,
    earlier: EarlierBuild | None = None,
) -> PlannedSplits:
    """Assign every source of a catalogue to a split and a batch.

    Parameters
    ----------
    recipe : Recipe
    catalogue : Catalogue
    candidates : CandidateTable
        Their images.
    service : ImageService
        Where the images come from.
    earlier : EarlierBuild, optional
        A build by the same plan, whose sources keep their splits.

    Raises
    ------
    RecipeError
        The recipe has no valid split plan.
    InputError
        The plan needs a column or a list that is not there.
    """
    plan, change = parse_plan(recipe), ""
    if earlier is not None and earlier.has_all(catalogue):
        return _as_before(earlier, recipe, catalogue)
    if earlier is not None and plan.kind not in _STATED:
        return _with_new_sources(
            earlier, recipe, split_sources(recipe, catalogue, candidates, service)
        )
    images = recipe.published.read_list() if plan.kind == "published" else None
    if images is not None:
        if listed := _as_listed(images, catalogue):
            return listed
        plan = SplitPlan.parse(DEFAULT_SPLIT)
        change = f"no source of this catalogue is in the published list of {recipe.name}"
    if plan.kind == "published":
        return _published(recipe, catalogue)
    if plan.kind == _ORDER:
        return _in_order(plan, recipe, catalogue)
    sources = split_sources(recipe, catalogue, candidates, service)
    result = assign_splits(plan, sources, read_split_record(plan))
    return _from_result(result, recipe, sources, change)


def _from_result(
    result: SplitResult, recipe: Recipe, sources: SplitSources, change: str
) -> PlannedSplits:
    batches = tuple(list_batches(result.splits, recipe.batches.train))
    return PlannedSplits(
        plan=result.plan,
        sources=sources.names,
        batches=batches,
        batch_index=divide_into_batches(result.names, batches),
        change="; ".join(filter(None, [change, result.change])),
        reasons=result.reasons.tolist() if result.is_left_out.any() else (),
        origin=result.origin,
        notes=result.notes,
    )


def _as_before(earlier: EarlierBuild, recipe: Recipe, catalogue: Catalogue) -> PlannedSplits:
    """Return the splits that an earlier build of the same sources has recorded."""
    record, split = earlier.splits, cast("BuildSplit", earlier.provenance.split)
    row_of = {name: row for row, name in enumerate(record.names)}
    rows = [row_of[name] for name in catalogue.names]
    names = np.array([record.splits[row] for row in rows], dtype=str)
    plan = SplitPlan.parse(split.plan)
    splits = in_order({*plan.targets, *record.split_names})
    batches = tuple(list_batches(splits, recipe.batches.train))
    return PlannedSplits(
        plan=plan,
        sources=catalogue.names,
        batches=batches,
        batch_index=divide_into_batches(names, batches),
        change=split.change,
        reasons=[record.reason(row) for row in rows] if (names == "").any() else (),
        origin=record.source if split.source_sha256 else None,
    )


def _with_new_sources(
    earlier: EarlierBuild, recipe: Recipe, sources: SplitSources
) -> PlannedSplits:
    """Return the splits of an earlier build, with its new sources dealt out."""
    split, record = cast("BuildSplit", earlier.provenance.split), earlier.splits
    plan = SplitPlan.parse(split.plan)
    result = keep_splits(record, sources, plan)
    kept, new = len(record), len(sources) - len(record)
    change = (
        f"the {kept:,} sources of the build before keep their splits, and {new:,} new ones were "
        "dealt out"
    )
    if split.change:
        change = f"{split.change}; {change}"
    return replace(
        _from_result(replace(result, plan=plan), recipe, sources, change),
        origin=record.source if split.source_sha256 else None,
    )


def split_sources(
    recipe: Recipe, catalogue: Catalogue, candidates: CandidateTable, service: ImageService
) -> SplitSources:
    """Return what a split needs to know of the sources of a build."""
    return SplitSources(
        names=tuple(catalogue.names),
        labels=catalogue.labels.astype(np.int64),
        ra=catalogue.ra,
        dec=catalogue.dec,
        extent_arcsec=planned_extents(recipe, catalogue, candidates, service),
        shape=stamp_extent(recipe).shape,
        classes=catalogue.classes,
        table=None
        if catalogue.kept is None
        else name_kept_columns(catalogue.kept, recipe_columns(recipe)),
        vectors=catalogue.vectors,
    )


def divide_into_batches(names: npt.NDArray[np.str_], batches: Sequence[Batch]) -> Ints:
    """Return the batch of every source: its split's only one, or one of equal stretches of it.

    The sources of a split keep their order.

    Parameters
    ----------
    names : str array, shape (n,)
        The split of each source; "" for one that is left out.
    batches : sequence of Batch

    Returns
    -------
    int64 array, shape (n,)
        Indices into `batches`, -1 for a source that is left out.

    Examples
    --------
    >>> names = np.array(["test", "train", "train", "", "train"])
    >>> divide_into_batches(names, list_batches(["train", "test"], 2)).tolist()
    [2, 0, 0, -1, 1]
    """
    index = np.full(len(names), -1, np.int64)
    for split in dict.fromkeys(batch.split for batch in batches):
        numbers = [number for number, batch in enumerate(batches) if batch.split == split]
        rows = np.array_split(np.flatnonzero(names == split), len(numbers))
        for number, part in zip(numbers, rows, strict=True):
            index[part] = number
    return index


def _as_listed(images: PublishedList, catalogue: Catalogue) -> PlannedSplits | None:
    """Return the splits and batches of a published list, or None if it has none of the sources."""
    rows = images.rows_of(catalogue.names)
    if (rows < 0).all():
        return None
    batches = tuple(published_batches(images.batch_names))
    number_of = {batch.name: number for number, batch in enumerate(batches)}
    numbers = np.array([*map(number_of.__getitem__, images.batches), -1], np.int64)
    reasons = np.where(rows < 0, _NOT_LISTED, "").tolist() if (rows < 0).any() else ()
    plan = SplitPlan("published")
    return PlannedSplits(plan, catalogue.names, batches, numbers[rows], reasons=reasons)


def _published(recipe: Recipe, catalogue: Catalogue) -> PlannedSplits:
    """Return the published split, or the order of a catalogue that is not the published one."""
    if _has_own_catalogue(recipe, catalogue):
        return _in_order(SplitPlan("published"), recipe, catalogue)
    change = (
        f"the published split of the recipe {recipe.name} is that of its own catalogue; this one "
        "follows the order of the rows"
    )
    return _in_order(SplitPlan(_ORDER), recipe, catalogue, change)


def _has_own_catalogue(recipe: Recipe, catalogue: Catalogue) -> bool:
    """Return whether the sources are all of the recipe's own catalogue, and no others."""
    # The number of rows tells almost every other catalogue apart without reading its file.
    if not recipe.catalogue.md5 or len(catalogue) != recipe.batches.of or catalogue.left_out:
        return False
    path = locate(catalogue.path) if catalogue.path else None
    return path is not None and path.is_file() and md5_file(path) == recipe.catalogue.md5


def _in_order(
    plan: SplitPlan, recipe: Recipe, catalogue: Catalogue, change: str = ""
) -> PlannedSplits:
    settings = recipe.batches
    rows = batch_of_rows(
        len(catalogue), train=settings.train, rows=settings.rows, total=settings.of
    )
    batches = tuple(list_batches(["train", "test"], settings.train))
    return PlannedSplits(plan, catalogue.names, batches, rows, change)
