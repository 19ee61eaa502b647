r"""Tables in text files whose columns are separated by blanks, as PyBDSF writes them (.gaul, .srl).

The last comment before the first row has the names of the columns:

>>> head = b"# Gaussian list\n\n# Gaus_id Isl_id RA DEC\n  0 0 1.234e+02 5.5e+01\n"
>>> list_names(head)
['Gaus_id', 'Isl_id', 'RA', 'DEC']
>>> list_names(b"# Gaus_id, Isl_id, RA, DEC\n0, 0, 1.2, 5.5\n")
[]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mingolotss.catalogue.files import open_unpacked
from mingolotss.catalogue.table import Column, ColumnRequest, Table
from mingolotss.errors import CatalogueError

__all__ = ["list_names", "read_ascii_list"]


def list_names(head: bytes) -> list[str]:
    """Return the columns of such a file; empty for any other.

    Parameters
    ----------
    head : bytes
        The beginning of the file, with the first row.
    """
    comment = ""
    for line in head.decode("utf-8", "replace").splitlines():
        if not line.strip():
            continue
        if not line.lstrip().startswith("#"):
            names = comment.split()
            is_list = len(names) > 1 and len(names) == len(line.split())
            return names if is_list and not {",", ";", "|"} & {*comment} else []
        comment = line.strip().lstrip("#")
    return []


def read_ascii_list(path: Path, request: ColumnRequest) -> Table:
    """Read the requested columns as text.

    Parameters
    ----------
    path : Path
        UTF-8, plain or gzip'd.
    request : ColumnRequest

    Raises
    ------
    CatalogueError
        A row has more or fewer values than there are names, or a requested column has its name
        twice.
    """
    with open_unpacked(path) as file:
        lines = file.read().decode("utf-8").splitlines()
    names = list_names("\n".join(lines).encode())
    left_out: dict[str, str] = {}
    places = request.places(names, path, left_out)
    rows = []
    for number, line in enumerate(lines, 1):
        values = line.split()
        if not values or values[0].startswith("#"):
            continue
        if len(values) != len(names):
            raise CatalogueError(
                f"read the catalogue {path}: line {number} has {len(values)} values where the "
                f"header has {len(names)} columns: {line[:80]!r}"
            )
        rows.append([values[place] for place in places.values()])
    table = np.array(rows, object).reshape(len(rows), len(places))
    columns = {name: Column(table[:, index]) for index, name in enumerate(places)}
    return Table(tuple(names), columns, left_out)
