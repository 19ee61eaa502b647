"""The stamps of the gallery, a page at a time, with the decisions about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mingolotss.candidates.decisions import Decision
from mingolotss.model import Ints
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.review.filters import Filter
from mingolotss.qa.review.state import Snapshot

__all__ = ["GalleryPage", "Tile", "gallery_page", "tile_of"]

_PER_PAGE = 60  # stamps


@dataclass(frozen=True)
class Tile:
    """A stamp, with the last decisions about its image and its label.

    Attributes
    ----------
    record : ManifestRow
    image, label : Decision or None
    etag : str
        Changes with the decisions about the source.
    warning : str
        Why the last decision was not written; "" if it was.
    """

    record: ManifestRow
    image: Decision | None
    label: Decision | None
    etag: str
    warning: str


@dataclass(frozen=True)
class GalleryPage:
    """A page of the gallery.

    Attributes
    ----------
    tiles : sequence of Tile
    start, count : int
        The place of the first stamp among all that the filter selects, from 0, and their number.
    before, after : int or None
        The rows that the pages before and after this one begin with; None without such a page.
    """

    tiles: Sequence[Tile]
    start: int
    count: int
    before: int | None
    after: int | None


def tile_of(snapshot: Snapshot, record: ManifestRow, warning: str = "") -> Tile:
    """Return one stamp with the decisions about it."""
    decisions, name = snapshot.decisions, record["source"]
    image, label = decisions.image_decisions.get(name), decisions.label_decisions.get(name)
    return Tile(record, image, label, decisions.etag(name), warning)


def gallery_page(snapshot: Snapshot, selection: Filter, first: int | None) -> GalleryPage:
    """Return the page that begins with a row; by default with the first that has a stamp."""
    rows, start = _rows_from(snapshot, selection, first)
    end = start + _PER_PAGE
    return GalleryPage(
        tiles=[tile_of(snapshot, one) for one in snapshot.build.records(rows[start:end])],
        start=start,
        count=int(rows.size),
        before=int(rows[max(0, start - _PER_PAGE)]) if start else None,
        after=int(rows[end]) if end < rows.size else None,
    )


def _rows_from(snapshot: Snapshot, selection: Filter, first: int | None) -> tuple[Ints, int]:
    """Return the selected rows that have a stamp, in the order of the files, and where to begin."""
    # A page begins at a row and not after a number of rows: decisions can take rows out of the
    # selection, and the next page still goes on after the last stamp that was shown.
    rows, written = snapshot.rows(selection), snapshot.build.written
    rows = rows[written[rows]]
    if first is None or first >= len(written) or not written[first]:
        return snapshot.stamps.in_file_order(rows), 0
    ordered = snapshot.stamps.in_file_order(np.union1d(rows, [first]))
    start = int(np.flatnonzero(ordered == first)[0])
    if first not in rows:
        ordered = np.delete(ordered, start)
    return ordered, start if start < ordered.size else max(0, ordered.size - _PER_PAGE)
