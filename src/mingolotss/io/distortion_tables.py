"""Read the lookup tables of a WCS, which are in other HDUs than its image.

An image that is alone in its file costs nothing, and others the search for three words.

>>> needs_lookup_tables(b"CTYPE1  = 'RA---TAN'".ljust(80) + b"AXISCORR= 1".ljust(80))
True
"""

from __future__ import annotations

import math

import numpy as np

from mingolotss.errors import ImageError, NoWCSError
from mingolotss.io.fits_layout import ImageLayout, find_table_image
from mingolotss.io.fits_pixels import whole_image
from mingolotss.sky.fits_header import BLOCK, card_values, real_value
from mingolotss.sky.lookup_tables import LookupTable, TableUse, table_uses
from mingolotss.sky.wcs_cards import CardError, read_wcs_cards

__all__ = ["needs_lookup_tables", "read_lookup_tables"]

_WORDS = (b"CPDIS", b"D2IMDIS", b"AXISCORR")
_MAX_VALUES = 1 << 22  # of a table; those of HST have 4096


def needs_lookup_tables(header: bytes) -> bool:
    """Tell whether the WCS of an image has distortions in other HDUs."""
    return bool(_uses(header))


def read_lookup_tables(
    raw: bytes | memoryview, layout: ImageLayout, path: str
) -> dict[tuple[str, float], LookupTable]:
    """Read the tables that the WCS of an image needs.

    Parameters
    ----------
    raw : bytes
        The whole file.
    layout : ImageLayout
        That of the image.
    path : str
        The name for messages.

    Returns
    -------
    dict of (str, float) to LookupTable
        By EXTNAME and EXTVER, without those that the file does not have.

    Raises
    ------
    ImageError
        A table is damaged or enormous.
    """
    is_alone = layout.start == 0 and len(raw) < layout.end + BLOCK
    tables: dict[tuple[str, float], LookupTable] = {}
    for use in _uses(layout.header) if not is_alone else ():
        table = _read_table(raw, use, path)
        if table is not None:
            tables[use.name, use.version] = table
    return tables


def _uses(header: bytes) -> list[TableUse]:
    if not any(word in header for word in _WORDS):
        return []
    try:
        return table_uses(read_wcs_cards(header))
    except CardError:
        return []  # `SkyWCS` reports it


def _read_table(raw: bytes | memoryview, use: TableUse, path: str) -> LookupTable | None:
    layout = find_table_image(raw, use.name, use.version, use.n_axes, path)
    if layout is None:
        return None
    name = f"{use.name} {use.version:g}"
    if math.prod(layout.shape) > _MAX_VALUES:
        ny, nx = layout.shape
        raise ImageError(
            f"read {path}: the distortion table {name} has {nx} x {ny} values, over the limit of "
            f"{_MAX_VALUES}",
            path=path,
        )
    values, header = whole_image(raw, layout, path)
    cards = card_values(header)
    crpix, crval, cdelt = (
        (real_value(cards, keyword + b"1", default), real_value(cards, keyword + b"2", default))
        for keyword, default in ((b"CRPIX", 0.0), (b"CRVAL", 0.0), (b"CDELT", 1.0))
    )
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if not (np.isfinite(values).all() and np.isfinite([*crpix, *crval, *cdelt]).all()):
        raise NoWCSError(f"read {path}: the distortion table {name} is not finite", path=path)
    if 0.0 in cdelt:
        raise NoWCSError(f"read {path}: the distortion table {name} has a CDELT of 0", path=path)
    return LookupTable(values, crpix, crval, cdelt)
