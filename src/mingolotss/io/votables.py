"""VOTables from outside: what they refer to is not read, and what they announce must be there.

astropy reads a VOTable, and follows what it refers to: rows in another file or at an address
(``<STREAM href=...>``, VOTable 1.5, section 5.4). It also makes room for as many rows and values as
the table announces. The document is therefore read twice. The first time, expat looks at every
element and keeps nothing; it reads each encoding and each reference to a character as astropy's
expat does.

>>> import io
>>> parse_votable(io.BytesIO(b'<VOTABLE><STREAM href="file:/etc/passwd"/></VOTABLE>'))
Traceback (most recent call last):
    ...
mingolotss.io.votables.UnsafeDocumentError: <STREAM> refers to 'file:/etc/passwd', which is not read
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from astropy.io import votable
from astropy.io.votable.tree import VOTableFile

from mingolotss.foreign import mute_warnings, translate_errors
from mingolotss.io.gzip_bytes import largest_expansion
from mingolotss.io.votable_rows import BYTES, CutShortError, count_rows

__all__ = [
    "IncompleteDocumentError",
    "UnreadableDocumentError",
    "UnsafeDocumentError",
    "parse_votable",
]

_PIECE = 1 << 20
_MAX_DEPTH = 100  # of elements; nested tables of VizieR have less than ten
_MAX_COLUMNS = 10_000  # ten times what FITS allows
_BYTES_IN_MEMORY = BYTES | {"unicodeChar": 4}  # numpy has UCS-4 where VOTable has UCS-2
_BINARY = ("BINARY", "BINARY2")
_POINTER = 8  # bytes of a value of variable length in an array of objects
_FIXED_SIZE = re.compile(r"\d+(x\d+)*", re.ASCII)


class UnreadableDocumentError(ValueError):
    """A document is no XML, or no VOTable that can be read."""


class IncompleteDocumentError(UnreadableDocumentError):
    """A document has fewer rows than it announces, or a part of a row."""


class UnsafeDocumentError(UnreadableDocumentError):
    """A document refers to something outside, or announces much more than it holds."""


def parse_votable(stream: BinaryIO, *, verify: str = "ignore") -> VOTableFile:
    """Parse a VOTable that comes from outside.

    Parameters
    ----------
    stream : binary file
        It can be read twice; not compressed.
    verify : {"ignore", "warn"}
        What astropy does with a table that violates the standard; its warnings are muted.

    Raises
    ------
    UnreadableDocumentError
        It is no VOTable that astropy can read.
    IncompleteDocumentError
        A binary table ends early.
    UnsafeDocumentError
        It defines entities, refers to rows elsewhere, is nested too deep, or announces more than
        it holds.
    """
    try:
        _check(stream)
    except UnreadableDocumentError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:  # the last: unknown encodings
        raise UnreadableDocumentError(f"no XML: {error}") from error
    stream.seek(0)
    with (
        mute_warnings(),
        translate_errors("no VOTable", UnreadableDocumentError, passed=(MemoryError,)),
    ):
        return votable.parse(stream, verify=verify)


def _check(stream: BinaryIO) -> None:
    """Read a document once, and refuse what nobody should follow."""
    parser = expat.ParserCreate()
    inspector = _Inspector()
    parser.StartElementHandler = inspector.start
    parser.EndElementHandler = inspector.end
    parser.StartDoctypeDeclHandler = inspector.doctype
    parser.EntityDeclHandler = inspector.entity
    parser.ExternalEntityRefHandler = inspector.external_entity
    parser.SkippedEntityHandler = inspector.skipped_entity
    parser.CharacterDataHandler = inspector.text
    size = 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        parser.Parse(piece, False)
    parser.Parse(b"", True)
    inspector.check_sizes(size)


@dataclass
class _TableSize:
    """What a table announces, and how many rows it has as text."""

    announced_rows: int
    row_bytes: int = 0
    rows: int = 0
    fields: list[Mapping[str, str]] = field(default_factory=list)

    def add(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Count a row or a column."""
        if tag == "TR":
            self.rows += 1
            return
        self.fields.append(attributes)
        self.row_bytes += _bytes_of(attributes)
        if len(self.fields) > _MAX_COLUMNS:
            raise UnsafeDocumentError(f"a table has more than {_MAX_COLUMNS} columns")


@dataclass
class _Inspector:
    """The handlers of expat. Names of elements may have a prefix, which astropy removes."""

    depth: int = 0
    tables: list[_TableSize] = field(default_factory=list)
    other_bytes: int = 0
    binary: str = ""
    stream: list[str] | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise UnsafeDocumentError(f"elements are nested more than {_MAX_DEPTH} deep")
        if name == "TD":  # most elements are cells
            return
        tag = name.rpartition(":")[2].upper()
        if tag in {"STREAM", "INCLUDE"}:
            _refuse_reference(name, attributes)
            self.stream = [] if self.binary else None
        elif tag in _BINARY:
            self.binary = tag
        elif tag == "TABLE":
            self.tables.append(_TableSize(_whole(attributes.get("nrows", "0"))))
        elif self.tables and tag in {"TR", "FIELD"}:
            self.tables[-1].add(tag, attributes)
        elif "arraysize" in attributes:
            self.other_bytes += _bytes_of(attributes)

    def end(self, name: str) -> None:
        self.depth -= 1
        if name == "TD":
            return
        tag = name.rpartition(":")[2].upper()
        if tag in _BINARY:
            self.binary = ""
        elif tag == "STREAM" and self.stream is not None:
            content, self.stream = "".join(self.stream), None
            if self.tables:
                _require_whole_rows(content, self.tables[-1], self.binary)

    def text(self, content: str) -> None:
        if self.stream is not None:
            self.stream.append(content)

    def doctype(
        self, name: str, system: str | None, public: str | None, has_internal_subset: bool
    ) -> None:
        # Old services name a DTD, which is never read. Declarations in the document itself are of
        # no use in a VOTable.
        if has_internal_subset:
            raise UnsafeDocumentError("it has a DTD of its own, which could define entities")

    def entity(self, *_: object) -> None:
        raise UnsafeDocumentError("it defines XML entities")

    def external_entity(self, *_: object) -> int:
        raise UnsafeDocumentError("it refers to an external XML entity")

    def skipped_entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            raise UnsafeDocumentError(
                f"it refers to the XML entity {name[:80]!r}, which is unknown"
            )

    def check_sizes(self, size: int) -> None:
        """Refuse a document of which astropy would make arrays that are much larger."""
        rows = [max(1, table.announced_rows, table.rows) for table in self.tables]
        needed = self.other_bytes + sum(
            count * (table.row_bytes + _POINTER)
            for count, table in zip(rows, self.tables, strict=True)
        )
        if needed > largest_expansion(size):
            raise UnsafeDocumentError(
                f"it announces {needed:.3g} bytes of values in a document of {size} bytes"
            )


def _require_whole_rows(content: str, table: _TableSize, kind: str) -> None:
    """Refuse a binary table of which the end is missing."""
    try:
        data = base64.b64decode(content)
    except ValueError:  # astropy says what is wrong with it
        return
    try:
        rows = count_rows(data, table.fields, has_flags=kind == "BINARY2")
    except CutShortError as error:
        raise IncompleteDocumentError(f"{error}; fetch it again") from error
    if rows is not None and rows < table.announced_rows:
        raise IncompleteDocumentError(
            f"it has {rows} rows of the {table.announced_rows} that it announces; fetch it again"
        )


def _refuse_reference(name: str, attributes: Mapping[str, str]) -> None:
    for key, value in attributes.items():
        if key.rpartition(":")[2].lower() == "href" and value.strip():
            raise UnsafeDocumentError(f"<{name}> refers to {value[:200]!r}, which is not read")


def _whole(text: str) -> int:
    """Return the number of rows that a table announces; what is no number, astropy refuses."""
    if len(text) > 30:
        raise UnsafeDocumentError(f"it announces nrows={text[:30]!r}...")
    try:
        return int(text)
    except ValueError:
        return 0


def _bytes_of(attributes: Mapping[str, str]) -> int:
    """Return how much memory one value of a column takes in the array that astropy makes."""
    size = attributes.get("arraysize", "1").strip()
    if not _FIXED_SIZE.fullmatch(size) or len(size) > 100:
        return _POINTER
    return math.prod(map(int, size.split("x"))) * _BYTES_IN_MEMORY.get(
        attributes.get("datatype", ""), 16
    )
