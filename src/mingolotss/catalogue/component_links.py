"""Which source of a catalogue a component belongs to: by a column of names, or by its position.

>>> import numpy as np
>>> from mingolotss.catalogue.catalogue import Catalogue
>>> catalogue = Catalogue.from_columns(["A", "B"], [10.0, 10.1], [0.0, 0.0])
>>> ellipses = Components.from_ellipses([10.0, 10.1005], [0.0, 0.0], [6.0, 6.0], [6.0, 6.0], [0, 0])
>>> table = ComponentTable(ellipses, ["B", "C"], "Parent_Source", None)
>>> link_components(table, catalogue, "name").source.tolist()
[1, -1]
>>> link_components(table, catalogue, "position").source.tolist()
[0, 1]
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.component_files import NAME_COLUMNS, ComponentTable
from mingolotss.catalogue.components import Components
from mingolotss.errors import CatalogueError
from mingolotss.model import Floats, Ints
from mingolotss.registry import nearest
from mingolotss.sky.angles import position_angle, separation_arcsec, unit_vectors
from mingolotss.sky.neighbours import near_pairs

__all__ = ["BY_NAME", "BY_POSITION", "link_components"]

BY_NAME, BY_POSITION = "by name", "by position"
"""How components belong to their sources, in words."""


def link_components(
    table: ComponentTable,
    catalogue: Catalogue,
    link: Literal["auto", "name", "position"],
    column: str = "",
) -> Components:
    """Return the components with the sources that they belong to.

    Parameters
    ----------
    table : ComponentTable
    catalogue : Catalogue
    link : {"auto", "name", "position"}
        By position, a component belongs to the nearest source of the catalogue whose position is in
        its ellipse or polygon, or of which it is no farther than half of the size in the
        catalogue: the distance is relative to these. Components of one group all belong to the
        source that is nearest to one of them. ``auto`` takes the names if there are some of the
        catalogue.
    column : str
        The column of the catalogue that has the names; "" for the name of the source.

    Raises
    ------
    CatalogueError
        The file or the catalogue has no such column, or the names match nothing.
    """
    components, action = table.components, f"use the components of {table.components.path}"
    if link == "position" or (link == "auto" and table.names is None):
        return components.linked(_by_position(table, catalogue), BY_POSITION)
    if table.names is None:
        raise CatalogueError(
            f"{action}: it has none of the columns {', '.join(NAME_COLUMNS)} with the names of "
            "sources; name the column in mask.name, or set mask.link = 'position'"
        )
    rows = _rows_by_name(catalogue, column, action)
    source = np.array([rows.get(name, -1) for name in table.names], np.int64)
    if (source >= 0).any():
        return components.linked(source, BY_NAME)
    example = next(filter(None, table.names), "")
    of = f"in the column {column!r}" if column else "the name of a source"
    reason = (
        f"none of the names in the column {table.name_column!r}, such as {example!r}, is {of} of "
        f"the catalogue, such as {next(iter(rows), '')!r}"
    )
    if link == "name":
        raise CatalogueError(
            f"{action}: {reason}; name the columns in mask.name and mask.catalogue, or set "
            "mask.link = 'position'"
        )
    linked = components.linked(_by_position(table, catalogue), BY_POSITION)
    notice = f"the components of {components.path} are linked by position: {reason}"
    return linked.with_notice(notice)


def _rows_by_name(catalogue: Catalogue, column: str, action: str) -> dict[str, int]:
    """Return the row of each value of a column of the catalogue."""
    if not column:
        return catalogue.row_of
    kept = catalogue.kept
    if kept is None or column not in kept.column_names:
        hint = nearest(column, kept.column_names if kept is not None else ())
        raise CatalogueError(f"{action}: the catalogue has no column {column!r};{hint}".rstrip(";"))
    texts = pc.cast(kept[column], pa.string()).to_pylist()
    rows: dict[str, int] = {}
    for row, text in enumerate(texts):
        name = (text or "").strip()
        if name and name in rows:
            raise CatalogueError(
                f"{action}: the sources {catalogue.names[rows[name]]!r} and "
                f"{catalogue.names[row]!r} both have {name!r} in the column {column!r} of the "
                "catalogue (mask.catalogue)"
            )
        if name:
            rows[name] = row
    return rows


def _by_position(table: ComponentTable, catalogue: Catalogue) -> Ints:
    """Return the source of each component by their positions, -1 for one of no source."""
    components, n = table.components, len(catalogue)
    # Pairs of a source and a component that are near enough, and their relative distance.
    half = np.where(np.isfinite(catalogue.size_arcsec), catalogue.size_arcsec / 2, 0.0)
    reach = np.concatenate([half, np.maximum(components.major, components.minor)])
    points = unit_vectors(
        np.concatenate([catalogue.ra, components.ra]),
        np.concatenate([catalogue.dec, components.dec]),
    )
    code = np.repeat([0, 1], [n, len(components)])
    pairs = [np.zeros((2, 0), np.int64)]
    for first, second in near_pairs(points, np.radians(reach / 3600), code):
        pairs.append(np.stack([np.minimum(first, second), np.maximum(first, second) - n]))
    row, index = np.concatenate(pairs, axis=1)
    distance = _relative_distance(
        components, index, catalogue.ra[row], catalogue.dec[row], half[row]
    )
    is_near = distance <= 1
    row, index, distance = row[is_near], index[is_near], distance[is_near]
    # The nearest source of each group of components: the first of its pairs by distance.
    group = np.arange(len(components))
    if table.groups is not None:
        _, group = np.unique(np.array(table.groups, object).astype(str), return_inverse=True)
    order = np.lexsort((row, distance))
    source_of_group = np.full(int(group.max(initial=-1)) + 1, -1)
    groups, firsts = np.unique(group[index[order]], return_index=True)
    source_of_group[groups] = row[order][firsts]
    return source_of_group[group]


def _relative_distance(
    components: Components, index: Ints, ra: Floats, dec: Floats, half_size: Floats
) -> Floats:
    """Return how far positions are from components: up to 1 inside, or within half of a size."""
    centre = components.ra[index], components.dec[index]
    distance = separation_arcsec(*centre, ra, dec)
    turned = np.radians(position_angle(*centre, ra, dec) - components.pa[index])
    along = distance * np.cos(turned) / components.major[index]
    across = distance * np.sin(turned) / components.minor[index]
    relative = np.hypot(along, across)
    for pair in np.flatnonzero(components.is_polygon(index) & (relative <= 1)).tolist():
        if not components.contains(int(index[pair]), float(ra[pair]), float(dec[pair])):
            relative[pair] = np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        of_size = np.where(half_size > 0, distance / half_size, np.inf)
    nearest_one: Floats = np.fmin(relative, of_size)
    return nearest_one
