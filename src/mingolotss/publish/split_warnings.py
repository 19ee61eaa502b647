"""What card and report warn of in the splits of a dataset.

>>> import numpy as np
>>> from mingolotss.dataset.splits import SplitPlan, SplitResult
>>> split = SplitResult(
...     SplitPlan(), "", np.array(["train", "test"]), np.array(["", ""]), 0, ("train", "test"),
...     ("FRI", "FRII", "Hybrid"), np.array([[1, 0], [0, 1], [0, 0]]),
... )
>>> for warning in missing_classes(split, is_labelled=True):
...     print(warning)
The split train has no image of the classes FRII and Hybrid.
The split test has no image of the classes FRI and Hybrid.
"""

from __future__ import annotations

from collections.abc import Sequence

from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.dataset.splits import SplitResult
from mingolotss.dataset.splits.strata import NO_LABEL, NO_SINGLE_CLASS, NO_TAG, NO_VOTES
from mingolotss.publish.wording import listed, plural

__all__ = ["SHARED_PIXELS", "missing_classes"]

SHARED_PIXELS = (
    "Splits share pixels: a network that was trained on one of them has seen parts of images of "
    "another."
)


_WITHOUT = {
    NO_LABEL: "a label", NO_TAG: "a tag", NO_SINGLE_CLASS: "a single class", NO_VOTES: "votes",
}  # fmt: skip


def missing_classes(split: SplitResult, *, is_labelled: bool) -> list[str]:
    """Return a sentence for each split without images of some classes.

    Parameters
    ----------
    split : SplitResult
    is_labelled : bool
        Whether the dataset has classes.
    """
    missing: dict[str, list[str]] = {}
    for name, class_name in split.missing:
        missing.setdefault(name, []).append(class_name)
    return [
        f"The split {name} has no image{_which(classes, split.kind) if is_labelled else ''}."
        for name, classes in missing.items()
    ]


def _which(names: Sequence[str], kind: LabelKind) -> str:
    """Say which images are missing: of which classes, and without a label for which reason."""
    classes = [name for name in names if name not in _WITHOUT]
    phrases = [f"without {_WITHOUT[name]}" for name in names if name in _WITHOUT]
    if classes:
        words = ("with the tag", "with the tags")
        if kind != "tags":
            words = ("of the class", "of the classes")
        phrases.insert(0, f"{plural(len(classes), *words)} {listed(classes)}")
    return f" {', and none '.join(phrases)}"
