"""``TorchSamples``: the samples of a dataset for PyTorch, which a user may select and replace.

`data` and `targets` can be assigned, as those of torchvision's datasets. What is not here: items
and batches (``torch_items.py``).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.image_stack import ImageArray, ImageStack, gather, take_images
from mingolotss.dataset.indexing import select_texts
from mingolotss.dataset.label_targets import Target, positive_weights
from mingolotss.dataset.samples import Arrays, class_counts, class_weights
from mingolotss.errors import InputError
from mingolotss.image.masks import Masks
from mingolotss.io.png import Allocate
from mingolotss.io.summaries import Summary
from mingolotss.loaders.sample_names import SampleNames
from mingolotss.loaders.selected_rows import RowArray, matching_rows
from mingolotss.model import Ints

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

__all__ = ["TorchSamples"]


class TorchSamples:
    """Images with their targets, masks, names and metadata.

    Attributes
    ----------
    classes, channels : list of str
    target : {"index", "multi-hot", "soft"}
        What the targets are.
    """

    classes: list[str]
    channels: list[str]
    target: Target
    _images: ImageArray | ImageStack
    _masks: ImageArray | ImageStack | None  # of all samples that were opened
    _targets: Any
    # The names of all samples that were opened, and the rows of those that `data` has now: None if
    # these are not known.
    _opened: SampleNames
    _rows: npt.NDArray[np.integer] | None
    _metadata: list[dict[str, object]] | None  # of the items; None until it is needed

    def __len__(self) -> int:
        return len(self._images)

    @property
    def data(self) -> ImageArray:
        """The images as one array, shape (n, ny, nx, 1), or (n, ny, nx, channels).

        A change in it shows in the items.
        """
        # The original class has a writable array in `data`, and users change it in place. Images
        # that are views of a mapped file are copied into memory at the first use, and the copy
        # replaces them.
        if isinstance(self._images, ImageStack) or not self._images.flags.writeable:
            self._images = np.array(self._images)
        images = self._images
        last = images[..., None] if images.ndim == 3 else images.transpose(0, 2, 3, 1)
        return RowArray.of(last, self._rows, self._opened)

    @data.setter
    def data(self, images: ImageArray) -> None:
        new = np.asarray(images)
        last = ((len(self.channels),),) if self.channels else ((), (1,))
        if new.ndim not in (3, 4) or new.shape[3:] not in last:
            raise InputError(
                f"set the data of {type(self).__name__}: an array of shape {new.shape}; give "
                f"images of shape (n, ny, nx, {len(self.channels) or 1})"
            )
        if new.dtype != np.uint8 and new.dtype.kind != "f":
            raise InputError(
                f"set the data of {type(self).__name__}: an array of {new.dtype}; give uint8, or "
                "float32 for images that are no grey levels"
            )
        new = new.transpose(0, 3, 1, 2) if self.channels else new.reshape(new.shape[:3])
        new = new.astype(new.dtype if new.dtype == np.uint8 else np.float32, copy=False)
        if isinstance(images, RowArray) and images.owner is self._opened:
            self._rows = images.rows
        elif self._rows is not None:
            matches = matching_rows(new, np.asarray(self._images))
            self._rows = None if matches is None else self._rows[matches]
        self._images, self._metadata = new, None

    @property
    def masks(self) -> Masks | None:
        """The mask of each image, uint8 array, shape (n, ny, nx): a copy; None without masks."""
        return None if self._masks is None else self._mask_rows(range(len(self)))

    @property
    def targets(self) -> Any:
        """What is learned for each image: a list of int, or a tensor with a row for each image.

        A selection of the targets can be assigned together with that of `data`.
        """
        return self._targets

    @targets.setter
    def targets(self, targets: Any) -> None:
        import torch

        if self.target == "index":
            self._targets: Any = targets
            return
        rows = torch.as_tensor(targets, dtype=torch.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.classes):
            raise InputError(
                f"set the targets of {type(self).__name__}: shape {tuple(rows.shape)}; give a row "
                f"of {len(self.classes)} values for each image, as target={self.target!r} has"
            )
        self._targets = rows

    @property
    def sources(self) -> list[str]:
        """The name of each image's source."""
        return list(select_texts(self._opened.texts()[0], self._known_rows()))

    @property
    def filenames(self) -> list[str]:
        """The name of each image's file, as the dataset has it."""
        return list(select_texts(self._opened.texts()[1], self._known_rows()))

    @property
    def splits(self) -> list[str]:
        """The split of each image."""
        return list(select_texts(self._opened.texts()[2], self._known_rows()))

    @property
    def table(self) -> pa.Table:
        """The metadata of each image, a row each, in the order of the images.

        The columns are ``source``, ``label``, ``class``, ``split`` and ``image_file``, and the
        others of the manifest where the dataset has one. ``label`` and ``class`` are those of
        `targets`; ``manifest_class`` is the class in the manifest, before any merging.

        Raises
        ------
        InputError
            `data` and `targets` have different lengths, or `data` was replaced by other images.
        """
        return self._samples().table

    def take(self, selection: npt.ArrayLike | range) -> Self:
        """Return a dataset of some of the samples: indices, or a boolean per sample.

        Parameters
        ----------
        selection : array-like or range
            Indices, or a boolean for each sample.

        Returns
        -------
        dataset
            Of the same class; images in files stay there.

        Raises
        ------
        InputError
            It is neither, or there are no such samples.
        """
        images, rows = take_images(self._images, selection)
        result = copy.copy(self)
        result.__dict__.update(
            _images=images,
            _targets=self._targets_of(rows.tolist()),
            _rows=None if self._rows is None else self._rows[rows],
            _metadata=None,
        )
        return result

    def counts(self) -> dict[str, int]:
        """Count the images of each class, or with each tag.

        Returns
        -------
        dict of str to int
            By the name of the class, in the order of the labels.
        """
        if self.target == "multi-hot":
            counts = map(int, self._vectors().counts())
            return dict(zip(self.classes, counts, strict=True))
        return class_counts(self._labels(), self.classes)

    def weights(self) -> torch.Tensor:
        """Weigh classes so that each counts the same, for ``CrossEntropyLoss(weight=...)``.

        Returns
        -------
        float32 tensor, shape (number of classes,)
            That is n / (classes * count), as ``Arrays.weights``.
        """
        import torch

        return torch.from_numpy(class_weights(self._expected_counts())).float()

    def positive_weights(self) -> torch.Tensor:
        """Weigh the images of each class against all others, for ``pos_weight``.

        Returns
        -------
        float32 tensor, shape (number of classes,)
            For ``BCEWithLogitsLoss(pos_weight=...)``, as ``Arrays.positive_weights``.
        """
        import torch

        labelled = self._labels() >= 0 if self.target == "index" else self._vectors().is_labelled
        weights = positive_weights(self._expected_counts(), int(np.count_nonzero(labelled)))
        return torch.from_numpy(weights).float()

    def _expected_counts(self) -> Sequence[float]:
        """Return the number of images in each class; of votes the sum of their fractions."""
        if self.target == "index":
            return list(self.counts().values())
        return [float(count) for count in self._vectors().counts()]

    def _vectors(self) -> LabelVectors:
        """Return the targets, which are a row for each image, as they are now."""
        values = self._targets.numpy()
        if self.target == "multi-hot":
            return LabelVectors.of_tags(values)
        return LabelVectors.of_votes(values, np.full(len(values), np.nan))

    def _labels(self) -> Ints:
        """Return the label of each image as it is now, -1 where there is no single class."""
        if self.target == "index":
            return np.array([int(target) for target in self.targets], np.int64)
        if self._rows is None or len(self._rows) != len(self._targets):
            return self._vectors().single_labels().astype(np.int64)
        labels: Ints = self._opened.labels()[0][self._rows]
        return labels

    def _known_rows(self) -> npt.NDArray[np.integer]:
        if self._rows is None:
            raise InputError(
                f"look up the sources of {type(self).__name__}: its data was replaced by images "
                "that are not in the dataset; assign a selection, for example "
                "dataset.data = dataset.data[mask]"
            )
        return self._rows

    def _samples(self) -> Arrays:
        """Return the samples as they are now."""
        rows = self._known_rows()
        labels = self._labels()
        if len(rows) != len(labels):
            raise InputError(
                f"look up the samples of {type(self).__name__}: data has {len(rows)} images and "
                f"targets has {len(labels)} labels; select the same samples of both"
            )
        names = (select_texts(texts, rows) for texts in self._opened.texts())
        vectors = self._opened.labels()[1]
        if vectors is not None:
            vectors = self._vectors() if vectors.kind == "tags" else vectors.take(rows)
        return Arrays(
            self._images,
            labels,
            tuple(self.classes),
            *names,
            channels=tuple(self.channels),
            vectors=vectors,
            target=self.target,
            root=self._opened.root,
        )

    def _targets_of(self, indices: Sequence[int]) -> Any:
        """Return the targets of some images: a list of labels, or a new tensor of their rows."""
        targets = self._targets
        if self.target == "index":
            return [targets[index] for index in indices]
        return targets[list(indices)]

    def _mask_rows(self, indices: Sequence[int], memory: Allocate = np.empty) -> Masks:
        """Return the masks at `indices` in an array that `memory` makes, shape (k, ny, nx)."""
        rows = self._known_rows()
        if self._masks is None:
            raise RuntimeError("a dataset without masks is asked for one")
        if self._masks.shape[1:] != self._images.shape[-2:]:
            raise InputError(
                f"look up the masks of {type(self).__name__}: its data was replaced by images of "
                f"{self._images.shape[-1]} x {self._images.shape[-2]} pixels, and the masks have "
                f"{self._masks.shape[2]} x {self._masks.shape[1]}; crop both with transforms="
            )
        masks: Masks = memory((len(indices), *self._masks.shape[1:]), np.dtype(np.uint8))
        gather(self._masks, rows[np.asarray(indices, np.intp)].tolist(), masks)
        return masks

    def describe(self) -> Summary:
        """Return a table of the classes: images in each split, weights, medians of size and flux.

        Returns
        -------
        Summary
            Text where it is printed, and HTML in a notebook.
        """
        return self._samples().describe()

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
        return self._samples().plot(n, columns=columns, seed=seed)
