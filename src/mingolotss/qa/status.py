"""``status()``: the progress of a build, its classes and flags, and its rejections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.label_groups import label_groups
from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.dataset.channel_table import CHANNELS_COLUMN, flatten_channels, read_channels
from mingolotss.dataset.collection_record import CollectionRecord
from mingolotss.dataset.counts import Count, count_flags
from mingolotss.dataset.label_columns import VECTOR_COLUMNS, read_vectors
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import (
    MANIFEST,
    read_manifest,
    read_rows,
    recipe_columns,
    written_rows,
)
from mingolotss.dataset.notices import read_notices
from mingolotss.dataset.products import is_complete
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.splits import SplitResult
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_values import fill_null, numpy_of
from mingolotss.io.parquet import read_table
from mingolotss.io.summaries import Shown, Summary, Table, count_text, format_counts
from mingolotss.qa.changed_inputs import InputChange, changed_inputs
from mingolotss.qa.descriptions import FLAGS
from mingolotss.qa.manifest_row import ManifestRow, rows_of
from mingolotss.qa.rejection_reasons import count_reasons
from mingolotss.qa.split_of_build import split_columns, split_of_rows

__all__ = ["Status", "status"]

_EXAMPLES = 3  # of each case and flag
_SHOWN = ["row", "source", "status", "class", "case", *FLAGS, "stage", "reason"]


@dataclass(frozen=True, repr=False)
class Status(Shown):
    """The content of a build's folder, finished or not.

    Attributes
    ----------
    out : Path
        The folder.
    provenance : Provenance
        The effective settings of the build.
    sources, done, written, rejected : int
        Numbers of sources; `done` is written + rejected.
    assembled : bool
        Whether the manifest, the batches and all other files of the dataset exist.
    cases, flags, classes : dict
        Number of written sources with each case, flag and class. A source with several tags is
        counted for each, and one with votes for the class with the most.
    without_class : dict
        Number of written sources in no class, by the reason: "no label", "no tag",
        "no single class" or "no votes".
    kind : {"classes", "tags", "votes"}
        Of the labels.
    counts : dict of str to Count
        For each flag, also among how many sources it was looked at.
    rejections : list of (str, str, str)
        Source, stage and reason, in the order of the catalogue.
    examples : dict
        For each case and flag, the names of the first few sources that have it.
    notices : list of str
        The files that the image service does not use, a line for each reason.
    split : SplitResult or None
        The splits of an assembled build, by the measured size of the stamps.
    changes : list of InputChange
        Of a finished build, the inputs that are not those that its products were made from.
    channels : dict of str to (int, int, int)
        For each channel of the recipe, the number of written sources of whose images whole pixels
        were taken, whose images were resampled, and that lack an image.
    partitions : int
        The number of partitions of the HATS collection; 0 if there is none.
    """

    out: Path
    provenance: Provenance
    sources: int
    done: int
    written: int
    rejected: int
    assembled: bool
    cases: dict[int, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    counts: dict[str, Count] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    without_class: dict[str, int] = field(default_factory=dict)
    kind: LabelKind = "classes"
    rejections: list[tuple[str, str, str]] = field(default_factory=list)
    examples: dict[int | str, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    split: SplitResult | None = None
    changes: list[InputChange] = field(default_factory=list)
    channels: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    partitions: int = 0

    def _summary(self) -> Summary:
        stages = Counter(stage for _, stage, _ in self.rejections)
        facts = {
            "out": str(self.out),
            "sources": f"{self.sources:,}, of which {self.remaining:,} are not done",
            "rejections": format_counts(stages) or "none",
        }
        title = f"Status: {count_text(self.written, 'image')}, {self.rejected:,} rejected"
        rows: list[tuple[object, ...]] = [
            (label, name, count) for label, (name, count) in enumerate(self.classes.items())
        ]
        rows += [(None, name, count) for name, count in self.without_class.items()]
        header = ("label", "tag" if self.kind == "tags" else "class", "images")
        return Summary(title, facts, Table(header, rows) if self.classes else None)

    @property
    def remaining(self) -> int:
        """Number of sources that are not done."""
        return self.sources - self.done

    @property
    def finished(self) -> bool:
        """Whether every source is done and the dataset is assembled."""
        return self.assembled and not self.remaining

    def reasons(self) -> dict[tuple[str, str], int]:
        """Return the number of rejections for each stage and kind of reason, largest first."""
        return count_reasons((stage, reason) for _, stage, reason in self.rejections)


def status(out: Path | str) -> Status:
    """Return the progress of a build, its classes and its rejections.

    Parameters
    ----------
    out : path
        The folder of a build, finished or not.

    Returns
    -------
    Status
        The numbers; it is a table where it is printed, and HTML in a notebook.

    Raises
    ------
    DatasetError
        There is no build in the folder.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.status("demo")
    Status: 118 images, 2 rejected
        ...
    """
    out = Path(out)
    provenance = read_provenance(out)
    if provenance is None:
        raise DatasetError(f"show the status of {out}: there is no build in it (no recipe.toml)")
    assembled = is_complete(out, provenance.recipe)
    has_split = assembled and BuildFolder(out).manifest.exists()
    of_split = split_columns(provenance) if has_split else []
    table = _read_table(BuildFolder(out), provenance, of_split)
    written_table = written_rows(table)
    counts = count_flags(written_table, provenance.recipe.recentre)
    classes, without_class = _count_classes(written_table, provenance.classes)
    rows = rows_of(table.select(_SHOWN))
    written = [row for row in rows if row["status"] == "written"]
    rejected = [row for row in rows if row["status"] != "written"]
    collection = CollectionRecord.read(BuildFolder(out)) if assembled else None
    return Status(
        out=out,
        provenance=provenance,
        sources=provenance.rows,
        done=len(rows),
        written=len(written),
        rejected=len(rejected),
        assembled=assembled,
        cases=dict(sorted(Counter(row["case"] for row in written).items())),
        flags={name: counts[name].number for name in FLAGS},
        counts=counts,
        classes=classes,
        without_class=without_class,
        kind=provenance.recipe.label_kind,
        rejections=[(row["source"], row["stage"], row["reason"]) for row in rejected],
        examples=_examples(written),
        notices=read_notices(BuildFolder(out).notices),
        split=split_of_rows(out, provenance, written_table) if has_split else None,
        changes=changed_inputs(out, provenance) if assembled else [],
        channels=_count_channels(BuildFolder(out), provenance),
        partitions=0 if collection is None else collection.partitions,
    )


def _read_table(build: BuildFolder, provenance: Provenance, further: Sequence[str]) -> pa.Table:
    """Read the manifest or, of an unfinished build, the tables of the parts."""
    vectors = [name for name in recipe_columns(provenance.recipe) if name in VECTOR_COLUMNS.names]
    shown = [*_SHOWN, "label", "size_arcsec", "pixel_scale_arcsec", *vectors]
    columns = list(dict.fromkeys([*shown, *further]))
    if build.manifest.exists():
        table = read_manifest(build.path, columns)
    else:
        tables = [read_rows(path, columns) for path in build.parts()]
        fields = [*MANIFEST, *VECTOR_COLUMNS]
        empty = pa.schema([one for one in fields if one.name in columns]).empty_table()
        table = pa.concat_tables(tables) if tables else empty
    rows = numpy_of(table["row"])
    return table if (rows[1:] >= rows[:-1]).all() else table.sort_by("row")


def _count_channels(build: BuildFolder, provenance: Provenance) -> dict[str, tuple[int, int, int]]:
    """Count the planes of each channel by their status."""
    names = [channel.name for channel in provenance.recipe.channels]
    if not names:
        return {}
    if build.channels.exists():
        tables = [read_channels(build.path)]
    else:
        columns = [CHANNELS_COLUMN.name]
        tables = [flatten_channels(read_table(path, columns)) for path in build.parts()]
    pairs = Counter(
        pair
        for table in tables
        for pair in zip(table["channel"].to_pylist(), table["status"].to_pylist(), strict=True)
    )
    return {
        name: (pairs[name, "native"], pairs[name, "resampled"], pairs[name, "missing"])
        for name in names
    }


def _flags(row: ManifestRow) -> list[str]:
    flags: dict[str, object] = {**row}
    return [name for name in FLAGS if flags[name]]


def _examples(written: list[ManifestRow]) -> dict[int | str, list[str]]:
    """Return the first few sources of each case and flag."""
    examples: dict[int | str, list[str]] = {}
    for row in written:
        keys: list[int | str] = [row["case"], *_flags(row)]
        for key in keys:
            sources = examples.setdefault(key, [])
            if len(sources) < _EXAMPLES:
                sources.append(row["source"])
    return examples


def _count_classes(
    written: pa.Table, classes: tuple[str, ...]
) -> tuple[dict[str, int], dict[str, int]]:
    """Count the sources of each class, and those in none by the reason."""
    if not classes:
        return {}, {}
    labels = numpy_of(fill_null(written["label"], -1)).astype(np.int64)
    groups = label_groups(labels, classes, read_vectors(written, len(classes)))
    counts = [(label, name, int(members.sum())) for label, name, members in groups]
    return (
        {name: count for label, name, count in counts if label is not None},
        {name: count for label, name, count in counts if label is None},
    )
