"""From finished parts to the dataset: manifest, candidates, table, batches, archive, checksums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.layout import BuildFolder, batch_name, part_name
from mingolotss.dataset.manifest import CANDIDATES, MANIFEST, REPEATED_COLUMNS
from mingolotss.dataset.products import products
from mingolotss.dataset.stamps import StampFile
from mingolotss.formats.batches import (
    batch_label,
    finish_batches,
    write_batch,
)
from mingolotss.formats.csv import CSV_COLUMNS, write_csv
from mingolotss.io.files import atomic_path
from mingolotss.io.parquet import count_rows, read_schema, read_table, table_writer
from mingolotss.io.png import decode
from mingolotss.publish.describe import write_description
from mingolotss.publish.summary import read_summary
from mingolotss.recipe.model import Recipe

__all__ = ["PartTables", "assemble"]

ROWS = 1 << 19  # in memory at a time while tables are put in catalogue order: 0.3 GB
GROUP = 1 << 16


class PartTables:
    """The ledgers of a build's parts, each read when it is asked for.

    Those of a build of few sources are read as their parts are made and kept: what is left to do
    once all are there is done by one process, and a tenth of it was to read them.

    Parameters
    ----------
    out : Path
    parts, sources : int
        How many there are.
    """

    def __init__(self, out: Path, parts: int, sources: int) -> None:
        self._few = sources <= GROUP
        self._paths = [out / "ledger" / part_name(index) for index in range(parts)]
        self._held: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def hold(self, index: int) -> None:
        """Read the ledger of a part that is whole, if there is room for all."""
        if self._few:
            self._held[index] = read_table(self._paths[index])

    @cached_property
    def total(self) -> int:
        """Return how many rows they have together."""
        held = self._held
        return sum(
            len(held[index]) if index in held else count_rows(path)
            for index, path in enumerate(self._paths)
        )

    @property
    def held(self) -> pa.Table | None:
        """Return the manifest's rows, those of the first part first, if all are held."""
        if len(self._held) < len(self):
            return None
        parts = (self._held[index].select(MANIFEST.names) for index in range(len(self)))
        return pa.concat_tables([one.replace_schema_metadata() for one in parts])

    def read(self, index: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of one."""
        held = self._held.get(index)
        return read_table(self._paths[index], columns) if held is None else held.select(columns)

    def stamps_sha256(self, index: int) -> str:
        """Return the checksum of a part's stamps, which its writer noted: they stay unread."""
        held = self._held.get(index)
        schema = read_schema(self._paths[index]) if held is None else held.schema
        notes: dict[bytes, bytes] = schema.metadata or {}
        return notes.get(b"stamps_sha256", b"").decode()


def assemble(out: Path, recipe: Recipe, classes: Sequence[str], part_tables: PartTables) -> None:
    """Write everything that needs all parts; the parts themselves stay.

    Parameters
    ----------
    out : Path
    recipe : Recipe
    classes : sequence of str
    ledgers : PartTables
    """
    BuildFolder(out).checksums.unlink(missing_ok=True)
    _drop_extra_parts(out, len(part_tables))
    # Most of each is done by libraries, side by side; many rows would need twice the memory so.
    with ThreadPoolExecutor(3 if part_tables.total < ROWS else 1) as pool:
        held = part_tables.held
        early = None if held is None else pool.submit(read_summary, out, held)
        manifest = pool.submit(_manifest, out, part_tables)
        candidates = pool.submit(_candidates, out, part_tables)
        manifest.result()
        facts = early or pool.submit(read_summary, out)
        batches = pool.submit(_batches, out, recipe, classes, len(part_tables))
        _of_manifest(out, recipe)
        for one in (candidates, batches):
            one.result()
    parts = range(len(part_tables))
    known = {f"stamps/{part_name(index)}": part_tables.stamps_sha256(index) for index in parts}
    known = digest_files(out, products(out, recipe, descriptions=False), known=known)
    write_description(facts.result(), digests=known)
    write_checksums(
        BuildFolder(out).checksums, digest_files(out, products(out, recipe), known=known)
    )


def _manifest(out: Path, part_tables: PartTables) -> None:
    _merge(out / "manifest.parquet", MANIFEST, part_tables, MANIFEST.names, _as_it_is)


def _candidates(out: Path, part_tables: PartTables) -> None:
    _merge(out / "candidates.parquet", CANDIDATES, part_tables, ["row", "offers"], _flat)


def _of_manifest(out: Path, recipe: Recipe) -> None:
    """Write the CSV, and drop images that the manifest no longer has."""
    if "png" in recipe.formats:
        _drop_stale_images(out)
    if "csv" in recipe.formats:
        write_csv(out / "MingoML.csv", read_table(out / "manifest.parquet", CSV_COLUMNS))


def _merge(
    path: Path,
    schema: pa.Schema,
    part_tables: PartTables,
    columns: Sequence[str],
    pick: Callable[[pa.Table], pa.Table],
) -> None:
    """Write what the parts' ledgers hold as one table in catalogue order, `ROWS` at a time.

    The ledgers are in the order of the sky, so each is read once for every `ROWS` rows: a second
    for every million, where holding all rows would take half a gigabyte for every million.
    """
    total = part_tables.total
    with (
        atomic_path(path) as beside,
        table_writer(beside, schema, dictionary=REPEATED_COLUMNS) as sink,
    ):
        for start in range(0, total, ROWS):
            some = []
            for index in range(len(part_tables)):
                table = part_tables.read(index, columns)
                if total > ROWS:
                    row = table["row"]
                    here = pc.and_(pc.greater_equal(row, start), pc.less(row, start + ROWS))
                    table = table.filter(here)
                some.append(table)
            merged = pa.concat_tables(some)
            order = pc.sort_indices(merged["row"])
            for first in range(0, len(merged), GROUP):
                group = pick(merged.take(order.slice(first, GROUP)))
                sink.write_table(group.cast(schema), row_group_size=GROUP * 8)


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


def _flat(table: pa.Table) -> pa.Table:
    """Return the candidates of every row, one row each."""
    return pa.Table.from_struct_array(table["offers"].combine_chunks().flatten())


def _drop_stale_images(out: Path) -> None:
    """Remove images that an earlier run made and a decision since took away."""
    keep = set(read_table(out / "manifest.parquet", ["image_file"])["image_file"].to_pylist())
    for path in (out / "png").glob("*.png"):
        if path.name not in keep:
            path.unlink()


def _drop_extra_parts(out: Path, parts: int) -> None:
    """Remove parts of an earlier plan that had more of them."""
    keep = {part_name(index) for index in range(parts)}
    for folder in ("stamps", "ledger"):
        for path in (out / folder).glob("part-*.parquet"):
            if path.name not in keep:
                path.unlink()


def _batches(out: Path, recipe: Recipe, classes: Sequence[str], parts: int) -> None:
    if "batches" not in recipe.formats:
        return
    build, settings = BuildFolder(out), recipe.batches
    folder = build.batches(settings.folder)
    wanted = ["row", "source", "label", "field", "image_file", "batch", "status"]
    manifest = read_table(out / "manifest.parquet", wanted)
    written = manifest.filter(pc.equal(manifest["status"], "written"))
    held = [_row_range(build.part_stamps(part)) for part in range(parts)]

    def write(index: int) -> Path:
        name = batch_name(index, settings.train)
        rows = written.filter(pc.equal(written["batch"], name))
        pixels = _pixels(out, held, rows["row"].to_numpy(), recipe.stamp.pixels)
        write_batch(
            folder.batch(name),
            batch_label(index, settings.train),
            pixels,
            rows["label"].fill_null(-1).to_pylist(),
            rows["image_file"].to_pylist(),
            rows["source"].to_pylist(),
            rows["field"].to_pylist(),
        )
        return folder.batch(name)

    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(write, range(settings.train + 1)))
    finish_batches(folder, paths, classes, build.batch_archive(settings.archive))


def _row_range(stamps: Path) -> tuple[int, int]:
    """Return the first and last catalogue row that a part holds."""
    with StampFile(stamps) as file:
        rows = file.rows()
    return (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)


def _pixels(
    out: Path, held: Sequence[tuple[int, int]], rows: npt.NDArray[np.int64], side: int
) -> npt.NDArray[np.uint8]:
    """Return the images of some catalogue rows, in their order, shape (n, side * side)."""
    pixels = np.empty((len(rows), side * side), np.uint8)
    places = {row: place for place, row in enumerate(rows.tolist())}
    for part, (low, high) in enumerate(held):
        if not len(rows) or high < rows[0] or low > rows[-1]:
            continue
        path = out / "stamps" / part_name(part)
        with StampFile(path) as file:
            images = zip(file.rows().tolist(), file.encoded(), strict=True)
        for row, data in images:
            place = places.get(row)
            if place is not None:
                image = pixels[place].reshape(side, side)
                image[:] = decode(data.as_py(), str(path))
    return pixels
