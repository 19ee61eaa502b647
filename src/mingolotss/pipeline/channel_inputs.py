"""The inputs of one further channel of a build: its service and the candidates of every source.

The reference channel is the ordinary build: its service and its candidates are those of the `Plan`
and of the `Task`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from mingolotss.candidates.table import CandidateTable
from mingolotss.model import Ints
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService

__all__ = ["ChannelInputs", "restrict"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class ChannelInputs:
    """One further channel of a build, or of one of its parts.

    Attributes
    ----------
    name : str
    missing : {"reject", "nan", "zero"}
        The rule for a source without an image in this channel.
    recipe : Recipe
        Of this channel alone, without channels.
    service : ImageService
    candidates : CandidateTable
        Of each source.
    search_errors : mapping of str to str
        The reason for each source whose search failed, by its name.
    reasons_without_image : mapping of str to str
        Why a source has no image, by its name, where the service knows it.
    image_root : str
        The folder that all its images lie in; "" if they are addresses.
    """

    name: str
    missing: Literal["reject", "nan", "zero"]
    recipe: Recipe
    service: ImageService
    candidates: CandidateTable
    search_errors: Mapping[str, str] = field(default_factory=dict)
    reasons_without_image: Mapping[str, str] = field(default_factory=dict)
    image_root: str = ""

    @property
    def covered(self) -> int:
        """Return the number of sources with at least one image."""
        return int(np.count_nonzero(self.candidates.counts))

    def take(self, rows: Ints) -> ChannelInputs:
        """Return the inputs of some of the sources."""
        candidates = self.candidates.take(rows)
        return replace(
            self,
            candidates=candidates,
            search_errors=restrict(self.search_errors, candidates.names),
            reasons_without_image=restrict(self.reasons_without_image, candidates.names),
        )


def restrict(mapping: Mapping[str, _T], names: Sequence[str]) -> dict[str, _T]:
    """Return the entries of some sources."""
    if not mapping:  # which is usual, and saves a look-up for each source
        return {}
    return {name: mapping[name] for name in names if name in mapping}
