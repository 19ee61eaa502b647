"""The records of a dataset as one table: every written source with its image and its row.

They are read from the stamps of a build, from an export in Parquet or from a HATS collection, in
the order of the catalogue. The images stay encoded (about 6 kB per source) until they are needed.
Not here: rejections, which have no image (``manifest.py``), and the other formats (``formats``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.export_notes import SPLIT_KEY
from mingolotss.dataset.hats_catalogue import is_hats
from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_columns import class_names_of
from mingolotss.dataset.lazy_png import LazyImages
from mingolotss.dataset.manifest import vectors_of_rows
from mingolotss.dataset.masks import MASK, check_values, has_masks
from mingolotss.dataset.recipe_file import read_recorded_classes
from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile, check_size, decode_stamps, image_fields
from mingolotss.dataset.stored_stamps import StampGroups, StoredStamps
from mingolotss.errors import DatasetError
from mingolotss.image.masks import Masks
from mingolotss.io.arrow_rows import (
    decoded_schema,
    encode_repeated,
    release_memory,
    take_in_place,
    take_rows,
)
from mingolotss.io.arrow_values import (
    array_of,
    equals,
    fill_null,
    numpy_of,
    struct_field,
    text_array,
)
from mingolotss.io.documents import parse_json
from mingolotss.io.error_text import first_line
from mingolotss.model import Bools, Ints
from mingolotss.sky.angles import Floats

__all__ = ["Records", "class_names", "read_records", "read_stored_records"]

_FILES = 64  # after which the memory is released that their descriptions take


@dataclass(frozen=True, slots=True)
class Records:
    """Written sources, one row each, sorted by catalogue row.

    Attributes
    ----------
    table : pyarrow.Table
        ``image`` (PNG) or ``pixels`` (plain values), ``mask`` where the dataset has masks, then the
        columns of the manifest, and those beyond it that the dataset has. Its metadata state the
        shape of stamps with channels.
    classes : tuple of str
        Name of each label.
    origin : str
        Where they were read, for messages.
    stored : StoredStamps or None
        The images and masks, if they are still in their files: `table` then lacks them, and
        `with_images` reads them.
    """

    table: pa.Table
    classes: tuple[str, ...]
    origin: str
    stored: StoredStamps | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def shape(self) -> StampShape:
        """Return what the stamps are."""
        return StampShape.of_schema(self.table.schema) if self.stored is None else self.stored.shape

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of the table with images and masks, also if these are not in it."""
        if self.stored is None:
            return self.table.schema
        images = image_fields(self.stored.shape, has_masks=self.stored.has_masks)
        rows = decoded_schema(self.table.schema)
        return pa.schema([*images, *rows], rows.metadata)

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names of the channels; none for images without an axis of channels."""
        return self.shape.channels

    @property
    def is_float(self) -> bool:
        """Return whether the images are float32, in Jy/beam, and not uint8."""
        return self.shape.is_float

    @property
    def labels(self) -> Ints:
        """Return the labels, int64 array, shape (n,); -1 where there is none."""
        labels: Ints = numpy_of(fill_null(self.table["label"], -1)).astype(int)
        return labels

    @property
    def vectors(self) -> LabelVectors | None:
        """Return the tags or votes, None for a dataset of single classes.

        Raises
        ------
        DatasetError
            They do not fit the names of the classes.
        """
        return vectors_of_rows(self.table, len(self.classes))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a column of text; null is ""."""
        # Rows with the same text share it.
        texts = fill_null(self.table[name].cast(pa.string()), "").combine_chunks()
        encoded = texts.dictionary_encode()
        values = np.array([*encoded.dictionary.to_pylist(), None], object)
        return tuple(values[numpy_of(encoded.indices)].tolist())

    def numbers(self, name: str) -> Floats:
        """Return a column of numbers, float64 array, shape (n,); null is NaN."""
        numbers: Floats = numpy_of(self.table[name].cast(pa.float64()))
        return numbers

    def encoded(self) -> list[bytes]:
        """Return the images as they are stored: PNG files, or plain values."""
        table = self.with_images().table
        is_png = "image" in table.column_names
        column = struct_field(table["image"], [0]) if is_png else table["pixels"]
        return [data or b"" for data in column.to_pylist()]

    def images(self) -> ImageArray:
        """Return all images decoded, uint8 or float32.

        Returns
        -------
        array, shape (n, ny, nx), or (n, channels, ny, nx) for a dataset with channels

        Raises
        ------
        DatasetError
            An image is damaged, or has another size than the first.
        """
        return decode_stamps(self.encoded(), self.names(), self.shape)

    def lazy_images(self) -> LazyImages:
        """Return all images, each of which is decoded when it is first used; they are PNG.

        Raises
        ------
        DatasetError
            An image is damaged, or has another size than the first or than the metadata state.
        """
        shape = self.shape
        images = LazyImages(self.encoded(), self.names(), len(shape.channels) or None)
        if len(self):
            check_size(images.shape[1:], self.origin, shape)
        return images

    @property
    def has_masks(self) -> bool:
        """Return whether each image has a mask."""
        if self.stored is not None:
            return self.stored.has_masks
        return MASK.name in self.table.column_names and has_masks(self.table.schema)

    def encoded_masks(self) -> list[bytes]:
        """Return the masks as they are stored, grey PNG files; none for a dataset without masks."""
        if not self.has_masks:
            return []
        masks = self.with_images().table[MASK.name]
        return [data or b"" for data in struct_field(masks, [0]).to_pylist()]

    def masks(self) -> Masks | None:
        """Return all masks decoded.

        Returns
        -------
        uint8 array, shape (n, ny, nx), or None
            0 background, 1 this source, 2 another source. None for a dataset without masks.

        Raises
        ------
        DatasetError
            A mask is damaged, or has another size than the first image.
        """
        masks = self.lazy_masks()
        return None if masks is None else masks.decode(0, len(masks))

    def lazy_masks(self) -> LazyImages | None:
        """Return all masks, each of which is decoded when it is first used, or None as `masks`.

        Raises
        ------
        DatasetError
            A mask is no grey PNG, or has another size than the first image.
        """
        if not self.has_masks:
            return None
        names = [f"the mask of {name}" for name in self.names()]
        masks = LazyImages(self.encoded_masks(), names, check=check_values)
        if len(self):
            first = self.take(np.zeros(1, np.int64)).images()
            if masks.shape[1:] != first.shape[-2:]:
                raise DatasetError(
                    f"read {names[0]}: {masks.shape[2]} x {masks.shape[1]} pixels, and its image "
                    f"has {first.shape[-1]} x {first.shape[-2]}; fetch or build it again"
                )
        return masks

    def names(self) -> list[str]:
        """Return a name of each image for messages: its file and where it was read."""
        files = self.texts("image_file")
        return [f"{self.origin}, {name or f'image {index}'}" for index, name in enumerate(files)]

    def take(self, rows: Bools | Ints) -> Records:
        """Return some of the records: indices, or a boolean for each."""
        indices: Ints = np.arange(len(self))[rows]
        stored = None if self.stored is None else self.stored.take(indices)
        return replace(self, table=take_rows(self.table, indices), stored=stored)

    def with_images(self, images: pa.Table | None = None) -> Records:
        """Return the records with their images and masks in the table.

        Parameters
        ----------
        images : pyarrow.Table, optional
            The columns of images and masks, if they were read before.

        Raises
        ------
        DatasetError
            A file with some of them is damaged or missing.
        """
        if self.stored is None:
            return self
        rows = self.table.cast(decoded_schema(self.table.schema))
        images = self.stored.read() if images is None else images
        columns = [*images.columns, *rows.columns]
        table = pa.Table.from_arrays(columns, schema=self.schema)
        return replace(self, table=table, stored=None)

    def with_splits(self, names: Sequence[str], plan: str) -> Records:
        """Return the records in other splits.

        Parameters
        ----------
        names : sequence of str
            The split of each record.
        plan : str
            How they were split; recorded in the metadata of the table.
        """
        index = self.table.column_names.index("split")
        table = self.table.set_column(index, "split", text_array(names))
        metadata = (self.table.schema.metadata or {}) | {SPLIT_KEY: plan.encode()}
        return replace(self, table=table.replace_schema_metadata(metadata))

    def in_splits(self) -> Records:
        """Return the records that are in a split, or all if none of them is."""
        is_in: Bools = ~numpy_of(equals(fill_null(self.table["split"], ""), ""))
        return self if is_in.all() or not is_in.any() else self.take(is_in)

    @property
    def split_plan(self) -> str:
        """Return the plan by which the records were split; "" if the build did it."""
        plan: bytes = (self.table.schema.metadata or {}).get(SPLIT_KEY, b"")
        return plan.decode("utf-8", "replace")

    def split_rows(self) -> dict[str, Ints]:
        """Return the indices of the records of each split, train first and test last."""
        splits = fill_null(self.table["split"], "").combine_chunks().dictionary_encode()
        names, number = splits.dictionary.to_pylist(), numpy_of(splits.indices)
        return {name: np.flatnonzero(number == names.index(name)) for name in in_order(names)}


def read_records(root: Path) -> Records:
    """Read the records of a build, of an export in Parquet or HATS, or of one Parquet file.

    Parameters
    ----------
    root : Path

    Raises
    ------
    DatasetError
        There are none, or a file is damaged or lacks a column.
    """
    return read_stored_records(root).with_images()


def read_stored_records(root: Path) -> Records:
    """Read the records as `read_records` does, and leave the images in their files."""
    paths = stamp_files(root)
    if not paths:
        raise DatasetError(
            f"read the records of {root}: no stamps/part-*.parquet, no data/*.parquet and no HATS "
            "catalogue; give a folder that mingolotss build or export --format parquet wrote"
        )
    tables, groups, shapes = [], [], []
    for path in paths:
        with StampFile(path) as stamps:
            # The WCS is half of a row, and that of all stamps of a mosaic is the same.
            rows = stamps.table(has_images=False)
            place = rows.column_names.index("wcs")
            tables.append(rows.set_column(place, "wcs", rows["wcs"].dictionary_encode()))
            groups.append(StampGroups.of_file(stamps))
            shapes.append((stamps.shape, stamps.has_masks))
            if not len(tables) % _FILES:
                release_memory()
            if shapes[-1] != shapes[0]:
                kinds = [
                    f"{shape} with{'' if has_masks else 'out'} masks"
                    for shape, has_masks in (shapes[-1], shapes[0])
                ]
                raise DatasetError(
                    f"read {path}: {kinds[0]}, and {paths[0]} has {kinds[1]}; they are not "
                    "of one dataset"
                )
    # The parts of a build usually follow the sky and not the catalogue, so that neighbours share
    # their pixels in the cache. Sorting by row restores the order of the catalogue, and with it the
    # published batches.
    try:
        table = pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:  # columns kept from a catalogue, of different types
        raise DatasetError(
            f"read the records of {root}: its files have different columns ({first_line(error)})"
        ) from error
    if table["row"].null_count == len(table):  # a file of another program: its own order
        index = table.column_names.index("row")
        table = table.set_column(index, "row", array_of(np.arange(len(table))))
    table = encode_repeated(table, "wcs")
    places = np.argsort(numpy_of(table["row"]), kind="stable")
    schema = table.schema.with_metadata(tables[0].schema.metadata)
    columns = dict(zip(table.column_names, table.columns, strict=True))
    del table, tables  # so that each column is released when its rows are sorted
    table = pa.Table.from_arrays(list(take_in_place(columns, places)), schema=schema)
    origin = paths[0] if len(paths) == 1 else root if is_hats(root) else paths[0].parent
    stored = StoredStamps(tuple(groups), places, *shapes[0])
    return Records(table, class_names(root, table), str(origin), stored)


def class_names(root: Path, table: pa.Table) -> tuple[str, ...]:
    """Return the class names from the file's header, else the recipe, else the rows.

    Parameters
    ----------
    root : Path
        The dataset, or one Parquet file of it.
    table : pyarrow.Table
        The columns ``label`` and ``class``, with the metadata of the file.
    """
    if header := _header_classes(table) or class_names_of(table.schema):
        return header
    recorded = None if root.is_file() else read_recorded_classes(root)
    return _row_classes(table) if recorded is None else recorded


def _header_classes(table: pa.Table) -> tuple[str, ...]:
    """Read the class names from the header that Hugging Face `datasets` reads."""
    try:
        header = parse_json((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        names = header["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if is_list else ()


def _row_classes(table: pa.Table) -> tuple[str, ...]:
    """Return the class names in the rows; a label that no row has is called "class N"."""
    # Arrow reduces the rows to their distinct pairs first: the loop sees about ten, not every row.
    pairs = pa.table([table["label"], table["class"]], ["label", "class"])
    names = {
        row["label"]: row["class"] or f"class {row['label']}"
        for row in pairs.group_by(["label", "class"]).aggregate([]).to_pylist()
        if row["label"] is not None and row["label"] >= 0
    }
    return tuple(names.get(label, f"class {label}") for label in range(max(names, default=-1) + 1))
