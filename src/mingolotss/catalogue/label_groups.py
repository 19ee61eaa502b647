"""The members of each class, of a reason to be in none, and of each tag.

>>> tags = LabelVectors.of_tags([[1, 1], [0, 1], [0, 0], [-1, -1]])
>>> for label, name, members in label_groups(tags.single_labels(), ("FRI", "bent"), tags):
...     print(label, name, members.astype(int))
0 FRI [1 0 0 0]
1 bent [1 1 0 0]
None no tag [0 0 1 0]
None no label [0 0 0 1]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.model import Bools

__all__ = ["label_groups"]


def label_groups(
    labels: npt.NDArray[np.integer], classes: Sequence[str], vectors: LabelVectors | None = None
) -> list[tuple[int | None, str, Bools]]:
    """Return the samples of each class, and of each reason to be in none if there are some.

    Returns
    -------
    list of (int or None, str, bool array of shape (n,))
        Label, name and members. A sample with several tags is in several groups.
    """
    groups: list[tuple[int | None, str, Bools]]
    if vectors is not None and vectors.kind == "tags":
        groups = [(one, name, vectors.values[:, one] > 0) for one, name in enumerate(classes)]
    else:
        groups = [(one, name, np.asarray(labels == one)) for one, name in enumerate(classes)]
    if vectors is None:
        rest = [("no label", np.asarray(labels < 0))]
    else:
        names = {"tags": ("no tag", "no label"), "votes": ("no single class", "no votes")}
        in_none = ~np.any([members for _, _, members in groups], axis=0)
        is_labelled = vectors.is_labelled
        rest = [*zip(names[vectors.kind], (in_none & is_labelled, ~is_labelled), strict=True)]
    return groups + [(None, name, members) for name, members in rest if members.any()]
