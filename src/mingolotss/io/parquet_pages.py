"""The columns and pages of a Parquet file, looked at before they are decompressed.

pyarrow makes room for whatever a page says that it holds, and ends the process for some columns
whose description in the footer is damaged. Footer and pages are structures in the compact protocol
of Thrift (parquet-format, `FileMetaData` and `PageHeader`), of which only some numbers are read
here.

>>> header = bytes([0x15, 0, 0x15, 0x80, 0x08, 0x15, 0x20, 0x2C, 0x15, 10, 0x15, 0, 0, 0])
>>> read_page(header)
Page(header_bytes=14, is_dictionary=False, stored_bytes=16, content_bytes=512, values=5, encoding=0)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Union

__all__ = ["Chunk", "Page", "PageError", "read_chunks", "read_page", "read_pages"]

_MAGIC = b"PAR1"
_FOOTERS = 256  # of files, kept in memory: 20 kB for a file of 4,000 stamps

_USUAL_BYTES, _MOST_BYTES = 1 << 12, 16 << 20  # of a header, which may hold a value of the column
_MAX_DEPTH = 16
_LONGEST_NUMBER = 10  # bytes
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
# Numbers of the fields of a page: its type, its sizes and, by type, the structure of its kind with
# the number of values first and the encoding after it.
_TYPE, _CONTENT, _STORED, _VALUES = 1, 2, 3, 1
_ENCODING = {_DATA_PAGE: (5, 2), _DICTIONARY_PAGE: (7, 2), _DATA_PAGE_V2: (8, 4)}
# Those of a file, of a group of rows, and of a column: its size, its first page and its dictionary.
_ROW_GROUPS, _COLUMNS, _COLUMN_METADATA, _PLACES = 4, 1, 3, (7, 9, 11)
_Wanted = dict[int, "_Wanted"]
_OF_FOOTER: _Wanted = {
    _ROW_GROUPS: {_COLUMNS: {_COLUMN_METADATA: {place: {} for place in _PLACES}}}
}
"""The fields of a footer that are read, and those of the structures in them."""
_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY = (1, 2), 3, (4, 5, 6), 7, 8
_LIST, _LISTS, _STRUCT = 9, (9, 10), 12


class PageError(ValueError):
    """The header of a page cannot be read, or contradicts the file."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says of itself.

    Attributes
    ----------
    header_bytes : int
        Size of its header.
    is_dictionary : bool
        Whether it holds the values that the other pages of the column refer to.
    stored_bytes, content_bytes : int
        Its size in the file, and after decompression.
    values : int
        How many values it holds, those that are null included.
    encoding : int
        Number of the encoding of its values; -1 if it has none.
    """

    header_bytes: int
    is_dictionary: bool
    stored_bytes: int
    content_bytes: int
    values: int
    encoding: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column in one group of rows.

    Attributes
    ----------
    start, size : int
        Where its pages begin, and how many bytes they take.
    """

    start: int
    size: int


def read_chunks(path: Path) -> list[list[Chunk]]:
    """Read where the columns of each group of rows are, from the footer of a file.

    Parameters
    ----------
    path : Path
        On this machine.

    Raises
    ------
    PageError
        The footer cannot be read, or a column is outside of the file.
    """
    status = path.stat()
    return _read_chunks(path, status.st_size, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=_FOOTERS)
def _read_chunks(path: Path, size: int, *identity: int) -> list[list[Chunk]]:  # noqa: ARG001
    """Return what `read_chunks` returns, which is not read again while the file is the same.

    The stamps of a part are read one group of rows after another, and once for each batch.
    """
    with path.open("rb") as file:
        return _parse_footer(file, size)


def _parse_footer(file: BinaryIO, size: int) -> list[list[Chunk]]:
    file.seek(max(size - 8, 0))
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > size - 8:
        raise PageError("no footer")
    file.seek(size - 8 - length)
    try:
        groups = _items(_Compact(file.read(length)).structure(_OF_FOOTER), _ROW_GROUPS)
    except IndexError as error:
        raise PageError("the footer is cut short") from error
    return [[_chunk(column, size) for column in _items(group, _COLUMNS)] for group in groups]


def _items(group: object, key: int) -> list[object]:
    items = group.get(key) if isinstance(group, dict) else None
    return items if isinstance(items, list) else []


def _chunk(column: object, size: int) -> Chunk:
    fields = column.get(_COLUMN_METADATA) if isinstance(column, dict) else None
    if not isinstance(fields, dict):
        raise PageError("a column without a description")
    stored, first, dictionary = (fields.get(key) for key in _PLACES)
    if not isinstance(stored, int) or not isinstance(first, int):
        raise PageError("a column without a place")
    # As pyarrow does: a dictionary begins the column, unless its place is 0 or after the data.
    start = dictionary if isinstance(dictionary, int) and 0 < dictionary < first else first
    if not (0 <= start <= start + stored <= size):
        raise PageError(f"a column at {start} of {size} bytes")
    return Chunk(start, stored)


def read_pages(file: BinaryIO, start: int, size: int) -> Iterator[Page]:
    """Read the headers of the pages of one column in one group of rows.

    Parameters
    ----------
    file : binary file
    start, size : int
        Where the pages begin, and how many bytes they take.

    Raises
    ------
    PageError
        A header cannot be read, or a page ends after the others.
    """
    end = start + size
    while start < end:
        page = _page_at(file, start, end)
        start += page.header_bytes + page.stored_bytes
        if page.stored_bytes < 0 or page.content_bytes < 0 or start > end:
            raise PageError(f"a page of {page.stored_bytes} bytes")
        yield page


def _page_at(file: BinaryIO, start: int, end: int) -> Page:
    for length in (_USUAL_BYTES, _MOST_BYTES):
        file.seek(start)
        data = file.read(min(length, end - start))
        try:
            return read_page(data)
        except IndexError:
            continue
    raise PageError("the header of a page is cut short")


def read_page(data: bytes) -> Page:
    """Read the header of a page, which begins with the first byte.

    Raises
    ------
    IndexError
        There are not enough bytes.
    PageError
        It is no header of a page.
    """
    reader = _Compact(data)
    fields = reader.structure()
    kind, content, stored = (fields.get(key) for key in (_TYPE, _CONTENT, _STORED))
    if not (isinstance(kind, int) and isinstance(content, int) and isinstance(stored, int)):
        raise PageError("a page without a type or a size")
    structure, key = _ENCODING.get(kind, (0, 0))
    inner = fields.get(structure)
    of_kind = inner if isinstance(inner, dict) else {}
    values, encoding = (
        number if isinstance(number, int) else -1
        for number in (of_kind.get(_VALUES), of_kind.get(key))
    )
    return Page(reader.place, kind == _DICTIONARY_PAGE, stored, content, values, encoding)


_Value = Union[int, "_Fields", list["_Value"], None]
_Fields = dict[int, _Value]


class _Compact:
    """Reads numbers, structures and lists; other values are passed over and are None.

    A footer is mostly statistics: a file of 50,000 stamps describes 1,500 columns. Fields that are
    not asked for are therefore passed over without being read.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def structure(self, wanted: _Wanted | None = None, depth: int = 0) -> _Fields:
        """Read a structure; without `wanted`, all its fields."""
        if depth > _MAX_DEPTH:
            raise PageError("structures are nested too deep")
        fields: _Fields = {}
        data, place, number = self._data, self.place, 0
        while head := data[place]:
            step, kind = head >> 4, head & 15
            self.place = place = place + 1
            if step:
                number += step
            else:
                number, place = self._integer(), self.place
            if wanted is None or number in wanted:
                inner = None if wanted is None else wanted[number]
                fields[number], place = self._value(kind, inner, depth), self.place
            elif kind in _INTEGERS:
                place = _after_number(data, place)
            elif kind == _LIST:
                place = _after_list(data, place, depth + 1)
            else:
                place = _after(data, place, kind, depth)
        self.place = place + 1
        return fields

    def _value(
        self, kind: int, wanted: _Wanted | None, depth: int, *, is_item: bool = False
    ) -> _Value:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.structure(wanted, depth + 1)
        if kind in _LISTS:
            return self._list(wanted, depth + 1)
        self.place = _after(self._data, self.place, kind, depth, is_item=is_item)
        return None

    def _list(self, wanted: _Wanted | None, depth: int) -> list[_Value]:
        if depth > _MAX_DEPTH:
            raise PageError("lists are nested too deep")
        head = self._byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self._varint()
        if count > len(self._data):  # each takes a byte at least
            raise IndexError
        return [self._value(kind, wanted, depth, is_item=True) for _ in range(count)]

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _varint(self) -> int:
        data, place, value, shift = self._data, self.place, 0, 0
        while (byte := data[place]) >= 128:
            value |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
            if shift == 7 * _LONGEST_NUMBER:
                raise PageError(f"a number of more than {_LONGEST_NUMBER} bytes")
        self.place = place + 1
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 if value % 2 == 0 else -(value >> 1) - 1


def _after(data: bytes, place: int, kind: int, depth: int, *, is_item: bool = False) -> int:
    """Return the place after a value that is not read.

    Raises
    ------
    IndexError
        There are not enough bytes.
    PageError
        It is nested too deep, or of a type that Parquet has nowhere.
    """
    if kind == _STRUCT:
        return _after_structure(data, place, depth + 1)
    if kind in _LISTS:
        return _after_list(data, place, depth + 1)
    if kind in _INTEGERS:
        place = _after_number(data, place)
    elif kind == _BINARY:
        end = _after_number(data, place)
        place = end + _number(data[place:end])
    elif kind == _DOUBLE:
        place += 8
    elif kind == _BYTE or (kind in _BOOLEANS and is_item):
        place += 1
    elif kind not in _BOOLEANS:  # a map
        raise PageError(f"a value of type {kind}")
    if place > len(data):
        raise IndexError
    return place


def _after_structure(data: bytes, place: int, depth: int) -> int:
    if depth > _MAX_DEPTH:
        raise PageError("structures are nested too deep")
    while head := data[place]:
        place += 1
        if head < 16:  # the number of the field follows
            place = _after_number(data, place)
        # Numbers of one byte and short texts are most of a footer.
        kind, short = head & 15, data[place]
        if kind in _INTEGERS and short < 128:
            place += 1
        elif kind == _BINARY and short < 128:
            place += 1 + short
        elif kind == _LIST:
            place = _after_list(data, place, depth + 1)
        else:
            place = _after(data, place, kind, depth)
    return place + 1


def _after_list(data: bytes, place: int, depth: int) -> int:
    if depth > _MAX_DEPTH:
        raise PageError("lists are nested too deep")
    head = data[place]
    count, kind = head >> 4, head & 15
    place += 1
    if count == 15:
        end = _after_number(data, place)
        count, place = _number(data[place:end]), end
    if count > len(data):  # each takes a byte at least
        raise IndexError
    for _ in range(count):
        short = data[place]
        if kind in _INTEGERS and short < 128:
            place += 1
        elif kind == _BINARY and short < 128:
            place += 1 + short
        elif kind == _STRUCT:
            place = _after_structure(data, place, depth + 1)
        else:
            place = _after(data, place, kind, depth, is_item=True)
    return place


def _after_number(data: bytes, place: int) -> int:
    """Return the place after a number, 7 bits of which are in each byte."""
    start = place
    while data[place] >= 128:
        place += 1
        if place - start == _LONGEST_NUMBER:
            raise PageError(f"a number of more than {_LONGEST_NUMBER} bytes")
    return place + 1


def _number(encoded: bytes) -> int:
    value = 0
    for byte in reversed(encoded):
        value = value << 7 | byte & 127
    return value
