"""The catalogue: which sources, where, and what class.

FITS, VOTable, ECSV and CSV are read by astropy, Parquet by pyarrow. Whatever is wrong with rows
or columns is said before any image is touched.

>>> from io import StringIO
>>> catalogue = Catalogue.from_columns(names=["A", "B"], ra=[10, 20], dec=[0, 1])
>>> len(catalogue), catalogue.source(1).name
(2, 'B')
"""

from __future__ import annotations

import hashlib
import math
import re
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.labels import UNLABELLED, ColumnRules, FlagRules, Labels, name_rows
from mingolotss.errors import CatalogueError
from mingolotss.io.files import sha256_file
from mingolotss.model import Source
from mingolotss.registry import nearest
from mingolotss.sky.angles import Floats

__all__ = ["Catalogue", "ColumnNames", "catalogue_from_names", "read_catalogue"]

_YES = {"true", "t", "yes", "y", "1", "1.0"}
_NO = {"false", "f", "no", "n", "0", "0.0", "", "nan", "none", "--", "masked"}


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What the catalogue calls things; an empty name is a column that need not be there."""

    name: str = "Source_Name"
    ra: str = "RA"
    dec: str = "DEC"
    size: str = ""
    flux: str = ""
    field: str = ""


@dataclass(frozen=True)
class Catalogue:
    """The sources as columns, in the catalogue's order.

    Attributes
    ----------
    names : list of str
    ra, dec : float64 array, shape (n,), deg, ICRS
    labels : int16 array, shape (n,)
        -1 in an unlabelled dataset.
    classes : tuple of str
        Name of label 0, 1, ...; empty in an unlabelled dataset.
    size_arcsec, flux_mjy : float64 array, shape (n,)
        NaN where the catalogue does not say.
    field_hints : list of str
        The field that the catalogue names for each source, "" where it does not.
    path, sha256 : str
        Of the file.
    """

    names: list[str]
    ra: Floats
    dec: Floats
    labels: Labels
    classes: tuple[str, ...]
    size_arcsec: Floats
    flux_mjy: Floats
    field_hints: list[str]
    path: str = ""
    sha256: str = ""

    @classmethod
    def from_columns(
        cls,
        names: Sequence[str],
        ra: npt.ArrayLike,
        dec: npt.ArrayLike,
        *,
        labels: npt.ArrayLike | None = None,
        classes: Sequence[str] = (),
        size_arcsec: npt.ArrayLike | None = None,
        flux_mjy: npt.ArrayLike | None = None,
        field_hints: Sequence[str] = (),
        path: str = "",
        sha256: str = "",
    ) -> Catalogue:
        """Make a catalogue from columns, checked as a file's are.

        Raises
        ------
        CatalogueError
            No rows; names that are empty or come twice; positions that are not on the sky.
        """
        n = len(names)
        unknown = np.full(n, math.nan)
        catalogue = cls(
            names=list(names),
            ra=np.asarray(ra, float),
            dec=np.asarray(dec, float),
            labels=np.full(n, UNLABELLED, np.int16)
            if labels is None
            else np.asarray(labels, np.int16),
            classes=tuple(classes),
            size_arcsec=unknown if size_arcsec is None else np.asarray(size_arcsec, float),
            flux_mjy=unknown if flux_mjy is None else np.asarray(flux_mjy, float),
            field_hints=list(field_hints) or [""] * n,
            path=path,
            sha256=sha256,
        )
        _check(catalogue)
        return catalogue

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Return the row of every name."""
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _hinted(self) -> bool:
        return any(self.field_hints)

    def source(self, row: int) -> Source:
        """Return one row."""
        return self.sources(slice(row, row + 1))[0]

    def sources(self, some: slice, numbers: Iterable[int] | None = None) -> list[Source]:
        """Return some neighbouring rows.

        Parameters
        ----------
        some : slice
            Without a step.
        numbers : iterable of int, optional
            What the rows call themselves, where they were taken from a larger catalogue.
        """
        columns = (
            range(len(self))[some] if numbers is None else numbers,
            self.names[some],
            self.ra[some].tolist(),
            self.dec[some].tolist(),
            [None if label == UNLABELLED else label for label in self.labels[some].tolist()],
            self.size_arcsec[some].tolist(),
            self.flux_mjy[some].tolist(),
            self.field_hints[some],
        )
        return [Source(*row) for row in zip(*columns, strict=True)]

    def head(self, limit: int | None) -> Catalogue:
        """Return the first `limit` rows, all of them for None."""
        if limit is None or limit >= len(self):
            return self
        return self.take(np.arange(limit))

    def take(self, rows: npt.NDArray[np.int64]) -> Catalogue:
        """Return some rows, in the order asked for."""
        listed = rows.tolist()
        return Catalogue(
            names=list(map(self.names.__getitem__, listed)),
            ra=self.ra[rows],
            dec=self.dec[rows],
            labels=self.labels[rows],
            classes=self.classes,
            size_arcsec=self.size_arcsec[rows],
            flux_mjy=self.flux_mjy[rows],
            field_hints=(
                list(map(self.field_hints.__getitem__, listed))
                if self._hinted
                else [""] * len(rows)
            ),
            path=self.path,
            sha256=self.sha256,
        )

    def counts(self) -> list[int]:
        """Return how many sources each class has, in the order of the labels."""
        return [int(np.count_nonzero(self.labels == label)) for label in range(len(self.classes))]


def read_catalogue(
    path: Path | str,
    columns: ColumnNames | None = None,
    rules: FlagRules | ColumnRules | None = None,
) -> Catalogue:
    """Read a catalogue from FITS, VOTable, ECSV, CSV or Parquet.

    Parameters
    ----------
    path : Path
    columns : ColumnNames
        What the file calls name, position, size and flux.
    rules : FlagRules or ColumnRules, optional
        How a row gets its label; None makes an unlabelled dataset.

    Raises
    ------
    CatalogueError
        The file cannot be read, a column is missing, a name comes twice, flags make no class, a
        position is no number. The line names the rows and columns and what was expected.
    """
    path, columns = Path(path), columns or ColumnNames()
    table = _read_table(path, _spelled(columns, rules))
    _need(table, _wanted(columns, rules), path, rules)
    names = _texts(table[columns.name])
    labels, classes = _labels(table, rules, names)
    return Catalogue.from_columns(
        names,
        _floats(table, columns.ra, "deg"),
        _floats(table, columns.dec, "deg"),
        labels=labels,
        classes=classes,
        size_arcsec=_floats(table, columns.size, "arcsec") if columns.size in table else None,
        flux_mjy=_floats(table, columns.flux, "mJy") if columns.flux in table else None,
        field_hints=_texts(table[columns.field]) if columns.field in table else (),
        path=str(path),
        sha256=sha256_file(path),
    )


def catalogue_from_names(
    names: Sequence[str], pattern: str, rules: ColumnRules | None = None, *, path: str = ""
) -> Catalogue:
    """Make a catalogue from names that hold position and class, as MiraBest's files do.

    Parameters
    ----------
    names : sequence of str
    pattern : str
        A regular expression with the groups ``ra`` and ``dec`` (deg), and ``class`` for `rules`.

    Raises
    ------
    CatalogueError
        No name matches.
    """
    names = sorted(names)
    found = [(name, match) for name in names if (match := re.fullmatch(pattern, name))]
    if not found:
        shown = repr(names[0]) if names else "nothing"
        raise CatalogueError(
            f"make a catalogue from the names in {path}: none fits the recipe's pattern "
            f"{pattern!r}; found {shown}. Give a --catalogue instead"
        )
    kept = [name for name, _ in found]
    labels, classes = (None, ()) if rules is None else rules.label(
        [match["class"] for _, match in found], kept
    )  # fmt: skip
    return Catalogue.from_columns(
        kept,
        [float(match["ra"]) for _, match in found],
        [float(match["dec"]) for _, match in found],
        labels=labels,
        classes=classes,
        path=path,
        sha256=hashlib.sha256("\n".join(kept).encode()).hexdigest(),
    )


class _Table(dict[str, Any]):
    """Columns by name, as arrays or astropy columns."""


def _spelled(columns: ColumnNames, rules: FlagRules | ColumnRules | None) -> list[str]:
    """Return the columns that are words, even where they look like numbers (``007``)."""
    label = [rules.column] if isinstance(rules, ColumnRules) else []
    return [column for column in (columns.name, columns.field, *label) if column]


def _read_table(path: Path, words: Sequence[str]) -> _Table:
    if not path.is_file():
        raise CatalogueError(f"read the catalogue {path}: there is no such file")
    try:
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        if suffixes[-1:] in ([".parquet"], [".pq"]):
            return _read_parquet(path)
        if suffixes[-1:] == [".csv"] or suffixes == [".csv", ".gz"]:
            return _read_csv(path, words)
        return _read_astropy(path)
    except _unreadable() as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CatalogueError(
            f"read the catalogue {path}: {line}; expected FITS, VOTable, ECSV, CSV or Parquet"
        ) from error


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what the readers raise for files that are not what their names say."""
    from xml.parsers.expat import ExpatError

    from astropy.io.fits import VerifyError
    from astropy.io.registry import IORegistryError
    from pyarrow import ArrowException

    return (
        OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
        RuntimeError, ArithmeticError, MemoryError, zlib.error, ExpatError, VerifyError,
        IORegistryError, ArrowException,
    )  # fmt: skip


def _read_parquet(path: Path) -> _Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as opened:  # not pq.read_table, which brings pyarrow.dataset and more
        return _columns(opened.read())


def _read_csv(path: Path, words: Sequence[str]) -> _Table:
    """Read CSV by pyarrow: a million rows a second, and a byte order mark is no part of a name."""
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(column_types=dict.fromkeys(words, pa.string()))
    table = csv.read_csv(path, convert_options=options)
    return _columns(table.rename_columns([name.strip() for name in table.column_names]))


def _columns(table: Any) -> _Table:
    """Return the columns of an Arrow table."""
    return _Table({name: table[name].to_numpy() for name in table.column_names})


def _read_astropy(path: Path) -> _Table:
    from astropy.table import Table

    kinds = {
        ".fits": "fits", ".fit": "fits", ".fz": "fits", ".ecsv": "ascii.ecsv",
        ".vot": "votable", ".xml": "votable", ".votable": "votable",
    }  # fmt: skip
    suffix = path.suffix.lower() if path.suffix.lower() != ".gz" else Path(path.stem.lower()).suffix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = Table.read(path, format=kinds.get(suffix))
    return _Table({name: table[name] for name in table.colnames})


def _wanted(columns: ColumnNames, rules: FlagRules | ColumnRules | None) -> list[str]:
    wanted = [columns.name, columns.ra, columns.dec]
    if isinstance(rules, FlagRules):
        wanted += rules.columns
    elif isinstance(rules, ColumnRules):
        wanted.append(rules.column)
    return wanted


def _need(
    table: _Table, wanted: Sequence[str], path: Path, rules: FlagRules | ColumnRules | None
) -> None:
    missing = [column for column in wanted if column not in table]
    if not missing:
        return
    hints = "".join(nearest(column, table) for column in missing[:1])
    unlabelled = (
        "; for a catalogue without classes use the recipe `lotss`, or --set classes.from=none"
        if rules and set(missing) <= set(wanted[3:])
        else "; name the columns in the recipe's [catalogue]"
    )
    raise CatalogueError(
        f"read the catalogue {path}: no column {', '.join(map(repr, missing))};{hints} it has "
        f"{', '.join(table)}{unlabelled}"
    )


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return "" if value is None or value is np.ma.masked else str(value).strip()


def _texts(values: Any) -> list[str]:
    """Return a column as words, "" where it is masked."""
    masked = np.ma.getmaskarray(values)
    listed = np.asarray(np.ma.getdata(values)).tolist()
    words = [value.strip() if type(value) is str else _text(value) for value in listed]
    return ["" if gone else word for word, gone in zip(words, masked.tolist(), strict=True)]


def _floats(table: _Table, column: str, unit: str) -> Floats:
    """Return a column in `unit`; columns without a unit are taken to be in it already."""
    values = table[column]
    try:
        factor = values.unit.to(unit) if getattr(values, "unit", None) else 1.0
        if isinstance(values, np.ma.MaskedArray):  # filled here: a Quantity forgets the mask
            values = np.ma.filled(values.astype(float), math.nan)
        numbers = np.asarray(values, float)
        return numbers if factor == 1 else numbers * factor
    except (ValueError, TypeError, AttributeError) as error:
        raise CatalogueError(
            f"read the catalogue: column {column!r} is not numbers in {unit} "
            f"({str(error).splitlines()[0]})"
        ) from error


def _labels(
    table: _Table, rules: FlagRules | ColumnRules | None, names: Sequence[str]
) -> tuple[Labels | None, tuple[str, ...]]:
    if rules is None:
        return None, ()
    if isinstance(rules, ColumnRules):
        return rules.label(_texts(table[rules.column]), names)
    flags = {column: _booleans(table[column], column, names) for column in rules.columns}
    classes = {rule.label: rule.name for rule in rules.classes}
    return rules.label(flags, names), tuple(classes[label] for label in sorted(classes))


def _booleans(values: Any, column: str, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    array = np.asarray(np.ma.filled(values, values.dtype.type()))
    if array.dtype.kind == "b":
        return array
    words = [_text(value).lower() for value in array.tolist()]
    bad = [row for row, word in enumerate(words) if word not in _YES and word not in _NO]
    if bad:
        raise CatalogueError(
            f"read the catalogue: column {column!r} holds {words[bad[0]]!r} where a flag (true or "
            f"false) was expected: {name_rows(bad, names)}"
        )
    return np.array([word in _YES for word in words], bool)


def _check(catalogue: Catalogue) -> None:
    where = f"read the catalogue {catalogue.path}".rstrip()
    names = catalogue.names
    if not names:
        raise CatalogueError(f"{where}: it has no rows")
    for column in ("ra", "dec", "labels", "size_arcsec", "flux_mjy"):
        shape = np.shape(getattr(catalogue, column))
        if shape != (len(names),):
            raise CatalogueError(
                f"{where}: {column} has the shape {shape} where each of the {len(names)} sources "
                "needs one value"
            )
    empty = [row for row, name in enumerate(names) if not name]
    if empty:
        raise CatalogueError(f"{where}: a source has no name: {name_rows(empty, names)}")
    if len(catalogue.row_of) != len(names):
        twice = [row for row, name in enumerate(names) if catalogue.row_of[name] != row]
        raise CatalogueError(
            f"{where}: {len(twice)} names come more than once: {name_rows(twice, names)}; every "
            "source needs a name of its own"
        )
    with np.errstate(invalid="ignore"):
        off = ~((np.abs(catalogue.dec) <= 90) & (catalogue.ra >= -180) & (catalogue.ra <= 360))
    if off.any():
        rows = np.flatnonzero(off).tolist()
        raise CatalogueError(
            f"{where}: {len(rows)} rows have no position on the sky (RA -180..360, DEC -90..90 "
            f"deg), e.g. RA={catalogue.ra[rows[0]]}, DEC={catalogue.dec[rows[0]]}: "
            f"{name_rows(rows, names)}"
        )
