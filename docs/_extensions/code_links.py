"""Code in the text of a page that becomes a link: which may, since no link may stand in another."""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes

__all__ = ["unlinked_code", "wrap"]

_TAKEN = nodes.reference | nodes.title | addnodes.pending_xref


def unlinked_code(tree: nodes.document) -> Iterator[nodes.literal]:
    """Yield the pieces of code of a page that stand in no link and in no title."""
    for literal in list(tree.findall(nodes.literal)):
        ancestor = literal.parent
        while ancestor is not None and not isinstance(ancestor, _TAKEN):
            ancestor = ancestor.parent
        if ancestor is None:
            yield literal


def wrap(literal: nodes.literal, link: addnodes.pending_xref) -> None:
    """Put a piece of code into a link."""
    literal.replace_self(link)
    link += literal
