"""Tables in files as columns: FITS, VOTable, ECSV, CSV and Parquet.

astropy reads FITS, VOTable and ECSV; pyarrow reads CSV and Parquet. The content of a file decides
its format, and its suffix only where the content does not tell.
"""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from pathlib import Path

import numpy as np

from mingolotss.catalogue.csv_tables import read_csv
from mingolotss.catalogue.fits_tables import read_fits_table
from mingolotss.catalogue.parquet_tables import read_parquet
from mingolotss.catalogue.table import Column, ColumnRequest, Table, find_column, one_value
from mingolotss.catalogue.votables import read_votable
from mingolotss.errors import CatalogueError
from mingolotss.io.error_text import first_line

__all__ = ["read_table"]

_SUFFIXES = {
    ".fits": "fits", ".fit": "fits", ".fts": "fits", ".fz": "fits", ".ecsv": "ecsv",
    ".vot": "votable", ".xml": "votable", ".votable": "votable", ".parquet": "parquet",
    ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv",
}  # fmt: skip
_READERS = {
    "fits": read_fits_table, "votable": read_votable, "parquet": read_parquet, "csv": read_csv,
}  # fmt: skip


def read_table(path: Path, request: ColumnRequest) -> Table:
    """Read the requested columns of a table.

    Parameters
    ----------
    path : Path
        FITS, VOTable, ECSV and CSV can be gzip'd.
    request : ColumnRequest

    Raises
    ------
    CatalogueError
        There is no such file, it cannot be read, or it has no such table. A column that is missing
        in the only table of a file is no error here.
    """
    if not path.is_file():
        raise CatalogueError(f"read the catalogue {path}: there is no such file")
    try:
        reader = _READERS.get(_format_of(path), _read_with_astropy)
        return reader(path, request)
    except CatalogueError:
        raise
    except _reading_errors() as error:
        raise CatalogueError(
            f"read the catalogue {path}: {first_line(error)}; expected FITS, VOTable, ECSV, CSV or "
            "Parquet"
        ) from error


def _format_of(path: Path) -> str:
    """Return the format of a file, "" if neither content nor suffix tells."""
    with path.open("rb") as file:
        head = file.read(2048)
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path) as packed:
            head = packed.read(2048)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"PAR1"):
        return "parquet"
    if text.startswith(b"# %ECSV"):
        return "ecsv"
    if re.match(rb"<(\w+:)?VOTABLE\b|<\?xml", text):
        return "votable"
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1], "") if suffixes else ""


def _reading_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the readers raise for damaged files and wrong suffixes."""
    from xml.parsers.expat import ExpatError

    from astropy.io.fits import VerifyError
    from astropy.io.registry import IORegistryError
    from pyarrow import ArrowException

    return (
        OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
        RuntimeError, ArithmeticError, MemoryError, zlib.error, ExpatError, VerifyError,
        IORegistryError, ArrowException, ImportError,
    )  # fmt: skip


def _read_with_astropy(path: Path, request: ColumnRequest) -> Table:
    """Read ECSV, and any other table whose format astropy recognises."""
    from astropy.table import Table as AstropyTable

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name = "ascii.ecsv" if _format_of(path) == "ecsv" else None
        table = AstropyTable.read(path, format=name)
    names = [name.strip() for name in table.colnames]
    columns = {}
    for name in request.of(names):
        column = table[table.colnames[find_column(names, name, path)]]
        action = f"read the catalogue {path}: column {name!r}"
        values = one_value(np.ma.getdata(getattr(column, "value", column)), action)
        mask = np.ma.getmaskarray(column) if hasattr(column, "mask") else np.zeros(0, bool)
        null = mask.reshape(-1) if mask.size else None
        columns[name] = Column(values, null, str(getattr(column, "unit", None) or ""))
    return Table(tuple(names), columns)
