"""``CHANGES.md``: what a version of a dataset changes, for people.

>>> from mingolotss.qa.comparison import ONLY_B, DifferenceRow
>>> comparison = Comparison(5, 5, (DifferenceRow(ONLY_B, "J1"),))
>>> print(render_changes(comparison, "Bent tails", "1.0.0", "1.1.0"))
# Bent tails: changes from version 1.0.0 to version 1.1.0
<BLANKLINE>
5 sources are in both versions, 5 of them with images that are identical in every pixel.
<BLANKLINE>
| change | number |
|---|---|
| new sources | 1 |
<BLANKLINE>
Here and in `changes.csv`, A is version 1.0.0, and B is version 1.1.0.
<BLANKLINE>
## New sources
<BLANKLINE>
- J1
<BLANKLINE>
"""

from __future__ import annotations

from mingolotss.errors import clean_text
from mingolotss.io.summaries import count_text
from mingolotss.publish.markdown import escape
from mingolotss.qa.comparison import (
    CATALOGUE,
    CHANNELS,
    CLASSES,
    DECISIONS,
    FIELDS,
    IMAGES,
    INPUTS,
    KINDS,
    LABELS,
    MASKS,
    ONLY_A,
    ONLY_B,
    PIXELS,
    SETTINGS,
    SPLITS,
    TAGS,
    VERSIONS,
    VOTES,
    Comparison,
    DifferenceRow,
)

__all__ = ["render_changes"]

_MOST_LINES = 20
# The title of each kind of difference, first those of the dataset, then those of its making.
_TITLES = {
    ONLY_B: "new sources", ONLY_A: "sources left out", CLASSES: "classes named differently",
    CHANNELS: "channels named differently", KINDS: "kinds of label", LABELS: "other labels",
    TAGS: "other tags", VOTES: "other votes", SPLITS: "other splits", FIELDS: "other fields",
    PIXELS: "other images", MASKS: "other masks", CATALOGUE: "other values in the catalogue",
    SETTINGS: "other settings", INPUTS: "other inputs", IMAGES: "other images read",
    DECISIONS: "other decisions", VERSIONS: "other versions of programs",
}  # fmt: skip


def render_changes(comparison: Comparison, title: str, before: str, now: str) -> str:
    """Return the text.

    Parameters
    ----------
    comparison : Comparison
        Of the version before, A, with this one, B.
    title : str
        Of the dataset.
    before, now : str
        The two versions, "" for one that is not stated.
    """
    versions = _version(before, "the version before"), _version(now, "this version")
    same = f"{comparison.identical:,} of them with images that are identical in every pixel"
    verb = "is" if comparison.common == 1 else "are"
    lines = [
        f"# {escape(title)}: changes from {versions[0]} to {versions[1]}",
        "",
        f"{count_text(comparison.common, 'source')} {verb} in both versions, {same}.",
        "",
    ]
    rows = {kind: [row for row in comparison.rows if row.kind == kind] for kind in _TITLES}
    rows = {kind: members for kind, members in rows.items() if members}
    if not rows:
        return "\n".join([*lines, "Nothing differs.", ""])
    lines += ["| change | number |", "|---|---|"]
    lines += [f"| {_TITLES[kind]} | {len(members):,} |" for kind, members in rows.items()]
    lines += ["", f"Here and in `changes.csv`, A is {versions[0]}, and B is {versions[1]}."]
    for kind, members in rows.items():
        lines += ["", f"## {_TITLES[kind].capitalize()}", ""]
        lines += [f"- {_line(row)}" for row in members[:_MOST_LINES]]
        if len(members) > _MOST_LINES:
            lines.append(f"- and {len(members) - _MOST_LINES:,} more, which `changes.csv` lists")
    return "\n".join([*lines, ""])


def _version(version: str, otherwise: str) -> str:
    return f"version {escape(version)}" if version else otherwise


def _line(row: DifferenceRow) -> str:
    if row.kind in {PIXELS, MASKS, ONLY_A, ONLY_B}:
        return escape(clean_text(str(row)))
    before, now = (escape(clean_text(text)) or "none" for text in (row.a, row.b))
    return f"{escape(clean_text(row.name))}: {before}, now {now}"
