"""One dataset as the audit sees it: names, labels, splits, positions, sizes, and its images.

Builds and exports have a manifest; published batches have the names of their images, from which
positions are read where they hold them (``positions``).
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.image_stack import ImageStack
from mingolotss.dataset.label_columns import JOINED_BY, class_names_of, read_vectors
from mingolotss.dataset.layout import BuildFolder, DatasetFolder
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.published import choose_names
from mingolotss.dataset.records import class_names
from mingolotss.dataset.sample_table import sample_table
from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.stamp_extents import PLACE_COLUMNS, stamp_extent, stamp_regions
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.dataset.stamps import StampFile
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.arrow_values import array_of
from mingolotss.io.files import sha256_file
from mingolotss.loaders.arrays import open_arrays
from mingolotss.model import Bools, Floats, Ints
from mingolotss.qa.audit.classes import ClassTable, shipped_recipe
from mingolotss.qa.audit.images import audit_images, one_channel, stamp_images
from mingolotss.qa.audit.positions import NO_POSITIONS, Positions, PositionTable, find_positions
from mingolotss.qa.audit.result import Member
from mingolotss.qa.verify_export import is_export
from mingolotss.recipe.model import Recipe
from mingolotss.sky.stamp_regions import Shape, StampRegions

__all__ = ["AuditSamples", "AuditSettings", "read_samples"]

_COLUMNS = (
    "row", "source", "ra", "dec", "label", "class", "size_arcsec", "flux_mjy", "field",
    "image_file", "pixel_scale_arcsec", "split", "beam_major_arcsec", "blank", *PLACE_COLUMNS,
)  # fmt: skip
_DEFAULT_LIMIT_ARCSEC = 5.0
_LIMIT_PIXELS = 2


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """What a person says about the datasets.

    Attributes
    ----------
    positions : PositionTable, optional
        Positions for images that have none.
    pixel_arcsec : float
        The pixel scale of datasets that do not say it; 0 for unknown.
    limit_arcsec : float
        Closer positions are one; 0 for the beam or two pixels, whichever is larger.
    command : str
        What the datasets are read for, for messages.
    """

    positions: PositionTable | None = None
    pixel_arcsec: float = 0.0
    limit_arcsec: float = 0.0
    command: str = "audit"


@dataclass(frozen=True, slots=True)
class AuditSamples:
    """A dataset as columns; every column has one value for each image.

    Attributes
    ----------
    path : Path
    kind : {"build", "export", "dataset"}
        A build's folder, an export of this program, or anything else that can be read.
    names : tuple of str
        Of the sources.
    is_named : tuple of bool
        Whether a name is the dataset's own, and no number.
    rows : int64 array, shape (n,)
        Of the catalogue, -1 where the dataset does not say it.
    labels : int64 array, shape (n,)
        -1 where there is none.
    vectors : LabelVectors or None
        The tags or votes; None for a dataset of single classes.
    classes : ClassTable
    splits : tuple of str
        The names of the splits, train first and test last.
    split : int64 array, shape (n,)
        The index into `splits`, -1 for an image in none.
    positions : Positions
    extent_arcsec : float64 array, shape (n,)
        The side of each stamp on the sky, NaN where it is not known.
    regions : StampRegions
        Where the stamps are on the sky, without what the recipe masks.
    limit_arcsec : float64 array, shape (n,)
        A position that is closer is the same position.
    size_arcsec, flux_mjy : float64 array, shape (n,)
        Of the catalogue, NaN where it has none.
    fields : tuple of str
        The field of each image; empty where the dataset does not say it.
    images : ImageStack
        Of the reference channel, if the dataset has channels.
    recipe : Recipe or None
    digest : str
        SHA-256 of the manifest; "" without one.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    is_named: tuple[bool, ...]
    rows: Ints
    labels: Ints
    vectors: LabelVectors | None
    classes: ClassTable
    splits: tuple[str, ...]
    split: Ints
    positions: Positions
    extent_arcsec: Floats
    regions: StampRegions
    limit_arcsec: Floats
    size_arcsec: Floats
    flux_mjy: Floats
    fields: tuple[str, ...]
    images: ImageStack
    recipe: Recipe | None
    digest: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_tags(self) -> bool:
        """Return whether an image has any number of tags, and not one class."""
        return self.vectors is not None and self.vectors.kind == "tags"

    @property
    def is_labelled(self) -> Bools:
        """Return which images have a label; without any tag is one as well."""
        if self.vectors is not None and self.vectors.kind == "tags":
            return self.vectors.is_labelled
        return np.asarray(self.labels >= 0)

    @property
    def in_class(self) -> Bools:
        """Return which classes or tags each image has, shape (n, classes)."""
        if self.vectors is not None and self.vectors.kind == "tags":
            return np.asarray(self.vectors.values > 0)
        return np.asarray(self.labels[:, None] == np.arange(len(self.classes.names)))

    def class_of(self, row: int) -> str:
        """Return the name of an image's class, or the names of its tags; "" for none."""
        if self.vectors is None or self.vectors.kind != "tags":
            return self.classes.name(int(self.labels[row]))
        tags = np.flatnonzero(self.vectors.values[row] > 0).tolist()
        return JOINED_BY.join(self.classes.name(label) for label in tags)

    def members(self, letter: str, rows: Ints) -> list[Member]:
        """Return images as members of pairs; `letter` is that of the dataset."""
        return [
            Member(
                letter,
                self.names[row],
                self.split_of(row),
                self.class_of(row),
            )
            for row in rows.tolist()
        ]

    def split_of(self, index: int) -> str:
        """Return the name of an image's split, "" for none."""
        split = int(self.split[index])
        return self.splits[split] if split >= 0 else ""


def read_samples(path: Path, settings: AuditSettings) -> AuditSamples:
    """Read a dataset without its images.

    Parameters
    ----------
    path : Path
        A build, an export, or what else `mingolotss.load` reads.
    settings : AuditSettings

    Raises
    ------
    DatasetError, InputError
        There is no dataset, or it is damaged; or it is an archive, or has no image.
    """
    action = f"{settings.command} {path}"
    _refuse_archive(path, action)
    kind, recipe = _kind(path, action), None
    if kind != "dataset":
        provenance = read_provenance(path)
        recipe = None if provenance is None else provenance.recipe
    files = stamp_files(path)
    dataset = _read_stamps(path, files, action) if files else _read_arrays(path)
    table, classes, images, channels, vectors = dataset
    if not len(images):
        raise InputError(f"{action}: it has no image")
    if channels:
        reference = None if recipe is None else recipe.reference_channel
        name = "" if reference is None else reference.name
        images = one_channel(images, channels.index(name) if name in channels else 0)
    sources, image_files = _texts(table, "source"), _texts(table, "image_file")
    names = _names(sources, image_files)
    splits, split = _splits(table["split"])
    known = recipe or shipped_recipe(classes)
    ra, dec = _numbers(table, "ra"), _numbers(table, "dec")
    positions = Positions(ra, dec, np.zeros(len(ra)), "the manifest")
    if np.isnan(ra).all():
        positions = NO_POSITIONS
    positions = find_positions(positions, names, image_files, known, settings.positions)
    labels = _integers(table, "label")
    pixel = _pixel_scale(table, known, settings)
    extent_arcsec = max(images.shape[1:]) * pixel
    if recipe is None:
        shape: Shape = "square" if known is None else stamp_extent(known).shape
        regions = StampRegions(positions.ra, positions.dec, extent_arcsec, shape)
    else:
        regions = _regions_of_manifest(table, recipe, positions, pixel)
    fields = _texts(table, "field")
    return AuditSamples(
        path=path,
        kind=kind,
        names=names,
        is_named=tuple(map(any, zip(sources, image_files, strict=True))),
        rows=_integers(table, "row"),
        labels=labels,
        vectors=vectors,
        classes=ClassTable.of(classes, recipe),
        splits=splits,
        split=split,
        positions=positions,
        extent_arcsec=extent_arcsec,
        regions=regions,
        limit_arcsec=_limits(table, pixel, settings),
        size_arcsec=_numbers(table, "size_arcsec"),
        flux_mjy=_numbers(table, "flux_mjy"),
        fields=fields if any(fields) else (),
        images=images,
        recipe=known,
        digest=_digest(path, kind),
    )


def _refuse_archive(path: Path, action: str) -> None:
    """Refuse what has to be downloaded or unpacked first."""
    if "://" in str(path) or str(path).startswith(("http:/", "https:/", "s3:/")):
        raise InputError(f"{action}: it is an address; download the dataset, and give its folder")
    if not path.is_file() or path.suffix == ".parquet":
        return
    try:
        is_archive = tarfile.is_tarfile(path) or zipfile.is_zipfile(path)
    except OSError as error:
        raise DatasetError(f"{action}: {error.strerror or error}") from error
    if is_archive:
        raise InputError(f"{action}: it is an archive; unpack it (tar -xf), and give its folder")


def _kind(path: Path, action: str) -> str:
    if path.is_file():
        return "dataset"
    if is_export(path):
        return "export"
    build = BuildFolder(path)
    if not (build.recipe.is_file() and (build.stamps.is_dir() or build.part_tables.is_dir())):
        return "dataset"
    if not (build.checksums.is_file() and build.manifest.is_file()):
        raise DatasetError(
            f"{action}: the build in it is not finished; run: mingolotss build --out {path}"
        )
    return "build"


class _Dataset(NamedTuple):
    """What a dataset has, whatever its format is."""

    table: pa.Table
    classes: tuple[str, ...]
    images: ImageStack
    channels: tuple[str, ...]
    vectors: LabelVectors | None


def _read_stamps(path: Path, files: Sequence[Path], action: str) -> _Dataset:
    """Read the columns of Parquet files of images, in the order of the files."""
    tables, vectors = [], []
    for file in files:
        with StampFile(file) as stamps:
            tables.append(stamps.columns(_COLUMNS))
            vectors.append(stamps.label_columns())
            channels = stamps.shape.channels
    table = pa.concat_tables(tables)
    table = table.replace_schema_metadata(tables[0].schema.metadata)
    own = class_names_of(vectors[0].schema)
    names = choose_names(own or class_names(path, table), published=False)
    labels = table["label"].drop_null()
    if len(labels) and not 0 <= min(labels.to_pylist()) <= max(labels.to_pylist()) < len(names):
        raise DatasetError(
            f"{action}: labels that none of its {len(names)} classes has; fetch or build it again"
        )
    of_rows = read_vectors(pa.concat_tables(vectors), len(names))
    return _Dataset(table, names, stamp_images(files), channels, of_rows)


def _read_arrays(path: Path) -> _Dataset:
    """Read what has no Parquet files of images, with the columns of the manifest if it has one."""
    arrays = open_arrays(path)
    columns = (arrays.sources, arrays.filenames, arrays.splits, arrays.labels, arrays.classes)
    table = sample_table(path, *columns)
    for name in _COLUMNS:
        if name not in table.column_names:
            field = MANIFEST.field(name)
            table = table.append_column(field, pa.nulls(len(table), field.type))
    images = audit_images(arrays.images)
    return _Dataset(table, arrays.classes, images, arrays.channels, arrays.vectors)


def _names(sources: Sequence[str], files: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each source, else of its image, else its number."""
    return tuple(
        source or Path(file).stem or f"image {index}"
        for index, (source, file) in enumerate(zip(sources, files, strict=True))
    )


def _splits(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Ints]:
    """Return the names of the splits in order, and the index of each image's."""
    texts = np.array([text or "" for text in column.to_pylist()], object)
    names = tuple(in_order({*texts.tolist()} - {""}))
    number = {name: index for index, name in enumerate(names)} | {"": -1}
    return names, np.array([number[text] for text in texts.tolist()], np.int64)


def _pixel_scale(table: pa.Table, recipe: Recipe | None, settings: AuditSettings) -> Floats:
    """Return the pixel scale of each stamp, arcsec: of the manifest, as given, or of the recipe."""
    scale = _numbers(table, "pixel_scale_arcsec")
    scale[~(scale > 0)] = np.nan
    stated = settings.pixel_arcsec or (recipe.stamp.pixel_arcsec if recipe else 0.0)
    return np.where(np.isnan(scale) & (stated > 0), stated, scale)


def _regions_of_manifest(
    table: pa.Table, recipe: Recipe, positions: Positions, pixel: Floats
) -> StampRegions:
    """Return the regions of the stamps of a build or an export, as splits and the card use them."""
    values = {"ra": positions.ra, "dec": positions.dec, "pixel_scale_arcsec": pixel}
    for name, column in values.items():
        index = table.column_names.index(name)
        table = table.set_column(index, name, array_of(column))
    if table["wcs"].null_count == len(table):  # an export without the places of its stamps
        table = table.drop_columns(list(PLACE_COLUMNS))
    return stamp_regions(table, recipe)


def _limits(table: pa.Table, pixel: Floats, settings: AuditSettings) -> Floats:
    """Return below which separation two positions are one: the beam or two pixels."""
    if settings.limit_arcsec:
        return np.full(len(table), settings.limit_arcsec)
    limit = np.fmax(_LIMIT_PIXELS * pixel, _numbers(table, "beam_major_arcsec"))
    return np.where(np.isfinite(limit), limit, _DEFAULT_LIMIT_ARCSEC)


def _digest(path: Path, kind: str) -> str:
    manifest = DatasetFolder(path).manifest
    return sha256_file(manifest) if kind != "dataset" and manifest.is_file() else ""


def _texts(table: pa.Table, name: str) -> tuple[str, ...]:
    return tuple(text or "" for text in table[name].cast(pa.string()).to_pylist())


def _integers(table: pa.Table, name: str) -> Ints:
    """Return a column of integers, -1 where it is null."""
    column = table[name].cast(pa.int64()).fill_null(-1)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.array(table[name].cast(pa.float64()).to_numpy(zero_copy_only=False), float)
