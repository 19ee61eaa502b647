"""The names and labels of the samples that a dataset object was opened with.

A pickled dataset goes through a pipe to each worker process, and a pipe holds 64 kB: if the pickle
is larger, the workers start one after the other. The names of 5,805 samples take 400 kB and few
workers need them, so a pickle leaves them in the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.samples import Arrays
from mingolotss.loaders.arrays import open_samples
from mingolotss.model import Ints

__all__ = ["SampleNames"]

_Texts = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Opened:
    """Samples as they were opened, without their images."""

    texts: _Texts
    labels: Ints
    vectors: LabelVectors | None

    @classmethod
    def of(cls, samples: Arrays) -> _Opened:
        texts = samples.sources, samples.filenames, samples.splits
        return cls(texts, samples.labels, samples.vectors)


class SampleNames:
    """Sources, image files, splits and labels of samples, by their number in the opened dataset.

    Parameters
    ----------
    samples : Arrays
        As ``open_samples`` returned them.
    split, merge, published_names
        The arguments of ``open_samples``.
    """

    def __init__(
        self,
        samples: Arrays,
        split: str,
        *,
        merge: Mapping[str, Sequence[str | int]] | None,
        published_names: bool,
    ) -> None:
        self.root = samples.root
        self._split, self._merge, self._published = split, merge, published_names
        self._opened: _Opened | None = _Opened.of(samples)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_opened": None}

    def texts(self) -> _Texts:
        """Return the sources, image files and splits of all samples that were opened.

        Raises
        ------
        DatasetError
            This is another process, and the files of the dataset are no longer there.
        """
        return self._read().texts

    def labels(self) -> tuple[Ints, LabelVectors | None]:
        """Return the labels of all samples that were opened, and their tags or votes.

        Raises
        ------
        DatasetError
            As for `texts`.
        """
        opened = self._read()
        return opened.labels, opened.vectors

    def _read(self) -> _Opened:
        if self._opened is None:
            root, merge, published = self.root or Path(), self._merge, self._published
            samples = open_samples(root, self._split, merge=merge, published_names=published)
            self._opened = _Opened.of(samples)
        return self._opened
