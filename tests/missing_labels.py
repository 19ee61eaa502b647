"""Which classes the images of a split lack, and the words that card and report have for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

REASONS = {
    "no label": "a label", "no tag": "a tag", "no single class": "a single class",
    "no votes": "votes",
}  # fmt: skip


def classes_of(classes: Sequence[str], rows: Iterable[dict]) -> set[str]:
    """Return the classes of rows of a manifest, and the reasons why some are in none."""
    names: set[str] = set()
    for row in rows:
        if "tags" in row:
            own = {classes[label] for label in row["tags"] or ()}
            names |= own or {"no label" if row["tags"] is None else "no tag"}
        elif "votes" in row and row["class"] is None:
            names.add("no votes" if row["votes"] is None else "no single class")
        else:
            names.add(row["class"] or "no label")
    return names


def phrase_of_missing(classes: Sequence[str], missing: set[str], row: dict) -> str:
    """Return the words for missing classes, in the order of the labels; `row` tells the kind."""
    names = [name for name in classes if name in missing]
    phrases = [f"without {words}" for name, words in REASONS.items() if name in missing - {*names}]
    if names:
        *first, last = names
        text = f"{', '.join(first)} and {last}" if first else last
        one, several = ("tag", "tags") if "tags" in row else ("class", "classes")
        article = "with the" if "tags" in row else "of the"
        phrases.insert(0, f"{article} {several if first else one} {text}")
    return ", and none ".join(phrases)
