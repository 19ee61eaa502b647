"""The names that a recipe gives for the columns of a catalogue.

What is not here: reading them (`mingolotss.catalogue.reading`), which needs more of the libraries.

>>> ColumnNames(ra="RAh, RAm, RAs").of_positions
('RAh', 'RAm', 'RAs', 'DEC')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ALL_COLUMNS", "POSITION_GROUPS", "ColumnNames", "Frame", "parts_of"]

Frame = Literal["icrs", "fk5", "fk4", "galactic"]
POSITION_GROUPS = (("ra", "dec"), ("ra_hms", "dec_dms"))
"""The groups of a pattern that hold a position, in deg and as sexagesimal text."""

ALL_COLUMNS = "*"
"""In `ColumnNames.keep`: every column that is not read for another purpose."""


def parts_of(column: str) -> tuple[str, ...]:
    """Return the columns of ``RAh, RAm, RAs``; one column is itself."""
    parts = tuple(part.strip() for part in column.split(","))
    return parts if len(parts) > 1 and all(parts) else (column,)


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The names of the columns in a file, and what the file does not say about them.

    Attributes
    ----------
    name, ra, dec : str
        Name of the source, and its position (deg, or sexagesimal text). A coordinate in several
        columns is their names with commas, such as ``RAh, RAm, RAs``.
    size, flux, field : str
        Angular size, flux density and the field of the survey; "" if there is none. The file need
        not have these columns.
    table : str
        Name or number of the table in a file with several; "" takes the one with the columns.
    ra_unit, dec_unit, size_unit, flux_unit : str
        Replace the units of the file; "" takes those of the file, or deg, deg, arcsec and mJy.
    frame : {"icrs", "fk5", "fk4", "galactic"}
        The frame of the positions; they are converted to ICRS.
    keep : tuple of str
        Further columns that go along; ``*`` stands for all.
    where : str
        A condition that selects rows (`mingolotss.catalogue.expressions`); "" selects all.
    positions : str
        A regular expression that takes the positions from the names of the sources; `ra` and `dec`
        are then not read. "" takes them from the columns.
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
    frame: Frame = "icrs"
    keep: tuple[str, ...] = ()
    where: str = ""
    positions: str = ""

    @property
    def of_positions(self) -> tuple[str, ...]:
        """Return the columns of the positions; none if the names have them."""
        return () if self.positions else (*parts_of(self.ra), *parts_of(self.dec))
