"""The facts of a dataset that its card and its Croissant description state.

Everything is read from ``recipe.toml`` and the manifest of the dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.split_names import in_order
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_schema
from mingolotss.sky.neighbours import overlaps

__all__ = ["MAX_COUNTED", "NO_LICENCE", "DatasetSummary", "read_summary"]

NO_LICENCE = (
    "The recipe states no licence. The images are from the survey and the labels from the "
    "catalogue that are cited below; their terms apply."
)
MAX_COUNTED = 50_000
"""Overlapping pairs are counted for at most this many records."""
_UNUSED_COLUMNS = {
    "source", "map_file", "image_file", "pixels_sha256", "reason", "class", "batch",
}  # fmt: skip
_DEFAULT_SCALE_ARCSEC = 1.5  # of a pixel, where the manifest has none


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset in numbers.

    Attributes
    ----------
    folder : Path
    provenance : Provenance
        The recipe and the inputs of the build.
    manifest : pyarrow.Table
        Written records only.
    rejected : int
        Catalogue rows without an image.
    classes : tuple of str
    split_plan : str
    pairs, leaks : int or None
        Number of pairs of sources whose stamps overlap, and of those pairs whose sources are in
        different splits. None for more than `MAX_COUNTED` records: a deep survey has a hundred
        pairs for every source, all in memory at once.
    """

    folder: Path
    provenance: Provenance
    manifest: pa.Table
    rejected: int
    classes: tuple[str, ...]
    split_plan: str
    pairs: int | None
    leaks: int | None

    @property
    def splits(self) -> list[str]:
        """Return the splits, train first and test last."""
        return in_order(pc.unique(self.manifest["split"]).to_pylist())

    @property
    def pixel_scale_arcsec(self) -> float | None:
        """Return the median pixel scale, arcsec; None if no record has one."""
        return _median_scale(self.manifest)

    def count(self, flag: str) -> int:
        """Return the number of records that have a flag of the manifest."""
        return int(pc.sum(self.manifest[flag].fill_null(False)).as_py() or 0)

    def class_counts(self) -> list[tuple[str, list[int]]]:
        """Return the number of images of each class (rows) in each split (columns)."""
        labels = self.manifest["label"]
        rows: list[tuple[str, int | None]] = [
            (name, label) for label, name in enumerate(self.classes)
        ]
        if labels.null_count:
            rows.append(("no label", None))
        # Arrow counts the labels of each split, so no row becomes a Python object; the table of
        # classes and splits is then filled from a few numbers.
        counts_of_splits = []
        for split in self.splits:
            counts = pc.value_counts(labels.filter(pc.equal(self.manifest["split"], split)))
            counts_of_splits.append(
                {count["values"]: count["counts"] for count in counts.to_pylist()}
            )
        return [
            (name, [counts.get(label, 0) for counts in counts_of_splits]) for name, label in rows
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
        names = read_schema(DatasetFolder(folder).manifest).names
        manifest = read_manifest(folder, [name for name in names if name not in _UNUSED_COLUMNS])
    written = manifest.filter(pc.equal(manifest["status"], "written"))
    notes = ExportNotes.read(manifest.schema.metadata)
    pairs, leaks = _overlapping_pairs(written, provenance)
    return DatasetSummary(
        folder=folder,
        provenance=provenance,
        manifest=written,
        rejected=provenance.rows - len(written),
        classes=provenance.classes if notes is None else notes.classes,
        split_plan="published" if notes is None else notes.split_plan,
        pairs=pairs,
        leaks=leaks,
    )


def _median_scale(records: pa.Table) -> float | None:
    """Return the median pixel scale of records, arcsec; None if none has one."""
    scales = records["pixel_scale_arcsec"].to_numpy()
    scales = scales[np.isfinite(scales)]
    return float(np.median(scales)) if scales.size else None


def _overlapping_pairs(
    written: pa.Table, provenance: Provenance
) -> tuple[int, int] | tuple[None, None]:
    """Count the pairs that overlap, and those that a split separates; a stamp is a disc."""
    if len(written) < 2:
        return 0, 0
    if len(written) > MAX_COUNTED:
        return None, None
    diameter = provenance.recipe.stamp.pixels * (_median_scale(written) or _DEFAULT_SCALE_ARCSEC)
    # The names of splits are compared as numbers: the dictionary encoding gives each name an index.
    pairs = overlaps(written["ra"].to_numpy(), written["dec"].to_numpy(), diameter)
    split = written["split"].combine_chunks().dictionary_encode().indices.to_numpy()
    return len(pairs), int((split[pairs[:, 0]] != split[pairs[:, 1]]).sum())
