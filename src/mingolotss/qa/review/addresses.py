"""The addresses inside the review page.

>>> source_address(7, Filter(label=2), "accept")
'/source/7?class=2&notice=accept'
>>> own_path("/gallery?class=1"), own_path("//evil.example")
('/gallery?class=1', '/')
"""

from __future__ import annotations

from mingolotss.qa.review.filters import Filter

__all__ = ["NOTICES", "own_path", "queue_address", "source_address"]

NOTICES = {
    "accept": "Accepted. The next build follows this decision.",
    "reject": "Rejected. The next build leaves this source out.",
    "label": "The label is questioned. The catalogue does not change.",
    "undo": "Undone. This is the source of the decision.",
}
"""What the page of a source can announce, by the value of ``notice`` in its address."""


def source_address(row: int, selection: Filter, notice: str = "") -> str:
    """Return the address of a source within a filter."""
    extra = f"notice={notice}" if notice in NOTICES else ""
    return _join(f"/source/{row}", "&".join(part for part in (selection.query, extra) if part))


def queue_address(selection: Filter) -> str:
    """Return the address of the first source of a filter that has no decision."""
    return _join("/queue", selection.query)


def own_path(path: str) -> str:
    """Return a path if it stays inside the page, otherwise the start page."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"


def _join(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
