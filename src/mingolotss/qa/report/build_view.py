"""A finished build, prepared for the report and the review page: columns, flags, candidates.

The tables stay columns: a build of a hundred thousand sources takes a few tens of megabytes, and a
filter is one comparison of arrays. Not here: pixels (`stamp_store`, `cutout_cache`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.candidates.status import CandidateStatus, from_verdict
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.counts import Count, count_flags
from mingolotss.dataset.grid_census import (
    describe_common_beam,
    describe_orientation,
    describe_resampling,
    describe_sizes,
)
from mingolotss.dataset.image_census import (
    beam_counts,
    describe_beams,
    describe_noise,
    noise_counts,
)
from mingolotss.dataset.label_census import TagCensus, VoteCensus, count_tags, count_votes
from mingolotss.dataset.label_columns import read_vectors
from mingolotss.dataset.label_origins import LABEL_FROM
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import (
    KEPT_PREFIX,
    RECIPE_COLUMNS,
    candidates_of_channel,
    catalogue_columns,
    read_manifest,
)
from mingolotss.dataset.mask_census import describe_masks
from mingolotss.dataset.measured_split import measured_split
from mingolotss.dataset.overlapping_stamps import OverlappingStamps, overlaps_of_table
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.dataset.recorded_inputs import decisions_file, image_folder, locate_image
from mingolotss.dataset.splits import SplitResult
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_schema, read_table
from mingolotss.model import Bools, Candidate, Floats, Ints, Objects, Source
from mingolotss.pipeline.stamp_geometry import StampPlace, place_of_stamp
from mingolotss.qa.audit.document import AuditState, read_audit
from mingolotss.qa.descriptions import INSPECTION_REASONS
from mingolotss.qa.manifest_row import ManifestRow, rows_of
from mingolotss.qa.report.channel_view import ChannelView
from mingolotss.qa.report.stamp_store import StampStore
from mingolotss.qa.split_of_build import reasons_without_split
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import StampPixels
from mingolotss.sky.angles import separation_arcsec

__all__ = ["BuildView", "CandidateRow"]

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One row of ``candidates.parquet``.

    Attributes
    ----------
    candidate : Candidate
    separation_arcsec, percent_nan : float or None
        None if the image could not be measured.
    status : CandidateStatus
    reason : str
        Why the image cannot be used; "" if it can.
    """

    candidate: Candidate
    separation_arcsec: float | None
    percent_nan: float | None
    status: CandidateStatus
    reason: str

    @property
    def usable(self) -> bool:
        """Whether the image can be used for a stamp."""
        return self.status not in {CandidateStatus.REJECTED, CandidateStatus.FETCH_FAILED}


@dataclass(frozen=True)
class BuildView:
    """A finished build.

    Attributes
    ----------
    folder : BuildFolder
    provenance : Provenance
    manifest : Table
        One row for each row of the catalogue, in order: the index of a row is its catalogue row.
    decisions : Path
        The file of decisions that belongs to the build.
    """

    folder: BuildFolder
    provenance: Provenance
    manifest: pa.Table
    decisions: Path

    @classmethod
    def read(
        cls, folder: Path | str, *, decisions: Path | None = None, columns: Sequence[str] = ()
    ) -> BuildView:
        """Read the folder of a build.

        Parameters
        ----------
        folder : path
        decisions : Path, optional
            A file of decisions to use in place of the one in the folder.
        columns : sequence of str, optional
            The columns of the manifest to read; all by default.

        Raises
        ------
        DatasetError
            There is no finished build in the folder, or it is damaged.
        """
        build = BuildFolder(Path(folder))
        provenance = read_provenance(build.path)
        if provenance is None:
            raise DatasetError(
                f"open the build {folder}: there is no build in it (no recipe.toml); "
                f"make one: mingolotss build --out {folder}, or mingolotss demo"
            )
        names = [*columns]
        if names:  # with the columns that only some recipes have
            stored = read_schema(build.manifest).names
            needed = provenance.recipe.stamp.columns.values()
            kept = [name for column in needed for name in (column, f"{KEPT_PREFIX}{column}")]
            names += [name for name in (*RECIPE_COLUMNS.names, *kept) if name in stored]
            names = list(dict.fromkeys(names))
        manifest = read_manifest(build.path, names or None)
        if not np.array_equal(manifest["row"].to_numpy(), np.arange(len(manifest))):
            raise DatasetError(
                f"read {build.manifest}: its rows are not those of the catalogue, from 0 in order; "
                "remove it and build again"
            )
        return cls(build, provenance, manifest, decisions or decisions_file(build.path))

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def recipe(self) -> Recipe:
        """The recipe with its effective settings."""
        return self.provenance.recipe

    def stamp_place(self, row: int) -> StampPlace:
        """Return where the stamp of a row is on the sky, also of a row that was rejected.

        Raises
        ------
        ImageError
            It has no size or no orientation.
        """
        table, source = self.manifest.slice(row, 1), self.source(row)
        columns = catalogue_columns(table) if self.recipe.stamp.columns else None
        return place_of_stamp(self.recipe, source.ra, source.dec, columns)

    @cached_property
    def reference_recipe(self) -> Recipe:
        """The recipe of the reference channel alone; without channels, the recipe."""
        return self.recipe.reference_recipe

    @cached_property
    def packages(self) -> dict[str, str]:
        """The version of each package that made the build."""
        return read_package_versions(self.folder.path)

    @cached_property
    def written(self) -> Bools:
        """Which rows have a stamp."""
        return _array(pc.equal(self.manifest["status"], "written"), np.bool_)

    @cached_property
    def labels(self) -> Ints:
        """The label of each row, -1 if it has none."""
        return _array(pc.fill_null(self.manifest["label"], -1), np.int64)

    @cached_property
    def vectors(self) -> LabelVectors | None:
        """The tags or votes of each row; None for a dataset of single classes.

        Raises
        ------
        DatasetError
            They do not fit the classes.
        """
        # A catalogue can have columns of these names, which older builds kept under them.
        if self.recipe.label_kind == "classes":
            return None
        return read_vectors(self.manifest, len(self.provenance.classes))

    @cached_property
    def members(self) -> Bools:
        """Which classes each row has, shape (n, classes): several for a source with several tags.

        A source of votes has its single class.
        """
        if self.vectors is not None and self.vectors.kind == "tags":
            return np.asarray(self.vectors.values > 0, bool)
        return np.asarray(self.labels[:, None] == np.arange(len(self.provenance.classes)), bool)

    @cached_property
    def tags(self) -> TagCensus | None:
        """The tags of the sources with a stamp, counted; None for a dataset without tags."""
        vectors = self.vectors
        if vectors is None or vectors.kind != "tags":
            return None
        return count_tags(vectors.take(self.written), self.provenance.classes)

    @cached_property
    def votes(self) -> VoteCensus | None:
        """The votes of the sources with a stamp, counted; None for a dataset without votes."""
        vectors = self.vectors
        if vectors is None or vectors.kind != "votes":
            return None
        labels = self.labels[self.written]
        return count_votes(vectors.take(self.written), labels, self.provenance.classes)

    @cached_property
    def labelled(self) -> Catalogue:
        """The sources with the labels of the build."""
        table = self.manifest
        catalogue = Catalogue.from_columns(
            table["source"].to_pylist(),
            self.numbers("ra"),
            self.numbers("dec"),
            labels=self.labels,
            classes=self.provenance.classes,
            vectors=self.vectors,
        )
        name = LABEL_FROM.name
        origins = table[name].to_pylist() if name in table.column_names else None
        return replace(catalogue, label_from=origins)

    @property
    def is_labelled(self) -> Bools:
        """Which rows have a label; of votes, a single class. Without any tag is a label as well."""
        if self.vectors is not None and self.vectors.kind == "tags":
            return self.vectors.is_labelled
        return self.labels >= 0

    @cached_property
    def flags(self) -> dict[str, Bools]:
        """For each of `INSPECTION_REASONS`, the rows that it applies to."""
        beside = np.zeros(len(self), bool)
        beside[self._written_rows] = self.pairs.crowded
        derived = {"neighbours": beside, "rejected": ~self.written}
        return {
            name: derived[name]
            if name in derived
            else _array(pc.fill_null(self.manifest[name], False), np.bool_)
            for name in INSPECTION_REASONS
        }

    @cached_property
    def to_inspect(self) -> Bools:
        """Which rows a person should inspect, for any reason."""
        return np.asarray(np.any(list(self.flags.values()), axis=0), bool)

    @cached_property
    def stamp_arcsec(self) -> float:
        """The width of a stamp on the sky, the median of the build; 0 if there is no stamp."""
        scale = self.numbers("pixel_scale_arcsec")[self.written]
        return float(np.median(scale)) * self.recipe.stamp.pixels if scale.size else 0.0

    @cached_property
    def counts(self) -> dict[str, Count]:
        """The number of stamps with each flag, and with another source in them."""
        counts = count_flags(self._written_table, self.recipe.recentre)
        crowded, checked = int(self.pairs.crowded.sum()), self.pairs.checked
        counts["neighbours"] = Count(
            crowded, checked, len(self._written_rows), "position and pixel scale"
        )
        return counts

    @cached_property
    def pairs(self) -> OverlappingStamps:
        """The pairs of stamps that share pixels, with rows of `_written_table`."""
        return overlaps_of_table(self._written_table, self.recipe)

    @cached_property
    def split(self) -> SplitResult:
        """The splits, with the reason of each stamp in none; `pairs` has the pairs across."""
        provenance, written, record = self.provenance, self._written_table, self.provenance.split
        return measured_split(
            written,
            self.recipe,
            provenance.split_plan,
            provenance.classes,
            change="" if record is None else record.change,
            reasons=reasons_without_split(self.folder.path, provenance, written),
            with_pairs=False,
        )

    @cached_property
    def nearest_pairs(self) -> Ints:
        """The rows of the manifest of the nearest pairs, int64 array, shape (k, 2)."""
        return self._written_rows[self.pairs.nearest]

    def neighbours(self, row: int) -> tuple[Ints, Floats]:
        """Return the rows whose sources are in the stamp of a row, and their separations, arcsec.

        The nearest is first. A row without a stamp has none.
        """
        ra, dec = self.numbers("ra"), self.numbers("dec")
        width = self.numbers("pixel_scale_arcsec")[row] * self.recipe.stamp.pixels
        separation = separation_arcsec(ra[row], dec[row], ra, dec)
        inside = self.written & (separation < width / 2)
        inside[row] = False
        rows = np.flatnonzero(inside & self.written[row])
        rows = rows[np.argsort(separation[rows], kind="stable")]
        return rows, separation[rows]

    @cached_property
    def audit(self) -> AuditState:
        """The audit of the build, if there is one.

        Raises
        ------
        DatasetError
            Its file is damaged.
        """
        return read_audit(self.folder.path)

    @cached_property
    def _written_rows(self) -> Ints:
        return np.flatnonzero(self.written)

    @cached_property
    def _written_table(self) -> pa.Table:
        return self.manifest.filter(pa.array(self.written))

    @cached_property
    def units(self) -> list[str | None]:
        """The units of the images that stamps were made of, None for images without a unit."""
        units: list[str | None] = pc.unique(self._written_table["unit"]).to_pylist()
        return units

    def texts(self, column: str) -> Objects:
        """Return a column of texts of the manifest, None where it is null."""
        return np.asarray(self.manifest[column].to_numpy(zero_copy_only=False), object)

    @cached_property
    def noise(self) -> str:
        """How the noise of the stamps came about, in words."""
        return describe_noise(noise_counts(self.manifest))

    @cached_property
    def beams(self) -> str:
        """The beams of the images in words, and the one that they were convolved to."""
        common = describe_common_beam(self._written_table, self.recipe.beam)
        return " ".join([describe_beams(beam_counts(self.manifest)), *common])

    @cached_property
    def grids(self) -> str:
        """How the grids of the stamps came about, in words; "" for whole pixels of images."""
        written, stamp = self._written_table, self.recipe.stamp
        return " ".join(
            describe_resampling(written)
            + describe_sizes(written, stamp)
            + describe_orientation(written, stamp)
        )

    @cached_property
    def mask_words(self) -> str:
        """What the masks are and what was measured in them, in words; "" without masks."""
        return " ".join(describe_masks(self._written_table, self.recipe.mask))

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each source, by name."""
        return {name: row for row, name in enumerate(self.manifest["source"].to_pylist())}

    @cached_property
    def stamps(self) -> StampStore:
        """The stamps by row."""
        return StampStore(self.folder, len(self))

    def reference_pixels(self, rows: Iterable[int]) -> Iterator[tuple[int, StampPixels]]:
        """Give (row, stored pixels of the reference channel), shape (side, side)."""
        plane = 0 if self.channels is None else self.channels.reference
        for row, pixels in self.stamps.pixels(rows):
            yield row, pixels[plane] if pixels.ndim == 3 else pixels

    @cached_property
    def channels(self) -> ChannelView | None:
        """The channels of the stamps; None if the recipe has none.

        Raises
        ------
        DatasetError
            Their table is missing or damaged.
        """
        return ChannelView.read(self.folder.path, self.recipe)

    def find(self, name: str) -> int | None:
        """Return the row of one source without a table of all names, or None."""
        row: int = pc.index(self.manifest["source"], name).as_py()
        return None if row < 0 else row

    @cached_property
    def candidates(self) -> pa.Table:
        """All candidates, of the reference channel if there are channels, sorted by row."""
        reference = self.recipe.reference_channel
        table = read_table(self.folder.candidates)
        return candidates_of_channel(table, None if reference is None else reference.name)

    @cached_property
    def _candidate_starts(self) -> Ints:
        """The candidates of row i are ``starts[i]`` to ``starts[i + 1]``, shape (n + 1,)."""
        rows = self.candidates["row"].to_numpy()
        return np.asarray(np.searchsorted(rows, np.arange(len(self) + 1)), np.int64)

    def candidate_rows(self, row: int) -> list[CandidateRow]:
        """Return the candidates of a source, sorted by field."""
        start, stop = self._candidate_starts[row : row + 2].tolist()
        return [
            CandidateRow(
                self._candidate(values["field"], values["image"], values["rms"], values["source"]),
                values["separation_arcsec"],
                values["percent_nan"],
                *from_verdict(values["verdict"] or ""),
            )
            for values in self.candidates.slice(start, stop - start).to_pylist()
        ]

    @cached_property
    def _image_folder(self) -> Path | None:
        """The folder of the images, if it is there."""
        return image_folder(self.folder.path)

    def _candidate(self, field: str, image: str, rms: str | None, source: str) -> Candidate:
        root = self._image_folder
        return Candidate(field, locate_image(image, root), locate_image(rms or "", root), source)

    def numbers(self, column: str) -> Floats:
        """Return a column of the manifest as float64, NaN where it is null."""
        return np.asarray(self.manifest[column].to_numpy(zero_copy_only=False), float)

    def record(self, row: int) -> ManifestRow:
        """Return one row of the manifest."""
        return rows_of(self.manifest.slice(row, 1))[0]

    def records(self, rows: Sequence[int] | Ints) -> list[ManifestRow]:
        """Return rows of the manifest."""
        return rows_of(self.manifest.take(pa.array(rows, pa.int64())))

    def source(self, row: int) -> Source:
        """Return the source of a row."""
        record = self.record(row)
        return Source(row, record["source"], record["ra"], record["dec"], record["label"])

    def standing_decisions(self) -> list[Decision]:
        """Return all decisions that were not undone, also those that no build has followed yet."""
        return DecisionLog(self.decisions).standing()


def _array(column: pa.ChunkedArray, dtype: type[_Scalar]) -> npt.NDArray[_Scalar]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype)
