"""Read the components of sources from a file: lists of PyBDSF, catalogues of components, shapes.

Every table that `mingolotss.catalogue.tables` reads can be one; `ComponentColumns` says what its
columns are. What is wrong with the file is reported before any image is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mingolotss.catalogue.columns import to_floats, to_text
from mingolotss.catalogue.component_columns import ComponentColumns
from mingolotss.catalogue.components import Components
from mingolotss.catalogue.positions import Positions, positions_of_columns
from mingolotss.catalogue.sky_shapes import (
    SkyShape,
    join_shapes,
    north_angle,
    parse_shape,
    read_region_file,
)
from mingolotss.catalogue.table import Column, ColumnRequest, Table
from mingolotss.catalogue.tables import read_table
from mingolotss.errors import CatalogueError
from mingolotss.io.files import sha256_file
from mingolotss.model import Bools, Floats
from mingolotss.registry import nearest

__all__ = ["NAME_COLUMNS", "ComponentTable", "read_components"]

NAME_COLUMNS = ("Parent_Source", "Parent_Name", "Source_Name")
"""Columns with the source of a component: of LoTSS DR2, of LoTSS Deep Fields, and of LoTSS DR1."""

_GROUP = "Source_id"  # of PyBDSF: the source that a Gaussian belongs to
_ISLAND = "Isl_id"  # of PyBDSF, whose lists of text are in degrees and do not say so
_REGION_SUFFIXES = {".reg", ".ds9"}


@dataclass(frozen=True, slots=True)
class ComponentTable:
    """The components of a file before they are linked to the sources of a catalogue.

    Attributes
    ----------
    components : Components
        n components of no source.
    names : list of str, length n, or None
        The source of each component; None if the file has no such column.
    name_column : str
        That column; "" without one.
    groups : list of str, length n, or None
        Components of one group go together; None if each is alone.
    """

    components: Components
    names: list[str] | None
    name_column: str
    groups: list[str] | None


def read_components(path: Path | str, columns: ComponentColumns | None = None) -> ComponentTable:
    """Read the components of sources.

    Parameters
    ----------
    path : Path
        FITS, VOTable, ECSV, CSV or Parquet, a list of PyBDSF as text (``.gaul``, ``.srl``), or a
        file of regions of DS9 (``.reg``).
    columns : ComponentColumns, optional

    Raises
    ------
    CatalogueError
        The file cannot be read, a column is missing, or no row is a component.
    """
    path, columns = Path(path), columns or ComponentColumns()
    with _of_components():
        if path.suffix.lower() in _REGION_SUFFIXES:
            return _from_regions(path)
        names = (columns.name,) if columns.name else NAME_COLUMNS
        optional = (*(names if columns.reads_names else ()), _GROUP, _ISLAND)
        request = ColumnRequest(columns.required, optional, columns.table)
        table = read_table(path, request)
        _check_columns(table.names, columns.required, path)
        components, used = _components(table, columns, path)
        name = next((one for one in names if one in table.columns and columns.reads_names), "")
        group = columns.group or (_GROUP if _GROUP in table.columns else "")
        of_name, of_group = (_texts(table, one, used) if one else None for one in (name, group))
    return ComponentTable(components, of_name, name, of_group)


@contextmanager
def _of_components() -> Iterator[None]:
    """Say in errors of the readers of catalogues that the file holds components."""
    try:
        yield
    except CatalogueError as error:
        text = str(error).replace("read the catalogue", "read the components")
        text = text.replace("recipe's [catalogue]", "recipe's [mask]")
        text = re.sub(r"\bcatalogue\.(?=table|ra|dec|frame)", "mask.", text)
        raise CatalogueError(text) from error


def _check_columns(names: Sequence[str], required: Sequence[str], path: Path) -> None:
    missing = [column for column in required if column not in names]
    if missing:
        raise CatalogueError(
            f"read the components {path}: no column {', '.join(map(repr, missing))};"
            f"{nearest(missing[0], names)} it has {', '.join(filter(None, names)) or 'no columns'}"
            "; name the columns in the recipe's [mask]"
        )


def _texts(table: Table, name: str, used: Bools) -> list[str]:
    texts = to_text(table.columns[name], name)
    return [text for text, is_used in zip(texts, used.tolist(), strict=True) if is_used]


def _components(table: Table, columns: ComponentColumns, path: Path) -> tuple[Components, Bools]:
    """Return the components of a table, and which of its rows they are."""
    if columns.shape:
        texts = to_text(table.columns[columns.shape], columns.shape)
        shapes = [parse_shape(text, f"read the components {path}: row {row}")
                  for row, text in enumerate(texts, 1)]  # fmt: skip
        return _used(join_shapes(shapes), path)
    positions = _positions(table, columns)
    pa = np.zeros(len(positions.ra))
    if columns.pa:
        pa = _numbers(table, columns.pa, columns.pa_unit, "deg") / 3600
    pa = pa + north_angle(positions.ra, positions.dec, columns.frame)
    sides = (columns.width, columns.height) if columns.width else (columns.major, columns.minor)
    unit, notice = _axes_unit(table, columns, sides[0], path)
    one, other = (_numbers(table, name, columns.axes_unit, unit) for name in sides)
    if columns.width:
        boxes = [
            SkyShape.box(*row)
            for row in zip(positions.ra, positions.dec, one, other, pa, strict=True)
        ]
        return _used(join_shapes(boxes).with_notice(notice), path)
    factor = {"fwhm": columns.scale, "diameter": 0.5, "semi-axis": 1.0}[columns.axes]
    ellipses = Components.from_ellipses(
        positions.ra, positions.dec, factor * one, factor * other, pa
    )
    return _used(ellipses.with_notice(notice), path)


def _axes_unit(table: Table, columns: ComponentColumns, name: str, path: Path) -> tuple[str, str]:
    """Return the unit of axes where the file does not state one, and a line about it."""
    if columns.axes_unit or table.columns[name].unit:
        return "arcsec", ""
    # PyBDSF writes degrees, and a catalogue of a survey made from its lists may have arcsec. No
    # source is as long as a degree, and no FWHM as short as an arcsec in either.
    values = to_floats(table.columns[name], name, "size")
    is_short = bool(np.all(~(values >= 1)))
    unit = "deg" if _ISLAND in table.names and is_short else "arcsec"
    return unit, (
        f"the column {name!r} of the components {path} has no unit and is taken as {unit}; name "
        "another in mask.axes_unit"
    )


def _positions(table: Table, columns: ComponentColumns) -> Positions:
    return positions_of_columns(
        table, columns.ra, columns.dec,
        ra_unit=columns.ra_unit, dec_unit=columns.dec_unit, frame=columns.frame,
    )  # fmt: skip


def _numbers(table: Table, name: str, unit: str, default: str) -> Floats:
    """Return a column of angles in arcsec."""
    column: Column = table.columns[name]
    return to_floats(column, name, "size", unit=unit or column.unit or default)


def _used(components: Components, path: Path) -> tuple[Components, Bools]:
    """Leave out components without a position or a size."""
    columns = (components.ra, components.dec, components.major, components.minor, components.pa)
    used = np.isfinite(np.stack(columns)).all(axis=0)
    with np.errstate(invalid="ignore"):
        used &= (components.major > 0) & (components.minor > 0) & (np.abs(components.dec) <= 90)
    left_out = len(used) - np.count_nonzero(used)
    if not used.any():
        raise CatalogueError(
            f"read the components {path}: none of its {len(used)} rows has a position on the sky "
            "and axes that are positive numbers; name the columns in the recipe's [mask]"
        )
    if left_out:
        line = (
            f"{left_out} of {len(used)} rows of the components {path} are left out: they have no "
            "position on the sky, or axes that are no positive numbers"
        )
        components = components.with_notice(line)
    kept = components.take(np.flatnonzero(used))
    return replace(kept, path=str(path), sha256=sha256_file(path)), used


def _from_regions(path: Path) -> ComponentTable:
    """Return the shapes of a file of regions, with the names that their texts or tags give."""
    shapes, names = read_region_file(path)
    components, used = _used(join_shapes(shapes), path)
    named = [name for name, is_used in zip(names, used.tolist(), strict=True) if is_used]
    return ComponentTable(components, named if any(named) else None, "text", None)
