"""The cutouts that some sources need, one by one and as columns.

>>> one = CutoutRequest(Candidate("P1", "P1.fits", source="A"), Source(0, "A", ra=10.0, dec=20.0))
>>> wants = CutoutRequests.of([one, one])
>>> wants[1] == one, wants.images, wants.which.tolist(), wants.ra.tolist()
(True, [('P1', 'P1.fits', '')], [0, 0], [10.0, 10.0])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.table import Image
from mingolotss.image.lazy_sequence import LazySequence
from mingolotss.model import Candidate, Floats, Source

__all__ = ["CutoutRequest", "CutoutRequests"]


class CutoutRequest(NamedTuple):
    """One cutout to make: which candidate, for which source."""

    candidate: Candidate
    source: Source


class CutoutRequests(LazySequence[CutoutRequest]):
    """Wanted cutouts as columns; it reads like the list of `CutoutRequest` that it stands for.

    Parameters
    ----------
    sources : callable
        Returns the source of each; called when a `CutoutRequest` is first asked for.

    Attributes
    ----------
    images : list of (field, image, rms)
    which : int array, shape (n,)
        Places in `images`.
    names : sequence of str
        Of the sources.
    ra, dec : float64 array, shape (n,), deg, ICRS
        Their positions.
    """

    def __init__(
        self,
        images: list[Image],
        which: npt.NDArray[np.integer[Any]],
        names: Sequence[str],
        ra: Floats,
        dec: Floats,
        sources: Callable[[], Sequence[Source]],
    ) -> None:
        self.images, self.which, self.names = images, which, names
        self.ra, self.dec, self._ask = ra, dec, sources

    @classmethod
    def of(cls, wanted: Sequence[CutoutRequest]) -> CutoutRequests:
        """Make columns of a list; what is columns already stays."""
        if isinstance(wanted, cls):
            return wanted
        numbers: dict[Image, int] = {}
        which, sources = [], [one.source for one in wanted]
        for one, _ in wanted:
            which.append(numbers.setdefault((one.field, one.image, one.rms), len(numbers)))
        return cls(
            list(numbers),
            np.array(which, np.int64),
            [source.name for source in sources],
            np.array([source.ra for source in sources], float),
            np.array([source.dec for source in sources], float),
            lambda: sources,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (list(self),)

    @cached_property
    def sources(self) -> Sequence[Source]:
        """Return the source of each."""
        return self._ask()

    def __len__(self) -> int:
        return len(self.which)

    def __iter__(self) -> Iterator[CutoutRequest]:
        for which, source in zip(self.which.tolist(), self.sources, strict=True):
            yield self._wanted(which, source)

    def item(self, index: int) -> CutoutRequest:
        """Return one of them."""
        return self._wanted(int(self.which[index]), self.sources[index])

    def _wanted(self, which: int, source: Source) -> CutoutRequest:
        field, image, rms = self.images[which]
        return CutoutRequest(Candidate(field, image, rms, source.name), source)
