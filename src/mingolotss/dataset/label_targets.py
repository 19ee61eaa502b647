"""What a network learns for each image: the number of its class, or a vector of all classes.

>>> tags = LabelVectors.of_tags([[1, 0, 1], [0, 0, 0], [-1, -1, -1]])
>>> make_targets("multi-hot", np.full(3, -1), tags, 3).tolist()
[[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]]
>>> make_targets("soft", np.array([1, -1]), None, 2).tolist()
[[0.0, 1.0], [nan, nan]]
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.errors import InputError
from mingolotss.model import Floats, Ints

__all__ = ["Target", "check_target", "default_target", "make_targets", "positive_weights"]

Target = Literal["index", "multi-hot", "soft"]
"""The number of the class, 0 or 1 for each class, or a fraction for each class."""
_OF_KIND: dict[str, tuple[Target, ...]] = {
    "classes": ("index", "multi-hot", "soft"),
    "tags": ("multi-hot",),
    "votes": ("soft", "index"),
}
_WHY_NOT = {
    "index": "images with several tags have no single class",
    "multi-hot": "fractions of votes are no tags",
    "soft": "tags are no fractions",
}


def default_target(vectors: LabelVectors | None) -> Target:
    """Return what the labels of a dataset are: "index", of tags "multi-hot", of votes "soft"."""
    return _OF_KIND["classes" if vectors is None else vectors.kind][0]


def check_target(target: object, vectors: LabelVectors | None, action: str) -> Target:
    """Return the target of a dataset: `target`, or what its labels are if that is None.

    Parameters
    ----------
    target : object
        "index", "multi-hot", "soft" or None.
    vectors : LabelVectors or None
        The tags or votes of the dataset.
    action : str
        The beginning of the error message.

    Raises
    ------
    InputError
        There is no such target, or the labels cannot be given so without a loss or a guess.
    """
    if target is None:
        return default_target(vectors)
    kind = "classes" if vectors is None else vectors.kind
    known: tuple[Target, ...] = get_args(Target)
    for one in known:
        if target == one and one in _OF_KIND[kind]:
            return one
        if target == one:
            others = " or ".join(f'target="{other}"' for other in _OF_KIND[kind])
            raise InputError(
                f'{action}: target="{one}", and its labels are {kind}: {_WHY_NOT[one]}; '
                f"give {others}"
            )
    raise InputError(f"{action}: target={target!r:.80}; give {', '.join(map(repr, known))}")


def make_targets(
    target: Target, labels: Ints, vectors: LabelVectors | None, n_classes: int
) -> Ints | npt.NDArray[np.float32]:
    """Return the targets of samples, as losses take them.

    Parameters
    ----------
    target : {"index", "multi-hot", "soft"}
        One that `check_target` returned.
    labels : int array, shape (n,)
        -1 where there is no single class.
    vectors : LabelVectors or None
    n_classes : int

    Returns
    -------
    array
        int64, shape (n,), for "index". Otherwise float32, shape (n, classes): 0 and 1 for
        "multi-hot", and -1 in the row of an unlabelled sample; fractions for "soft", and NaN in
        the row of an unlabelled sample.
    """
    if target == "index":
        return labels
    if vectors is not None:
        return vectors.values.astype(np.float32)
    # The rows of a unit matrix, and a last one for the label -1.
    one_hot = np.eye(n_classes + 1, n_classes, dtype=np.float32)
    one_hot[n_classes] = -1 if target == "multi-hot" else np.nan
    return one_hot[labels]


def positive_weights(counts: npt.ArrayLike, n: int) -> Floats:
    """Return the number of samples without a class over that with it, for each class.

    This is what ``pos_weight`` of ``torch.nn.BCEWithLogitsLoss`` is for: samples with a class and
    those without it count the same in the loss of this class. It is 1 for a class of no sample.

    Parameters
    ----------
    counts : array-like, shape (classes,)
        Samples with each class, of votes the sum of their fractions.
    n : int
        Samples that have labels.
    """
    positive = np.asarray(counts, np.float64)
    weights: Floats = np.ones_like(positive)
    np.divide(n - positive, positive, out=weights, where=positive > 0)
    return weights
