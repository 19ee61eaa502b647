"""Tables in files as columns: FITS, VOTable, ECSV, CSV and Parquet.

astropy reads FITS, VOTable and ECSV; pyarrow reads CSV and Parquet. The lists of
PyBDSF are CSV, or text with blanks between the columns. The content of a file decides its format,
and its suffix only where the content does not tell.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from mingolotss.catalogue.ascii_lists import list_names, read_ascii_list
from mingolotss.catalogue.csv_tables import read_csv
from mingolotss.catalogue.ecsv_tables import read_ecsv
from mingolotss.catalogue.files import read_head
from mingolotss.catalogue.fits_tables import read_fits_table
from mingolotss.catalogue.parquet_tables import read_parquet
from mingolotss.catalogue.table import ColumnRequest, Table
from mingolotss.catalogue.votables import read_votable
from mingolotss.errors import CatalogueError
from mingolotss.io.error_text import first_line
from mingolotss.io.system_faults import describe_fault

__all__ = ["read_table"]

_SUFFIXES = {
    ".fits": "fits", ".fit": "fits", ".fts": "fits", ".fz": "fits", ".ecsv": "ecsv",
    ".vot": "votable", ".xml": "votable", ".votable": "votable", ".parquet": "parquet",
    ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".gaul": "csv",
    ".srl": "csv",
}  # fmt: skip
_READERS = {
    "fits": read_fits_table, "votable": read_votable, "ecsv": read_ecsv, "parquet": read_parquet,
    "csv": read_csv, "list": read_ascii_list,
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
    try:
        _require_file(path)
        reader = _READERS.get(_format_of(path))
        if reader is not None:
            return reader(path, request)
    except CatalogueError:
        raise
    except _reading_errors() as error:
        reason = describe_fault(error) or (
            f"{first_line(error)}; expected FITS, VOTable, ECSV, CSV or Parquet"
        )
        raise CatalogueError(f"read the catalogue {path}: {reason}") from error
    raise CatalogueError(
        f"read the catalogue {path}: its format is unknown; expected FITS, VOTable, ECSV, CSV or "
        "Parquet, plain or in gzip"
    )


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise CatalogueError(f"read the catalogue {path}: there is no such file")


def _format_of(path: Path) -> str:
    """Return the format of a file, "" if neither content nor suffix tells.

    What does not begin as one of these formats is only taken for FITS, VOTable or Parquet if its
    reader refuses it in its own words; astropy is not asked to guess among all formats it knows.
    """
    head = read_head(path, 2048)
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
    if suffixes[-1:] in ([".gaul"], [".srl"], [".txt"]) and list_names(text):
        return "list"
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
