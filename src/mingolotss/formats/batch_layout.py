"""What a batch and ``batches.meta`` contain, and how they are pickled, as a recipe describes it.

The default is the layout of MingoLoTSS: one array of all images, with the names of sources and
fields, in protocol 4. FR-DEEP and MiraBest are lists of images in protocol 3
(`mingolotss.formats.pickle_protocol3`). Here too, the same content gives the same bytes.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from mingolotss.formats.pickle_protocol3 import Pickled, Protocol3Pickler
from mingolotss.io.files import atomic_path
from mingolotss.recipe.batch_settings import PickleSettings
from mingolotss.recipe.model import Recipe

__all__ = ["BatchContent", "BatchLayout"]


class BatchContent(NamedTuple):
    """The samples of one batch.

    Attributes
    ----------
    label : str
        The description of the batch.
    pixels : uint8 array, shape (n, side, side)
    labels : sequence of int, length n
    image_files, sources, fields : sequence of str, length n
    """

    label: str
    pixels: npt.NDArray[np.uint8]
    labels: Sequence[int]
    image_files: Sequence[str]
    sources: Sequence[str]
    fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """How the batches of a dataset are written.

    Attributes
    ----------
    pickle : PickleSettings
    published_names : mapping of str to str
        The name of a class in the published batches, where it is another than in the dataset.
    published_size : int
        The number of images in each published batch; 0 if there is no published list.
    """

    pickle: PickleSettings = field(default_factory=PickleSettings)
    published_names: Mapping[str, str] = field(default_factory=dict)
    published_size: int = 0

    @classmethod
    def of(cls, recipe: Recipe) -> BatchLayout:
        """Return the layout of a recipe.

        Batches have the published names of the classes if the recipe has a published list.
        """
        images = recipe.published.read_list()
        if images is None:
            return cls(recipe.batches.pickle)
        names = {row.name: row.published for row in recipe.classes.table if row.published}
        return cls(recipe.batches.pickle, names, max(images.batch_sizes().values()))

    def write_batch(self, path: Path, content: BatchContent) -> None:
        """Write one batch, complete or not at all."""
        template = self.pickle.filenames
        names = [template.replace("{image_file}", name) for name in content.image_files]
        values: dict[str, object] = {
            "batch_label": content.label,
            "labels": [int(one) for one in content.labels],
            "data": self._images(content.pixels),
            "filenames": self._texts(names),
            "src_ids": _interned(content.sources),
            "fieldnames": _interned(content.fields),
        }
        self._write(path, {key: values[key] for key in self.pickle.keys})

    def write_meta(self, path: Path, classes: Sequence[str], *, side: int, size: int) -> None:
        """Write ``batches.meta``.

        Parameters
        ----------
        path : Path
        classes : sequence of str
            The name of each label.
        side : int, px
        size : int
            The number of images in the largest batch, if none is published.
        """
        names = [self.published_names.get(name, name) for name in classes]
        values: dict[str, object] = {
            "num_cases_per_batch": self.published_size or size,
            "label_names": _interned(names),
            "num_vis": side * side,
        }
        self._write(path, {key: values[key] for key in self.pickle.meta})

    def _images(self, pixels: npt.NDArray[np.uint8]) -> object:
        rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
        if self.pickle.images == "array":
            return rows
        return list(rows if self.pickle.images == "flat" else pixels)

    def _texts(self, texts: Sequence[str]) -> object:
        return (
            [np.str_(text) for text in texts] if self.pickle.text == "numpy" else _interned(texts)
        )

    def _write(self, path: Path, content: Mapping[str, object]) -> None:
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            if self.pickle.protocol == 3:
                pickler = Protocol3Pickler(stream, int_flags=self.pickle.dtype_flags == "int")
                pickler.dump(cast("Mapping[str, Pickled]", content))
            else:
                pickle.dump(content, stream, protocol=self.pickle.protocol)


def _interned(words: Sequence[str]) -> list[str]:
    """Return strings of which equal ones are one object: the bytes of a pickle depend on it."""
    return [sys.intern(word) for word in words]
