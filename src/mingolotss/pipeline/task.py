"""A partition of the catalogue: what a worker is given, and what it says at the end.

`Task` goes to the worker, on this machine or on a cluster; it holds columns, so that a plan of
millions of sources makes small tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.decisions import Decision
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService

__all__ = ["AGAIN", "Summary", "Task", "part_name"]

AGAIN = "-again"  # ends the key of a part that a better day at the far end would change
_FORMAT = 2  # of the part's content; a higher one makes parts of an older program again


def part_name(index: int) -> str:
    """Return the file name of a part."""
    return f"part-{index:05d}.parquet"


@dataclass(frozen=True)
class Task:
    """A partition: everything that a worker needs, and nothing that it must share.

    Attributes
    ----------
    index : int
        Number of the part.
    catalogue : Catalogue
        The rows of this part only.
    rows : int64 array, shape (n,)
        Their places in the whole catalogue.
    offers : Offers
        Their candidates.
    batches : int64 array, shape (n,)
        The batch that each row belongs to.
    decisions : mapping of str to Decision
        Those on these sources.
    unanswered : mapping of str to str
        Names of sources for which the service could not say what it has, and why.
    """

    index: int
    catalogue: Catalogue
    rows: npt.NDArray[np.int64]
    offers: CandidateTable
    batches: npt.NDArray[np.int64]
    decisions: Mapping[str, Decision]
    recipe: Recipe
    service: ImageService
    out: Path
    unanswered: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def key(self) -> str:
        """Return the SHA-256 of all that the part depends on, but the images' pixels."""
        catalogue, offers = self.catalogue, self.offers
        decisions = [[getattr(d, k) for k in d.__slots__] for d in self.decisions.values()]
        words = [_FORMAT, self.recipe.digest, catalogue.classes, catalogue.names, offers.images,
                 decisions, sorted(self.unanswered.items())]  # fmt: skip
        found = hashlib.sha256(json.dumps(words).encode())
        for column in (
            self.rows, catalogue.ra, catalogue.dec, catalogue.labels, catalogue.size_arcsec,
            catalogue.flux_mjy, offers.starts, offers.which, self.batches,
        ):  # fmt: skip
            found.update(np.ascontiguousarray(column).data)
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a partition."""

    index: int
    written: int
    rejected: int
