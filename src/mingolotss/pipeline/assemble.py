"""Assemble a dataset from its finished parts: manifest, candidates, batches, card, checksums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import CANDIDATES, MANIFEST, REPEATED_COLUMNS
from mingolotss.dataset.products import products
from mingolotss.formats.csv import CSV_COLUMNS, write_csv
from mingolotss.io.files import atomic_path
from mingolotss.io.parquet import read_table, table_writer
from mingolotss.pipeline.assemble_batches import write_batches
from mingolotss.pipeline.part_tables import PartTables
from mingolotss.publish.describe import write_description
from mingolotss.publish.summary import read_summary
from mingolotss.recipe.model import Recipe

__all__ = ["assemble"]

ROWS = 1 << 19  # in memory at a time while tables are put in catalogue order: 0.3 GB
GROUP = 1 << 16  # rows that are sorted, cast and written at a time


def assemble(out: Path, recipe: Recipe, classes: Sequence[str], part_tables: PartTables) -> None:
    """Write everything that needs all parts; the parts themselves stay.

    Parameters
    ----------
    out : Path
        The build's folder.
    recipe : Recipe
    classes : sequence of str
    part_tables : PartTables
    """
    folder, parts = BuildFolder(out), len(part_tables)
    folder.checksums.unlink(missing_ok=True)
    _remove_extra_parts(folder, parts)
    # Arrow and zlib release the GIL, so these run side by side; with many rows they would need
    # three times the memory, and run one after another.
    with ThreadPoolExecutor(3 if part_tables.total < ROWS else 1) as pool:
        loaded = part_tables.manifest
        early = None if loaded is None else pool.submit(read_summary, out, loaded)
        manifest = pool.submit(_write_manifest, folder, part_tables)
        candidates = pool.submit(_write_candidates, folder, part_tables)
        manifest.result()
        summary = early or pool.submit(read_summary, out)
        batches = (
            [pool.submit(write_batches, out, recipe, classes, parts)]
            if "batches" in recipe.formats
            else []
        )
        if "png" in recipe.formats:
            _remove_stale_images(folder)
        if "csv" in recipe.formats:
            write_csv(folder.csv, read_table(folder.manifest, CSV_COLUMNS))
        for future in (candidates, *batches):
            future.result()
    digests = {
        folder.name_of(folder.part_stamps(part)): part_tables.stamps_sha256(part)
        for part in range(parts)
    }
    digests = digest_files(out, products(out, recipe, descriptions=False), known=digests)
    write_description(summary.result(), digests=digests)
    write_checksums(folder.checksums, digest_files(out, products(out, recipe), known=digests))


def _write_manifest(folder: BuildFolder, part_tables: PartTables) -> None:
    _merge(folder.manifest, MANIFEST, part_tables, MANIFEST.names, lambda table: table)


def _write_candidates(folder: BuildFolder, part_tables: PartTables) -> None:
    _merge(folder.candidates, CANDIDATES, part_tables, ["row", "offers"], _flatten_candidates)


def _flatten_candidates(table: pa.Table) -> pa.Table:
    """Return the candidates of every source, one row each."""
    return pa.Table.from_struct_array(table["offers"].combine_chunks().flatten())


def _merge(
    path: Path,
    schema: pa.Schema,
    part_tables: PartTables,
    columns: Sequence[str],
    pick: Callable[[pa.Table], pa.Table],
) -> None:
    """Write the rows of all part tables as one table in catalogue order.

    The parts follow the sky and not the catalogue, so the rows of any stretch of the catalogue are
    spread over all parts. Each part is read once for every `ROWS` rows of the catalogue, which
    takes a second for every million rows; to hold all rows would take half a gigabyte instead.
    """
    total = part_tables.total
    with (
        atomic_path(path) as temporary,
        table_writer(temporary, schema, dictionary=REPEATED_COLUMNS) as writer,
    ):
        for start in range(0, total, ROWS):
            pieces = []
            for index in range(len(part_tables)):
                table = part_tables.read(index, columns)
                if total > ROWS:
                    row = table["row"]
                    inside = pc.and_(pc.greater_equal(row, start), pc.less(row, start + ROWS))
                    table = table.filter(inside)
                pieces.append(table)
            merged = pa.concat_tables(pieces)
            order = pc.sort_indices(merged["row"])
            for first in range(0, len(merged), GROUP):
                group = pick(merged.take(order.slice(first, GROUP)))
                writer.write_table(group.cast(schema), row_group_size=GROUP * 8)


def _remove_stale_images(folder: BuildFolder) -> None:
    """Remove images of an earlier run whose sources are now rejected or have another field."""
    manifest = read_table(folder.manifest, ["image_file"])
    current = set(manifest["image_file"].to_pylist())
    for path in folder.png.glob("*.png"):
        if path.name not in current:
            path.unlink()


def _remove_extra_parts(folder: BuildFolder, parts: int) -> None:
    """Remove the parts of an earlier plan that had more of them."""
    current = {folder.part(index).name for index in range(parts)}
    for path in (*folder.all_stamps(), *folder.parts()):
        if path.name not in current:
            path.unlink()
