"""What a batch and ``batches.meta`` contain, and how they are pickled, as a recipe describes it.

The default is the layout of MingoLoTSS: one array of all images, with the names of sources and
fields, in protocol 4. FR-DEEP and MiraBest are lists of images in protocol 3
(`mingolotss.formats.pickle_protocol3`). Here too, the same content gives the same bytes.

A row of several channels has all of its first plane, then all of the next, as the rows of CIFAR
have red, green and blue; their names are the list ``channel_names`` of a batch and of
``batches.meta``. Tags and votes are arrays beside the labels, in protocol 3 lists of numbers.
"""

from __future__ import annotations

import math
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.layout import BatchFolder
from mingolotss.formats.label_arrays import label_arrays
from mingolotss.formats.pickle_protocol3 import Pickled, Protocol3Pickler
from mingolotss.image.masks import Masks
from mingolotss.io.files import atomic_path

if TYPE_CHECKING:  # readers need no recipe, and no pydantic
    from mingolotss.recipe.batch_settings import BatchSettings, PickleSettings
    from mingolotss.recipe.model import Recipe
    from mingolotss.recipe.published_list import PublishedList

__all__ = ["CHANNEL_NAMES", "MASKS", "BatchContent", "BatchLayout"]

CHANNEL_NAMES = "channel_names"
"""The key of the names of the channels, in a batch and in ``batches.meta``."""
MASKS = "masks"
"""The key of the masks of a batch, stored as the images are, with one plane."""


def _default_settings() -> BatchSettings:
    from mingolotss.recipe.batch_settings import BatchSettings

    return BatchSettings()


class BatchContent(NamedTuple):
    """The samples of one batch.

    Attributes
    ----------
    label : str
        The description of the batch.
    pixels : uint8 array, shape (n, side * side) or (n, channels * side * side)
        Or float32, with channels.
    labels : sequence of int, length n
    image_files, sources, fields : sequence of str, length n
    channels : sequence of str
        Their names; none for images without an axis of channels.
    masks : uint8 array, shape (n, side * side), or None
        None for a dataset without masks.
    vectors : LabelVectors or None
        The tags or votes.
    """

    label: str
    pixels: ImageArray
    labels: Sequence[int]
    image_files: Sequence[str]
    sources: Sequence[str]
    fields: Sequence[str]
    channels: Sequence[str] = ()
    masks: Masks | None = None
    vectors: LabelVectors | None = None


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """How the batches of a dataset are written.

    Attributes
    ----------
    settings : BatchSettings
    published : PublishedList or None
        The list that the batches follow.
    published_names : mapping of str to str
        The name in the published batches of each class of the recipe, by label; empty without a
        list. They are written if the dataset has these classes, none of them merged or dropped.
    """

    settings: BatchSettings = field(default_factory=_default_settings)
    published: PublishedList | None = None
    published_names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe) -> BatchLayout:
        """Return the layout of a recipe."""
        images = recipe.published.read_list()
        table = recipe.classes.table if images is not None else ()
        names = {row.name: row.published or row.name for row in table}
        return cls(recipe.batches, images, names)

    @property
    def pickle(self) -> PickleSettings:
        """What a batch contains, and how it is pickled."""
        return self.settings.pickle

    def filename(self, image_file: str) -> str:
        """Return the entry of an image in ``filenames``."""
        return self.pickle.filenames.replace("{image_file}", image_file)

    def members(self, folder: BatchFolder, files: Iterable[Path]) -> Iterator[tuple[str, Path]]:
        """Yield those of the files of a folder that are in the archive, with their names in it.

        The list of checksums is not among them if the archive is to be the published one.
        """
        prefix = f"{folder.path.name}/" if self.settings.in_archive == "folder" else ""
        for file in files:
            if self.published is None or file != folder.checksums:
                yield f"{prefix}{file.name}", file

    def write_batch(self, path: Path, content: BatchContent) -> None:
        """Write one batch, complete or not at all."""
        names = [self.filename(name) for name in content.image_files]
        values: dict[str, object] = {
            "batch_label": content.label,
            "labels": [int(one) for one in content.labels],
            "data": self._images(content.pixels, len(content.channels)),
            "filenames": self._texts(names),
            "src_ids": _interned(content.sources),
            "fieldnames": _interned(content.fields),
        }
        entries: dict[str, object] = {key: values[key] for key in self.pickle.keys}
        for name, array in label_arrays(content.vectors).items():
            entries[name] = array.tolist() if self.pickle.protocol == 3 else array
        if content.masks is not None:
            entries[MASKS] = self._images(content.masks, 0)
        self._write(path, entries, content.channels)

    def write_meta(
        self,
        path: Path,
        classes: Sequence[str],
        *,
        side: int,
        size: int,
        channels: Sequence[str] = (),
    ) -> None:
        """Write ``batches.meta``.

        Parameters
        ----------
        path : Path
        classes : sequence of str
            The name of each label.
        side : int, px
        size : int
            The number of images in the largest batch, if none is published.
        channels : sequence of str
            Their names.
        """
        if self.published is not None:
            size = max(self.published.batch_sizes().values())
        is_published = tuple(classes) == tuple(self.published_names)
        names = tuple(self.published_names.values()) if is_published else classes
        values: dict[str, object] = {
            "num_cases_per_batch": size,
            "label_names": _interned(names),
            "num_vis": side * side * max(1, len(channels)),
        }
        self._write(path, {key: values[key] for key in self.pickle.meta}, channels)

    def _images(self, rows: ImageArray, channels: int) -> object:
        if self.pickle.images == "array":
            return np.ascontiguousarray(rows)
        if self.pickle.images == "flat" or not len(rows):
            return list(rows)
        axes = (channels,) if channels else ()
        side = math.isqrt(rows.shape[1] // max(1, channels))
        return list(rows.reshape(-1, *axes, side, side))

    def _texts(self, texts: Sequence[str]) -> object:
        return (
            [np.str_(text) for text in texts] if self.pickle.text == "numpy" else _interned(texts)
        )

    def _write(self, path: Path, content: Mapping[str, object], channels: Sequence[str]) -> None:
        if channels:
            content = {**content, CHANNEL_NAMES: _interned(channels)}
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            if self.pickle.protocol == 3:
                pickler = Protocol3Pickler(stream, int_flags=self.pickle.dtype_flags == "int")
                pickler.dump(cast("Mapping[str, Pickled]", content))
            else:
                pickle.dump(content, stream, protocol=self.pickle.protocol)


def _interned(words: Sequence[str]) -> list[str]:
    """Return strings of which equal ones are one object: the bytes of a pickle depend on it."""
    return [sys.intern(word) for word in words]
