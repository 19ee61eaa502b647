"""``export()``: a dataset in another format, split as you like, with its own description.

An export is a folder of its own: the images in one of the formats, the manifest (the written
records with their split and the notes of the export), the recipe, the card, the Croissant
description and the list of checksums. It appears complete or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.channel_table import REPEATED_CHANNEL_COLUMNS, flatten_channels
from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.dataset.layout import DatasetFolder, ExportFolder
from mingolotss.dataset.manifest import MANIFEST, REPEATED_COLUMNS, further_fields
from mingolotss.dataset.provenance import Provenance, read_provenance, write_provenance
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.dataset.records import Records
from mingolotss.dataset.splits import SplitPlan, SplitResult
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats import FORMATS
from mingolotss.formats.archive import write_tar
from mingolotss.formats.base import ExportHeader, Format
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.io.files import atomic_path, is_local, locate, sha256_file, write_bytes
from mingolotss.io.parquet import table_writer, write_table
from mingolotss.io.summaries import Shown, Summary, Table, count_text
from mingolotss.publish.citation import dataset_citation
from mingolotss.publish.describe import keep_descriptions, write_description
from mingolotss.publish.export_splits import SplitRecords, split_records
from mingolotss.publish.exported_records import read_dataset_records
from mingolotss.publish.groups import merge_records
from mingolotss.publish.licence import read_licence
from mingolotss.publish.staging import staged_export
from mingolotss.publish.summary import read_summary
from mingolotss.recipe.model import Recipe

__all__ = ["Export", "Writer", "export", "export_header"]

_GROUP_ROWS = 1 << 19  # of the manifest, as a build has them

Writer = Callable[[Records, Path, ExportHeader], None]
"""Writes the files of an export into a folder."""


@dataclass(frozen=True, slots=True, repr=False)
class Export(Shown):
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
    notices : tuple of str
        Lines about what the export lacks.
    """

    out: Path
    images: int
    splits: dict[str, int]
    archive: Path | None = None
    sha256: str = ""
    simulated: bool = False
    split: SplitResult | None = None
    notices: tuple[str, ...] = ()

    def _summary(self) -> Summary:
        facts = {} if self.split is None else {"split": self.split.plan.text}
        if self.archive is not None:
            facts |= {"archive": str(self.archive), "sha256": self.sha256}
        if self.notices:
            facts["lacks"] = "; ".join(self.notices)
        table = Table(("split", "images"), [*self.splits.items()])
        return Summary(f"Export: {count_text(self.images, 'image')} in {self.out}", facts, table)


def export(
    build: Path | str,
    format: str,  # noqa: A002 - the word of the command line
    out: Path | str,
    *,
    split: SplitPlan | str | None = None,
    merge: Mapping[str, Sequence[str | int]] | None = None,
    archive: bool = False,
    fresh: bool = False,
    writer: Writer | None = None,
    recipe: Recipe | None = None,
) -> Export:
    """Write a build, or an export, in another format.

    Parameters
    ----------
    build : path
        A folder that ``mingolotss build`` or ``export`` wrote, or its fsspec address; FITS files
        have no stamps.
    format : str
        A name in `mingolotss.formats.FORMATS`.
    out : path
        The folder to make, also at an fsspec address.
    split : SplitPlan or str, optional
        By default the splits are those of `build`.
    merge : mapping of str to sequence of str or int, optional
        New classes made of old ones; the rest is left out.
    archive : bool
        Also write ``OUT.tar.gz``, which a dataset class downloads and opens.
    fresh : bool
        Replace what is at `out`, if an export wrote it.
    writer : callable, optional
        Writes the files in the place of the method ``write`` of the format.
    recipe : Recipe, optional
        That of `build` with other settings of HATS collections.

    Raises
    ------
    InputError
        An unknown format, split or class; `out` exists; the format cannot hold these images.
    DatasetError
        `build` is not whole.
    ServiceUnavailableError
        An address does not answer.
    """
    build, out = locate(build), locate(out)
    if archive and not is_local(out):
        raise InputError(
            f"export to {out}: an archive is written on this machine; leave out --archive, or "
            "choose a folder here as --out"
        )
    dataset_format: Format = FORMATS.get(format)
    records, provenance = _read(build)
    given = recipe or provenance.recipe
    if merge is not None:
        records = merge_records(records, merge, provenance.recipe.classes.least_fraction)
    divided = split_records(records, build, provenance, split)
    records = divided.records
    if not len(records):
        raise InputError(f"export {build}: no image remains to be written")
    header = export_header(divided.plan, replace(provenance, recipe=given), format)
    splits = {name: len(rows) for name, rows in records.split_rows().items()}
    done = Export(
        out, len(records), splits, simulated=provenance.simulated, split=divided.result
    )  # fmt: skip
    written = records if dataset_format.streams else records.with_images()
    with staged_export(out, fresh=fresh, in_store=dataset_format.in_store) as stage:
        (writer or dataset_format.write)(written, stage, header)
        _write_tables(divided, header, DatasetFolder(stage))
        _write_recipe(build, stage, provenance, given)
        keep_descriptions(build, stage)
        del records, written, divided  # the summary reads the rows again
        write_description(read_summary(stage), format)
        files = sorted(path for path in stage.rglob("*") if path.is_file())
        write_checksums(DatasetFolder(stage).checksums, digest_files(stage, files))
        path = _write_archive(ExportFolder(stage), ExportFolder(out).archive) if archive else None
    return done if path is None else replace(done, archive=path, sha256=sha256_file(path))


def _read(build: Path) -> tuple[Records, Provenance]:
    provenance = read_provenance(build)
    if provenance is None:
        raise DatasetError(
            f"export {build}: no recipe.toml in it; give a folder that mingolotss build wrote"
        )
    return read_dataset_records(build, provenance), provenance


def export_header(plan: str, provenance: Provenance, format_name: str) -> ExportHeader:
    """Return what a format stores about a dataset.

    Parameters
    ----------
    plan : str
        By which the dataset is split.
    provenance : Provenance
    format_name : str
    """
    recipe, stated = provenance.recipe, provenance.metadata
    return ExportHeader(
        name=recipe.name,
        title=stated.title,
        license=read_licence(stated.licence).text or "not known",
        citation="; ".join([dataset_citation(provenance), *stated.citation]),
        folder=recipe.batches.folder,
        archive=recipe.batches.archive,
        split_plan=plan,
        format=format_name,
        layout=BatchLayout.of(recipe),
        recipe=recipe,
    )


def _write_recipe(build: Path, stage: Path, provenance: Provenance, recipe: Recipe) -> None:
    """Write the recipe of the build, or the one that it was exported with."""
    if recipe.hats == provenance.recipe.hats:
        write_bytes(DatasetFolder(stage).recipe, DatasetFolder(build).recipe.read_bytes())
    else:
        write_provenance(stage, replace(provenance, recipe=recipe), read_package_versions(build))


def _write_tables(divided: SplitRecords, header: ExportHeader, target: DatasetFolder) -> None:
    """Write the manifest with the notes of the export, and its splits."""
    records = divided.records
    notes = ExportNotes(header.format, header.split_plan, records.classes, divided.sha256)
    schema = pa.schema([*MANIFEST, *further_fields(records.table.schema)], notes.to_metadata())
    rows = records.table.select(schema.names)
    with (
        atomic_path(target.manifest) as temporary,
        table_writer(temporary, schema, repeated_columns=REPEATED_COLUMNS) as sink,
    ):
        for start in range(0, len(rows), _GROUP_ROWS):
            sink.write_table(rows.slice(start, _GROUP_ROWS).cast(schema))
    if records.channels:
        channels = flatten_channels(records.table)
        write_table(target.channels, channels, repeated_columns=REPEATED_CHANNEL_COLUMNS)
    divided.write(target.path)


def _write_archive(export: ExportFolder, archive: Path) -> Path:
    """Write the whole export as one archive; its members are named relative to the folder."""
    files = sorted(path for path in export.path.rglob("*") if path.is_file())
    members = ((export.name_of(path), path) for path in files)
    write_tar(archive, members, compression="zlib")
    return archive
