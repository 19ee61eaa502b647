"""From finished parts to the dataset: manifest, candidates, table, batches, archive, checksums."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.card import is_ours, write_description
from mingolotss.files import sha256_file, write_bytes
from mingolotss.manifest import CANDIDATES, MANIFEST, read_table, write_table
from mingolotss.partition import part_name
from mingolotss.recipe import Recipe
from mingolotss.writers.batches import (
    batch_label,
    batch_name,
    write_archive,
    write_batch,
    write_checksums,
    write_meta,
)
from mingolotss.writers.png import decode_png
from mingolotss.writers.table import write_csv

__all__ = ["CHECKSUMS", "is_packed", "pack", "products", "unpack"]

CHECKSUMS = "checksums.sha256"
_PRODUCTS = (
    "recipe.toml", "candidates.parquet", "manifest.parquet", "MingoML.csv", CHECKSUMS,
)  # fmt: skip


def pack(out: Path, recipe: Recipe, classes: Sequence[str], parts: int) -> None:
    """Write everything that needs all parts; the parts themselves stay.

    Parameters
    ----------
    out : Path
    recipe : Recipe
    classes : sequence of str
    parts : int
        How many parts there are.
    """
    (out / CHECKSUMS).unlink(missing_ok=True)
    _drop_extra_parts(out, parts)
    ledger = pa.concat_tables(
        read_table(out / "ledger" / part_name(index)) for index in range(parts)
    ).sort_by("row")
    offers = pa.Table.from_struct_array(ledger["offers"].combine_chunks().flatten())
    manifest = ledger.select(MANIFEST.names).cast(MANIFEST)
    write_table(out / "candidates.parquet", offers.cast(CANDIDATES))
    write_table(out / "manifest.parquet", manifest)
    _drop_stale_images(out, manifest)
    if "csv" in recipe.formats:
        write_csv(out / "MingoML.csv", manifest)
    if "batches" in recipe.formats:
        _batches(out, recipe, classes, manifest, parts)
    write_description(out)
    lines = [f"{sha256_file(path)}  {path.relative_to(out)}\n" for path in products(out, recipe)]
    write_bytes(out / CHECKSUMS, "".join(lines).encode())


def products(out: Path, recipe: Recipe) -> Iterator[Path]:
    """Give every file of a packed build but the PNGs and the ledger, in a fixed order."""
    for name in _PRODUCTS:
        if name != CHECKSUMS and (out / name).exists():
            yield out / name
    yield out / "croissant.json"
    if is_ours(out / "README.md"):
        yield out / "README.md"
    yield from sorted((out / "stamps").glob("part-*.parquet"))
    if "batches" in recipe.formats:
        yield from (out / recipe.batches.folder / name for name in _batch_files(recipe))
        yield out / recipe.batches.archive


def is_packed(out: Path, recipe: Recipe) -> bool:
    """Return whether nothing is left to do once every part is there."""
    return (out / CHECKSUMS).exists() and all(path.exists() for path in products(out, recipe))


def unpack(out: Path) -> None:
    """Remove what a build wrote in `out`, and nothing else: decisions and downloads stay."""
    for name in ("stamps", "ledger", "png"):
        shutil.rmtree(out / name, ignore_errors=True)
    for folder in out.glob("*-batches-py"):
        shutil.rmtree(folder, ignore_errors=True)
    for archive in out.glob("*-batches-python.tar.gz"):
        archive.unlink()
    for name in (
        *_PRODUCTS,
        "croissant.json",
        *(["README.md"] if is_ours(out / "README.md") else []),
    ):
        (out / name).unlink(missing_ok=True)


def _drop_stale_images(out: Path, manifest: pa.Table) -> None:
    """Remove images that an earlier run made and a decision since took away."""
    keep = set(manifest["image_file"].to_pylist())
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


def _batch_files(recipe: Recipe) -> list[str]:
    train = recipe.batches.train
    return [*(batch_name(i, train) for i in range(train + 1)), "batches.meta", "checksums"]


def _batches(
    out: Path, recipe: Recipe, classes: Sequence[str], manifest: pa.Table, parts: int
) -> None:
    settings, folder = recipe.batches, out / recipe.batches.folder
    written = manifest.filter(pc.equal(manifest["status"], "written"))
    for index in range(settings.train + 1):
        name = batch_name(index, settings.train)
        rows = written.filter(pc.equal(written["batch"], name))
        pixels = _pixels(out, parts, rows["row"].to_numpy(), recipe.stamp.pixels)
        write_batch(
            folder / name,
            batch_label(index, settings.train),
            pixels,
            rows["label"].fill_null(-1).to_pylist(),
            rows["image_file"].to_pylist(),
            rows["source"].to_pylist(),
            rows["field"].to_pylist(),
        )
    write_meta(folder / "batches.meta", classes)
    names = _batch_files(recipe)
    write_checksums(folder, names[:-1])
    write_archive(out / settings.archive, folder, names)


def _pixels(out: Path, parts: int, rows: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.uint8]:
    """Return the images of some catalogue rows, in their order, shape (n, side * side)."""
    pixels = np.empty((len(rows), side * side), np.uint8)
    where = {row: index for index, row in enumerate(rows.tolist())}
    for part in range(parts):
        path = out / "stamps" / part_name(part)
        table = read_table(path, ["image", "row"])
        for row, image in zip(table["row"].to_pylist(), table["image"], strict=True):
            if row in where:
                data = image["bytes"].as_py()
                pixels[where[row]] = decode_png(data, path=str(path)).ravel()
    return pixels
