"""What ``recipe.toml`` of a build records about its splits: the plan that was used, and batches.

The recipe says which plan was asked for. The one that was used can be another: a recipe that has
the published split for its own catalogue follows the order of any other catalogue, for example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["BuildSplit", "read_build_split"]

_TEXTS = ("plan", "change", "source_sha256", "sha256")


@dataclass(frozen=True, slots=True)
class BuildSplit:
    """How a build was split.

    Attributes
    ----------
    plan : str
        The plan that was used in the end, as `mingolotss.dataset.splits.SplitPlan.parse` reads it.
    change : str
        Why it is not the plan of the recipe; "" if it is.
    batches : tuple of str
        The file names of the batches, in the order in which they are listed and archived.
    source_sha256 : str
        Of the list or the manifest that the splits were taken from; "" if there is none.
    sha256 : str
        Of ``splits.csv``; "" if the splits follow from the order of the catalogue.
    pairs_across : int or None
        Pairs of stamps that share pixels and are in different splits, as the finished build was
        measured; None if it was not.
    """

    plan: str
    change: str = ""
    batches: tuple[str, ...] = ()
    source_sha256: str = ""
    sha256: str = ""
    pairs_across: int | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the record as values of TOML, without empty ones."""
        texts = {name: getattr(self, name) for name in _TEXTS}
        values: dict[str, object] = {name: text for name, text in texts.items() if text}
        if self.pairs_across is not None:
            values["pairs_across"] = self.pairs_across
        return values | {"batches": list(self.batches)}


def read_build_split(values: object) -> BuildSplit:
    """Read what `BuildSplit.to_dict` returned.

    Raises
    ------
    TypeError
        It is damaged.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"build.split = {values!r:.40}")
    texts = {name: values.get(name, "") for name in _TEXTS}
    batches = values.get("batches", [])
    are_texts = all(isinstance(text, str) for text in texts.values()) and texts["plan"]
    if not are_texts or not isinstance(batches, list):
        raise TypeError(f"build.split = {values!r:.40}")
    if not all(isinstance(name, str) and _is_plain(name) for name in batches):
        raise TypeError(f"build.split.batches = {batches!r:.40}")
    pairs = values.get("pairs_across")
    if pairs is not None and (type(pairs) is not int or pairs < 0):
        raise TypeError(f"build.split.pairs_across = {pairs!r:.40}")
    return BuildSplit(batches=tuple(batches), pairs_across=pairs, **texts)


def _is_plain(name: str) -> bool:
    """Return whether a name is that of a file in the folder of the batches."""
    return bool(name) and not set(name) & set("/\\\0") and not name.startswith(".")
