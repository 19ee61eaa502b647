"""Parquet files of stamps: of a part of a build, or of an export.

A file has the image of each source and then the columns of the manifest. Stamps of kind ``uint8``
are PNG in the layout of Hugging Face's Image feature; those of kind ``float32`` are a column
``pixels`` of little-endian values in C order. This module writes and reads them; the columns stand
in ``manifest.py``, and the rows of a whole dataset in ``records.py``.

>>> stamp_schema("float32").names[:3]
['pixels', 'row', 'source']
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.manifest import (
    MANIFEST,
    REPEATED_COLUMNS,
    UNCOMPRESSED_COLUMNS,
    kept_fields,
)
from mingolotss.errors import DatasetError
from mingolotss.io.error_text import first_line
from mingolotss.io.files import check_regular, is_local
from mingolotss.io.parquet import (
    check_plausible,
    check_table,
    check_unique_names,
    parquet_bytes,
    read_columns,
)
from mingolotss.io.png import decode_pngs
from mingolotss.io.system_faults import describe_fault
from mingolotss.model import Ints

__all__ = ["IMAGE", "StampFile", "decode_stamps", "stamp_bytes", "stamp_schema"]

IMAGE = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
_PIXELS = pa.field("pixels", pa.binary())
_ROW_GROUP = 512  # stamps: a single one is shown after reading 1 MB, not the 10 MB of a part


def stamp_schema(kind: str, kept: Sequence[pa.Field] = ()) -> pa.Schema:
    """Return the columns of a file of stamps.

    Parameters
    ----------
    kind : {"uint8", "float32"}
        The type of the pixels.
    kept : sequence of pyarrow.Field
        Columns that are kept from the catalogue.
    """
    return pa.schema([IMAGE if kind == "uint8" else _PIXELS, *MANIFEST, *kept])


def stamp_bytes(table: pa.Table) -> bytes:
    """Return stamps as the bytes of a Parquet file.

    PNGs are stored without another compression, which would take 23 µs per stamp instead of 10 and
    save 3 % (2 cores, median).

    Parameters
    ----------
    table : pyarrow.Table
        The columns of `stamp_schema`.
    """
    png = "image.bytes"
    # Parquet compresses and encodes each leaf column on its own; the leaves of a struct have dotted
    # names. Only columns whose values repeat get a dictionary, and images get no statistics: the
    # smallest and the largest image mean nothing. Nobody selects by those of the other columns.
    leaves = [
        f"{field.name}.{child.name}" if pa.types.is_struct(field.type) else field.name
        for field in table.schema
        for child in (field.type if pa.types.is_struct(field.type) else [field])
    ]
    plain = {png, *UNCOMPRESSED_COLUMNS}
    return parquet_bytes(
        table,
        compression={leaf: "none" if leaf in plain else "zstd" for leaf in leaves},
        use_dictionary=[leaf for leaf in leaves if leaf in REPEATED_COLUMNS],
        write_statistics=[
            leaf for leaf in leaves if leaf not in (png, _PIXELS.name, *UNCOMPRESSED_COLUMNS, "wcs")
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
    is_float : bool
        Whether the stamps are float32 values, not PNG.

    Raises
    ------
    DatasetError
        The file is damaged, or has no column of images. The methods raise it as well.
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
        self.is_float = _PIXELS.name in schema.names
        self._image = _PIXELS.name if self.is_float else IMAGE.name
        self.row_groups: int = self._file.num_row_groups
        kind = schema.field(self._image).type if self._image in schema.names else None
        if kind is None or not (pa.types.is_binary if self.is_float else _is_image)(kind):
            self.close()
            raise self._wrong_column(self._image, kind)

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

    def rows(self, group: int | None = None) -> Ints:
        """Return the catalogue row of each stamp, of one row group or of all."""
        column = self._read(["row"], group)
        if "row" not in column.column_names or not pa.types.is_integer(column["row"].type):
            raise self._wrong_column("row", None)
        if column["row"].null_count:
            raise self._wrong_column("row", "partly empty")
        rows: Ints = column["row"].to_numpy()
        return rows

    def group_rows(self, group: int) -> int:
        """Return the number of stamps in a group of rows."""
        count: int = self._file.metadata.row_group(group).num_rows
        return count

    def encoded(self, group: int | None = None) -> pa.ChunkedArray:
        """Return each stamp as it is stored, of one row group or of all: an array of binary."""
        column = self._read([self._image], group)[self._image]
        return column if self.is_float else pc.struct_field(column, "bytes")

    def table(self) -> pa.Table:
        """Return the image and the columns of the manifest, with those kept from the catalogue.

        A column of the manifest that is absent is null.

        Raises
        ------
        DatasetError
            The labels are no integers.
        """
        schema = self._file.schema_arrow
        self._check_labels()
        present = [name for name in MANIFEST.names if name in schema.names]
        kept = kept_fields(schema)
        table = self._read([self._image, *present, *(field.name for field in kept)])
        first = table[self._image]
        with self._translated_errors():
            # Every table has the same schema, so that those of many files can be concatenated: a
            # file of another program or of an older version may lack columns of the manifest or
            # have them in another type.
            columns = [first if self.is_float else first.cast(IMAGE.type)]
            columns += _of_manifest(table, MANIFEST)
            columns += [table[field.name] for field in kept]
        image = IMAGE if not self.is_float else _PIXELS
        fields = pa.schema([image.with_type(columns[0].type), *MANIFEST, *kept])
        return pa.table(columns, schema=fields.with_metadata(schema.metadata))

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

    def _check_labels(self) -> None:
        schema = self._file.schema_arrow
        label = schema.field("label").type if "label" in schema.names else None
        if label is None or not pa.types.is_integer(label):
            raise self._wrong_column("label", label)

    def _read(self, columns: list[str], group: int | None = None) -> pa.Table:
        with self._translated_errors():
            if self._is_own and group is None:
                return self._file.read(columns)
            return check_table(read_columns(self._file, columns, self.path, group))

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
        return DatasetError(
            f"read {self.path}: the column {name!r} should hold {_CONTENTS[name]} and is "
            f"{kind or 'absent'}; fetch or build it again"
        )


_CONTENTS = {
    "image": "PNG bytes (struct<bytes: binary, path: string>)",
    "pixels": "binary, float32 values",
    "label": "integers",
    "row": "integers",
}


def _of_manifest(table: pa.Table, fields: pa.Schema) -> list[pa.ChunkedArray]:
    """Return columns in the types of the manifest, those that the table lacks as null."""
    return [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in fields
    ]


def _is_image(kind: pa.DataType) -> bool:
    """Return whether `kind` is the layout of Hugging Face's Image feature."""
    if not pa.types.is_struct(kind) or kind.num_fields != 2:
        return False
    return bool(kind.field(0).name == "bytes" and pa.types.is_binary(kind.field(0).type))


def decode_stamps(encoded: Sequence[bytes], names: Sequence[str], *, is_float: bool) -> ImageArray:
    """Return stamps of one size as one array, shape (n, side, side).

    Parameters
    ----------
    encoded : sequence of bytes
    names : sequence of str
        The name of each for error messages.
    is_float : bool
        Whether they are float32 values, not PNG.

    Raises
    ------
    DatasetError
        One is damaged, or has another size than the first.
    """
    return _decode_floats(encoded, names) if is_float else decode_pngs(encoded, names)


def _decode_floats(encoded: Sequence[bytes], names: Sequence[str]) -> npt.NDArray[np.float32]:
    side = math.isqrt(len(encoded[0]) // 4) if encoded else 0
    for data, name in zip(encoded, names, strict=True):
        if len(data) != 4 * side * side:
            raise DatasetError(
                f"read {name}: {len(data)} bytes where a square image of {side} x {side} float32 "
                f"pixels has {4 * side * side}; fetch or build it again"
            )
    # The images are copied once, by `join`; the array is a view of the result and read-only.
    values: npt.NDArray[np.float32] = np.frombuffer(b"".join(encoded), "<f4")
    return values.reshape(len(encoded), side, side)
