"""Verification of builds: stamps, PNG files, CSV, batches and HATS against the manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_columns import VECTOR_COLUMNS, class_names_of, read_vectors
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import candidates_of_channel, read_rows
from mingolotss.dataset.products import products
from mingolotss.dataset.provenance import Provenance
from mingolotss.dataset.recorded_inputs import image_folder, locate_image
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile, decode_stamp, decode_stamps
from mingolotss.errors import DatasetError
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.formats.csv import HEADER, spreadsheet_text
from mingolotss.io.file_names import format_file_name
from mingolotss.io.files import read_bounded, sha256_file
from mingolotss.io.parquet import read_table
from mingolotss.io.png import decode_png
from mingolotss.pipeline.recorded_images import changed_images
from mingolotss.qa.channel_digests import ChannelDigests
from mingolotss.qa.checks import ContentCheck, Layout, StoredImage, check_images, check_masks
from mingolotss.qa.fits_stamps import check_fits
from mingolotss.qa.verify_batches import check_batches
from mingolotss.qa.verify_hats import check_hats
from mingolotss.qa.verify_labels import check_vectors
from mingolotss.qa.verify_splits import check_splits
from mingolotss.recipe.model import ImageSettings, Recipe
from mingolotss.service.remote.workspace import Workspace

__all__ = ["build_layout"]

_LARGEST_CSV = 4 << 30  # bytes; the rows of 30 million sources


def build_layout(out: Path, provenance: Provenance) -> Layout:
    """Return how the build in `out` is laid out, and which checks its formats need."""
    build, recipe = BuildFolder(out), provenance.recipe
    checks: list[ContentCheck] = [partial(_check_stamps, build)]
    if recipe.label_kind != "classes":
        checks.append(partial(_check_vectors, build))
    if "png" in recipe.formats:
        checks.append(partial(_check_pngs, build, StampShape.of_recipe(recipe)))
    if "fits" in recipe.formats:
        checks.append(partial(_check_fits, build, recipe))
    if "csv" in recipe.formats:
        checks.append(partial(_check_csv, build))
    if "batches" in recipe.formats:
        batches = build.batches(recipe.batches.folder)
        names, layout = provenance.batch_names, BatchLayout.of(recipe)
        checks.append(partial(check_batches, batches, names, layout, build.path))
    if "hats" in recipe.formats:
        checks.append(partial(_check_collection, build))
    checks += [partial(check_splits, build), partial(_check_images, build, recipe)]
    return Layout(out, build.checksums, list(products(out, recipe)), provenance.rows, checks)


def _check_stamps(build: BuildFolder, written: pa.Table) -> Iterator[str]:
    digests = ChannelDigests.read(build.path, written)
    yield from check_images(build.stamps.name, _stamps(build, written), written, digests)
    yield from check_masks(build.stamps.name, _masks(build, written), written)


def _masks(build: BuildFolder, written: pa.Table) -> Iterator[StoredImage]:
    names = dict(zip(written["row"].to_pylist(), written["image_file"].to_pylist(), strict=True))
    for path in build.all_stamps():
        with StampFile(path) as stamps:
            for group in range(stamps.row_groups if stamps.has_masks else 0):
                rows, masks = stamps.rows(group).tolist(), stamps.encoded_masks(group).to_pylist()
                for row, encoded in zip(rows, masks, strict=True):
                    name = f"{build.name_of(path)}, mask of row {row}"
                    read = partial(decode_png, encoded or b"", name)
                    yield StoredImage(name, names.get(row, name), read)


def _check_vectors(build: BuildFolder, written: pa.Table) -> Iterator[str]:
    """Compare the tags or votes beside the stamps with those of the manifest."""
    columns = [name for name in VECTOR_COLUMNS.names if name in written.column_names]
    for path in build.all_stamps():
        rows = read_rows(path, ["image_file", *columns])
        classes = class_names_of(rows.schema)
        names = rows["image_file"].to_pylist()
        for problem in check_vectors(read_vectors(rows, len(classes)), classes, names, written):
            yield f"{build.name_of(path)}, {problem}"


def _stamps(build: BuildFolder, written: pa.Table) -> Iterator[StoredImage]:
    names = dict(zip(written["row"].to_pylist(), written["image_file"].to_pylist(), strict=True))
    for path in build.all_stamps():
        with StampFile(path) as stamps:
            for group in range(stamps.row_groups):
                rows, images = stamps.rows(group).tolist(), stamps.encoded(group).to_pylist()
                for row, encoded in zip(rows, images, strict=True):
                    name = f"{build.name_of(path)}, row {row}"
                    read = partial(_decode, encoded, name, shape=stamps.shape)
                    yield StoredImage(name, names.get(row, name), read)


def _decode(encoded: bytes, name: str, shape: StampShape) -> ImageArray:
    image: ImageArray = decode_stamps([encoded], [name], shape)[0]
    return image


def _check_fits(build: BuildFolder, recipe: Recipe, written: pa.Table) -> Iterator[str]:
    yield from check_fits(build.fits.name, [*build.fits.glob("*")], recipe, written)


def _check_collection(build: BuildFolder, written: pa.Table) -> Iterator[str]:
    if len(written):  # a build without stamps has none
        for problem in check_hats(build.hats, build.path, written):
            yield f"{build.hats.name}: {problem}"


def _check_pngs(build: BuildFolder, shape: StampShape, written: pa.Table) -> Iterator[str]:
    digests = ChannelDigests.read(build.path, written)
    yield from check_images(build.png.name, _pngs(build, shape), written, digests)


def _pngs(build: BuildFolder, shape: StampShape) -> Iterator[StoredImage]:
    for path in sorted(build.png.glob("*")):
        yield StoredImage(build.name_of(path), path.name, partial(_read_png, path, shape))


def _read_png(path: Path, shape: StampShape) -> ImageArray:
    try:
        return decode_stamp(read_bounded(path), str(path), shape)
    except OSError as error:
        raise DatasetError(f"read {path}: {error.strerror or error}") from error


def _check_csv(build: BuildFolder, written: pa.Table) -> Iterator[str]:
    if not build.csv.is_file():
        return  # reported with the checksums
    try:
        text = read_bounded(build.csv, _LARGEST_CSV).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        yield f"{build.csv.name}: cannot be read ({reason})"
        return
    for column, name in ((HEADER[0], "source"), (HEADER[-1], "image_file")):
        # Earlier versions wrote names that begin as a formula without an apostrophe.
        names = [spreadsheet_text(row.get(column)) for row in rows]
        if names != [spreadsheet_text(value) for value in written[name].to_pylist()]:
            yield f"{build.csv.name}: its column {column} differs from the manifest's {name}"


def _check_images(build: BuildFolder, recipe: Recipe, _written: pa.Table) -> Iterator[str]:
    """Check the images that the build read, as far as they are files that still exist."""
    table = read_table(build.candidates)
    if not recipe.channels:
        yield from _check_channel(build, recipe.images, table, "", build.workspace)
    reference = recipe.reference_channel
    for one in recipe.channels:
        channel, workspace = one.name, build.channel_workspace(one.name)
        if one is reference:
            channel, workspace = "", build.workspace
        own = candidates_of_channel(table, one.name)
        yield from _check_channel(build, recipe.of_channel(one).images, own, channel, workspace)


def _check_channel(
    build: BuildFolder, settings: ImageSettings, table: pa.Table, channel: str, workspace: Workspace
) -> Iterator[str]:
    """Check the images of a further channel, or of the reference ("").

    Parameters
    ----------
    build : BuildFolder
    settings : ImageSettings
    table : pyarrow.Table
        The candidates of the channel.
    channel : str
    workspace : Workspace
        Where its downloads are.
    """
    root = image_folder(build.path, channel)
    sources, fields = (table[name].to_pylist() for name in ("source", "field"))
    for kind, template in (("image", settings.image), ("rms", settings.rms)):
        addresses, digests = (table[name].to_pylist() for name in (kind, f"{kind}_sha256"))
        for source, field, address, digest in zip(sources, fields, addresses, digests, strict=True):
            if not digest or not address:
                continue
            shown = locate_image(address, root)
            path = Path(shown)
            if "://" in address:  # it was read from its download, if it was downloaded
                names = {"source": source or "", "field": field or ""}
                path = workspace.cutouts / format_file_name(template, **names)
                shown = build.name_of(path)
            if path.is_file() and sha256_file(path) != digest:
                yield f"{shown}: changed since the build"
    yield from changed_images(build.parts(), root, channel)
