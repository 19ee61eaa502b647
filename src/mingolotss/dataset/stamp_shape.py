"""The shape of the stamps of a dataset: their channels, their side and the type of their pixels.

A recipe says what it is, and the metadata of a Parquet file repeat it for stamps with channels. A
dataset without channels has one plane for each stamp and no such metadata, as all earlier versions
wrote it.

>>> shape = StampShape(("low", "high"), 150, "float32")
>>> shape.axes, shape.nbytes, shape.is_png
((2, 150, 150), 180000, False)
>>> import pyarrow as pa
>>> StampShape.of_schema(pa.schema([]).with_metadata(shape.to_metadata())) == shape
True
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from mingolotss.errors import InputError
from mingolotss.io.documents import parse_json
from mingolotss.io.png import MAX_SIDE, PNG_CHANNELS
from mingolotss.recipe.names import LONGEST_NAME, MOST_CHANNELS

if TYPE_CHECKING:
    import pyarrow as pa

    from mingolotss.recipe.model import Recipe

__all__ = ["STAMPS_KEY", "StampShape", "channel_names", "channel_places"]

STAMPS_KEY = b"mingolotss.stamps"
"""The key of the shape in the metadata of a Parquet file, as JSON: channels, shape and dtype."""


@dataclass(frozen=True, slots=True)
class StampShape:
    """What each stamp of a dataset is.

    Attributes
    ----------
    channels : tuple of str
        The name of each plane; empty for stamps without an axis of channels.
    side : int, px
        0 if only the images say it, as in files without metadata.
    dtype : {"uint8", "float32"}
    """

    channels: tuple[str, ...] = ()
    side: int = 0
    dtype: Literal["uint8", "float32"] = "uint8"

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> StampShape:
        """Return the shape of the stamps that a recipe makes."""
        names = tuple(channel.name for channel in recipe.channels)
        return cls(names, recipe.stamp.pixels, recipe.stamp.kind)

    @classmethod
    def of_schema(cls, schema: pa.Schema) -> StampShape:
        """Return the shape that the metadata of a file state.

        Without them it is that of a file of one plane: PNG, or float32 in a column ``pixels``.

        Raises
        ------
        ValueError
            The metadata are damaged, describe no possible stamp, or do not fit the columns.
        """
        columns = [name for name in ("pixels", "image") if name in schema.names]
        text = (schema.metadata or {}).get(STAMPS_KEY)
        if text is None:
            return cls(dtype="float32" if "pixels" in columns else "uint8")
        shape = cls._of_json(parse_json(text))
        if columns and (columns[0] == "image") != shape.is_png:
            raise ValueError(
                f"its metadata describe {shape}, which its column {columns[0]} never holds"
            )
        return shape

    @classmethod
    def _of_json(cls, content: object) -> StampShape:
        if not isinstance(content, dict):
            raise ValueError(f"its metadata of stamps are {content!r:.60}")  # noqa: TRY004
        names, axes, dtype = (content.get(key) for key in ("channels", "shape", "dtype"))
        channels = channel_names(names)
        if not isinstance(axes, list) or not all(type(length) is int for length in axes):
            raise ValueError(f"its metadata of stamps have the shape {axes!r:.60}")
        if len(axes) != 3 or axes[0] != len(channels) or axes[1] != axes[2]:
            raise ValueError(
                f"its metadata of stamps have the shape {axes!r:.60} for {len(channels)} channels"
            )
        if not 1 <= axes[1] <= MAX_SIDE or dtype not in ("uint8", "float32"):
            raise ValueError(
                f"its metadata of stamps have the shape {axes!r:.60} and the type {dtype!r:.40}"
            )
        return cls(channels, axes[1], dtype)

    def __str__(self) -> str:
        count = f"{len(self.channels)} {'channel' if len(self.channels) == 1 else 'channels'}"
        return f"{count if self.channels else 'one plane'} of {self.dtype}"

    def to_json(self) -> dict[str, object]:
        """Return the names, the shape and the type as JSON has them."""
        return {"channels": list(self.channels), "shape": list(self.axes), "dtype": self.dtype}

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the metadata of a Parquet file: none for stamps without channels."""
        return {STAMPS_KEY: json.dumps(self.to_json()).encode()} if self.channels else {}

    @property
    def axes(self) -> tuple[int, ...]:
        """Return the shape of one stamp: (channels, ny, nx), or (ny, nx) without channels."""
        sides = self.side, self.side
        return (len(self.channels), *sides) if self.channels else sides

    @property
    def nbytes(self) -> int:
        """Return the size of the pixels of one stamp, in bytes."""
        return int(np.prod(self.axes)) * np.dtype(self.dtype).itemsize

    @property
    def is_float(self) -> bool:
        """Return whether the pixels are float32 and no grey levels."""
        return self.dtype == "float32"

    @property
    def is_png(self) -> bool:
        """Return whether a stamp is stored as a PNG file, and not as its plain pixels."""
        return not self.is_float and (not self.channels or len(self.channels) in PNG_CHANNELS)

    def with_channels(self, channels: Sequence[str]) -> StampShape:
        """Return the shape of stamps with other channels."""
        return replace(self, channels=tuple(channels))


def channel_names(names: object) -> tuple[str, ...]:
    """Return the names of channels in a file that may come from anywhere.

    Raises
    ------
    ValueError
        They are no list of different names, or too many.
    """
    listed = _texts(names)
    if not 0 < len(listed) <= MOST_CHANNELS or max(map(len, listed)) > LONGEST_NAME:
        raise ValueError(f"its channels are {names!r:.60}")
    if len(set(listed)) != len(listed) or "" in listed:
        raise ValueError(f"its channels do not have different names: {names!r:.60}")
    return listed


def _texts(values: object) -> tuple[str, ...]:
    """Return a sequence of texts; none if it is anything else."""
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
        return ()
    return tuple(values)


def channel_places(names: object, channels: Sequence[str], action: str) -> list[int]:
    """Return the index of each channel that a user names.

    Parameters
    ----------
    names : str or sequence of str
    channels : sequence of str
        Those of the dataset.
    action : str
        For the message.

    Raises
    ------
    InputError
        The dataset has no channels or none of this name, or a name is given twice or not at all.
    """
    asked = (names,) if isinstance(names, str) else _texts(names)
    if not asked or len(set(asked)) != len(asked):
        raise InputError(f"{action}: channels={names!r:.80}; give a list of different names")
    if not channels:
        raise InputError(
            f"{action}: channels={names!r:.80}, and its images have no channels; leave it out"
        )
    if unknown := [name for name in asked if name not in channels]:
        raise InputError(
            f"{action}: no channel {unknown[0]!r:.80}; there are {', '.join(channels)}"
        )
    return [channels.index(name) for name in asked]
