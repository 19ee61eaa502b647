"""Corrections of pixel positions in lookup tables, which HST images have in further HDUs.

`table_uses` reads from the header of an image which tables its WCS needs. Three kinds exist: CPDISj
(WCS Paper IV, Calabretta et al., draft of 2004) and D2IMDISj, which name a table for each axis, and
the older AXISCORR, which corrects one axis by a table with one axis.

>>> from mingolotss.sky.wcs_cards import read_wcs_cards
>>> cards = "CPDIS1  = 'LOOKUP'", "DP1     = 'EXTVER: 2'", "DP1     = 'AXIS.1: 1'"
>>> (use,) = table_uses(read_wcs_cards("".join(card.ljust(80) for card in cards).encode()))
>>> use.attribute, use.name, use.version
('cpdis1', 'WCSDVARR', 2.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mingolotss.sky.wcs_cards import CardError, WCSCards

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["LookupTable", "LookupTables", "TableUse", "set_tables", "table_uses"]

_KEYWORDS = {"CPDIS1", "CPDIS2", "D2IMDIS1", "D2IMDIS2", "AXISCORR"}
_KINDS = (("CPDIS", "DP", "WCSDVARR", "cpdis"), ("D2IMDIS", "D2IM", "D2IMARR", "det2im"))


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """Corrections on a grid of pixels, between which astropy interpolates.

    Attributes
    ----------
    values : float32 array, shape (ny, nx), px
        Finite.
    crpix, crval, cdelt : tuple of float
        Place of the grid in the image, for x and y: element `crpix`, from 1, is at pixel `crval`,
        and elements are `cdelt` pixels apart.
    """

    values: npt.NDArray[np.float32]
    crpix: tuple[float, float]
    crval: tuple[float, float]
    cdelt: tuple[float, float]


LookupTables = Mapping[tuple[str, float], LookupTable]  # by EXTNAME and EXTVER


@dataclass(frozen=True, slots=True)
class TableUse:
    """How a WCS uses a table.

    Attributes
    ----------
    keyword : str
        The card that asks for the table.
    attribute : str
        Of `astropy.wcs.WCS`.
    name, version
        EXTNAME and EXTVER of the table.
    is_transposed : bool
        The first axis of the table is along y.
    n_axes : int
        That the table must have.
    """

    keyword: str
    attribute: str
    name: str
    version: float
    is_transposed: bool = False
    n_axes: int = 2


def table_uses(cards: WCSCards) -> list[TableUse]:
    """Return the uses of tables by the WCS of an image.

    Raises
    ------
    CardError
        The corrections are not in tables, or a card about the table is missing.
    """
    uses: list[TableUse] = []
    if _KEYWORDS.isdisjoint(cards.values):
        return uses
    if is_old := "AXISCORR" in cards.values:
        axis = cards.number("AXISCORR", 0.0)
        if axis not in (1, 2):
            raise CardError(f"AXISCORR is {axis:g}, which is no axis of the image")
        uses.append(TableUse("AXISCORR", f"det2im{axis:.0f}", "D2IMARR", 1.0, n_axes=1))
    for kind, record, name, attribute in _KINDS[: 1 if is_old else 2]:
        for axis in (1, 2):
            if f"{kind}{axis}" not in cards.values:
                continue
            if str(cards.value(f"{kind}{axis}")).lower() != "lookup":
                raise CardError(f"its distortions are of a kind that is not read ({kind}{axis})")
            version = cards.number(f"{record}{axis}.EXTVER", 1.0)
            along = f"{record}{axis}.AXIS.{axis}"
            if along not in cards.values:
                raise CardError(f"{kind}{axis} has no card {record}{axis} with 'AXIS.{axis}'")
            is_transposed = cards.number(along, 0.0) != axis
            use = TableUse(f"{kind}{axis}", f"{attribute}{axis}", name, version, is_transposed)
            uses.append(use)
    return uses


def set_tables(wcs: WCS, uses: list[TableUse], tables: LookupTables) -> None:
    """Give an astropy WCS its tables.

    Raises
    ------
    CardError
        There is no such table.
    """
    from astropy.wcs import DistortionLookupTable

    for use in uses:
        table = tables.get((use.name, use.version))
        if table is None:
            raise CardError(
                f"{use.keyword} needs the table {use.name} {use.version:g}, which the file does "
                "not have"
            )
        values = np.ascontiguousarray(table.values.T if use.is_transposed else table.values)
        lookup = DistortionLookupTable(values, table.crpix, table.crval, table.cdelt)
        setattr(wcs, use.attribute, lookup)
