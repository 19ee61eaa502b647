"""Make a catalogue from a file, or from the names of images.

Everything that is wrong with the rows or columns is reported before any image is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.columns import to_flags, to_floats, to_text
from mingolotss.catalogue.labels import ColumnRules, FlagRules, Labels
from mingolotss.catalogue.name_patterns import match_names
from mingolotss.catalogue.table import ColumnRequest, Table
from mingolotss.catalogue.tables import read_table
from mingolotss.errors import CatalogueError
from mingolotss.io.files import sha256_file
from mingolotss.registry import nearest

__all__ = ["ColumnNames", "catalogue_from_names", "read_catalogue"]

Rules = FlagRules | ColumnRules


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The names of the columns in a file, and what the file does not say about them.

    Attributes
    ----------
    name, ra, dec : str
        Name of the source, and its position (deg, ICRS).
    size, flux, field : str
        Angular size, flux density and the field of the survey; "" if there is none. The file need
        not have these columns.
    table : str
        Name or number of the table in a file with several; "" takes the one with the columns.
    ra_unit, dec_unit, size_unit, flux_unit : str
        Replace the units of the file; "" takes those of the file, or deg, deg, arcsec and mJy.
    """

    name: str = "Source_Name"
    ra: str = "RA"
    dec: str = "DEC"
    size: str = ""
    flux: str = ""
    field: str = ""
    table: str = ""
    ra_unit: str = ""
    dec_unit: str = ""
    size_unit: str = ""
    flux_unit: str = ""


def read_catalogue(
    path: Path | str,
    columns: ColumnNames | None = None,
    rules: Rules | None = None,
) -> Catalogue:
    """Read a catalogue from FITS, VOTable, ECSV, CSV or Parquet.

    Parameters
    ----------
    path : Path
    columns : ColumnNames, optional
        The names of the columns for name, position, size, flux density and field.
    rules : FlagRules or ColumnRules, optional
        How a row gets its label; None makes an unlabelled dataset.

    Raises
    ------
    CatalogueError
        The file cannot be read, a column is missing, a name is repeated, a combination of flags is
        no class, or a position is no number. The message names the rows and columns, and what was
        expected.
    """
    path, columns = Path(path), columns or ColumnNames()
    required = (columns.name, columns.ra, columns.dec, *_label_columns(rules))
    optional = tuple(name for name in (columns.size, columns.flux, columns.field) if name)
    table = read_table(path, ColumnRequest(required, optional, columns.table))
    _check_columns(table.names, required, rules, path)
    names = to_text(table.columns[columns.name], columns.name)
    labels, classes = _label(table, rules, names)
    size, flux = table.columns.get(columns.size), table.columns.get(columns.flux)
    field = table.columns.get(columns.field)
    return Catalogue.from_columns(
        names,
        to_floats(table.columns[columns.ra], columns.ra, "ra", unit=columns.ra_unit),
        to_floats(table.columns[columns.dec], columns.dec, "dec", unit=columns.dec_unit),
        labels=labels,
        classes=classes,
        size_arcsec=None
        if size is None
        else to_floats(size, columns.size, "size", unit=columns.size_unit),
        flux_mjy=None
        if flux is None
        else to_floats(flux, columns.flux, "flux", unit=columns.flux_unit),
        field_hints=() if field is None else to_text(field, columns.field),
        path=str(path),
        sha256=sha256_file(path),
    )


def catalogue_from_names(
    names: Sequence[str], pattern: str, rules: ColumnRules | None = None, *, path: str = ""
) -> Catalogue:
    """Make a catalogue from names that hold position and class, such as the files of MiraBest.

    Parameters
    ----------
    names : sequence of str
    pattern : str
        A regular expression with the groups ``ra`` and ``dec`` (deg, ICRS), and ``class`` if there
        are `rules`. Names that it does not match are left out.
    rules : ColumnRules, optional
        How a class gets its label.
    path : str
        Where the names come from, for messages.

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
    return Catalogue.from_columns(
        sources,
        [_degrees(match, "ra", pattern) for match in matches],
        [_degrees(match, "dec", pattern) for match in matches],
        labels=labels,
        classes=classes,
        path=path,
        sha256=hashlib.sha256("\n".join(sources).encode()).hexdigest(),
    )


def _degrees(match: Mapping[str | int, str], group: str, pattern: str) -> float:
    try:
        return float(match[group])
    except ValueError as error:
        raise CatalogueError(
            f"make a catalogue from the names of images: the group {group!r} of the recipe's "
            f"pattern {pattern!r} is {match[group]!r} in {match[0]!r}, which is no number"
        ) from error


def _label_columns(rules: Rules | None) -> Sequence[str]:
    if rules is None:
        return ()
    return rules.columns if isinstance(rules, FlagRules) else (rules.column,)


def _check_columns(
    names: Sequence[str], required: Sequence[str], rules: Rules | None, path: Path
) -> None:
    """Raise an error if a column is missing; it suggests the most similar name."""
    of_labels = _label_columns(rules)
    missing = [column for column in required if column not in names]
    if not missing:
        return
    suggestion = nearest(missing[0], names)
    advice = (
        "; for a catalogue without classes use the recipe `lotss`, or --set classes.from=none"
        if set(missing) <= set(of_labels)
        else "; name the columns in the recipe's [catalogue]"
    )
    raise CatalogueError(
        f"read the catalogue {path}: no column {', '.join(map(repr, missing))};{suggestion} it has "
        f"{', '.join(name for name in names if name) or 'no columns'}{advice}"
    )


def _label(
    table: Table, rules: Rules | None, names: Sequence[str]
) -> tuple[Labels | None, tuple[str, ...]]:
    """Return the label of every row, and the names of the classes."""
    if rules is None:
        return None, ()
    if isinstance(rules, ColumnRules):
        return rules.label(to_text(table.columns[rules.column], rules.column), names)
    flags = {column: to_flags(table.columns[column], column, names) for column in rules.columns}
    classes = {rule.label: rule.name for rule in rules.classes}
    return rules.label(flags, names), tuple(classes[label] for label in sorted(classes))
