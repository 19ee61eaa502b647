"""Make a catalogue from a file, or from the names of images.

Everything that is wrong with the rows or columns is reported before any image is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.column_names import ALL_COLUMNS, ColumnNames, Frame
from mingolotss.catalogue.columns import (
    null_rows,
    to_flags,
    to_floats,
    to_numbers,
    to_text,
)
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.catalogue.labels import (
    UNLABELLED,
    ColumnRules,
    Labels,
    name_rows,
)
from mingolotss.catalogue.name_patterns import match_names
from mingolotss.catalogue.positions import Positions, positions_of_columns, positions_of_names
from mingolotss.catalogue.table import ColumnRequest, Table
from mingolotss.catalogue.tables import read_table
from mingolotss.catalogue.vector_rules import Rules, TagRules, VoteRules
from mingolotss.errors import CatalogueError
from mingolotss.io.files import sha256_file
from mingolotss.io.summaries import count_text
from mingolotss.registry import nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from mingolotss.catalogue.expressions import Condition

__all__ = [
    "catalogue_from_names",
    "change_classes",
    "read_catalogue",
]


def read_catalogue(
    path: Path | str,
    columns: ColumnNames | None = None,
    rules: Rules | None = None,
) -> Catalogue:
    """Read a catalogue from FITS, VOTable, ECSV, CSV or Parquet.

    Parameters
    ----------
    path : path
        The file; all but Parquet can be gzip'd.
    columns : ColumnNames, optional
        The names of the columns for name, position, size, flux density and field.
    rules : FlagRules, ColumnRules, TagRules or VoteRules, optional
        How a row gets its label; None makes an unlabelled dataset.

    Returns
    -------
    Catalogue
        The sources as columns, in the order of the file.

    Raises
    ------
    CatalogueError
        The file cannot be read, a column is missing, a name is repeated, a combination of flags is
        no class, a position is no number, or no row is selected. The message names the rows and
        columns, and what was expected.

    Examples
    --------
    >>> import mingolotss
    >>> catalogue = mingolotss.read_catalogue("demo/sky/catalogue.fits")
    >>> catalogue
    Catalogue: 120 sources
        file: demo/sky/catalogue.fits
        ...
    >>> catalogue.source(0).name
    'ILTJ133432.21+555713.8'
    """
    path, columns = Path(path), columns or ColumnNames()
    condition = _condition(columns.where)
    named = tuple(name for name in columns.keep if name != ALL_COLUMNS)
    required = (
        columns.name, *columns.of_positions, *_label_columns(rules), *named,
        *(condition.columns if condition else ()),
    )  # fmt: skip
    optional = tuple(name for name in (columns.size, columns.flux, columns.field) if name)
    everything = ALL_COLUMNS in columns.keep
    table = read_table(path, ColumnRequest(required, optional, columns.table, everything))
    _check_columns(table.names, required, columns, rules, path)
    table, left_out = _select(table, condition, path)
    names = to_text(table.columns[columns.name], columns.name)
    labels, classes, vectors = _label(table, rules, names)
    size, flux = table.columns.get(columns.size), table.columns.get(columns.flux)
    field = table.columns.get(columns.field)
    positions = _positions(table, columns, names)
    kept, not_kept = _kept(table, columns, named) if columns.keep else (None, {})
    catalogue = Catalogue.from_columns(
        names,
        positions.ra,
        positions.dec,
        labels=labels,
        classes=classes,
        vectors=vectors,
        size_arcsec=None
        if size is None
        else to_floats(size, columns.size, "size", unit=columns.size_unit),
        flux_mjy=None
        if flux is None
        else to_floats(flux, columns.flux, "flux", unit=columns.flux_unit),
        field_hints=() if field is None else to_text(field, columns.field),
        path=str(path),
        sha256=sha256_file(path),
        kept=kept,
        precision_arcsec=positions.precision_arcsec,
    )
    notices = [
        f"the column {name!r} of the catalogue is not kept: {reason}"
        for name, reason in not_kept.items()
    ]
    if left_out:
        notices.insert(0, left_out[0])
    selection = ((f"catalogue.where = {columns.where}", left_out[1]),) if left_out else ()
    catalogue = replace(catalogue, left_out=selection, notices=tuple(notices))
    return catalogue if rules is None else change_classes(catalogue, rules)


def change_classes(catalogue: Catalogue, rules: Rules) -> Catalogue:
    """Return a catalogue with merged classes, and without the sources of dropped ones.

    A dropped tag is taken from the sources that have it, which stay.

    Raises
    ------
    CatalogueError
        There is no such class, or no source remains.
    """
    changes = rules.changes
    if not changes.merge and not changes.drop:
        return catalogue
    new_labels, classes = changes.apply_to(catalogue.classes)
    if catalogue.vectors is not None:
        return _change_vectors(catalogue, rules, new_labels, classes)
    counts = dict(zip(catalogue.classes, catalogue.counts(), strict=True))
    dropped = [
        (f"classes.drop: {name}", counts[name])
        for name, label in zip(catalogue.classes, new_labels, strict=True)
        if label < 0 and counts[name]
    ]
    # -1 at the end is the new label of a source without a class, whose label -1 finds it.
    table = np.array([*new_labels, UNLABELLED], np.int16)
    labels = table[catalogue.labels]
    is_dropped = (labels < 0) & (catalogue.labels != UNLABELLED)
    if is_dropped.all():
        raise CatalogueError(f"read the catalogue {catalogue.path}: classes.drop leaves no source")
    rows = np.flatnonzero(~is_dropped)
    lines = [f"{count} rows of the catalogue are left out: {reason}" for reason, count in dropped]
    return replace(
        replace(catalogue, labels=labels, classes=classes).take(rows),
        left_out=(*catalogue.left_out, *dropped),
        notices=(*catalogue.notices, *lines),
    )


def _change_vectors(
    catalogue: Catalogue, rules: Rules, new_labels: Sequence[int], classes: tuple[str, ...]
) -> Catalogue:
    """Return a catalogue with merged tags or votes, and without those of dropped classes."""
    assert catalogue.vectors is not None  # noqa: S101 - the caller has looked
    vectors = catalogue.vectors.merge(new_labels, len(classes))
    least = rules.least_fraction if isinstance(rules, VoteRules) else 0.0
    return replace(catalogue, vectors=vectors, labels=vectors.single_labels(least), classes=classes)


def catalogue_from_names(
    names: Sequence[str],
    pattern: str,
    rules: ColumnRules | None = None,
    *,
    path: str = "",
    frame: Frame = "icrs",
) -> Catalogue:
    """Make a catalogue from names that hold position and class, such as the files of MiraBest.

    Parameters
    ----------
    names : sequence of str
    pattern : str
        A regular expression with the groups ``ra`` and ``dec`` (deg) or ``ra_hms`` and ``dec_dms``
        (sexagesimal), and ``class`` if there are `rules`. Names that it does not match are left
        out.
    rules : ColumnRules, optional
        How a class gets its label.
    path : str
        Where the names come from, for messages.
    frame : {"icrs", "fk5", "fk4", "galactic"}
        The frame of the positions.

    Raises
    ------
    CatalogueError
        No name matches, a position in a name is no number, or the pattern takes too long.
    """
    # The order of the names, and with it the rows and the checksum of the catalogue, must not
    # depend on the order in which a file system lists them.
    names = sorted(names)
    matches = match_names(pattern, names)
    if not matches:
        example = repr(names[0]) if names else "nothing"
        raise CatalogueError(
            f"make a catalogue from the names in {path}: none fits the recipe's pattern "
            f"{pattern!r}; found {example}. Give a --catalogue instead"
        )
    sources = [match[0] for match in matches]
    labels, classes = (None, ()) if rules is None else rules.label(
        [match["class"] for match in matches], sources
    )  # fmt: skip
    positions = positions_of_names(matches, pattern, frame)
    catalogue = Catalogue.from_columns(
        sources,
        positions.ra,
        positions.dec,
        labels=labels,
        classes=classes,
        path=path,
        sha256=hashlib.sha256("\n".join(sources).encode()).hexdigest(),
        precision_arcsec=positions.precision_arcsec,
    )
    return catalogue if rules is None else change_classes(catalogue, rules)


def _condition(text: str) -> Condition | None:
    if not text:
        return None
    from mingolotss.catalogue.expressions import parse_condition  # the import takes 0.2 s

    return parse_condition(text)


def _select(
    table: Table, condition: Condition | None, path: Path
) -> tuple[Table, tuple[str, int] | None]:
    """Return the selected rows; a line about the others, and their number, if there are some."""
    if condition is None:
        return table, None
    from mingolotss.catalogue.typed_columns import to_arrow

    values = {name: to_arrow(table.columns[name], name) for name in condition.columns}
    selected, unknown = condition.select(values)
    rows, total = np.flatnonzero(selected), len(selected)
    if len(rows) == total:
        return table, None
    because = f"catalogue.where = {condition.text!r} is not true of them"
    if unknown:
        because += f", for {unknown} of them as a value is missing"
    if not len(rows):
        raise CatalogueError(f"read the catalogue {path}: none of {total} rows is left: {because}")
    left_out = total - len(rows)
    line = f"{left_out} of {total} rows of the catalogue are left out: {because}"
    return table.take(rows), (line, left_out)


def _positions(table: Table, columns: ColumnNames, names: Sequence[str]) -> Positions:
    """Return the position of every row, from its columns or from its name.

    Raises
    ------
    CatalogueError
        A name has no position, or a position is none.
    """
    if not columns.positions:
        return positions_of_columns(
            table, columns.ra, columns.dec,
            ra_unit=columns.ra_unit, dec_unit=columns.dec_unit, frame=columns.frame,
        )  # fmt: skip
    action = "take positions from the names of the catalogue"
    matches = match_names(columns.positions, names)
    if len(matches) < len(names):
        matched = {match[0] for match in matches}
        rows = [row for row, name in enumerate(names) if name not in matched]
        raise CatalogueError(
            f"{action}: the recipe's catalogue.positions {columns.positions!r} does not fit "
            f"{count_text(len(rows), 'name')} of {len(names):,}: {name_rows(rows, names)}"
        )
    return positions_of_names(matches, columns.positions, columns.frame, action)


def _kept(
    table: Table, columns: ColumnNames, named: Sequence[str]
) -> tuple[pa.Table, dict[str, str]]:
    """Return the columns that go along, and why others do not where all were asked for."""
    import pyarrow as pa

    from mingolotss.catalogue.typed_columns import kept_field, to_arrow

    used = {*columns.of_positions, columns.name, columns.size, columns.flux, columns.field}
    names = list(dict.fromkeys(named))
    if ALL_COLUMNS in columns.keep:  # the others, in the order of the file
        chosen = {*named}
        names = [name for name in table.names if name in chosen or name not in used]
        names = [name for name in dict.fromkeys(names) if name in table.columns]
    not_kept = {name: reason for name, reason in table.left_out.items() if name not in used}
    fields, arrays = [], []
    for name in names:
        column = table.columns[name]
        try:
            arrays.append(to_arrow(column, name))
        except CatalogueError as error:
            if name in named:
                raise
            not_kept[name] = str(error)
            continue
        fields.append(kept_field(name, arrays[-1].type, column.unit))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields)), not_kept


def _label_columns(rules: Rules | None) -> Sequence[str]:
    if rules is None:
        return ()
    if isinstance(rules, ColumnRules):
        return (rules.column,)
    total = (rules.total,) if isinstance(rules, VoteRules) and rules.total else ()
    return (*rules.columns, *total)


def _check_columns(
    names: Sequence[str],
    required: Sequence[str],
    columns: ColumnNames,
    rules: Rules | None,
    path: Path,
) -> None:
    """Raise an error if a column is missing; it suggests the most similar name."""
    of_labels = _label_columns(rules)
    missing = [column for column in required if column not in names]
    if not missing:
        return
    suggestion = nearest(missing[0], names)
    in_recipe = "name the columns in the recipe's [catalogue] or [stamp]"
    keys = {columns.name: "name", columns.ra: "ra", columns.dec: "dec"}
    if missing[0] in keys:
        in_recipe += f", or for example --set catalogue.{keys[missing[0]]}=COLUMN"
    advice = (
        "; for a catalogue without classes use the recipe `lotss`, or --set classes.from=none"
        if set(missing) <= set(of_labels)
        else f"; {in_recipe}"
    )
    if set(missing) <= set(columns.of_positions):
        advice += ", or take positions from the names of sources with catalogue.positions"
    raise CatalogueError(
        f"read the catalogue {path}: no column {', '.join(map(repr, missing))};{suggestion} it has "
        f"{', '.join(name for name in names if name) or 'no columns'}{advice}"
    )


def _label(
    table: Table, rules: Rules | None, names: Sequence[str]
) -> tuple[Labels | None, tuple[str, ...], LabelVectors | None]:
    """Return the label of every row, the names of the classes, and the tags or votes."""
    if rules is None:
        return None, (), None
    if isinstance(rules, ColumnRules):
        return *rules.label(to_text(table.columns[rules.column], rules.column), names), None
    if isinstance(rules, VoteRules):
        votes = {column: to_numbers(table.columns[column], column) for column in rules.columns}
        totals = to_numbers(table.columns[rules.total], rules.total) if rules.total else None
        vectors = rules.label(votes, totals, names)
        return vectors.single_labels(rules.least_fraction), rules.classes, vectors
    flags = {column: to_flags(table.columns[column], column, names) for column in rules.columns}
    if isinstance(rules, TagRules):
        nulls = {column: null_rows(table.columns[column], column) for column in rules.columns}
        vectors = rules.label(flags, nulls, names)
        return vectors.single_labels(), rules.classes, vectors
    classes = {rule.label: rule.name for rule in rules.classes}
    return rules.label(flags, names), tuple(classes[label] for label in sorted(classes)), None
