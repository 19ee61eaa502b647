"""The addresses inside the review page.

>>> source_address(7, Filter(label=2), "accept")
'/source/7?class=2&notice=accept'
>>> gallery_address(Filter(label=2), first=60)
'/gallery?why=any&class=2&from=60'
"""

from __future__ import annotations

from urllib.parse import urlencode

from mingolotss.qa.review.filters import Filter

__all__ = [
    "NOTICES",
    "gallery_address",
    "judge_address",
    "label_address",
    "labels_address",
    "queue_address",
    "source_address",
    "tile_address",
    "undo_address",
    "undo_judgement_address",
]

NOTICES = {
    "accept": "Accepted. The next build takes this field.",
    "reject": "Rejected. The next build leaves this source out.",
    "label": "The label is questioned. The catalogue does not change.",
    "confirm": "The label is confirmed.",
    "undo": "Undone. This is the source of the decision.",
    "judged": "Stored.",
}
"""What the page of a source can announce, by the value of ``notice`` in its address."""


def source_address(row: int, selection: Filter, notice: str = "") -> str:
    """Return the address of a source within a filter."""
    extra = f"notice={notice}" if notice in NOTICES else ""
    return _join(f"/source/{row}", "&".join(part for part in (selection.query, extra) if part))


def tile_address(row: int, selection: Filter, first: int | None, **values: str) -> str:
    """Return the address of a decision about a source of the gallery.

    Parameters
    ----------
    row : int
    selection : Filter
    first : int or None
        The row that the page of the gallery begins with.
    **values : str
        What the form of a source's page has.
    """
    return _join(f"/source/{row}/decide", _gallery_query(selection, first, **values))


def undo_address(selection: Filter, first: int | None) -> str:
    """Return the address that undoes a decision and goes back to a page of the gallery."""
    return _join("/undo", _gallery_query(selection, first))


def label_address(number: int, selection: Filter, notice: str = "") -> str:
    """Return the address at which the label of a source is judged; `number` is its number."""
    extra = f"notice={notice}" if notice in NOTICES else ""
    query = "&".join(part for part in (_whole_query(selection), extra) if part)
    return _join(f"/label/{number}", query)


def judge_address(number: int, selection: Filter) -> str:
    """Return the address that a judgement is sent to."""
    return _join(f"/label/{number}/judge", _whole_query(selection))


def undo_judgement_address(selection: Filter) -> str:
    """Return the address that undoes a decision and goes to the label of its source."""
    return _join("/undo", _whole_query(selection))


def labels_address(selection: Filter) -> str:
    """Return the address of the first source of a filter without a judgement of the visitor."""
    return _join("/labels", _whole_query(selection))


def queue_address(selection: Filter) -> str:
    """Return the address of the first source of a filter that has no decision."""
    return _join("/queue", selection.query)


def gallery_address(selection: Filter, first: int | None = None, tile: int | None = None) -> str:
    """Return the address of a page of the gallery.

    Parameters
    ----------
    selection : Filter
    first : int, optional
        The row that the page begins with.
    tile : int, optional
        A row on the page to go to.
    """
    parts = (_whole_query(selection), "" if first is None else f"from={first}")
    address = _join("/gallery", "&".join(part for part in parts if part))
    return address if tile is None else f"{address}#tile-{tile}"


def _whole_query(selection: Filter) -> str:
    """Return the query of a filter with its reason in any case."""
    # Without a reason in its address, the queue has the sources with any reason, other pages all.
    reason = "why=any" if selection.reason == "any" else ""
    return "&".join(part for part in (reason, selection.query) if part)


def _gallery_query(selection: Filter, first: int | None, **values: str) -> str:
    """Return a query with the page of the gallery to go back to."""
    place = {"back": "gallery"} | ({} if first is None else {"from": str(first)})
    return "&".join(part for part in (selection.query, urlencode(values | place)) if part)


def _join(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
