"""``status()``: the progress of a build, its classes and flags, and its rejections."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.channel_table import CHANNELS_COLUMN, flatten_channels, read_channels
from mingolotss.dataset.counts import Count, count_flags
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST, read_manifest, read_rows
from mingolotss.dataset.notices import read_notices
from mingolotss.dataset.products import is_complete
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.sample_summary import class_table, format_counts
from mingolotss.dataset.splits import SplitResult
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_table
from mingolotss.io.summaries import Shown, Summary, count_text
from mingolotss.qa.changed_inputs import InputChange, changed_inputs
from mingolotss.qa.descriptions import FLAGS
from mingolotss.qa.manifest_row import ManifestRow, rows_of
from mingolotss.qa.rejection_reasons import count_reasons
from mingolotss.qa.split_of_build import split_of_build

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
        Number of written sources with each case, flag and class.
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
    rejections: list[tuple[str, str, str]] = field(default_factory=list)
    examples: dict[int | str, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    split: SplitResult | None = None
    changes: list[InputChange] = field(default_factory=list)
    channels: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def _summary(self) -> Summary:
        stages = Counter(stage for _, stage, _ in self.rejections)
        facts = {
            "out": str(self.out),
            "sources": f"{self.sources:,}, of which {self.remaining:,} are not done",
            "rejections": format_counts(stages) or "none",
        }
        title = f"Status: {count_text(self.written, 'image')}, {self.rejected:,} rejected"
        return Summary(title, facts, class_table(self.classes))

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

    Raises
    ------
    DatasetError
        There is no build in the folder.
    """
    out = Path(out)
    provenance = read_provenance(out)
    if provenance is None:
        raise DatasetError(f"show the status of {out}: there is no build in it (no recipe.toml)")
    table = _read_table(BuildFolder(out))
    counts = count_flags(
        table.filter(pc.equal(table["status"], "written")), provenance.recipe.recentre
    )
    rows = rows_of(table.select(_SHOWN))
    assembled = is_complete(out, provenance.recipe)
    written = [row for row in rows if row["status"] == "written"]
    rejected = [row for row in rows if row["status"] != "written"]
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
        classes=_count_classes(provenance, written),
        rejections=[(row["source"], row["stage"], row["reason"]) for row in rejected],
        examples=_examples(written),
        notices=read_notices(BuildFolder(out).notices),
        split=split_of_build(out) if assembled else None,
        changes=changed_inputs(out, provenance) if assembled else [],
        channels=_count_channels(BuildFolder(out), provenance),
    )


def _read_table(build: BuildFolder) -> pa.Table:
    """Read the manifest or, of an unfinished build, the tables of the parts."""
    columns = [*_SHOWN, "size_arcsec", "pixel_scale_arcsec"]
    if build.manifest.exists():
        table = read_manifest(build.path, columns)
    else:
        tables = [read_rows(path, columns) for path in build.parts()]
        empty = pa.schema([MANIFEST.field(name) for name in columns]).empty_table()
        table = pa.concat_tables(tables) if tables else empty
    return table.sort_by("row")


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


def _count_classes(provenance: Provenance, written: list[ManifestRow]) -> dict[str, int]:
    counts = Counter(row["class"] for row in written if row["class"] is not None)
    return {name: counts[name] for name in provenance.classes}
