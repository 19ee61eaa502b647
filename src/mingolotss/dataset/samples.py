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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mingolotss.catalogue.label_vectors import LabelVectors, join_vectors
from mingolotss.dataset.image_stack import ImageArray, ImageStack, take_images
from mingolotss.dataset.indexing import sample_index, select_texts
from mingolotss.dataset.label_targets import (
    Target,
    check_target,
    make_targets,
    positive_weights,
)
from mingolotss.dataset.label_words import label_facts, label_table
from mingolotss.dataset.split_names import select
from mingolotss.dataset.stamp_shape import channel_places
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.summaries import Picture, Shown, Summary, Table, count_text, format_counts
from mingolotss.model import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

__all__ = [
    "TEXT_COLUMNS",
    "Arrays",
    "SampleTarget",
    "class_counts",
    "class_weights",
    "concatenate",
    "least_fraction",
    "merge_labels",
    "merge_vectors",
    "take_split",
]

TEXT_COLUMNS = ("source", "image_file", "split")
"""The columns of the manifest that are the last three fields of `Arrays`, in their order."""
SampleTarget = int | NDArray[np.float32]
"""The target of one sample: the number of its class, or a value for each class."""


@dataclass(frozen=True, slots=True, repr=False)
class Arrays(Shown):
    """Images with their labels; every field but `classes` has one entry per image.

    Attributes
    ----------
    images : uint8 array, shape (n, ny, nx), or (n, channels, ny, nx)
        Or float32, in Jy/beam. Read-only where it is a view of a file. Inside the readers it may
        be an `ImageStack`; ``load`` always returns an array.
    labels : int64 array, shape (n,)
        Index into `classes`; -1 where there is no label.
    classes : tuple of str
    sources, filenames, splits : tuple of str
        Name of the source, of its image, and of the split it is in.
    vectors : LabelVectors or None
        The tags or votes of each image; None for a dataset of single classes.
    channels : tuple of str
        The name of each channel; empty for images without an axis of channels.
    masks : uint8 array, shape (n, ny, nx), or None
        Which pixels are the source's own: 0 background, 1 this source, 2 another source. None for
        a dataset without masks. Inside the readers it may be an `ImageStack`.
    target : {"index", "multi-hot", "soft"} or None
        What `targets` are; None for what the labels of the dataset are.
    root : Path or None
        Where the dataset was read.
    """

    images: ImageArray | ImageStack
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    sources: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    channels: tuple[str, ...] = field(default=(), kw_only=True)
    vectors: LabelVectors | None = field(default=None, kw_only=True)
    masks: ImageArray | ImageStack | None = field(default=None, kw_only=True)
    target: Target | None = field(default=None, kw_only=True)
    root: Path | None = field(default=None, kw_only=True)

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
        vectors = self.vectors
        if vectors is not None and vectors.values.shape != (len(self.images), self.n_classes):
            raise DatasetError(
                f"read a dataset: {vectors.kind} of shape {vectors.values.shape} for "
                f"{len(self.images)} images and {self.n_classes} class names; fetch or build it "
                "again"
            )
        if len(self.labels) and not -1 <= self.labels.min() <= self.labels.max() < self.n_classes:
            raise DatasetError(
                f"read a dataset: labels from {self.labels.min()} to {self.labels.max()} "
                f"for {self.n_classes} class names; fetch or build it again"
            )
        count = self.images.shape[1] if len(self.images.shape) == 4 else 0
        if count != len(self.channels):
            raise DatasetError(
                f"read a dataset: images of shape {self.images.shape[1:]} with the channels "
                f"{self.channels!r:.80}; fetch or build it again"
            )
        self._check_masks()

    def _check_masks(self) -> None:
        """Check that there is a mask of its size for each image."""
        if self.masks is None:
            return
        images, masks = self.images, self.masks
        expected = (len(images), *images.shape[-2:])
        if masks.dtype != np.uint8 or (len(images) and masks.shape != expected):
            raise DatasetError(
                f"read a dataset: masks of {masks.dtype} and shape {masks.shape} for images of "
                f"shape {images.shape}; fetch or build it again"
            )

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: SupportsIndex) -> tuple[ImageArray, SampleTarget]: ...

    @overload
    def __getitem__(self, index: slice) -> Arrays: ...

    def __getitem__(self, index: SupportsIndex | slice) -> tuple[ImageArray, SampleTarget] | Arrays:
        """Return one image and its target, or the samples of a slice as `Arrays`.

        A target is the label, an int, or a row of `targets`.
        """
        place = sample_index(index, len(self), "Arrays")
        if isinstance(place, range):
            return self.take(place)
        if self.vectors is None and self.target in (None, "index"):
            return self.images[place], int(self.labels[place])
        target = self.take([place]).targets[0]
        return self.images[place], int(target) if target.ndim == 0 else target

    @property
    def targets(self) -> Ints | NDArray[np.float32]:
        """Return what a network learns for each image.

        Returns
        -------
        array
            Of single classes the labels, int64, shape (n,). Otherwise float32, shape (n, classes):
            of tags 0 and 1, and -1 for an unlabelled image ("multi-hot"); of votes their fractions,
            and NaN for an unlabelled image ("soft"). `target` may name another one of these.
        """
        target = check_target(self.target, self.vectors, "make targets")
        return make_targets(target, self.labels, self.vectors, self.n_classes)

    @property
    def n_classes(self) -> int:
        """Count the classes that have a name."""
        return len(self.classes)

    def take(self, selection: ArrayLike | range) -> Arrays:
        """Return the samples of `selection`: indices, or a boolean per sample.

        Raises
        ------
        InputError
            It is neither, or there are no such samples.
        """
        images, rows = take_images(self.images, selection)
        masks = None if self.masks is None else take_images(self.masks, selection)[0]
        return replace(
            self,
            images=images,
            masks=masks,
            labels=self.labels[rows],
            sources=select_texts(self.sources, rows),
            filenames=select_texts(self.filenames, rows),
            splits=select_texts(self.splits, rows),
            vectors=None if self.vectors is None else self.vectors.take(rows),
        )

    def select_channels(self, names: str | Sequence[str], action: str) -> Arrays:
        """Return the samples with some of their channels, in the order of `names`.

        Raises
        ------
        InputError
            There is no such channel; `action` says in the line what was attempted.
        """
        places = channel_places(names, self.channels, action)
        images = self.images
        chosen = (
            images.select_channels(places) if isinstance(images, ImageStack) else images[:, places]
        )
        return replace(self, images=chosen, channels=tuple(self.channels[one] for one in places))

    @property
    def table(self) -> pa.Table:
        """Return the metadata of the samples, one row each (`mingolotss.MingoLoTSS.table`)."""
        from mingolotss.dataset.sample_table import sample_table  # needs pyarrow, as below

        return sample_table(
            self.root, self.sources, self.filenames, self.splits, self.labels, self.classes,
            self.vectors,
        )  # fmt: skip

    def merge(self, groups: Mapping[str, Sequence[str | int]]) -> Arrays:
        """Return the samples whose class is in a group, labelled by group, in the order given.

        Of tags and votes all samples remain: each has the new tags of which it has an old one, and
        fractions of votes are added. Tags that are in no group are left out, votes cannot be.

        Parameters
        ----------
        groups : mapping of str to sequence of str or int
            New class to old classes, by name or by label.

        Raises
        ------
        InputError
            There is no group, a group has no class, or it has an unknown class or one that is in
            another group; or votes for a class would be left out.
        """
        if self.vectors is not None:
            vectors = merge_vectors(self.vectors, self.classes, groups)
            labels = vectors.single_labels(least_fraction(self.root)).astype(np.int64)
            return replace(self, labels=labels, classes=tuple(groups), vectors=vectors)
        new_labels = merge_labels(self.labels, self.classes, groups)
        members = self.take(new_labels >= 0)
        return replace(members, labels=new_labels[new_labels >= 0], classes=tuple(groups))

    def counts(self) -> dict[str, int]:
        """Count the samples of each class: with this tag, or with most votes for it."""
        if self.vectors is not None and self.vectors.kind == "tags":
            return dict(zip(self.classes, map(int, self.vectors.counts()), strict=True))
        return class_counts(self.labels, self.classes)

    def weights(self) -> NDArray[np.float64]:
        """Weigh classes so that each counts the same: n / (classes * count); 0 for an empty one.

        King and Zeng 2001, Political Analysis 9, 137 (section 3); scikit-learn's "balanced". The
        count of a tag is that of the samples with it, and n the sum of all tags; the count of a
        class that has votes is the sum of their fractions, as many samples as are expected in it.
        """
        return class_weights(self._expected_counts())

    def positive_weights(self) -> NDArray[np.float64]:
        """Weigh the samples of each class against the others, for ``pos_weight`` of a loss.

        Returns
        -------
        float64 array, shape (number of classes,)
            Samples without a class over samples with it, for ``torch.nn.BCEWithLogitsLoss``; 1 for
            an empty class. Samples without a label do not count, and votes as their fractions.
        """
        labelled = self.labels >= 0 if self.vectors is None else self.vectors.is_labelled
        return positive_weights(self._expected_counts(), int(np.count_nonzero(labelled)))

    def _expected_counts(self) -> Sequence[float]:
        """Return the number of samples in each class; of votes the sum of their fractions."""
        if self.vectors is not None:
            return [float(count) for count in self.vectors.counts()]
        return list(self.counts().values())

    def describe(self) -> Summary:
        """Return a table of the classes: images in each split, weights, medians of size and flux.

        It is text where it is printed, and HTML in a notebook.
        """
        from mingolotss.dataset.sample_summary import describe_classes, image_kind

        is_tagged = self.vectors is not None and self.vectors.kind == "tags"
        kinds = f"with {count_text(self.n_classes, 'tag')}"
        if not is_tagged:
            kinds = f"in {count_text(self.n_classes, 'class')}"
        return Summary(
            f"{image_kind(self.images)}, {kinds}",
            self._facts(),
            describe_classes(self.table, self.classes, self.weights().tolist(), self.vectors),
        )

    def plot(
        self, n: int | Sequence[int] = 12, *, columns: int | None = None, seed: int | None = None
    ) -> Figure:
        """Draw stamps with their names and classes; see `mingolotss.plot`."""
        from mingolotss.dataset.sample_plot import draw_samples

        return draw_samples(
            self.images, self.labels, self.classes, self.sources, n,
            columns=columns, seed=seed, channels=self.channels, vectors=self.vectors,
        )  # fmt: skip

    def _summary(self) -> Summary:
        from mingolotss.dataset.sample_summary import image_kind

        return Summary(
            f"Arrays: {image_kind(self.images)}",
            self._facts(),
            self.label_table(),
        )

    def label_table(self) -> Table | None:
        """Return the number of images of each class or tag; None without classes."""
        return label_table(self.labels, self.classes, self.vectors)

    def _facts(self) -> dict[str, str]:
        from mingolotss.dataset.sample_summary import split_counts

        facts = {"channels": ", ".join(self.channels)} if self.channels else {}
        if self.masks is not None:
            facts["masks"] = "0 background, 1 this source, 2 another source"
        facts |= label_facts(self.labels, self.classes, self.vectors)
        if self.splits:
            facts["splits"] = format_counts(split_counts(self.splits))
        return facts if self.root is None else {"root": str(self.root), **facts}

    def pictures(self) -> list[Picture]:
        """Return small PNG images of some samples, with captions, for a page."""
        from mingolotss.dataset.sample_summary import pictures

        return pictures(self.images, self.labels, self.classes, self.sources, self.vectors)

    def _repr_html_(self) -> str:
        return replace(self._summary(), pictures=self.pictures()).html()


def class_counts(labels: ArrayLike, classes: Sequence[str]) -> dict[str, int]:
    """Count the samples of each class; a label without a class counts nowhere."""
    numbers = np.asarray(labels, np.int64)
    is_known = (numbers >= 0) & (numbers < len(classes))
    counts = np.bincount(numbers[is_known], minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))


def class_weights(counts: Sequence[float]) -> NDArray[np.float64]:
    """Return the weights of ``Arrays.weights`` for the number of samples of each class."""
    numbers = np.array(counts, np.float64)
    has_samples = numbers > 0
    share = numbers.sum() / max(has_samples.sum(), 1)
    weights: NDArray[np.float64] = np.zeros_like(numbers)
    np.divide(share, numbers, out=weights, where=has_samples)
    return weights


def merge_labels(
    labels: NDArray[np.int64], classes: tuple[str, ...], groups: Mapping[str, Sequence[str | int]]
) -> NDArray[np.int64]:
    """Return the group of each sample, numbered in the order given; -1 where it is in none.

    Parameters and errors are those of ``Arrays.merge``.
    """
    _check_groups(groups)
    # A table from old to new labels, -1 for a class that is in no group. "No label" is -1 as well,
    # which as an index finds the additional last entry.
    new_labels = np.full(len(classes) + 1, -1, np.int64)
    for new, members in enumerate(groups.values()):
        for old in (_label(member, classes) for member in members):
            if new_labels[old] != -1:
                raise InputError(f"merge classes: {classes[old]!r} is in two groups")
            new_labels[old] = new
    return new_labels[labels]


def merge_vectors(
    vectors: LabelVectors, classes: tuple[str, ...], groups: Mapping[str, Sequence[str | int]]
) -> LabelVectors:
    """Return the tags or votes of groups of classes, numbered in the order given.

    Parameters and errors are those of ``Arrays.merge``.
    """
    new_labels = merge_labels(np.arange(len(classes)), classes, groups).tolist()
    if vectors.kind == "votes" and -1 in new_labels:
        raise InputError(
            f"merge classes: {classes[new_labels.index(-1)]!r} is in no group, and votes for a "
            "class cannot be left out; add it to a group"
        )
    return vectors.merge(new_labels, len(groups))


def least_fraction(root: Path | None) -> float:
    """Return the fraction of votes that the recipe of a dataset asks of a single class.

    Parameters
    ----------
    root : Path or None
        The dataset, or a part of it; without a recipe there, the fraction is 0.
    """
    from mingolotss.dataset.provenance import read_provenance
    from mingolotss.dataset.sample_table import dataset_folder

    provenance = None if root is None else read_provenance(dataset_folder(root).path)
    return 0.0 if provenance is None else provenance.recipe.classes.least_fraction


def _check_groups(groups: object) -> None:
    """Check that groups map names to lists of classes."""
    example = 'for example merge={"FRI": ["FRI", "FRI NAT"], "FRII": ["FRII"]}'
    if not isinstance(groups, Mapping):
        raise InputError(
            f"merge classes: merge={groups!r:.80}; give a group for each new class, {example}"
        )
    if not groups:
        raise InputError(
            f"merge classes: merge={{}} has no group, so that no image is left; {example}, or "
            "merge=None to keep all classes"
        )
    for name, members in groups.items():
        if not isinstance(name, str):
            raise InputError(f"merge classes: {name!r:.80} is no name of a class; {example}")
        if isinstance(members, str | bytes) or not isinstance(members, Collection):
            raise InputError(
                f"merge classes: {name!r} should be a list of classes and is {members!r:.80}; "
                f"give {{{name!r}: [{members!r:.80}]}}"
            )
        if not len(members):
            raise InputError(f"merge classes: {name!r} is an empty list of classes; {example}")


def _label(member: object, classes: tuple[str, ...]) -> int:
    """Return the label of a class that is given by name or by label."""
    if isinstance(member, str) and member in classes:
        return classes.index(member)
    if isinstance(member, int | np.integer) and not isinstance(member, bool):
        label = int(member)
        if 0 <= label < len(classes):
            return label
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
    return replace(
        samples,
        images=np.asanyarray(samples.images)[part],
        masks=None if samples.masks is None else np.asanyarray(samples.masks)[part],
        labels=samples.labels[part],
        sources=samples.sources[part],
        filenames=samples.filenames[part],
        splits=samples.splits[part],
        vectors=None if samples.vectors is None else samples.vectors.take(part),
    )


def concatenate(parts: Sequence[Arrays]) -> Arrays:
    """Join samples of the same classes, in order, without reading their images."""
    if len(parts) == 1:
        return parts[0]
    if len({part.channels for part in parts}) > 1:
        names = sorted({", ".join(part.channels) or "none" for part in parts})
        raise DatasetError(f"read a dataset: its files have different channels: {names!r:.200}")
    return Arrays(
        ImageStack([np.asarray(part.images) for part in parts]),
        np.concatenate([part.labels for part in parts]),
        parts[0].classes,
        *(
            tuple(text for part in parts for text in getattr(part, name))
            for name in ("sources", "filenames", "splits")
        ),
        channels=parts[0].channels,
        vectors=join_vectors([part.vectors for part in parts]),
        masks=_concatenate_masks(parts),
    )


def _concatenate_masks(parts: Sequence[Arrays]) -> ImageStack | None:
    """Join the masks of samples; None if some of them have none."""
    masks = [part.masks for part in parts]
    if any(mask is None for mask in masks):
        return None
    return ImageStack([np.asarray(mask) for mask in masks])
