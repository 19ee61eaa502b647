"""Tables in ECSV files: CSV with a header in YAML, read by astropy."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from mingolotss.catalogue.files import open_unpacked
from mingolotss.catalogue.table import Column, ColumnRequest, Table, one_value
from mingolotss.catalogue.yaml_headers import check_yaml
from mingolotss.foreign import mute_warnings

__all__ = ["read_ecsv"]


def read_ecsv(path: Path, request: ColumnRequest) -> Table:
    """Read the requested columns of an ECSV file.

    Parameters
    ----------
    path : Path
        Plain or gzip'd.
    request : ColumnRequest

    Raises
    ------
    CatalogueError
        A requested column does not have one value in each row.
    Exception
        astropy cannot read the file.
    """
    from astropy.table import Table as AstropyTable

    with mute_warnings():
        with open_unpacked(path) as file:
            lines = file.read().decode("utf-8-sig").splitlines()
        header = itertools.takewhile(lambda line: line.startswith("#"), lines)
        check_yaml("\n".join(line[2:] for line in header))
        table = AstropyTable.read(lines, format="ascii.ecsv")
    names = [name.strip() for name in table.colnames]
    columns = {}
    left_out: dict[str, str] = {}
    for name, index in request.places(names, path, left_out).items():
        column = table[table.colnames[index]]
        action = f"read the catalogue {path}: column {name!r}"
        with request.reading(name, left_out):
            values = one_value(np.ma.getdata(getattr(column, "value", column)), action)
            mask = np.ma.getmaskarray(column) if hasattr(column, "mask") else np.zeros(0, bool)
            null = mask.reshape(-1) if mask.size else None
            columns[name] = Column(values, null, str(getattr(column, "unit", None) or ""))
    return Table(tuple(names), columns, left_out)
