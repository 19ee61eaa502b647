"""Tables in files as columns: FITS, VOTable, ECSV, CSV and Parquet.

astropy reads FITS, VOTable and ECSV; pyarrow reads CSV (a million rows per second) and Parquet.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mingolotss.errors import CatalogueError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "read_columns"]

Column = npt.NDArray[np.generic]
"""An array, or a column or quantity of astropy, which are arrays with a unit."""

_ASTROPY_FORMATS = {
    ".fits": "fits", ".fit": "fits", ".fz": "fits", ".ecsv": "ascii.ecsv",
    ".vot": "votable", ".xml": "votable", ".votable": "votable",
}  # fmt: skip


def read_columns(path: Path, text: Sequence[str] = ()) -> dict[str, Column]:
    """Read a table.

    Parameters
    ----------
    path : Path
        Its suffix decides the format.
    text : sequence of str
        The columns that are text even if they look like numbers (``007``).

    Raises
    ------
    CatalogueError
        There is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise CatalogueError(f"read the catalogue {path}: there is no such file")
    try:
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        if suffixes[-1:] in ([".parquet"], [".pq"]):
            return _read_parquet(path)
        if suffixes[-1:] == [".csv"] or suffixes == [".csv", ".gz"]:
            return _read_csv(path, text)
        return _read_astropy(path)
    except _reading_errors() as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CatalogueError(
            f"read the catalogue {path}: {line}; expected FITS, VOTable, ECSV, CSV or Parquet"
        ) from error


def _reading_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the readers raise for damaged files and wrong suffixes."""
    from xml.parsers.expat import ExpatError

    from astropy.io.fits import VerifyError
    from astropy.io.registry import IORegistryError
    from pyarrow import ArrowException

    return (
        OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
        RuntimeError, ArithmeticError, MemoryError, zlib.error, ExpatError, VerifyError,
        IORegistryError, ArrowException,
    )  # fmt: skip


def _read_parquet(path: Path) -> dict[str, Column]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:  # pq.read_table would import pyarrow.dataset and more
        return _columns(file.read())


def _read_csv(path: Path, text: Sequence[str]) -> dict[str, Column]:
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(column_types=dict.fromkeys(text, pa.string()))
    table = csv.read_csv(path, convert_options=options)
    return _columns(table.rename_columns([name.strip() for name in table.column_names]))


def _columns(table: pa.Table) -> dict[str, Column]:
    return {name: table[name].to_numpy() for name in table.column_names}


def _read_astropy(path: Path) -> dict[str, Column]:
    from astropy.table import Table

    suffix = path.suffix.lower() if path.suffix.lower() != ".gz" else Path(path.stem.lower()).suffix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = Table.read(path, format=_ASTROPY_FORMATS.get(suffix))
    return {name: table[name] for name in table.colnames}
