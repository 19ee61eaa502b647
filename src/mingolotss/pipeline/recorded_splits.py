"""The splits of an earlier build, which a build that is repeated or continued keeps.

A build that is repeated has the splits of ``splits.csv``, and needs no list or other dataset that
they were taken from. If the catalogue has more rows than before, what was in a split stays there,
and the new sources are dealt out (`mingolotss.dataset.splits.earlier`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.label_columns import class_texts
from mingolotss.dataset.label_origins import FROM_CATALOGUE, LABEL_FROM
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import Provenance
from mingolotss.dataset.splits import SplitRecord
from mingolotss.formats.splits_csv import read_splits
from mingolotss.io.parquet import read_schema
from mingolotss.pipeline.judged_labels import judge_labels
from mingolotss.sky.angles import separation_arcsec

__all__ = ["EarlierBuild", "read_earlier_build"]

_ORIGIN = "the build before"
_SAME_ARCSEC = 0.01  # of one source in two versions of a catalogue


@dataclass(frozen=True)
class EarlierBuild:
    """A build and the split of each of its sources.

    Attributes
    ----------
    folder : Path
    provenance : Provenance
        Its `split` is not None.
    splits : SplitRecord
    """

    folder: Path
    provenance: Provenance
    splits: SplitRecord

    def has_all(self, catalogue: Catalogue) -> bool:
        """Return whether each source of a catalogue has a recorded split, or none for a reason."""
        return set(catalogue.names) <= set(self.splits.names) and self._have_places(catalogue)

    def is_part_of(self, catalogue: Catalogue) -> bool:
        """Return whether a catalogue has every source of the build unchanged, and more."""
        if len(catalogue) <= self.provenance.rows or self.provenance.limit:
            return False
        row_of = catalogue.row_of
        if not all(name in row_of for name in self.splits.names):
            return False
        if not BuildFolder(self.folder).manifest.is_file():
            return True  # it was interrupted
        stored = read_schema(BuildFolder(self.folder).manifest).names
        origin = [LABEL_FROM.name] if LABEL_FROM.name in stored else []
        table = read_manifest(self.folder, ["row", "source", "status", "class", *origin])
        names = table["source"].to_pylist()
        if not all(name in row_of for name in names) or not self._have_places(catalogue):
            return False
        rows = np.array([row_of[name] for name in names], np.int64)
        if origin:  # labels that people gave are not those of the catalogue
            is_own = pc.equal(table[LABEL_FROM.name], FROM_CATALOGUE).to_numpy()
            table, rows = table.filter(pa.array(is_own)), rows[is_own]
        own = judge_labels(catalogue.take(rows), self.provenance.recipe, ()).catalogue
        texts = class_texts(own.labels, own.vectors, own.classes)
        return bool(table["class"].to_pylist() == texts.to_pylist())

    def _have_places(self, catalogue: Catalogue) -> bool:
        """Return whether the sources that are also in a catalogue have the same positions there.

        Other sources may have the same names: numbers, for example.
        """
        if not BuildFolder(self.folder).manifest.is_file():
            return True  # it was interrupted
        table = read_manifest(self.folder, ["row", "source", "status", "ra", "dec"])
        ra, dec = (np.asarray(table[name].to_numpy(), float) for name in ("ra", "dec"))
        row_of = catalogue.row_of
        pairs = [
            (row, row_of[name])
            for row, name in enumerate(table["source"].to_pylist())
            if name in row_of
        ]
        old, new = np.array(pairs, np.int64).reshape(-1, 2).T
        moved = separation_arcsec(ra[old], dec[old], catalogue.ra[new], catalogue.dec[new])
        return bool((moved < _SAME_ARCSEC).all())


def read_earlier_build(folder: Path, provenance: Provenance | None) -> EarlierBuild | None:
    """Read the splits of a build; None if they follow from the order of the catalogue.

    Parameters
    ----------
    folder : Path
    provenance : Provenance or None
        Of the build in it; None if there is none.

    Raises
    ------
    DatasetError
        ``splits.csv`` is damaged.
    """
    path = BuildFolder(folder).splits
    if provenance is None or provenance.split is None or not provenance.split.sha256:
        return None
    if provenance.split_plan == "published" or not path.is_file():
        return None
    rows = read_splits(path)
    record = SplitRecord(
        names=tuple(rows),
        splits=tuple(row.split for row in rows.values()),
        origin=_ORIGIN,
        sha256=provenance.split.source_sha256,
        reasons=tuple(row.reason for row in rows.values()),
    )
    return EarlierBuild(folder, provenance, record)
