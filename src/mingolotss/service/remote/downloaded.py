"""What a download left in the build's folder, read without asking anybody.

A build's workers use this after the fetch: they share no connection, and a cutout that could not
be had is said to be so with the reason, not asked for once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mingolotss.candidates.cutouts import Outcome
from mingolotss.errors import ImageError, ServiceError, ServiceUnavailableError
from mingolotss.io.files import safe_name
from mingolotss.model import Candidate, Cutout
from mingolotss.service.base import CutoutRequest, Naming
from mingolotss.service.local.folder import read_cutout

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = ["FetchedService", "local_candidate"]


def local_candidate(wanted: CutoutRequest, naming: Naming, folder: Path) -> Candidate:
    """Return a candidate with the paths that its files have, or will have, in a folder."""
    candidate = wanted.candidate
    names = {"source": safe_name(wanted.source.name), "field": safe_name(candidate.field)}
    rms = str(folder / naming.rms.format(**names)) if candidate.rms else ""
    image = str(folder / naming.image.format(**names))
    return Candidate(candidate.field, image, rms, wanted.source.name)


@dataclass(frozen=True)
class FetchedService:
    """Cutouts that were fetched, and the reasons for those that were not.

    Attributes
    ----------
    folder : Path
    naming : Naming
    failures : mapping of (str, str) to ServiceError
        By source and field.
    """

    folder: Path
    naming: Naming
    failures: Mapping[tuple[str, str], ServiceError]

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Refuse: what there is was found before the fetch."""
        raise ServiceUnavailableError("search what was fetched: ask the service it came from")

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Read a candidate's files; they are as large as the server made them."""
        return read_cutout(candidate)

    def cutouts(self, wanted: Sequence[CutoutRequest], size_deg: float) -> Iterator[Outcome]:
        """Read the files of many candidates."""
        for one in wanted:
            failure = self.failures.get((one.source.name, one.candidate.field))
            try:
                yield failure or self._read(one)
            except ImageError as error:
                yield error

    def search_all(self, catalogue: object, size_deg: float) -> list[list[Candidate]]:
        """Refuse, as `search` does."""
        raise ServiceUnavailableError("search what was fetched: ask the service it came from")

    def _read(self, wanted: CutoutRequest) -> Cutout:
        local = local_candidate(wanted, self.naming, self.folder)
        return replace(read_cutout(local), file=local.image.rpartition("/")[2])
