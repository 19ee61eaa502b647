"""The sources that are split: names, classes, and their stamps on the sky."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from mingolotss.model import Ints
from mingolotss.sky.angles import Floats
from mingolotss.sky.stamp_regions import Shape, StampRegions

__all__ = ["NO_LABEL", "SplitSources"]

NO_LABEL = "no label"
"""The name of the sources without a class."""


@dataclass(frozen=True, slots=True)
class SplitSources:
    """What a split needs to know of the sources.

    Parameters
    ----------
    names : sequence of str
    labels : int array, shape (n,)
        -1 is no label, and counts as a class of its own.
    ra, dec : float array, shape (n,), deg, ICRS
    extent_arcsec : float array, shape (n,)
        The side or the diameter of each stamp on the sky. A source whose position or extent is NaN
        shares pixels with no other.
    shape : {"circle", "square"}
        Whether the recipe masks its stamps with a disc.
    angle_deg : float array, shape (n,), optional
        How squares are turned, as for `StampRegions`; unknown by default.
    classes : tuple of str
        The name of each label, as far as they have names.
    table : Table, optional
        Further columns of the sources, by which they can be split.
    """

    names: tuple[str, ...]
    labels: Ints
    ra: Floats
    dec: Floats
    extent_arcsec: Floats
    shape: Shape = "circle"
    angle_deg: Floats | None = None
    classes: tuple[str, ...] = ()
    table: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.names)

    def regions(self, reach_arcsec: float | None = None) -> StampRegions:
        """Return the stamps on the sky.

        Parameters
        ----------
        reach_arcsec : float, optional
            Circles of this diameter in the place of the true stamps.
        """
        if reach_arcsec is None:
            return StampRegions(self.ra, self.dec, self.extent_arcsec, self.shape, self.angle_deg)
        return StampRegions(self.ra, self.dec, np.full(len(self), reach_arcsec))

    @property
    def class_codes(self) -> Ints:
        """Return the labels numbered from 0; int64 array, shape (n,)."""
        return np.unique(self.labels, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def take(self, rows: Ints) -> SplitSources:
        """Return some of the sources, by their indices."""
        return replace(
            self,
            names=tuple(self.names[row] for row in rows.tolist()),
            labels=self.labels[rows],
            ra=self.ra[rows],
            dec=self.dec[rows],
            extent_arcsec=self.extent_arcsec[rows],
            angle_deg=None if self.angle_deg is None else self.angle_deg[rows],
            table=None if self.table is None else self.table.take(pa.array(rows)),
        )

    def class_name(self, label: int) -> str:
        """Return the name of a label for messages."""
        if label < 0:
            return NO_LABEL
        return self.classes[label] if label < len(self.classes) else f"class {label}"
