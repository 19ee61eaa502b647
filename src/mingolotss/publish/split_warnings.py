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

from mingolotss.dataset.splits import SplitResult
from mingolotss.publish.wording import listed, plural

__all__ = ["SHARED_PIXELS", "missing_classes"]

SHARED_PIXELS = (
    "Splits share pixels: a network that was trained on one of them has seen parts of images of "
    "another."
)


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
    sentences = []
    for name, classes in missing.items():
        text = f"The split {name} has no image"
        if is_labelled and split.kind == "tags":
            text += f" with the {plural(len(classes), 'tag', 'tags')} {listed(classes)}"
        elif is_labelled:
            text += f" of the {plural(len(classes), 'class', 'classes')} {listed(classes)}"
        sentences.append(f"{text}.")
    return sentences
