"""The facts of a dataset that its card and its Croissant description state.

Everything is read from ``recipe.toml`` and the manifest of the dataset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.catalogue.label_groups import label_groups
from mingolotss.catalogue.label_vectors import LabelKind, LabelVectors
from mingolotss.dataset.channel_census import ChannelCount, channel_counts
from mingolotss.dataset.channel_table import MISSING_CHANNELS, read_channels
from mingolotss.dataset.counts import Count, count_flags
from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.dataset.image_census import BeamCount, beam_counts, noise_counts
from mingolotss.dataset.label_census import TagCensus, VoteCensus, count_tags, count_votes
from mingolotss.dataset.label_columns import read_vectors
from mingolotss.dataset.label_origins import LABEL_FROM, LabelOrigins, count_origins
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.manifest import LATER_COLUMNS, read_manifest
from mingolotss.dataset.measured_split import MAX_COUNTED, measured_split
from mingolotss.dataset.overlapping_stamps import OverlappingStamps, overlaps_of_table
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.splits import SplitResult
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_values import equals, fill_null, numpy_of, scalar
from mingolotss.io.parquet import count_rows, read_schema
from mingolotss.sky.header_facts import SIMULATED

__all__ = ["DatasetSummary", "read_summary"]

_UNUSED_COLUMNS = {
    "source", "map_file", "image_file", "pixels_sha256", "reason", "class", "batch",
}  # fmt: skip


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset in numbers.

    Attributes
    ----------
    folder : Path
    provenance : Provenance
        The recipe and the inputs of the build.
    manifest : pyarrow.Table
        Written records only.
    is_export : bool
        Whether it is an export, which has the manifest of its own images only.
    classes : tuple of str
    split_plan : str
    split_sha256 : str
        Of the list or of the splits of the dataset that `split_plan` names; "" if it names none.
    split : SplitResult
        With the pairs across splits only if `pairs` is None.
    without_channel : int
        The number of images with a channel without data.
    pairs : OverlappingStamps or None
        The pairs of stamps that overlap. None for more than `MAX_COUNTED` records: a deep survey
        has a hundred pairs for every source, and counting them would take long.
    """

    folder: Path
    provenance: Provenance
    manifest: pa.Table
    is_export: bool
    classes: tuple[str, ...]
    split_plan: str
    split_sha256: str
    split: SplitResult
    without_channel: int
    pairs: OverlappingStamps | None

    @cached_property
    def channels(self) -> list[ChannelCount]:
        """The channels in their order; none for a dataset without them.

        Their table is read when this is first asked for: a build writes it beside the manifest.
        """
        names = [channel.name for channel in self.provenance.recipe.channels]
        if not names or not DatasetFolder(self.folder).channels.is_file():
            return []
        table = read_channels(self.folder)
        rows = self.manifest["row"].combine_chunks()
        return channel_counts(table.filter(pc.is_in(table["row"], value_set=rows)), names)

    @property
    def program_version(self) -> str:
        """Return the version of this program that made the build; "" if it is not recorded."""
        return read_package_versions(self.folder).get("mingolotss", "")

    @property
    def splits(self) -> list[str]:
        """Return the splits that have images, train first and test last."""
        return in_order(filter(None, pc.unique(self.manifest["split"]).to_pylist()))

    @property
    def planned_splits(self) -> list[str]:
        """Return the splits of the plan, also those without images."""
        return in_order({*self.splits, *self.split.splits})

    @property
    def class_totals(self) -> list[int]:
        """Return the number of images of each class, in a split or in none."""
        if self.tags is not None:
            return list(map(int, self.tags.counts))
        labels = numpy_of(self.manifest["label"].drop_null())
        counts = np.bincount(labels, minlength=len(self.classes))[: len(self.classes)]
        return list(map(int, counts))

    @cached_property
    def vectors(self) -> LabelVectors | None:
        """The tags or votes of the images; None for a dataset of single classes."""
        if self.provenance.recipe.label_kind == "classes":
            return None  # columns of these names are those of a catalogue
        return read_vectors(self.manifest, len(self.classes))

    @property
    def label_kind(self) -> LabelKind:
        """Return the kind of the labels."""
        return "classes" if self.vectors is None else self.vectors.kind

    @cached_property
    def tags(self) -> TagCensus | None:
        """The tags of the images, counted; None for a dataset without tags."""
        vectors = self.vectors
        is_tagged = vectors is not None and vectors.kind == "tags"
        return count_tags(vectors, self.classes) if vectors is not None and is_tagged else None

    @cached_property
    def votes(self) -> VoteCensus | None:
        """The votes of the images, counted; None for a dataset without votes."""
        vectors = self.vectors
        if vectors is None or vectors.kind != "votes":
            return None
        labels = numpy_of(fill_null(self.manifest["label"], -1)).astype(np.int64)
        return count_votes(vectors, labels, self.classes)

    @property
    def label_origins(self) -> LabelOrigins | None:
        """Return how many labels come from people; None if the recipe uses no judgements."""
        if not self.provenance.recipe.judgements.are_used or (
            LABEL_FROM.name not in self.manifest.column_names
        ):
            return None
        return count_origins(self.manifest[LABEL_FROM.name].to_pylist())

    @property
    def pairs_across(self) -> int | None:
        """Return the number of pairs of overlapping stamps in different splits, if it is known."""
        return self.split.pairs_across if self.pairs is None else self.pairs.apart

    @property
    def left_out(self) -> int:
        """Return the number of images that are in no split."""
        return int(self.split.is_left_out.sum())

    @property
    def pixel_scales_arcsec(self) -> tuple[float, float, float] | None:
        """Return the smallest, median and largest pixel scale; None if no record has one."""
        scales = numpy_of(self.manifest["pixel_scale_arcsec"])
        scales = scales[np.isfinite(scales)]
        if not scales.size:
            return None
        return float(scales.min()), float(np.median(scales)), float(scales.max())

    @property
    def is_labelled(self) -> bool:
        """Return whether the dataset has classes."""
        return bool(self.classes)

    def counts(self) -> dict[str, Count]:
        """Return the number of records with each flag of the manifest."""
        return count_flags(self.manifest, self.provenance.recipe.recentre)

    def noise_counts(self) -> dict[str | None, int]:
        """Return the number of records of each method of the noise; None where it is not known."""
        return noise_counts(self.manifest)

    def beam_counts(self) -> list[BeamCount]:
        """Return the number of records of each beam; more than one known beam is a mixture."""
        return beam_counts(self.manifest)

    def is_known(self, column: str) -> pa.ChunkedArray:
        """Return for which records a column has a value; NaN is none."""
        values = self.manifest[column]
        is_valid = pc.is_valid(values)
        if pa.types.is_floating(values.type):
            return pc.and_(is_valid, pc.invert(pc.is_nan(fill_null(values, float("nan")))))
        return is_valid

    def known(self, column: str) -> int:
        """Return for how many records a column has a value."""
        return int(pc.sum(self.is_known(column)).as_py() or 0)

    def value_counts(self, column: str) -> list[tuple[object, int]]:
        """Return the values of a column, the most frequent first, and their number of records.

        None stands for no value and for NaN.
        """
        values = self.manifest[column]
        values = pc.if_else(self.is_known(column), values, pa.nulls(1, values.type)[0])
        counts = [(one["values"], one["counts"]) for one in values.value_counts().to_pylist()]
        return sorted(counts, key=lambda pair: (-pair[1], str(pair[0])))

    def class_counts(self) -> list[tuple[int | None, str, list[int]]]:
        """Return the number of images of each class (rows) in each of `planned_splits`.

        Each row has the label, the name and the numbers. An image with several tags is counted in
        the row of each; the rows without a label are those of the images in no class.
        """
        if self.vectors is not None:
            return self._counts_by_group()
        labels = self.manifest["label"]
        rows: list[tuple[str, int | None]] = [
            (name, label) for label, name in enumerate(self.classes)
        ]
        if labels.null_count:
            rows.append(("no label", None))
        # Arrow counts the labels of each split, so no row becomes a Python object; the table of
        # classes and splits is then filled from a few numbers.
        counts_of_splits = []
        for split in self.planned_splits:
            counts = pc.value_counts(labels.filter(equals(self.manifest["split"], split)))
            counts_of_splits.append(
                {count["values"]: count["counts"] for count in counts.to_pylist()}
            )
        return [
            (label, name, [counts.get(label, 0) for counts in counts_of_splits])
            for name, label in rows
        ]

    def _counts_by_group(self) -> list[tuple[int | None, str, list[int]]]:
        """Return the rows of `class_counts` for tags and votes."""
        labels = numpy_of(fill_null(self.manifest["label"], -1))
        inside = [
            np.asarray(pc.fill_null(equals(self.manifest["split"], split), False), bool)
            for split in self.planned_splits
        ]
        return [
            (label, name, [int((members & one).sum()) for one in inside])
            for label, name, members in label_groups(labels, self.classes, self.vectors)
        ]

    def split_counts(self) -> list[tuple[str, int]]:
        """Return the number of images in each of `planned_splits`."""
        return [
            (split, pc.sum(equals(self.manifest["split"], split)).as_py() or 0)
            for split in self.planned_splits
        ]


def read_summary(folder: Path, manifest: pa.Table | None = None) -> DatasetSummary:
    """Read the facts of a build or an export.

    Parameters
    ----------
    folder : Path
    manifest : pyarrow.Table, optional
        Its rows in any order, if they are in memory already.

    Raises
    ------
    DatasetError
        The folder has no recipe or no manifest.
    """
    provenance = read_provenance(folder)
    if provenance is None:
        raise DatasetError(f"describe {folder}: no recipe.toml in it; build or export it first")
    if manifest is None:
        # With the columns that a build of an older version does not have: they are null.
        present = read_schema(DatasetFolder(folder).manifest).names
        names = dict.fromkeys([*present, *sorted(LATER_COLUMNS)])
        # The WCS takes much memory, and only the count of overlapping stamps needs it.
        is_counted = count_rows(DatasetFolder(folder).manifest) <= MAX_COUNTED
        unused = _UNUSED_COLUMNS if is_counted else {*_UNUSED_COLUMNS, "wcs"}
        manifest = read_manifest(folder, [name for name in names if name not in unused])
    is_written = equals(manifest["status"], "written")
    written = manifest if pc.all(is_written).as_py() else manifest.filter(is_written)
    # An archive may deliver simulated images; only their headers tell.
    if pc.any(equals(written["telescope"], SIMULATED)).as_py():
        provenance = replace(provenance, simulated=True)
    notes = ExportNotes.read(manifest.schema.metadata)
    classes = provenance.classes if notes is None else notes.classes
    split_plan, split_sha256 = provenance.split_plan, ""
    if notes is not None:
        split_plan, split_sha256 = notes.split_plan, notes.split_sha256
    elif provenance.split is not None:
        split_sha256 = provenance.split.source_sha256
    pairs = None
    if len(written) <= MAX_COUNTED:
        pairs = overlaps_of_table(written, provenance.recipe, most=0)
    return DatasetSummary(
        folder=folder,
        provenance=provenance,
        manifest=written,
        is_export=notes is not None,
        classes=classes,
        split_plan=split_plan,
        split_sha256=split_sha256,
        split=measured_split(
            written, provenance.recipe, split_plan, classes, with_pairs=pairs is None
        ),
        without_channel=_count_without_channel(written),
        pairs=pairs,
    )


def _count_without_channel(written: pa.Table) -> int:
    if MISSING_CHANNELS.name not in written.column_names:
        return 0
    named = pc.not_equal(fill_null(written[MISSING_CHANNELS.name], ""), scalar(""))
    return int(pc.sum(named).as_py() or 0)
