"""What a dataset's card, datasheet and Croissant file say, gathered from its own files.

Everything here is read from ``recipe.toml`` and ``manifest.parquet``: nothing is typed twice, and
nothing is claimed that the files do not say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import Settings, read_settings
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_schema
from mingolotss.sky.neighbours import overlaps

__all__ = ["NO_LICENCE", "DatasetSummary", "read_facts"]

NO_LICENCE = (
    "No licence is stated by the recipe. The images derive from the survey and the labels from the "
    "catalogue cited below: their terms apply."
)


COUNTED = 50_000  # more would take longer than all the rest of packing
_UNUSED = {"source", "map_file", "image_file", "pixels_sha256", "reason", "class", "batch"}


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset in numbers.

    Attributes
    ----------
    folder : path
    format : str
        "build", or the format of an export.
    settings : Settings
        The recipe and what it was built from.
    manifest : pyarrow.Table
        Written records only.
    rejected : int
        Catalogue rows without an image, as far as the manifest has them.
    classes : tuple of str
    split_plan : str
    pairs, leaks : int or None
        Pairs of sources whose stamps overlap; those of which the two are in different splits.
        None, not counted, for more than `COUNTED` records: a deep survey has a hundred pairs for
        every source, and they are all in memory at once.
    """

    folder: Path
    format: str
    settings: Settings
    manifest: pa.Table
    rejected: int
    classes: tuple[str, ...]
    split_plan: str
    pairs: int | None
    leaks: int | None

    @property
    def is_simulated(self) -> bool:
        """Say whether the images are of the simulated sky."""
        return self.settings.service.startswith("simulated")

    @property
    def title(self) -> str:
        """Name the dataset; a simulated one says so."""
        recipe = self.settings.recipe
        name = recipe.title or recipe.name
        return f"{name} (simulated sky)" if self.is_simulated else name

    @property
    def description(self) -> str:
        """Say what it is: in the recipe's words, unless the sky is simulated."""
        recipe = self.settings.recipe
        if self.is_simulated:
            return f"Galaxies of a simulated radio sky, made as the recipe {recipe.name} says."
        return " ".join(recipe.description.split())

    @property
    def splits(self) -> list[str]:
        """List the splits, train first and test last."""
        names = pc.unique(self.manifest["split"]).to_pylist()
        return sorted(names, key=lambda name: ({"train": 0, "test": 2}.get(name, 1), name))

    @property
    def arcsec(self) -> float:
        """Give the median pixel scale, arcsec."""
        scale = np.nanmedian(self.manifest["pixel_scale_arcsec"].to_numpy())
        return float(scale)

    def count(self, flag: str) -> int:
        """Count the records that have a flag of the manifest."""
        return int(pc.sum(self.manifest[flag].fill_null(False)).as_py() or 0)

    def table(self) -> list[tuple[str, list[int]]]:
        """Count images by class (rows) and split (columns, as in `splits`)."""
        labels = self.manifest["label"]
        rows: list[tuple[str, int | None]] = [(n, i) for i, n in enumerate(self.classes)]
        if labels.null_count:
            rows.append(("no label", None))
        found = []
        for split in self.splits:
            some = pc.value_counts(labels.filter(pc.equal(self.manifest["split"], split)))
            found.append({one["values"]: one["counts"] for one in some.to_pylist()})
        return [(name, [counts.get(label, 0) for counts in found]) for name, label in rows]


def read_facts(folder: Path, manifest: pa.Table | None = None) -> DatasetSummary:
    """Read a build or an export.

    Parameters
    ----------
    folder : Path
    manifest : pyarrow.Table, optional
        Its rows, in any order, where they are at hand.

    Raises
    ------
    DatasetError
        It has no recipe or no manifest.
    """
    settings = read_settings(folder)
    if settings is None:
        raise DatasetError(f"describe {folder}: no recipe.toml in it; build or export it first")
    if manifest is None:
        known = read_schema(folder / "manifest.parquet").names
        manifest = read_manifest(folder, [name for name in known if name not in _UNUSED])
    said = {k.decode(): v.decode() for k, v in (manifest.schema.metadata or {}).items()}
    written = manifest.filter(pc.equal(manifest["status"], "written"))
    classes = said.get("mingolotss.classes", "\n".join(settings.classes))
    pairs, leaks = _leaks(written, settings)
    return DatasetSummary(
        folder=folder,
        format=said.get("mingolotss.format", "build"),
        settings=settings,
        manifest=written,
        rejected=settings.rows - len(written),
        classes=tuple(classes.split("\n")) if classes else (),
        split_plan=said.get("mingolotss.split_plan", "published"),
        pairs=pairs,
        leaks=leaks,
    )


def _leaks(written: pa.Table, settings: Settings) -> tuple[int, int] | tuple[None, None]:
    """Count overlapping pairs, and those that a split separates; a stamp is a disc."""
    if len(written) < 2:
        return 0, 0
    if len(written) > COUNTED:
        return None, None
    scale = float(np.nanmedian(written["pixel_scale_arcsec"].to_numpy()))
    reach = settings.recipe.stamp.pixels * (scale if np.isfinite(scale) else 1.5)
    pairs = overlaps(written["ra"].to_numpy(), written["dec"].to_numpy(), reach)
    split = written["split"].combine_chunks().dictionary_encode().indices.to_numpy()
    return len(pairs), int((split[pairs[:, 0]] != split[pairs[:, 1]]).sum())
