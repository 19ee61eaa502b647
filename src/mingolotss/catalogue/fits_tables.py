"""Tables in FITS files, read column by column as the FITS standard 4.0, section 7, defines them.

Plain tables are read without astropy, which converts the values of all others. Three things are
read from the bytes instead, because astropy drops them: which integers are null, which logical
values are undefined, and where a string ends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.files import open_unpacked
from mingolotss.catalogue.plain_fits_tables import PlainTable, find_plain_table
from mingolotss.catalogue.table import (
    Column,
    ColumnRequest,
    Table,
    TableOutline,
    choose_table,
    one_value,
)
from mingolotss.errors import CatalogueError
from mingolotss.foreign import mute_warnings
from mingolotss.io.gzip_bytes import largest_expansion
from mingolotss.model import Bools
from mingolotss.sky.fits_header import MAX_AXES

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["read_fits_table"]


def read_fits_table(path: Path, request: ColumnRequest) -> Table:
    """Read the requested columns of a binary or ASCII table.

    Parameters
    ----------
    path : Path
        Plain or gzip'd.
    request : ColumnRequest

    Raises
    ------
    CatalogueError
        The file has no table with the columns, or a requested column does not have one value in
        each row.
    OSError, ValueError, TypeError, KeyError
        astropy cannot read the file.
    """
    with open_unpacked(path) as file:
        plain = find_plain_table(file)
        if plain is not None:
            return _read_plain(plain, request, path)
        return _read_with_astropy(file, request, path)


def _read_plain(table: PlainTable, request: ColumnRequest, path: Path) -> Table:
    """Return the requested columns of a plain table."""
    names = choose_table([TableOutline(table.name, 1, table.names)], request, path).columns
    columns, left_out = {}, dict[str, str]()
    for name, index in request.places(names, path, left_out).items():
        with request.reading(name, left_out):
            action = f"read the catalogue {path}: column {name!r}"
            raw, null = table.columns[index], None
            if table.forms[index] == "L":
                values, null = _read_logical(raw, action)
            else:
                values = raw.astype(raw.dtype.newbyteorder("="))
            columns[name] = Column(values, null, table.units[index])
    return Table(tuple(names), columns, left_out)


def _read_with_astropy(file: BinaryIO, request: ColumnRequest, path: Path) -> Table:
    """Return the requested columns of a table in any file."""
    from astropy.io import fits

    with mute_warnings(), fits.open(file, disable_image_compression=True) as hdus:
        tables = _find_tables(hdus, os.fstat(file.fileno()).st_size, path)
        outlines = [
            TableOutline(hdu.name, number, _column_names(hdu.header))
            for number, hdu in tables.items()
        ]
        outline = choose_table(outlines, request, path)
        return _read_columns(tables[outline.number], outline.columns, request, path)


def _find_tables(
    hdus: fits.HDUList, length: int, path: Path
) -> dict[int, fits.BinTableHDU | fits.TableHDU]:
    """Return the tables of a file of `length` bytes by their numbers."""
    from astropy.io import fits

    tables = {}
    for number, hdu in enumerate(hdus):
        # astropy reads one HDU after the other, and would return to the same one for ever if its
        # size were negative. It also makes room for whatever a header announces.
        action = f"read the catalogue {path}: its HDU {number}"
        if hdu.size < 0:
            raise CatalogueError(f"{action} has a negative size; the file is damaged")
        is_table = isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
        if not is_table or hdu.header.get("ZIMAGE", False):
            continue
        end = hdu.fileinfo()["datLoc"] + hdu.size
        if end > length:
            raise CatalogueError(
                f"{action} announces {end} bytes in a file of {length}; fetch it again"
            )
        fields = int(hdu.header.get("TFIELDS", 0))
        if not 0 <= fields <= MAX_AXES:
            raise CatalogueError(
                f"{action} announces {fields} columns, where FITS has at most {MAX_AXES}"
            )
        tables[number] = hdu
    return tables


def _column_names(header: fits.Header) -> list[str]:
    count = int(header.get("TFIELDS", 0))
    return [str(header.get(f"TTYPE{index + 1}", "")).strip() for index in range(count)]


def _read_columns(
    hdu: fits.BinTableHDU | fits.TableHDU, names: Sequence[str], request: ColumnRequest, path: Path
) -> Table:
    """Return the requested columns of one table."""
    if hdu.header.get("ZTABLE", False):
        raise CatalogueError(
            f"read the catalogue {path}: its table is compressed (ZTABLE); unpack it with "
            f"`funpack {path.name}`"
        )
    left_out: dict[str, str] = {}
    requested = request.places(names, path, left_out)
    units = {
        name: str(hdu.header.get(f"TUNIT{index + 1}", "")) for name, index in requested.items()
    }
    # astropy builds a numpy type from the names, which must therefore be unique. The names of the
    # file may repeat and may be missing, so the columns are numbered instead.
    for index in range(len(names)):
        hdu.header[f"TTYPE{index + 1}"] = f"column{index + 1}"
    columns = {}
    for name, index in requested.items():
        with request.reading(name, left_out):
            values, null = _read_column(hdu, index, f"read the catalogue {path}: column {name!r}")
            columns[name] = Column(values, null, units[name])
    return Table(tuple(names), columns, left_out)


def _read_column(
    hdu: fits.BinTableHDU | fits.TableHDU, index: int, action: str
) -> tuple[npt.NDArray[np.generic], Bools | None]:
    """Return the values of a column, and which of them are null."""
    from astropy.io import fits

    definition = hdu.columns[index]
    raw = np.asarray(np.rec.recarray.field(hdu.data, index))
    kind = definition.format.format
    if kind == "A":
        return one_value(raw, action).copy(), None
    if isinstance(hdu, fits.TableHDU):
        nulls = sorted({b"", str(definition.null or "").strip().encode()})
        return np.array(hdu.data.field(index)), np.isin(np.char.strip(raw), nulls)
    if kind in {"P", "Q"}:
        return _variable_length_texts(hdu, index, raw, action), None
    if kind == "L":
        return _read_logical(one_value(raw, action), action)
    return _read_numbers(one_value(hdu.data.field(index), action), raw, definition)


def _read_numbers(
    values: npt.NDArray[np.generic], raw: npt.NDArray[np.generic], definition: fits.Column
) -> tuple[npt.NDArray[np.generic], Bools | None]:
    """Return numbers or bits in the byte order of this machine, and which of them are null."""
    values = values.astype(values.dtype.newbyteorder("="))
    if definition.null is None or raw.dtype.kind not in "iu":
        return values, None
    null: Bools = raw.reshape(len(values)) == int(definition.null)
    if values.dtype.kind in "iu" and definition.bzero:
        # TNULL is a value of the file (section 7.3.2), and null is found so. astropy writes the
        # value with TZERO added instead; a value that is null for it must not become a class.
        null |= values == int(definition.null)
    return values, null


def _read_logical(raw: npt.NDArray[np.generic], action: str) -> tuple[Bools, Bools]:
    """Return logical values from their bytes, and which of them are undefined."""
    return raw == ord("T"), _undefined(raw, action)


def _undefined(raw: npt.NDArray[np.generic], action: str) -> Bools:
    """Return which logical values are undefined (a byte 0, section 7.3.3.2)."""
    codes = raw.view(np.uint8)
    invalid = np.flatnonzero(~np.isin(codes, [0, ord("T"), ord("F")]))
    if invalid.size:
        row = int(invalid[0])
        raise CatalogueError(
            f"{action} is logical, and {invalid.size} rows hold neither T nor F nor 0; row "
            f"{row + 1} holds the byte {int(codes[row])}"
        )
    undefined: Bools = codes == 0
    return undefined


def _variable_length_texts(
    hdu: fits.BinTableHDU, index: int, descriptors: npt.NDArray[np.generic], action: str
) -> npt.NDArray[np.generic]:
    """Return strings of variable length; other arrays of variable length have no one value.

    A row holds the length and the place of its string in the heap behind the table (section 7.3.5).
    """
    if "A" not in str(hdu.columns[index].format).partition("(")[0]:
        raise CatalogueError(
            f"{action} holds arrays of variable length, where one value in each row was expected; "
            "name another column in the recipe"
        )
    table_bytes = hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    gap = hdu.header.get("THEAP", table_bytes) - table_bytes
    heap = hdu.header["PCOUNT"] - gap if gap >= 0 else -1
    # As Python integers, because the sum of two lengths can exceed 64 bits.
    pairs = descriptors.reshape(-1, 2).tolist()
    for row, (length, start) in enumerate(pairs, 1):
        if length and not (0 <= length <= heap and 0 <= start <= heap - length):
            raise CatalogueError(
                f"{action}: row {row} has {length} letters at byte {start} of a heap of "
                f"{max(heap, 0)} bytes; the file is damaged"
            )
    if sum(length for length, _ in pairs) > largest_expansion(table_bytes + heap):
        raise CatalogueError(f"{action}: its rows have much more text than the file has")
    values = hdu.data.field(index)
    texts = np.empty(len(values), object)
    for row in range(len(values)):
        # A string is an array of characters here, whose items would lose their blanks.
        codes = np.asarray(values[row]).astype("U1").view(np.uint32)
        texts[row] = "".join(map(chr, codes.tolist())).partition("\0")[0]
    return texts
