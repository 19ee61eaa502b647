"""The result of every reader: images with their labels and the names of their sources.

What is not here: files (the other modules of this package).

>>> images = np.zeros((3, 150, 150), np.uint8)
>>> samples = Arrays(images, np.array([0, 3, 1]), ("FRI", "FRI NAT", "FRI WAT", "FRII"))
>>> samples.counts()
{'FRI': 1, 'FRI NAT': 1, 'FRI WAT': 0, 'FRII': 1}
>>> binary = samples.merge({"FRI": ["FRI", "FRI NAT", "FRI WAT"], "FRII": ["FRII"]})
>>> binary.labels.tolist(), binary.weights().tolist()
([0, 1, 0], [0.75, 1.5])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray, ImageStack
from mingolotss.dataset.split_names import select
from mingolotss.errors import DatasetError, InputError

__all__ = ["TEXT_COLUMNS", "Arrays", "concatenate", "merge_labels", "take_split"]

TEXT_COLUMNS = ("source", "image_file", "split")
"""The columns of the manifest that are the last three fields of `Arrays`, in their order."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """Images with their labels; every field but `classes` has one entry per image.

    Attributes
    ----------
    images : uint8 array, shape (n, ny, nx)
        Or float32, in Jy/beam. Read-only where it is a view of a file. Inside the readers it may
        be an `ImageStack`; ``load`` always returns an array.
    labels : int64 array, shape (n,)
        Index into `classes`; -1 where there is no label.
    classes : tuple of str
    sources, filenames, splits : tuple of str
        Name of the source, of its image, and of the split it is in.
    """

    images: ImageArray | ImageStack
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    sources: tuple[str, ...] = field(default=(), repr=False)
    filenames: tuple[str, ...] = field(default=(), repr=False)
    splits: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        # The texts are optional: an empty tuple stands for a dataset without them. Labels are not,
        # since a dataset without classes has the label -1 for every image.
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

    def take(self, selection: NDArray[np.bool_] | NDArray[np.intp]) -> Arrays:
        """Return the samples of `selection`: indices, or a boolean per sample."""
        rows = np.flatnonzero(selection) if selection.dtype == bool else selection.astype(np.intp)
        texts = {
            name: tuple(getattr(self, name)[row] for row in rows) if getattr(self, name) else ()
            for name in ("sources", "filenames", "splits")
        }
        if isinstance(self.images, ImageStack):
            images: ImageArray | ImageStack = self.images.select(rows.tolist())
        else:
            images = self.images[rows]
        return replace(self, images=images, labels=self.labels[rows], **texts)

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
        new_labels = merge_labels(self.labels, self.classes, groups)
        members = self.take(new_labels >= 0)
        return replace(members, labels=new_labels[new_labels >= 0], classes=tuple(groups))

    def counts(self) -> dict[str, int]:
        """Count the samples of each class."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=self.n_classes)
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def weights(self) -> NDArray[np.float64]:
        """Weigh classes so that each counts the same: n / (classes * count); 0 for an empty one.

        King and Zeng 2001, Political Analysis 9, 137 (section 3); scikit-learn's "balanced".
        """
        counts = np.array(list(self.counts().values()), np.float64)
        has_samples = counts > 0
        share = counts.sum() / max(has_samples.sum(), 1)
        weights: NDArray[np.float64] = np.zeros_like(counts)
        np.divide(share, counts, out=weights, where=has_samples)
        return weights


def merge_labels(
    labels: NDArray[np.int64], classes: tuple[str, ...], groups: Mapping[str, Sequence[str | int]]
) -> NDArray[np.int64]:
    """Return the group of each sample, numbered in the order given; -1 where it is in none.

    Parameters and errors are those of ``Arrays.merge``.
    """
    # A table from old to new labels, -1 for a class that is in no group. "No label" is -1 as well,
    # which as an index finds the additional last entry.
    new_labels = np.full(len(classes) + 1, -1, np.int64)
    for new, members in enumerate(groups.values()):
        for old in (_label(member, classes) for member in members):
            if new_labels[old] != -1:
                raise InputError(f"merge classes: {classes[old]!r} is in two groups")
            new_labels[old] = new
    return new_labels[labels]


def _label(member: str | int, classes: tuple[str, ...]) -> int:
    """Return the label of a class that is given by name or by label."""
    if isinstance(member, str) and member in classes:
        return classes.index(member)
    if not isinstance(member, str) and 0 <= member < len(classes):
        return int(member)
    known = ", ".join(f"{label} {name}" for label, name in enumerate(classes))
    raise InputError(f"merge classes: no class {member!r}; there are {known}")


def take_split(samples: Arrays, split: str, origin: str) -> Arrays:
    """Return the samples of a split; if they are neighbours, their images are still a view.

    Parameters
    ----------
    samples : Arrays
    split, origin : str
        As for `mingolotss.dataset.split_names.select`.

    Raises
    ------
    InputError
        There is no such split.
    """
    if split == "all":
        return samples
    # Row numbers increase, so they are consecutive exactly if the last minus the first fits their
    # number. A slice is then enough, and the images of a memory-mapped batch stay in their file.
    rows = np.flatnonzero(select(samples.splits, split, origin))
    start, stop = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    if stop - start != len(rows):
        return samples.take(rows)
    part = slice(start, stop)
    images: ImageArray = np.asanyarray(samples.images)[part]
    texts = (samples.sources[part], samples.filenames[part], samples.splits[part])
    return Arrays(images, samples.labels[part], samples.classes, *texts)


def concatenate(parts: Sequence[Arrays]) -> Arrays:
    """Join samples of the same classes, in order, without reading their images."""
    if len(parts) == 1:
        return parts[0]
    return Arrays(
        ImageStack([np.asarray(part.images) for part in parts]),
        np.concatenate([part.labels for part in parts]),
        parts[0].classes,
        *(
            tuple(text for part in parts for text in getattr(part, name))
            for name in ("sources", "filenames", "splits")
        ),
    )
