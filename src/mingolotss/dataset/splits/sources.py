"""The sources that are split: names, classes, and their stamps on the sky."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.splits.strata import Strata
from mingolotss.model import Ints
from mingolotss.sky.angles import Floats

if TYPE_CHECKING:
    from mingolotss.sky.stamp_regions import Shape, StampRegions

__all__ = ["SplitSources"]


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
    vectors : LabelVectors, optional
        Their tags or votes. A split keeps the shares of each tag, or those of the class with the
        most votes, which `labels` has; by default the shares of each class.
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
    vectors: LabelVectors | None = None
    _regions: dict[float | None, StampRegions] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __len__(self) -> int:
        return len(self.names)

    def regions(self, reach_arcsec: float | None = None) -> StampRegions:
        """Return the stamps on the sky.

        Parameters
        ----------
        reach_arcsec : float, optional
            Circles of this diameter in the place of the true stamps.
        """
        from mingolotss.sky.stamp_regions import StampRegions  # a recorded split needs no pairs

        if reach_arcsec not in self._regions:  # they keep what a search has found out
            self._regions[reach_arcsec] = (
                StampRegions(self.ra, self.dec, self.extent_arcsec, self.shape, self.angle_deg)
                if reach_arcsec is None
                else StampRegions(self.ra, self.dec, np.full(len(self), reach_arcsec))
            )
        return self._regions[reach_arcsec]

    @property
    def strata(self) -> Strata:
        """Return the classes or the tags, whose shares a split keeps."""
        if self.vectors is None:
            return Strata.of_labels(self.labels, self.classes)
        if self.vectors.kind == "tags":
            return Strata.of_tags(self.vectors, self.classes)
        return Strata.of_votes(self.labels, self.vectors, self.classes)

    def take(self, rows: Ints) -> SplitSources:
        """Return some of the sources, by their indices."""
        return replace(
            self,
            names=tuple(map(self.names.__getitem__, rows.tolist())),
            labels=self.labels[rows],
            ra=self.ra[rows],
            dec=self.dec[rows],
            extent_arcsec=self.extent_arcsec[rows],
            angle_deg=None if self.angle_deg is None else self.angle_deg[rows],
            table=None if self.table is None else self.table.take(pa.array(rows)),
            vectors=None if self.vectors is None else self.vectors.take(rows),
        )
