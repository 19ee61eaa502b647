"""What every reader returns: images, labels and whose they are, as plain arrays.

What is not here: files (the other modules of this package).

>>> images = np.zeros((3, 150, 150), np.uint8)
>>> small = Arrays(images, np.array([0, 4, 1]), MINGO_CLASSES[:5])
>>> small.counts()
{'FRI': 1, 'FRI NAT': 1, 'FRI WAT': 0, 'FRI Small': 0, 'FRII': 1}
>>> two = small.merge({"FRI": ["FRI", "FRI NAT", "FRI WAT"], "FRII": ["FRII"]})
>>> two.labels.tolist(), two.weights().tolist()
([0, 1, 0], [0.75, 1.5])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import Stack
from mingolotss.errors import DatasetError, InputError

__all__ = ["FRI_OR_FRII", "MINGO_CLASSES", "PUBLISHED_CLASSES", "Arrays", "concatenate"]

MINGO_CLASSES = (
    "FRI", "FRI NAT", "FRI WAT", "FRI Small", "FRII", "FRII Small", "Double Double",
    "Indeterminate", "Indeterminate Small", "Small",
)  # fmt: skip
PUBLISHED_CLASSES = ("FRI", "FRI WAT", "FRI NAT", *MINGO_CLASSES[3:])  # 1 and 2 the wrong way round
FRI_OR_FRII = {"FRI": (0, 1, 2), "FRII": (4,)}  # by label: the two namings differ


@dataclass(frozen=True, slots=True)
class Arrays:
    """Images with their labels; every field but `classes` has one entry per image.

    Attributes
    ----------
    images : uint8 array, shape (n, ny, nx)
        Read-only where it is a view of a file; a `Stack` inside the readers, never out of
        ``load``.
    labels : int64 array, shape (n,)
        Index into `classes`; -1 where there is no label.
    classes : tuple of str
    sources, filenames, splits : tuple of str
        Name of the source, of its image, and of the split it is in.
    """

    images: NDArray[Any] | Stack
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    sources: tuple[str, ...] = field(default=(), repr=False)
    filenames: tuple[str, ...] = field(default=(), repr=False)
    splits: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("labels", "sources", "filenames", "splits"):
            values = getattr(self, name)
            if len(values) != len(self.images) and (name == "labels" or len(values)):
                raise DatasetError(
                    f"read a dataset: {len(self.images)} images but {len(values)} {name}; "
                    "fetch or build it again"
                )
        if len(self.labels) and not -1 <= self.labels.min() <= self.labels.max() < self.n_classes:
            raise DatasetError(
                f"read a dataset: labels from {self.labels.min()} to {self.labels.max()} "
                f"for {self.n_classes} class names; fetch or build it again"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_classes(self) -> int:
        """Count the classes that have a name."""
        return len(self.classes)

    def take(self, chosen: NDArray[Any]) -> Arrays:
        """Return the samples at `chosen`: indices, or a boolean per sample."""
        rows = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        texts = {
            name: tuple(getattr(self, name)[row] for row in rows) if getattr(self, name) else ()
            for name in ("sources", "filenames", "splits")
        }
        images = self.images
        some = images.select(rows.tolist()) if isinstance(images, Stack) else images[rows]
        return replace(self, images=some, labels=self.labels[rows], **texts)

    def merge(self, groups: Mapping[str, Sequence[str | int]]) -> Arrays:
        """Return the samples whose class is in a group, labelled by group, in the order given.

        Parameters
        ----------
        groups : mapping of str to sequence of str or int
            New class to old classes, by name or by label.

        Raises
        ------
        InputError
            An unknown class, or one that is in two groups.
        """
        table = np.full(self.n_classes + 1, -1, np.int64)  # the last is for "no label"
        for new, members in enumerate(groups.values()):
            for old in (self._label(member) for member in members):
                if table[old] != -1:
                    raise InputError(f"merge classes: {self.classes[old]!r} is in two groups")
                table[old] = new
        kept = self.take(table[self.labels] >= 0)
        return replace(kept, labels=table[kept.labels], classes=tuple(groups))

    def _label(self, member: str | int) -> int:
        if isinstance(member, str) and member in self.classes:
            return self.classes.index(member)
        if not isinstance(member, str) and 0 <= member < self.n_classes:
            return int(member)
        known = ", ".join(f"{label} {name}" for label, name in enumerate(self.classes))
        raise InputError(f"merge classes: no class {member!r}; there are {known}")

    def counts(self) -> dict[str, int]:
        """Count the samples of each class."""
        found = np.bincount(self.labels[self.labels >= 0], minlength=self.n_classes)
        return dict(zip(self.classes, found.tolist(), strict=True))

    def weights(self) -> NDArray[np.float64]:
        """Weigh classes so that each counts the same: n / (classes * count); 0 for an empty one.

        King and Zeng 2001, Political Analysis 9, 137 (section 3); scikit-learn's "balanced".
        """
        found = np.array(list(self.counts().values()), np.float64)
        filled = found > 0
        share = found.sum() / max(filled.sum(), 1)
        weights: NDArray[np.float64] = np.zeros_like(found)
        np.divide(share, found, out=weights, where=filled)
        return weights


def concatenate(parts: Sequence[Arrays]) -> Arrays:
    """Join samples of the same classes, in order, without reading their images."""
    if len(parts) == 1:
        return parts[0]
    return Arrays(
        Stack([np.asarray(part.images) for part in parts]),
        np.concatenate([part.labels for part in parts]),
        parts[0].classes,
        *(
            tuple(text for part in parts for text in getattr(part, name))
            for name in ("sources", "filenames", "splits")
        ),
    )
