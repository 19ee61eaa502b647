"""Requests for cutouts: one, or many as columns.

>>> request = CutoutRequest(Candidate("P1", "P1.fits", source="A"), Source(0, "A", 10.0, 20.0))
>>> requests = CutoutRequests.from_requests([request, request])
>>> requests[1] == request, requests.images, requests.image_index.tolist(), requests.ra.tolist()
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
    """One cutout to read: which candidate, around which source."""

    candidate: Candidate
    source: Source


class CutoutRequests(LazySequence[CutoutRequest]):
    """Requests as columns; reads like the list of `CutoutRequest` that it stands for.

    Parameters
    ----------
    sources : callable
        Returns the source of each request; called when a `CutoutRequest` is first needed.

    Attributes
    ----------
    images : list of (field, image, rms)
        Each image once.
    image_index : int array, shape (n,)
        The image of each request, an index into `images`.
    names : sequence of str
        The sources.
    ra, dec : float64 array, shape (n,), deg, ICRS
        Positions of the sources.
    """

    def __init__(
        self,
        images: list[Image],
        image_index: npt.NDArray[np.integer[Any]],
        names: Sequence[str],
        ra: Floats,
        dec: Floats,
        sources: Callable[[], Sequence[Source]],
    ) -> None:
        self.images, self.image_index, self.names = images, image_index, names
        self.ra, self.dec, self._get_sources = ra, dec, sources

    @classmethod
    def from_requests(cls, requests: Sequence[CutoutRequest]) -> CutoutRequests:
        """Make columns from a list of requests; columns are returned as they are."""
        if isinstance(requests, cls):
            return requests
        # Requests of one image share an index, so that a service can group them by it.
        index_of: dict[Image, int] = {}
        image_index = []
        for candidate, _ in requests:
            image = (candidate.field, candidate.image, candidate.rms)
            image_index.append(index_of.setdefault(image, len(index_of)))
        sources = [request.source for request in requests]
        return cls(
            list(index_of),
            np.array(image_index, np.int64),
            [source.name for source in sources],
            np.array([source.ra for source in sources], float),
            np.array([source.dec for source in sources], float),
            lambda: sources,
        )

    def __reduce__(self) -> tuple[object, ...]:
        # `_get_sources` may be a closure, which cannot be pickled: write the requests out.
        return type(self).from_requests, (list(self),)

    @cached_property
    def sources(self) -> Sequence[Source]:
        """Return the source of each request."""
        return self._get_sources()

    def __len__(self) -> int:
        return len(self.image_index)

    def __iter__(self) -> Iterator[CutoutRequest]:
        for image_index, source in zip(self.image_index.tolist(), self.sources, strict=True):
            yield self._request(image_index, source)

    def item(self, index: int) -> CutoutRequest:
        """Return one request."""
        return self._request(int(self.image_index[index]), self.sources[index])

    def _request(self, image_index: int, source: Source) -> CutoutRequest:
        field, image, rms = self.images[image_index]
        return CutoutRequest(Candidate(field, image, rms, source.name), source)
