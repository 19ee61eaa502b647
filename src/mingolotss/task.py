"""A partition of the catalogue: what a worker is given, and what it carries along the way.

`Task` goes to the worker, on this machine or on a cluster; it holds columns, so that a plan of
millions of sources makes small tasks. `Work` and `Offer` are one source and one of its images
while they are being worked on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue import Catalogue
from mingolotss.decisions import Decision
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.offers import Offers
from mingolotss.recipe import Recipe
from mingolotss.selection import Choice, Place
from mingolotss.services.base import ImageService

__all__ = ["AGAIN", "Offer", "Summary", "Task", "Work", "part_name"]

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
    offers: Offers
    batches: npt.NDArray[np.int64]
    decisions: Mapping[str, Decision]
    recipe: Recipe
    service: ImageService
    out: Path
    unanswered: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def works(self, start: int, stop: int) -> list[Work]:
        """Return some of the sources with their offers, ready to be worked on."""
        some = slice(start, stop)
        sources = self.catalogue.sources(some, self.rows[some].tolist())
        return [
            Work(source, [Offer(candidate) for candidate in candidates])
            for source, candidates in zip(sources, self.offers[some], strict=True)
        ]

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


@dataclass(slots=True)
class Offer:
    """A candidate on its way to a verdict.

    The cutout is let go once the stamp is made; what was measured of it stays.
    """

    candidate: Candidate
    verdict: str = ""
    stage: str = "validate"
    again: bool = False  # a later try may do better
    file: str = ""  # the name of the image's file
    cutout: Cutout | None = None
    place: Place | None = None
    shape: tuple[int | None, ...] = (None, None)
    scale_arcsec: float | None = None
    sha256: str | None = None
    rms_sha256: str | None = None
    percent_nan: float = math.nan


@dataclass(slots=True)
class Work:
    """A source on its way to a record or a rejection."""

    source: Source
    offers: list[Offer]
    stage: str = ""
    reason: str = ""
    choice: Choice | None = None
    chosen: Offer | None = None
    recentred: bool = False
    blank: bool = False
    noise_jy: float = math.nan
    peak_jy: float = math.nan
    image: bytes = b""  # the stamp as it is stored
    pixels_sha256: str = ""

    def reject(self, stage: str, reason: str) -> None:
        """Note where the source was lost, and why."""
        self.stage, self.reason = stage, reason
