"""Which source a file belongs to, by the name at the beginning of the file's name.

A file may be called as the source is (the exact spelling), or as programs and disks write names: in
the other Unicode normal form (macOS decomposes letters), percent-encoded (as this program and web
servers do), or with underscores for spaces. The exact spelling goes before the others.

>>> owners = SourceNames(["A_1", "A", "B 2", "C/3"])
>>> owners.find("A_1_P1", "_"), owners.find("B_2_P1", "_"), owners.find("C%2F3_P1", "_")
(Owners(rows=(0,), spelling='A_1', field='P1', is_exact=True), \
Owners(rows=(2,), spelling='B_2', field='P1', is_exact=False), \
Owners(rows=(3,), spelling='C%2F3', field='P1', is_exact=False))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from mingolotss.io.file_names import MAX_SAFE_NAME, safe_name

__all__ = ["Owners", "SourceNames", "file_spellings", "split_longest"]


class Owners(NamedTuple):
    """The sources that a file may belong to.

    Attributes
    ----------
    rows : tuple of int
        The rows of the catalogue: usually one.
    spelling : str
        The name of the source as the file writes it.
    field : str
        The rest of the name, as the file writes it.
    is_exact : bool
        Whether the file has the name of the source itself.
    """

    rows: tuple[int, ...]
    spelling: str
    field: str
    is_exact: bool


class SourceNames:
    """The names of a catalogue, for finding the sources of files.

    Parameters
    ----------
    names : sequence of str
        In the order of the rows.
    row_of : mapping of str to int, optional
        The row of each name, if it is known.

    Attributes
    ----------
    names : sequence of str
    """

    def __init__(self, names: Sequence[str], row_of: Mapping[str, int] | None = None) -> None:
        self.names = names
        self._row_of = {n: row for row, n in enumerate(names)} if row_of is None else row_of

    def find(self, stem: str, separator: str) -> Owners | None:
        """Return the sources of a file, None if it belongs to none.

        The longest name that fits is taken: ``A_1_P1`` is field P1 of A_1, not field 1_P1 of A.

        Parameters
        ----------
        stem : str
            The name of the file without what follows the field.
        separator : str
            Between source and field; "" if names have no field.
        """
        return self.find_exact(stem, separator) or self.find_variant(stem, separator)

    def find_exact(self, stem: str, separator: str) -> Owners | None:
        """Return the source whose name a file has in the exact spelling."""
        parts = split_longest(stem, separator, self._row_of.__contains__)
        return None if parts is None else Owners((self._row_of[parts[0]],), *parts, is_exact=True)

    def find_variant(self, stem: str, separator: str) -> Owners | None:
        """Return the sources whose names a file may have in another spelling."""
        parts = split_longest(stem, separator, lambda spelling: bool(self._variant_rows(spelling)))
        if parts is None:
            return None
        return Owners(tuple(self._variant_rows(parts[0])), *parts, is_exact=False)

    def _variant_rows(self, spelling: str) -> list[int]:
        """Return the rows of the sources that a name in a file may stand for."""
        decoded = {spelling, unquote(spelling)} if "%" in spelling else {spelling}
        rows = {row for text in decoded for row in self._rows_by_variant.get(_composed(text), ())}
        return sorted(rows)

    @cached_property
    def _rows_by_variant(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            composed = _composed(name)
            variants = {composed, composed.replace(" ", "_")}
            if len(name) > MAX_SAFE_NAME // 12:  # safe_name may shorten it
                variants.add(safe_name(name))
            for variant in variants:
                rows.setdefault(variant, []).append(row)
        return rows


def split_longest(
    stem: str, separator: str, is_source: Callable[[str], bool]
) -> tuple[str, str] | None:
    """Divide a name into the longest source that fits and the field; None if none fits.

    Parameters
    ----------
    stem : str
    separator : str
        "" if there is no field.
    is_source : callable
    """
    if not separator:
        return (stem, "") if is_source(stem) else None
    # Both names may contain the separator. The positions are tried from the right, so that the
    # first source that fits is the longest one.
    position = stem.rfind(separator)
    while position > 0:
        if is_source(stem[:position]):
            return stem[:position], stem[position + len(separator) :]
        position = stem.rfind(separator, 0, position)
    return None


def file_spellings(name: str) -> list[str]:
    """Return how a source may be spelled in file names, the exact spelling first.

    Not among them are those that differ in the Unicode normal form alone, since they look alike.

    >>> file_spellings("A"), file_spellings("B/1"), file_spellings("M 87#1")
    (['A'], ['B%2F1'], ['M 87#1', 'M 87%231', 'M_87#1'])
    """
    spellings = [name, safe_name(name)]
    if " " in name:
        spellings.append(name.replace(" ", "_"))
    return list(dict.fromkeys(s for s in spellings if "/" not in s and "\0" not in s))


def _composed(text: str) -> str:
    return text if text.isascii() else normalize("NFC", text)
