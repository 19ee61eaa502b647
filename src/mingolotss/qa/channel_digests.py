"""Which channels of an image are not those of the manifest.

The manifest has one checksum for all channels of a stamp; the table of channels has one for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.dataset.channel_table import read_channels
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.errors import DatasetError
from mingolotss.recipe.published_list import pixels_sha256

__all__ = ["ChannelDigests"]


@dataclass(frozen=True, slots=True)
class ChannelDigests:
    """The checksums of the channels of each image.

    Attributes
    ----------
    digests : mapping of str to list of (str, str)
        The names of the channels and their checksums, by the name of the image; empty for a dataset
        without channels.
    """

    digests: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, written: pa.Table) -> ChannelDigests:
        """Read the checksums of a build or an export; none if their table cannot be read.

        The list of checksums of the folder reports such a table.

        Parameters
        ----------
        folder : Path
        written : pyarrow.Table
            The written rows of the manifest.
        """
        if not DatasetFolder(folder).channels.is_file():
            return cls()
        try:
            table = read_channels(folder)
        except DatasetError:
            return cls()
        rows, files = written["row"].to_pylist(), written["image_file"].to_pylist()
        names = dict(zip(rows, files, strict=True))
        digests: dict[str, list[tuple[str, str]]] = {}
        columns = (table[name].to_pylist() for name in ("row", "channel", "pixels_sha256"))
        for row, channel, digest in zip(*columns, strict=True):
            digests.setdefault(names.get(row) or "", []).append((channel or "", digest or ""))
        return cls(digests)

    def differing(self, image_file: str, pixels: npt.NDArray[np.generic] | bytes) -> list[str]:
        """Return the names of the channels that differ; none if it cannot be said.

        Parameters
        ----------
        image_file : str
            The name of the image in the manifest.
        pixels : array, shape (channels, ny, nx)
        """
        known = self.digests.get(image_file, ())
        if isinstance(pixels, bytes) or pixels.ndim != 3 or len(pixels) != len(known):
            return []
        return [
            name
            for plane, (name, digest) in zip(pixels, known, strict=True)
            if pixels_sha256(plane) != digest
        ]

    def describe(self, image_file: str, pixels: npt.NDArray[np.generic] | bytes) -> str:
        """Return " in its channel NAME", or "" if it cannot be said which channels differ."""
        names = self.differing(image_file, pixels)
        plural = "s" if len(names) > 1 else ""
        return f" in its channel{plural} {', '.join(names)}" if names else ""
