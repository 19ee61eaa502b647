"""Assemble a dataset from its finished parts: manifest, candidates, batches, card, checksums."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.channel_table import CHANNELS, CHANNELS_COLUMN, flatten_channels
from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.label_columns import VECTOR_COLUMNS
from mingolotss.dataset.layout import BuildFolder, ExportFolder
from mingolotss.dataset.manifest import REPEATED_COLUMNS, UNCOMPRESSED_COLUMNS, recipe_columns
from mingolotss.dataset.products import products
from mingolotss.dataset.provenance import read_provenance, write_provenance
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.errors import InputError
from mingolotss.formats.batches import Batch
from mingolotss.formats.csv import CSV_COLUMNS, write_csv
from mingolotss.io.files import atomic_path, is_local
from mingolotss.io.parquet import read_table, table_writer
from mingolotss.pipeline.assemble_batches import assemble_batches
from mingolotss.pipeline.assemble_collection import assemble_collection
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.part_tables import PartTables
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.publish.describe import write_description
from mingolotss.publish.summary import DatasetSummary, read_summary
from mingolotss.recipe.model import Recipe

__all__ = ["assemble"]

MAX_MERGE_ROWS = 1 << 19  # in memory while tables are put in catalogue order: 0.3 GB
MAX_WRITE_ROWS = 1 << 16  # sorted, cast and written at a time
# One write is one row group, also in the table of candidates with up to 8 rows for a source.
_ROW_GROUP_ROWS = 8 * MAX_WRITE_ROWS


def assemble(
    out: Path,
    recipe: Recipe,
    classes: Sequence[str],
    batches: Sequence[Batch],
    part_tables: PartTables,
    mapper: Mapper = map,
    progress: BuildProgress = no_progress,
) -> None:
    """Write everything that needs all parts; the parts themselves stay.

    Parameters
    ----------
    out : Path
        The build's folder.
    recipe : Recipe
    classes : sequence of str
        Name of each label.
    batches : sequence of Batch
        The batches of the dataset.
    part_tables : PartTables
    mapper, progress
        As for `mingolotss.run`; for a HATS collection.

    Raises
    ------
    InputError
        The images of two sources have one name, or a file cannot be written.
    DatasetError
        The brightness of a stamp, for a HATS collection with flux, cannot be computed.
    """
    folder, n_parts = BuildFolder(out), len(part_tables)
    # The list of checksums is written last, and without it a build is incomplete: an interrupted
    # assembly is repeated by the next run.
    folder.checksums.unlink(missing_ok=True)
    _remove_extra_parts(folder, n_parts)
    # The manifest, the candidates and the summary are written side by side, since Arrow and zlib
    # release the GIL; with many rows they would need three times the memory, and run one after
    # another. The batches, and the CSV table, are made from the manifest and wait for it. So does
    # the summary, unless all rows are in memory.
    with ThreadPoolExecutor(3 if part_tables.total < MAX_MERGE_ROWS else 1) as pool:
        rows = part_tables.manifest_rows()
        summary = None if rows is None else pool.submit(read_summary, out, rows)
        manifest = pool.submit(_write_manifest, folder, part_tables)
        others = [pool.submit(_write_candidates, folder, part_tables)]
        batch_digests: Future[dict[str, str]] | None = None
        if recipe.channels:
            others.append(pool.submit(_write_channels, folder, part_tables))
        names_differ = rows is not None and _are_distinct(rows["image_file"])  # meanwhile
        manifest.result()
        if not names_differ:
            _check_image_files(folder)
        if summary is None:
            summary = pool.submit(read_summary, out)
        if "batches" in recipe.formats:
            batch_digests = pool.submit(
                assemble_batches, out, recipe, classes, batches, part_tables
            )
        if "png" in recipe.formats:
            _remove_stale_images(folder, folder.png, str)
        if "fits" in recipe.formats:
            _remove_stale_images(folder, folder.fits, ExportFolder.fits_name)
        if "csv" in recipe.formats:
            vectors = [name for name in recipe_columns(recipe) if name in VECTOR_COLUMNS.names]
            rows = read_table(folder.manifest, [*CSV_COLUMNS, *vectors], is_own=True)
            write_csv(folder.csv, rows)
        for future in others:
            future.result()
    known = {} if batch_digests is None else batch_digests.result()
    _record_measured(out, summary.result())
    stamps_digests = {
        folder.name_of(folder.part_stamps(index)): part_tables.stamps_sha256(index)
        for index in range(n_parts)
    }
    collection = assemble_collection(out, recipe, stamps_digests, mapper, progress)
    # The dataset card contains the checksums of the other files, and the list of checksums those
    # of the card as well. Each file is read once.
    files = products(out, recipe, descriptions=False)
    digests = digest_files(out, files, known=known | stamps_digests | collection)
    write_description(summary.result(), digests=digests)
    write_checksums(folder.checksums, digest_files(out, products(out, recipe), known=digests))


def _record_measured(out: Path, summary: DatasetSummary) -> None:
    """Record what only the finished build shows: pairs across splits, and simulated images."""
    # The headers of the images may be the first to say that they are simulated.
    recorded = read_provenance(out)
    if recorded is None:
        return
    split = recorded.split and replace(recorded.split, pairs_across=summary.pairs_across)
    measured = replace(
        recorded, split=split, simulated=recorded.simulated or summary.provenance.simulated
    )
    if measured != recorded:
        write_provenance(out, measured, read_package_versions(out))


def _write_manifest(folder: BuildFolder, part_tables: PartTables) -> None:
    schema = part_tables.manifest_schema
    _merge(folder.manifest, schema, part_tables, schema.names, lambda table: table)


def _write_candidates(folder: BuildFolder, part_tables: PartTables) -> None:
    schema, columns = part_tables.candidate_schema, ["row", "offers"]
    _merge(folder.candidates, schema, part_tables, columns, _flatten_candidates)


def _write_channels(folder: BuildFolder, part_tables: PartTables) -> None:
    columns = ["row", CHANNELS_COLUMN.name]
    _merge(folder.channels, CHANNELS, part_tables, columns, flatten_channels)


def _flatten_candidates(table: pa.Table) -> pa.Table:
    """Return the candidates of every source, one row each."""
    return pa.Table.from_struct_array(table["offers"].combine_chunks().flatten())


def _merge(
    path: Path,
    schema: pa.Schema,
    part_tables: PartTables,
    columns: Sequence[str],
    transform: Callable[[pa.Table], pa.Table],
) -> None:
    """Write the rows of all part tables as one table in catalogue order.

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
        Of the table that is written.
    part_tables : PartTables
    columns : sequence of str
        The columns to read; ``row`` is one of them.
    transform : callable
        Makes rows of `schema` from rows with these columns.
    """
    # The parts follow the sky and not the catalogue, so the rows of any stretch of the catalogue
    # are spread over all parts. The catalogue is merged in stretches of MAX_MERGE_ROWS rows, and
    # each part is read once for each stretch. That takes a second for every million rows; to hold
    # all rows would take half a gigabyte instead.
    total = part_tables.total
    with (
        atomic_path(path) as temporary,
        table_writer(
            temporary,
            schema,
            repeated_columns=REPEATED_COLUMNS,
            uncompressed_columns=UNCOMPRESSED_COLUMNS,
        ) as writer,
    ):
        for start in range(0, total, MAX_MERGE_ROWS):
            pieces = []
            for index in range(len(part_tables)):
                table = part_tables.read(index, columns)
                if total > MAX_MERGE_ROWS:
                    row, stop = table["row"], start + MAX_MERGE_ROWS
                    table = table.filter(pc.and_(pc.greater_equal(row, start), pc.less(row, stop)))
                pieces.append(table)
            merged = pa.concat_tables(pieces)
            order = pc.sort_indices(merged["row"])
            for first in range(0, len(merged), MAX_WRITE_ROWS):
                rows = transform(merged.take(order.slice(first, MAX_WRITE_ROWS)))
                writer.write_table(rows.cast(schema), row_group_size=_ROW_GROUP_ROWS)


def _check_image_files(folder: BuildFolder) -> None:
    """Refuse two images with one name: of source "A" in field "B_C", and of "A_B" in field "C"."""
    table = read_table(folder.manifest, ["source", "image_file"], is_own=True)
    if _are_distinct(table["image_file"]):
        return
    written = table.filter(pc.is_valid(table["image_file"]))
    counts = pc.value_counts(written["image_file"])
    name = counts.filter(pc.greater(pc.struct_field(counts, 1), 1))[0]["values"]
    sources = written.filter(pc.equal(written["image_file"], name))["source"].to_pylist()
    raise InputError(
        f"assemble {folder.path}: the images of {sources[0]!r} and {sources[1]!r} are both called "
        f"{name.as_py()}; set stamp.name = '{{source}}.png' in the recipe, or rename a source"
    )


def _are_distinct(values: pa.ChunkedArray) -> bool:
    """Return whether no value other than null is there twice."""
    n_values = len(values) - values.null_count
    return bool(pc.count_distinct(values, mode="only_valid").as_py() == n_values)


def _remove_stale_images(
    folder: BuildFolder, images: Path, stored_name: Callable[[str], str]
) -> None:
    """Remove images of an earlier run whose sources are now rejected or have another field.

    Parameters
    ----------
    folder : BuildFolder
    images : Path
        The folder with a file for each image.
    stored_name : callable
        Returns the name of the file of an image, from its name in the manifest.
    """
    manifest = read_table(folder.manifest, ["image_file"], is_own=True)
    current = {stored_name(name) for name in manifest["image_file"].drop_null().to_pylist()}
    for name in _names_in(images):
        if name not in current and "." in name and not name.startswith("."):
            (images / name).unlink()


def _names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder; none if it does not exist.

    For millions of images, `os.listdir` takes a tenth of the time that objects of paths do.
    """
    with suppress(FileNotFoundError):
        if is_local(folder):
            return os.listdir(folder)  # noqa: PTH208
        return [path.name for path in folder.iterdir()]
    return []


def _remove_extra_parts(folder: BuildFolder, n_parts: int) -> None:
    """Remove the parts of an earlier plan that had more of them."""
    current = {folder.part(index).name for index in range(n_parts)}
    for path in (*folder.all_stamps(), *folder.parts()):
        if path.name not in current:
            path.unlink()
