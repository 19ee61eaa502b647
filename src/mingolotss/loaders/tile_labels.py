"""What a network learns for each sample of a tile, from the columns of its file.

>>> labels = TileLabels(("FRI", "FRII", "Small"), None, {"other": ["Small"], "FRI": [0]})
>>> table = pa.table({"label": [0, 1, 2, None]})
>>> labels.is_kept(table).tolist(), labels.targets(table.take([0, 2])).tolist()
([True, False, True, False], [1, 0])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors, VectorKind
from mingolotss.dataset.label_columns import VECTOR_COLUMNS, class_texts, read_vectors
from mingolotss.dataset.label_targets import Target, check_target, default_target, make_targets
from mingolotss.dataset.samples import merge_labels, merge_vectors
from mingolotss.errors import DatasetError
from mingolotss.model import Bools, Ints

__all__ = ["TileLabels"]


@dataclass(frozen=True, slots=True)
class TileLabels:
    """The classes of a dataset, and how the labels of its files become targets.

    Attributes
    ----------
    stored : tuple of str
        The name of each label in the files.
    kind : {"tags", "votes"} or None
        None for single classes.
    merge : mapping of str to sequence of str or int, or None
        New classes made of those.
    target : {"index", "multi-hot", "soft"}
    least_fraction : float
        The fraction of votes that a single class has at least, where classes of votes are merged.
    """

    stored: tuple[str, ...]
    kind: VectorKind | None
    merge: Mapping[str, Sequence[str | int]] | None = None
    target: Target = "index"
    least_fraction: float = 0.0

    def with_target(self, target: Target | None, action: str) -> TileLabels:
        """Return the same classes with another target; None for the usual one of their kind.

        Raises
        ------
        InputError
            There is no such target, or it does not fit the kind of labels; or `merge` is wrong.
        """
        self._merged(np.zeros(0, np.int64), self._no_vectors())
        vectors = self._no_vectors()
        return replace(
            self,
            target=default_target(vectors)
            if target is None
            else check_target(target, vectors, action),
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the name of each label, after merging."""
        return self.stored if self.merge is None else tuple(self.merge)

    @property
    def columns(self) -> list[str]:
        """List the columns that `targets` needs."""
        return ["label"] if self.kind is None else ["label", *VECTOR_COLUMNS.names]

    def is_kept(self, table: pa.Table) -> Bools:
        """Return which rows are in the classes of `merge`; all rows of tags or votes are."""
        if self.merge is None or self.kind is not None:
            return np.ones(len(table), bool)
        labels, _ = self._merged(self._stored_labels(table), None)
        return labels >= 0

    def targets(self, table: pa.Table) -> Ints | npt.NDArray[np.float32]:
        """Return the targets of rows, which are kept.

        Parameters
        ----------
        table : pyarrow.Table
            With the `columns`.

        Returns
        -------
        int64 array, shape (n,), or float32 array, shape (n, classes)

        Raises
        ------
        DatasetError
            The labels do not fit the classes.
        """
        return make_targets(self.target, *self._labels(table), len(self.classes))

    def shown(self, table: pa.Table) -> tuple[pa.Array, pa.Array]:
        """Return the columns ``label`` and ``class`` of rows as they are after merging."""
        labels, vectors = self._labels(table)
        texts = class_texts(labels.astype(np.int16), vectors, self.classes)
        return pa.array(labels, mask=labels < 0), texts

    def _labels(self, table: pa.Table) -> tuple[Ints, LabelVectors | None]:
        vectors = None if self.kind is None else read_vectors(table, len(self.stored))
        return self._merged(self._stored_labels(table), vectors)

    def _stored_labels(self, table: pa.Table) -> Ints:
        labels: Ints = table["label"].fill_null(-1).to_numpy().astype(np.int64)
        if len(labels) and not -1 <= labels.min() <= labels.max() < len(self.stored):
            raise DatasetError(
                f"read a dataset: labels from {labels.min()} to {labels.max()} for "
                f"{len(self.stored)} class names; fetch or build it again"
            )
        return labels

    def _merged(
        self, labels: Ints, vectors: LabelVectors | None
    ) -> tuple[Ints, LabelVectors | None]:
        if self.merge is None:
            return labels, vectors
        if vectors is None:
            return merge_labels(labels, self.stored, self.merge), None
        vectors = merge_vectors(vectors, self.stored, self.merge)
        return vectors.single_labels(self.least_fraction).astype(np.int64), vectors

    def _no_vectors(self) -> LabelVectors | None:
        """Return the vectors of no samples; None for single classes."""
        nothing = np.zeros((0, len(self.stored)))
        if self.kind is None:
            return None
        return (
            LabelVectors.of_tags(nothing)
            if self.kind == "tags"
            else LabelVectors.of_votes(nothing, np.zeros(0))
        )
