"""A part of a build: what a worker is given, and the summary that it returns.

A `Task` travels to the worker, on this machine or on a cluster. It holds columns, so the tasks of
a plan of millions of sources stay small.
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

__all__ = ["RETRYABLE", "PartSummary", "Task"]

RETRYABLE = "-again"  # ends the key of a part in which the service may do better another time
_FORMAT = 2  # of a part's content; a higher number makes the parts of an older program again


@dataclass(frozen=True)
class Task:
    """A part: everything that a worker needs, with nothing that it would have to share.

    Attributes
    ----------
    index : int
        Number of the part.
    catalogue : Catalogue
        The rows of this part only.
    rows : int64 array, shape (n,)
        Their places in the whole catalogue.
    candidates : CandidateTable
        Their candidates.
    batches : int64 array, shape (n,)
        The batch that each row belongs to.
    decisions : mapping of str to Decision
        The decisions on these sources.
    recipe : Recipe
    service : ImageService
    out : Path
        The build's folder.
    unanswered : mapping of str to str
        The sources for which the search failed, with the reason.
    """

    index: int
    catalogue: Catalogue
    rows: npt.NDArray[np.int64]
    candidates: CandidateTable
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
        """Return the SHA-256 of everything that the part depends on, except the images' pixels."""
        catalogue, candidates = self.catalogue, self.candidates
        decisions = [[getattr(d, k) for k in d.__slots__] for d in self.decisions.values()]
        values = [_FORMAT, self.recipe.digest, catalogue.classes, catalogue.names,
                  candidates.images, decisions, sorted(self.unanswered.items())]  # fmt: skip
        digest = hashlib.sha256(json.dumps(values).encode())
        for column in (
            self.rows, catalogue.ra, catalogue.dec, catalogue.labels, catalogue.size_arcsec,
            catalogue.flux_mjy, candidates.starts, candidates.image_index, self.batches,
        ):  # fmt: skip
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class PartSummary:
    """The result of a part: its number, and how many sources were written and rejected."""

    index: int
    written: int
    rejected: int
