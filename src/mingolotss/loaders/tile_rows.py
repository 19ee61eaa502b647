"""Samples of tiles in memory: images that are still encoded, with their targets.

>>> encoded = np.array([b"a", b"b"], object)
>>> rows = TileRows(np.array([0, 0]), np.array([0, 7]), encoded, np.arange(2))
>>> TileRows.join([rows, rows.take(np.array([1]))]).row.tolist()
[0, 7, 7]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.model import Ints

__all__ = ["TileRows"]


@dataclass(frozen=True, slots=True)
class TileRows:
    """Samples of one tile or of several.

    Attributes
    ----------
    tile, row : int arrays, shape (n,)
        The tile of each sample, and its row in the tile.
    encoded : object array, shape (n,)
        Each image as it is stored, bytes.
    targets : int64 array, shape (n,), or float32 array, shape (n, classes)
    masks : object array, shape (n,), or None
        Each mask as it is stored, bytes.
    metadata : pyarrow.Table or None
    """

    tile: Ints
    row: Ints
    encoded: npt.NDArray[np.object_]
    targets: Ints | npt.NDArray[np.float32]
    masks: npt.NDArray[np.object_] | None = None
    metadata: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.encoded)

    def take(self, rows: Ints) -> TileRows:
        """Return some of the samples, in the order given."""
        return TileRows(
            self.tile[rows],
            self.row[rows],
            self.encoded[rows],
            self.targets[rows],
            None if self.masks is None else self.masks[rows],
            None if self.metadata is None else self.metadata.take(pa.array(rows)),
        )

    @staticmethod
    def join(parts: Sequence[TileRows]) -> TileRows:
        """Return the samples of one or more parts, in order."""
        if len(parts) == 1:
            return parts[0]
        masks = [part.masks for part in parts if part.masks is not None]
        tables = [part.metadata for part in parts if part.metadata is not None]
        return TileRows(
            np.concatenate([part.tile for part in parts]),
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.encoded for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate(masks) if masks else None,
            pa.concat_tables(tables) if tables else None,
        )
