"""``MingoSequence``: a Keras 3 ``PyDataset``, for any backend.

``model.fit(MingoSequence("demo"))`` trains on it. What is not here: reading (``arrays.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray, gather, gather_unit_range, unit_range
from mingolotss.dataset.indexing import sample_index
from mingolotss.dataset.label_targets import Target, default_target
from mingolotss.dataset.label_words import label_facts
from mingolotss.dataset.sample_summary import image_kind, split_counts
from mingolotss.errors import InputError
from mingolotss.io.optional import optional_class
from mingolotss.io.summaries import Shown, Summary, format_counts
from mingolotss.loaders.arrays import open_samples
from mingolotss.loaders.transforms import check_masks

if TYPE_CHECKING:
    from keras.utils import PyDataset
    from matplotlib.figure import Figure
else:
    PyDataset = optional_class(
        "keras.utils",
        "PyDataset",
        extra="keras",
        remedy="it needs a backend: install torch, jax or tensorflow, and set the environment "
        "variable KERAS_BACKEND to its name",
    )

__all__ = ["MingoSequence"]


class MingoSequence(Shown, PyDataset):
    """Batches of images, shape (n, ny, nx, 1) or (n, ny, nx, channels), and their targets.

    Parameters
    ----------
    root : path
        As for ``load``.
    split : str
        As for ``load``.
    batch_size : int
        Images of a batch; the last one of an epoch can be smaller.
    shuffle : bool
        Another order in every epoch.
    seed : int
        Seed of the random orders.
    scale : bool
        Give float32 from 0 to 1 instead of uint8; images in Jy/beam stay in Jy/beam.
    merge : mapping of str to sequence of str or int, optional
        New classes made of old ones, by name or by label; the rest is left out.
    channels : str or sequence of str, optional
        Only these channels of a dataset with channels, in this order.
    masks : bool
        Give the mask of each image in the place of its label, for a network that segments: uint8,
        shape (n, ny, nx, 1), with the values 0 (background), 1 (this source) and 2 (another
        source), as ``sparse_categorical_crossentropy`` takes them. The labels are in `labels`.
    target : {"index", "multi-hot", "soft"}, optional
        What a network learns for each image, as for ``load``: labels, shape (n,), or float32,
        shape (n, classes).
    transform : callable, optional
        Applied to each batch of images. With `masks`, it gets and returns a dict of the batch,
        ``{"images": ..., "segmentation_masks": ...}``, as the layers of Keras that augment take it.
    published_names : bool
        Use the names of the classes in the published batches. Those of classes 1 and 2 of
        MingoLoTSS are interchanged there.
    workers : int
        As for ``keras.utils.PyDataset``, like the next two.
    use_multiprocessing : bool
        Whether the workers are processes.
    max_queue_size : int
        Batches that are made ahead.

    Attributes
    ----------
    labels : int64 array, shape (n,)
        -1 where there is no single class.
    targets : int64 array, shape (n,), or float32 array, shape (n, classes)
        What the batches have.
    target : {"index", "multi-hot", "soft"}
    classes : list of str
    channels : list of str
        The name of each channel; empty for a dataset without channels.
    sources, splits : list of str
        Name of each image's source, and of its split.
    table : pyarrow.Table
        The metadata of each image.
    class_weight : dict of int to float
        For ``model.fit(..., class_weight=...)``: each class counts the same. Keras takes one class
        for each image there, so that asking for it is an error if the targets are "multi-hot".

    Examples
    --------
    >>> import mingolotss
    >>> train = mingolotss.MingoSequence("demo", "train", batch_size=32)
    >>> images, labels = train[0]
    >>> images.shape
    (32, 150, 150, 1)
    >>> model.fit(train, validation_data=mingolotss.MingoSequence("demo", "test"))  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        batch_size: int = 64,
        *,
        shuffle: bool = True,
        seed: int = 0,
        scale: bool = True,
        merge: Mapping[str, Sequence[str | int]] | None = None,
        channels: str | Sequence[str] | None = None,
        masks: bool = False,
        target: Target | None = None,
        transform: Callable[[Any], Any] | None = None,
        published_names: bool = False,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__(
            workers=workers, use_multiprocessing=use_multiprocessing, max_queue_size=max_queue_size
        )
        if batch_size < 1:
            raise InputError(f"open {root}: batch_size={batch_size}; give 1 or more")
        self._samples = open_samples(
            root, split, merge=merge, channels=channels, target=target,
            published_names=published_names,
        )  # fmt: skip
        check_masks(f"open {root}", masks=masks, has_masks=self._samples.masks is not None)
        self._gives_masks = masks
        self.channels = list(self._samples.channels)
        self.labels, self.classes = self._samples.labels, list(self._samples.classes)
        self.target: Target = self._samples.target or default_target(self._samples.vectors)
        self.targets = self._samples.targets
        self.batch_size, self.scale, self.transform = batch_size, scale, transform
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._order = self._new_order()

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    @property
    def sources(self) -> list[str]:
        """The name of each image's source, in the order of `labels`."""
        return list(self._samples.sources)

    @property
    def splits(self) -> list[str]:
        """The split of each image, in the order of `labels`."""
        return list(self._samples.splits)

    @property
    def table(self) -> pa.Table:
        """The metadata of each image, in the order of `labels` (`mingolotss.MingoLoTSS.table`).

        The batches have this order if `shuffle` is False.
        """
        return self._samples.table

    @property
    def class_weight(self) -> dict[int, float]:
        """The weight of each class, for ``model.fit(..., class_weight=...)``.

        Raises
        ------
        InputError
            The targets are "multi-hot": Keras would weigh an image by its first tag alone.
        """
        if self.target == "multi-hot":
            raise InputError(
                f"weigh the classes of {self._samples.root}: class_weight of Keras takes one class "
                "for each image, and these have tags; use positive_weights() or weights() in a loss"
            )
        return dict(enumerate(self.weights().tolist()))

    def counts(self) -> dict[str, int]:
        """Count the images of each class, or with each tag.

        Returns
        -------
        dict of str to int
            By the name of the class, in the order of the labels.
        """
        return self._samples.counts()

    def weights(self) -> NDArray[np.float64]:
        """Weigh classes so that each counts the same, as ``Arrays.weights``.

        Returns
        -------
        float64 array, shape (number of classes,)
            That is n / (classes * count).
        """
        return self._samples.weights()

    def positive_weights(self) -> NDArray[np.float64]:
        """Weigh the images of each class against the others, as ``Arrays.positive_weights``.

        Returns
        -------
        float64 array, shape (number of classes,)
            Other images for each image of the class.
        """
        return self._samples.positive_weights()

    def describe(self) -> Summary:
        """Return a table of the classes, as ``Arrays.describe``.

        Returns
        -------
        Summary
            Text where it is printed, and HTML in a notebook.
        """
        return self._samples.describe()

    def plot(
        self, n: int | Sequence[int] = 12, *, columns: int | None = None, seed: int | None = None
    ) -> Figure:
        """Draw stamps with their names and classes; see `mingolotss.plot`.

        Parameters
        ----------
        n : int or sequence of int
            How many stamps, of all classes in turn; or the indices of those to draw.
        columns : int, optional
            Stamps in a row; by default up to six.
        seed : int, optional
            Choose stamps at random; by default the first of each class.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it.
        """
        return self._samples.plot(n, columns=columns, seed=seed)

    def _repr_html_(self) -> str:
        return replace(self._summary(), pictures=self._samples.pictures()).html()

    def _summary(self) -> Summary:
        samples = self._samples
        order = "shuffled in every epoch" if self._shuffle else "in the order of the dataset"
        kind = "float32 from 0 to 1" if self.scale else samples.images.dtype.name
        sides = samples.images.shape[-2:]
        axes = (*sides, max(1, len(self.channels)))
        facts = {
            "batches": f"{len(self):,} of {self.batch_size}, {order}",
            "images": f"{kind}, shape (n, {', '.join(map(str, axes))})",
            "root": str(samples.root),
            **label_facts(samples.labels, samples.classes, samples.vectors),
            "splits": format_counts(split_counts(samples.splits)),
        }
        if self.channels:
            facts["channels"] = ", ".join(self.channels)
        title = f"{type(self).__name__}: {image_kind(samples.images)}"
        return Summary(title, facts, samples.label_table())

    def __getitem__(self, index: SupportsIndex) -> tuple[Any, Any]:
        """Return one batch."""
        place = sample_index(index, len(self), type(self).__name__, "batches")
        if isinstance(place, range):
            raise TypeError(f"index {type(self).__name__} with {index}: give one index of a batch")
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        batch = self._images_at(rows.tolist())
        if self._gives_masks and self._samples.masks is not None:
            return self._with_masks(batch, gather(self._samples.masks, rows.tolist())[..., None])
        return (batch if self.transform is None else self.transform(batch)), self.targets[rows]

    def _images_at(self, rows: list[int]) -> ImageArray:
        """Return the images at `rows`, with their channels along the last axis."""
        images = self._samples.images
        if len(images.shape) == 4:
            # A copy in the order of memory that the backends need, before the fast division.
            last = np.ascontiguousarray(gather(images, rows).transpose(0, 2, 3, 1))
            return unit_range(last) if self.scale else last
        if not self.scale:
            return gather(images, rows)[..., None]
        batch = np.empty((len(rows), *images.shape[1:]), np.float32)
        gather_unit_range(images, rows, batch)
        return batch[..., None]

    def _with_masks(self, images: Any, masks: Any) -> tuple[Any, Any]:
        """Return a batch of images with its masks, both transformed."""
        if self.transform is None:
            return images, masks
        both = self.transform({"images": images, "segmentation_masks": masks})
        return both["images"], both["segmentation_masks"]

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self._epoch += 1
        self._order = self._new_order()

    def _new_order(self) -> NDArray[np.intp]:
        order = np.arange(len(self.labels))
        if self._shuffle:
            np.random.default_rng([self._seed, self._epoch]).shuffle(order)
        return order
