"""Parquet files of stamps: of a part of a build, of an export, or of a partition in HATS.

A file has the image of each source and then the columns of the manifest. Stamps of uint8 with one
or three channels are PNG, grey or RGB, in the layout of Hugging Face's Image feature; all others
are a column ``pixels`` of little-endian values in C order. The metadata of a file with channels
state their names and the shape (``stamp_shape.py``), and its last column is ``channels``
(``channel_table.py``). This module writes and reads the files; the columns stand in
``manifest.py``, and the rows of a whole dataset in ``records.py``. The images of a partition in
HATS stand in other columns (``hats_columns.py``), and are read as those of a part.

>>> stamp_schema(StampShape(dtype="float32")).names[:3]
['pixels', 'row', 'source']
>>> stamp_schema(StampShape(("low", "high"), 150)).names[0]
'pixels'
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.channel_table import CHANNELS_COLUMN, REPEATED_CHANNEL_COLUMNS
from mingolotss.dataset.hats_columns import PIXELS, STAMP, holds_pixels, pixel_bytes, unnest_lists
from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_columns import VECTOR_COLUMNS, is_list
from mingolotss.dataset.manifest import (
    MANIFEST,
    REPEATED_COLUMNS,
    UNCOMPRESSED_COLUMNS,
    further_fields,
)
from mingolotss.dataset.masks import MASK, has_masks
from mingolotss.dataset.stamp_shape import STAMPS_KEY, StampShape
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_values import numpy_of, struct_field
from mingolotss.io.error_text import first_line
from mingolotss.io.files import check_regular, is_local
from mingolotss.io.parquet import (
    check_plausible,
    check_table,
    check_unique_names,
    leaf_paths,
    parquet_bytes,
)
from mingolotss.io.parquet_columns import read_columns
from mingolotss.io.png import PNG_CHANNELS, Allocate, decode_png, decode_pngs, encode_png
from mingolotss.io.system_faults import describe_fault
from mingolotss.model import Ints

__all__ = [
    "IMAGE",
    "StampFile",
    "check_size",
    "decode_stamp",
    "decode_stamps",
    "encode_stamp",
    "image_column",
    "image_fields",
    "is_image",
    "stamp_bytes",
    "stamp_schema",
]

IMAGE = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
_PIXELS = pa.field(PIXELS, pa.binary())
_CHANNEL_LEAF = f"{CHANNELS_COLUMN.name}.list.element."
_ROW_GROUP = 512  # stamps: a single one is shown after reading 1 MB, not the 10 MB of a part


def stamp_schema(shape: StampShape, further: Sequence[pa.Field] = ()) -> pa.Schema:
    """Return the columns of a file of stamps, with the metadata that state their shape.

    Parameters
    ----------
    shape : StampShape
    further : sequence of pyarrow.Field
        Columns beyond those of the manifest (`mingolotss.dataset.manifest.further_fields`). With
        the checksum of a mask among them, the file has the column ``mask``, too.
    """
    channels = [CHANNELS_COLUMN] if shape.channels else []
    images = image_fields(shape, has_masks=has_masks(further))
    schema = pa.schema([*images, *MANIFEST, *further, *channels])
    # Without channels not even empty metadata: they would change the bytes of every file.
    return schema.with_metadata(shape.to_metadata()) if shape.channels else schema


def image_fields(shape: StampShape, *, has_masks: bool) -> list[pa.Field]:
    """Return the columns of images and masks: ``image`` or ``pixels``, and ``mask``."""
    return [IMAGE if shape.is_png else _PIXELS, *([MASK] if has_masks else [])]


def encode_stamp(pixels: ImageArray) -> bytes:
    """Return a stamp as it is stored: PNG, or the bytes of its pixels.

    Parameters
    ----------
    pixels : uint8 or float32 array, shape (ny, nx) or (channels, ny, nx)
    """
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or len(pixels) in PNG_CHANNELS):
        return encode_png(pixels.astype(np.uint8, copy=False))
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def image_column(
    shape: StampShape, encoded: Sequence[bytes], image_files: pa.Array | pa.ChunkedArray
) -> pa.Array:
    """Return the first column of a file of stamps.

    Parameters
    ----------
    shape : StampShape
    encoded : sequence of bytes, length n
        The stamps as they are stored.
    image_files : array of string, length n
        Their names, which stand beside the bytes of a PNG.
    """
    data = pa.array(encoded, pa.binary())
    if not shape.is_png:
        return data
    paths = (
        image_files.combine_chunks() if isinstance(image_files, pa.ChunkedArray) else image_files
    )
    return pa.StructArray.from_arrays([data, paths], fields=list(IMAGE.type))


def stamp_bytes(table: pa.Table) -> bytes:
    """Return stamps as the bytes of a Parquet file.

    PNGs are stored without another compression, which would take 23 µs per stamp instead of 10 and
    save 3 % (2 cores, median).

    Parameters
    ----------
    table : pyarrow.Table
        The columns of `stamp_schema`.
    """
    pngs = ("image.bytes", f"{MASK.name}.bytes")
    # Parquet compresses and encodes each leaf column on its own; the leaves of a struct have dotted
    # names. Only columns whose values repeat get a dictionary, and images get no statistics: the
    # smallest and the largest image mean nothing. Nobody selects by those of the other columns.
    leaves = [leaf for field in table.schema for leaf in leaf_paths(field)]
    repeated = {*REPEATED_COLUMNS, *(_CHANNEL_LEAF + name for name in REPEATED_CHANNEL_COLUMNS)}
    plain = {*pngs, *UNCOMPRESSED_COLUMNS}
    return parquet_bytes(
        table,
        compression={leaf: "none" if leaf in plain else "zstd" for leaf in leaves},
        use_dictionary=[leaf for leaf in leaves if leaf in repeated],
        write_statistics=[
            leaf
            for leaf in leaves
            if leaf not in (*pngs, _PIXELS.name, *UNCOMPRESSED_COLUMNS, "wcs")
            and not leaf.startswith(_CHANNEL_LEAF)
        ],
        row_group_size=_ROW_GROUP,
    )


class StampFile:
    """An open Parquet file of stamps, for use in a ``with`` statement.

    Parameters
    ----------
    path : Path
        On this machine, or an address.
    is_own : bool
        The running command has written the file, so that its pages and values are not checked.

    Attributes
    ----------
    row_groups : int
        Number of groups of rows, which can be read one by one.
    shape : StampShape
        What the stamps are.
    has_masks : bool
        Whether each stamp has a mask (``masks.py``).

    Raises
    ------
    DatasetError
        The file is damaged, its metadata describe other stamps than it has, or it has no column of
        images. The methods raise it as well.
    """

    def __init__(self, path: Path, *, is_own: bool = False) -> None:
        self.path, self._is_own = path, is_own
        with self._translated_errors():
            check_regular(path)
            self._file = pq.ParquetFile(path if is_local(path) else path.open("rb"))
            try:
                check_plausible(self._file, path.stat().st_size)
                check_unique_names(self._file)
            except pa.ArrowException:
                self.close()
                raise
        schema = self._file.schema_arrow
        self._image = _image_name(schema)
        self.row_groups: int = self._file.num_row_groups
        self.has_masks = has_masks(schema)
        try:
            self.shape = self._check_columns(schema)
        except DatasetError:
            self.close()
            raise

    @property
    def _is_png(self) -> bool:
        """Whether each image is a PNG file, and not plain values of pixels."""
        return self._image != PIXELS

    def _check_columns(self, schema: pa.Schema) -> StampShape:
        """Return what the stamps are, after a check that the columns hold such images and masks."""
        kind = schema.field(self._image).type if self._image in schema.names else None
        if kind is None or not (is_image if self._is_png else _is_pixels)(kind):
            raise self._wrong_column(self._image, kind)
        mask = schema.field(MASK.name).type if MASK.name in schema.names else None
        if self.has_masks and not (mask is not None and is_image(mask)):
            raise self._wrong_column(MASK.name, mask)
        if STAMPS_KEY not in (schema.metadata or {}) and _has_channels(schema):
            raise DatasetError(
                f"read {self.path}: its images have channels, and its metadata have lost their "
                f"names ({STAMPS_KEY.decode()}), as in copies by other programs; read the files "
                "that mingolotss wrote"
            )
        column = IMAGE if self._is_png else _PIXELS
        try:
            shape = StampShape.of_schema(pa.schema([column], schema.metadata))
        except ValueError as error:
            raise DatasetError(
                f"read {self.path}: {first_line(error)}; fetch or build it again"
            ) from error
        if is_list(kind) and not holds_pixels(kind, shape):
            raise self._wrong_column(self._image, kind)
        return shape

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of the file, with its metadata."""
        return self._file.schema_arrow

    def rows(self, group: int | None = None) -> Ints:
        """Return the catalogue row of each stamp, of one row group or of all."""
        return self.integers("row", group)

    def integers(self, name: str, group: int | None = None) -> Ints:
        """Return a column of integers that every stamp has, of one row group or of all.

        Raises
        ------
        DatasetError
            The file has no such column, or not for every stamp.
        """
        column = self._read([name], None if group is None else [group])
        if name not in column.column_names or not pa.types.is_integer(column[name].type):
            raise self._wrong_column(name, None)
        if column[name].null_count:
            raise self._wrong_column(name, "partly empty")
        values: Ints = numpy_of(column[name])
        return values

    def group_rows(self, group: int) -> int:
        """Return the number of stamps in a group of rows."""
        count: int = self._file.metadata.row_group(group).num_rows
        return count

    def encoded(self, group: int | None = None) -> pa.ChunkedArray:
        """Return each stamp as it is stored, of one row group or of all: an array of binary."""
        column = self._read([self._image], None if group is None else [group])[self._image]
        return struct_field(column, "bytes") if self._is_png else self._as_bytes(column)

    def encoded_masks(self, group: int | None = None) -> pa.ChunkedArray:
        """Return each mask as it is stored, of one row group or of all: an array of binary."""
        groups = None if group is None else [group]
        return struct_field(self._read([MASK.name], groups)[MASK.name], "bytes")

    def image_bytes(self, group: int) -> int:
        """Return the bytes that images and masks of a group of rows take in memory."""
        chunks = self._file.metadata.row_group(group)
        names = {*self._image_columns()}
        columns = (chunks.column(index) for index in range(chunks.num_columns))
        with self._translated_errors():  # the name of a column may be no UTF-8
            return sum(
                column.total_uncompressed_size
                for column in columns
                if column.path_in_schema.partition(".")[0] in names
            )

    def images(self, groups: Sequence[int]) -> pa.Table:
        """Return the columns of images and masks of some groups of rows, as `table` has them."""
        fields = self._image_fields()
        table = self._read(self._image_columns(), groups)
        with self._translated_errors():
            columns = self._image_arrays(table, fields)
        return pa.table(columns, schema=pa.schema(fields))

    def _image_fields(self) -> list[pa.Field]:
        return image_fields(self.shape, has_masks=self.has_masks)

    def _image_columns(self) -> list[str]:
        """Return the names that the columns of `_image_fields` have in the file."""
        return [self._image, *([MASK.name] if self.has_masks else [])]

    def _image_arrays(self, table: pa.Table, fields: Sequence[pa.Field]) -> list[pa.ChunkedArray]:
        """Return images and masks as these columns of a file of stamps."""
        names = self._image_columns()[: len(fields)]
        columns = [self._as_bytes(table[name]) for name in names]
        return [column.cast(field.type) for column, field in zip(columns, fields, strict=True)]

    def table(self, *, has_images: bool = True) -> pa.Table:
        """Return the image and the columns of the manifest, and those beyond it that the file has.

        A column of the manifest that is absent is null. The mask follows the image, where the file
        has masks. A file with channels also has the column ``channels``, null where the file lacks
        it.

        Parameters
        ----------
        has_images : bool
            Whether to read images and masks, too.

        Raises
        ------
        DatasetError
            The labels are no integers.
        """
        described = self._described_fields()
        images = self._image_fields() if has_images else []
        stored = self._image_columns() if has_images else []
        names = self._file.schema_arrow.names
        table = self._read([*stored, *(one.name for one in described if one.name in names)])
        with self._translated_errors():
            # Every table has the same schema, so that those of many files can be concatenated: a
            # file of another program or of an older version may lack columns of the manifest or
            # have them in another type.
            fields = pa.schema([*images, *described])
            columns = [*self._image_arrays(table, images), *_of_manifest(table, described)]
        return pa.table(columns, schema=fields.with_metadata(self._file.schema_arrow.metadata))

    def _described_fields(self) -> list[pa.Field]:
        """Return the columns of the manifest, those beyond it, and that of the channels."""
        self._check_labels()
        schema = self._file.schema_arrow
        return [*MANIFEST, *further_fields(schema), *self._channel_fields()]

    def raw_rows(self, group: int) -> pa.Table:
        """Return all columns of a group of rows as the file has them."""
        return self._read(self._file.schema_arrow.names, [group])

    def arrays(self, group: int) -> pa.ChunkedArray | None:
        """Return the pixels that a HATS catalogue has as numbers beside PNG files, as binary.

        None if it has none, or the images are no PNG files.
        """
        schema = self._file.schema_arrow
        if self._image != STAMP or PIXELS not in schema.names:
            return None
        if not holds_pixels(kind := schema.field(PIXELS).type, self.shape):
            raise self._wrong_column(PIXELS, kind)
        column = self._read([PIXELS], [group])[PIXELS]
        with self._translated_errors():
            return pixel_bytes(column, self.shape)

    def _as_bytes(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return pixels that are lists of numbers as binary, and any other column as it is."""
        if not is_list(column.type):
            return column
        with self._translated_errors():
            return pixel_bytes(column, self.shape)

    def _channel_fields(self) -> list[pa.Field]:
        """Return the column of the channels, for stamps that have some."""
        return [CHANNELS_COLUMN] if self.shape.channels else []

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Return columns of the manifest without the images; one that is absent is null.

        Parameters
        ----------
        names : sequence of str
            Among them ``label``, which every file has.

        Raises
        ------
        DatasetError
            The labels are no integers.
        """
        schema = self._file.schema_arrow
        self._check_labels()
        table = self._read([name for name in names if name in schema.names])
        fields = pa.schema([MANIFEST.field(name) for name in names])
        with self._translated_errors():
            columns = _of_manifest(table, fields)
        return pa.table(columns, schema=fields.with_metadata(schema.metadata))

    def values(self, names: Sequence[str], group: int | None = None) -> pa.Table:
        """Return columns as the file has them, of one row group or of all; without absent ones."""
        present = [name for name in names if name in self.schema.names]
        return self._read(present, None if group is None else [group])

    def label_columns(self) -> pa.Table:
        """Return the columns with the tags or votes; none for a dataset of single classes."""
        fields = further_fields(self._file.schema_arrow)
        return self._read([field.name for field in fields if field.name in VECTOR_COLUMNS.names])

    def _check_labels(self) -> None:
        schema = self._file.schema_arrow
        label = schema.field("label").type if "label" in schema.names else None
        if label is None or not pa.types.is_integer(label):
            raise self._wrong_column("label", label)

    def _read(self, columns: list[str], groups: Sequence[int] | None = None) -> pa.Table:
        with self._translated_errors():
            if self._is_own and groups is None:
                return self._file.read(columns)
            return check_table(read_columns(self._file, columns, self.path, groups))

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException, MemoryError, ValueError) as error:
            reason = describe_fault(error) or (
                f"not a whole Parquet file of stamps ({first_line(error)}); fetch or build it again"
            )
            raise DatasetError(f"read {self.path}: {reason}") from error

    def _wrong_column(self, name: str, kind: pa.DataType | str | None) -> DatasetError:
        content = _CONTENTS.get(name, "integers")
        return DatasetError(
            f"read {self.path}: the column {name!r} should hold {content} and is "
            f"{kind or 'absent'}; fetch or build it again"
        )


def _has_channels(schema: pa.Schema) -> bool:
    """Return whether a file has the table of the channels of each stamp."""
    name = CHANNELS_COLUMN.name
    return name in schema.names and pa.types.is_nested(schema.field(name).type)


def _image_name(schema: pa.Schema) -> str:
    """Return the name of the column of images, which may be absent."""
    if STAMP in schema.names and is_image(schema.field(STAMP).type):
        return STAMP
    return PIXELS if PIXELS in schema.names else IMAGE.name


_CONTENTS = {
    "image": "PNG bytes (struct<bytes: binary, path: string>)",
    "stamp": "PNG bytes (struct<bytes: binary, path: string>)",
    "mask": "PNG bytes (struct<bytes: binary, path: string>)",
    "pixels": "binary, values of pixels, or lists of lists of them",
}


def _of_manifest(table: pa.Table, fields: Iterable[pa.Field]) -> list[pa.ChunkedArray]:
    """Return columns in the types of the manifest, those that the table lacks as null."""
    columns = []
    for field in fields:
        if field.name not in table.column_names:
            columns.append(pa.nulls(len(table), field.type))
            continue
        column = table[field.name]
        if field.name == CHANNELS_COLUMN.name and field.type == CHANNELS_COLUMN.type:
            column = unnest_lists(column)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return columns


def _is_pixels(kind: pa.DataType) -> bool:
    """Return whether `kind` may be the plain values of pixels."""
    return bool(pa.types.is_binary(kind) or is_list(kind))


def is_image(kind: pa.DataType) -> bool:
    """Return whether `kind` is the layout of Hugging Face's Image feature."""
    if not pa.types.is_struct(kind) or kind.num_fields != 2:
        return False
    return bool(kind.field(0).name == "bytes" and pa.types.is_binary(kind.field(0).type))


def decode_stamp(encoded: bytes, name: str, shape: StampShape) -> ImageArray:
    """Return one stamp, as `decode_stamps` does; its size is not compared with `shape` if PNG."""
    if shape.is_png:
        return decode_png(encoded, name, len(shape.channels) or None)
    image: ImageArray = decode_stamps([encoded], [name], shape)[0]
    return image


def decode_stamps(
    encoded: Sequence[bytes],
    names: Sequence[str],
    shape: StampShape,
    allocate: Allocate = np.empty,
) -> ImageArray:
    """Return stamps of one shape as one array.

    Parameters
    ----------
    encoded : sequence of bytes
    names : sequence of str
        The name of each for error messages.
    shape : StampShape
    allocate : callable
        Makes the array of stamps that are PNG, as for `decode_pngs`.

    Returns
    -------
    uint8 or float32 array, shape (n, side, side), or (n, channels, side, side)
        Read-only, if the stamps are stored as plain pixels.

    Raises
    ------
    DatasetError
        One is damaged, or has another size than the first or than `shape` says.
    """
    if not encoded and shape.channels:
        return np.empty((0, *shape.axes), shape.dtype)
    if not shape.is_png:
        return _decode_pixels(encoded, names, shape)
    images = decode_pngs(encoded, names, len(shape.channels) or None, allocate)
    if encoded:
        check_size(images.shape[1:], names[0], shape)
    return images


def check_size(axes: tuple[int, ...], name: str, shape: StampShape) -> None:
    """Compare the size of PNG images with that of the metadata, where these state one.

    Raises
    ------
    DatasetError
        They differ; `name` is where the images are.
    """
    if shape.channels and axes != shape.axes:
        raise DatasetError(
            f"read {name}: {axes[-1]} x {axes[-2]} pixels, where the metadata state "
            f"{shape.side} x {shape.side}; fetch or build it again"
        )


def _decode_pixels(encoded: Sequence[bytes], names: Sequence[str], shape: StampShape) -> ImageArray:
    kind = np.dtype(shape.dtype).newbyteorder("<")
    axes = shape.axes
    if not shape.side:  # a file without metadata: one plane, a square
        side = math.isqrt(len(encoded[0]) // kind.itemsize) if encoded else 0
        axes = side, side
    size = math.prod(axes) * kind.itemsize
    for data, name in zip(encoded, names, strict=True):
        if len(data) != size:
            image = f"a square image of {axes[0]} x {axes[1]}"
            if shape.channels:
                image = f"an image of {' x '.join(map(str, axes))}"
            raise DatasetError(
                f"read {name}: {len(data)} bytes where {image} {kind.name} pixels has {size}; "
                "fetch or build it again"
            )
    # The images are copied once, by `join`; the array is a view of the result and read-only.
    values: ImageArray = np.frombuffer(b"".join(encoded), kind)
    return values.reshape(len(encoded), *axes)
