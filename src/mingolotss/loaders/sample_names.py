"""The names of the samples that a dataset object was opened with.

A pickled dataset goes through a pipe to each worker process, and a pipe holds 64 kB: if the pickle
is larger, the workers start one after the other. The names of 5,805 samples take 400 kB and few
workers need them, so a pickle leaves them in the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mingolotss.dataset.samples import Arrays
from mingolotss.loaders.arrays import open_samples

__all__ = ["SampleNames"]

_Texts = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


class SampleNames:
    """Sources, image files and splits of samples, by their number in the opened dataset.

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
        self._texts: _Texts | None = _texts(samples)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_texts": None}

    def texts(self) -> _Texts:
        """Return the sources, image files and splits of all samples that were opened.

        Raises
        ------
        DatasetError
            This is another process, and the files of the dataset are no longer there.
        """
        if self._texts is None:
            root, merge, published = self.root or Path(), self._merge, self._published
            samples = open_samples(root, self._split, merge=merge, published_names=published)
            self._texts = _texts(samples)
        return self._texts


def _texts(samples: Arrays) -> _Texts:
    return samples.sources, samples.filenames, samples.splits
