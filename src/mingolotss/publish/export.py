"""``export()``: a dataset in another format, split as you like, with its own description.

An export is a folder of its own: the images in one of the formats, the manifest (the written
records with their split and the notes of the export), the recipe, the card, the Croissant
description and the list of checksums. It appears complete or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.dataset.layout import DatasetFolder, ExportFolder, split_of_batch
from mingolotss.dataset.manifest import MANIFEST, REPEATED_COLUMNS, kept_fields
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.records import Records, read_records
from mingolotss.dataset.splits import SplitPlan, SplitResult, SplitSources, assign_splits
from mingolotss.dataset.stamp_extents import stamp_regions
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats import FORMATS
from mingolotss.formats.archive import write_tar
from mingolotss.formats.base import ExportHeader, Format
from mingolotss.formats.split_records import read_split_record
from mingolotss.io.files import sha256_file
from mingolotss.io.parquet import write_table
from mingolotss.publish.citation import dataset_citation
from mingolotss.publish.describe import write_description
from mingolotss.publish.groups import merge_records
from mingolotss.publish.licence import read_licence
from mingolotss.publish.staging import staged_export
from mingolotss.publish.summary import read_summary
from mingolotss.recipe.model import Recipe

__all__ = ["Export", "export"]


@dataclass(frozen=True, slots=True)
class Export:
    """The result of `export`.

    Attributes
    ----------
    out : Path
    images : int
    splits : dict of str to int
        Number of images in each split.
    archive : Path or None
    sha256 : str
        Of the archive.
    simulated : bool
        Whether the images are simulated.
    split : SplitResult or None
        How the sources were split; None for the splits of the build, and for published ones.
    """

    out: Path
    images: int
    splits: dict[str, int]
    archive: Path | None = None
    sha256: str = ""
    simulated: bool = False
    split: SplitResult | None = None


def export(
    build: Path | str,
    format: str,  # noqa: A002 - the word of the command line
    out: Path | str,
    *,
    split: SplitPlan | str | None = None,
    merge: Mapping[str, Sequence[str | int]] | None = None,
    archive: bool = False,
    fresh: bool = False,
) -> Export:
    """Write a build, or an export, in another format.

    Parameters
    ----------
    build : path
        A folder that ``mingolotss build`` or ``export --format parquet`` wrote.
    format : str
        A name in `mingolotss.formats.FORMATS`.
    out : path
        The folder to make.
    split : SplitPlan or str, optional
        By default the splits are those of `build`.
    merge : mapping of str to sequence of str or int, optional
        New classes made of old ones; the rest is left out.
    archive : bool
        Also write ``OUT.tar.gz``, which a dataset class downloads and opens.
    fresh : bool
        Replace what is at `out`, if an export wrote it.

    Raises
    ------
    InputError
        An unknown format, split or class; `out` exists; the format cannot hold these images.
    DatasetError
        `build` is not whole.
    """
    build, out = Path(build), Path(out)
    dataset_format: Format = FORMATS.get(format)
    records, provenance = _read(build)
    if merge is not None:
        records = merge_records(records, merge)
    plan = SplitPlan.parse(split) if isinstance(split, str) else split
    result = None
    if plan is not None and plan.kind in {"published", "catalogue-order"}:
        records = _with_split_of_build(records, plan, provenance)
    elif plan is not None:
        records, result = _split(records, plan, provenance.recipe)
    records = records.in_splits()
    if not len(records):
        raise InputError(f"export {build}: no image remains to be written")
    header = _header(records, provenance, format)
    with staged_export(out, fresh=fresh) as stage:
        dataset_format.write(records, stage, header)
        _write_tables(records, header, DatasetFolder(build), DatasetFolder(stage))
        write_description(read_summary(stage), format)
        files = sorted(path for path in stage.rglob("*") if path.is_file())
        write_checksums(DatasetFolder(stage).checksums, digest_files(stage, files))
        path = _write_archive(ExportFolder(stage), ExportFolder(out).archive) if archive else None
    splits = {name: len(rows) for name, rows in records.split_rows().items()}
    digest = sha256_file(path) if path is not None else ""
    return Export(
        out, len(records), splits, path, digest, simulated=provenance.simulated, split=result
    )


def _read(build: Path) -> tuple[Records, Provenance]:
    provenance = read_provenance(build)
    if provenance is None:
        raise DatasetError(
            f"export {build}: no recipe.toml in it; give a folder that mingolotss build wrote"
        )
    return read_records(build), provenance


def _split(records: Records, plan: SplitPlan, recipe: Recipe) -> tuple[Records, SplitResult]:
    """Assign the records to splits; the split of one that is left out is ""."""
    sources = _split_sources(records, recipe)
    result = assign_splits(plan, sources, read_split_record(plan))
    return records.with_splits(result.names.tolist(), result.plan.text), result


def _split_sources(records: Records, recipe: Recipe) -> SplitSources:
    stamps = stamp_regions(records.table, recipe)
    return SplitSources(
        names=records.texts("source"),
        labels=records.labels,
        ra=stamps.ra,
        dec=stamps.dec,
        extent_arcsec=stamps.extent_arcsec,
        shape=stamps.shape,
        classes=records.classes,
        table=records.table,
    )


def _with_split_of_build(records: Records, plan: SplitPlan, provenance: Provenance) -> Records:
    """Return the records in the splits that the batches of the build have."""
    # `published` also means the order of another catalogue in a recipe that has published batches:
    # the notes of the export then call it by its true name.
    own = provenance.split_plan
    if own not in {plan.kind, "catalogue-order"}:
        raise InputError(
            f"export {records.origin} with --split {plan.kind}: the split of the build is {own}; "
            "leave out --split to keep it, or give another, such as stratified"
        )
    return records.with_splits(list(map(split_of_batch, records.texts("batch"))), own)


def _header(records: Records, provenance: Provenance, format_name: str) -> ExportHeader:
    recipe, stated = provenance.recipe, provenance.metadata
    return ExportHeader(
        name=recipe.name,
        title=stated.title,
        license=read_licence(stated.licence).text or "not known",
        citation="; ".join([dataset_citation(provenance), *stated.citation]),
        folder=recipe.batches.folder,
        archive=recipe.batches.archive,
        split_plan=records.split_plan or provenance.split_plan,
        format=format_name,
    )


def _write_tables(
    records: Records, header: ExportHeader, source: DatasetFolder, target: DatasetFolder
) -> None:
    """Write the manifest with the notes of the export, and copy the recipe of the build."""
    notes = ExportNotes(header.format, header.split_plan, records.classes)
    schema = pa.schema([*MANIFEST, *kept_fields(records.table.schema)])
    table: pa.Table = records.table.select(schema.names).cast(schema)
    table = table.replace_schema_metadata(notes.to_metadata())
    write_table(target.manifest, table, repeated_columns=REPEATED_COLUMNS)
    shutil.copyfile(source.recipe, target.recipe)


def _write_archive(export: ExportFolder, archive: Path) -> Path:
    """Write the whole export as one archive; its members are named relative to the folder."""
    files = sorted(path for path in export.path.rglob("*") if path.is_file())
    members = ((export.name_of(path), path) for path in files)
    write_tar(archive, members, compression="zlib")
    return archive
