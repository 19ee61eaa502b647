"""``status()``: the progress of a build, its classes and flags, and its rejections."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST, read_manifest
from mingolotss.dataset.notices import read_notices
from mingolotss.dataset.products import is_complete
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_table
from mingolotss.qa.descriptions import FLAGS
from mingolotss.qa.manifest_row import ManifestRow, rows_of

__all__ = ["Status", "status"]

_EXAMPLES = 3  # of each case and flag


@dataclass(frozen=True)
class Status:
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
    rejections : list of (str, str, str)
        Source, stage and reason, in the order of the catalogue.
    examples : dict
        For each case and flag, the names of the first few sources that have it.
    notices : list of str
        The files that the image service does not use, a line for each reason.
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
    classes: dict[str, int] = field(default_factory=dict)
    rejections: list[tuple[str, str, str]] = field(default_factory=list)
    examples: dict[int | str, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

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
        counts = Counter((stage, _without_names(reason)) for _, stage, reason in self.rejections)
        return dict(counts.most_common())


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
    rows = _read_rows(BuildFolder(out))
    written = [row for row in rows if row["status"] == "written"]
    rejected = [row for row in rows if row["status"] != "written"]
    return Status(
        out=out,
        provenance=provenance,
        sources=provenance.rows,
        done=len(rows),
        written=len(written),
        rejected=len(rejected),
        assembled=is_complete(out, provenance.recipe),
        cases=dict(sorted(Counter(row["case"] for row in written).items())),
        flags=_count_flags(written),
        classes=_count_classes(provenance, written),
        rejections=[(row["source"], row["stage"], row["reason"]) for row in rejected],
        examples=_examples(written),
        notices=read_notices(BuildFolder(out).notices),
    )


def _read_rows(build: BuildFolder) -> list[ManifestRow]:
    """Read the manifest or, of an unfinished build, the tables of the parts."""
    columns = ["row", "source", "status", "class", "case", *FLAGS, "stage", "reason"]
    if build.manifest.exists():
        table = read_manifest(build.path, columns)
    else:
        tables = [read_table(path, columns, schema=MANIFEST) for path in build.parts()]
        empty = pa.schema([MANIFEST.field(name) for name in columns]).empty_table()
        table = pa.concat_tables(tables) if tables else empty
    return rows_of(table.sort_by("row"))


def _flags(row: ManifestRow) -> list[str]:
    flags: dict[str, object] = {**row}
    return [name for name in FLAGS if flags[name]]


def _count_flags(written: list[ManifestRow]) -> dict[str, int]:
    counts = Counter(name for row in written for name in _flags(row))
    return {name: counts[name] for name in FLAGS}


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


def _without_names(reason: str) -> str:
    """Return a reason without names, paths and numbers, so that equal reasons are counted together.

    >>> _without_names("read cutouts/A.fits: the file is cut short at 2880 bytes")
    'read FILE the file is cut short at N bytes'
    >>> _without_names("no file for it: looked for 'A 1.fits' and 'A_1.fits' in cutouts/x")
    'no file for it: looked for NAME in FILE'
    """
    quoted = re.sub(r"""(?<!\w)('[^']*'|"[^"]*")(?!\w)""", "NAME", reason)
    plain = re.sub(r"\S*/\S+", "FILE", re.sub(r"NAME(, NAME)*( and NAME)+", "NAME", quoted))
    return re.sub(r"\b[A-Z]\w*[+-]?\w*:(?= )", "FIELD:", re.sub(r"\d+(\.\d+)?", "N", plain))
