"""Cutouts that were downloaded to the build's folder, read without any request.

The workers of a build use this service after the download: they open no connections. A cutout that
could not be downloaded has its error here, and is not requested again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mingolotss.candidates.cutouts import Outcome
from mingolotss.errors import ImageError, ServiceError, ServiceUnavailableError
from mingolotss.io.file_names import format_file_name
from mingolotss.io.summaries import Shown, Summary
from mingolotss.model import Candidate, Cutout
from mingolotss.service.base import CutoutRequest, Naming
from mingolotss.service.local.folder import read_cutout
from mingolotss.service.survey_facts import NO_FACTS, SurveyFacts

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = ["FetchedService", "local_candidate"]


def local_candidate(request: CutoutRequest, naming: Naming, folder: Path) -> Candidate:
    """Return the candidate of a request with the paths of its files in a folder.

    The files need not exist yet. Names that come from a server become harmless file names.
    """
    candidate = request.candidate
    names = {"source": request.source.name, "field": candidate.field}
    has_rms = bool(candidate.rms and naming.rms)  # a recipe may use no rms maps
    rms = str(folder / format_file_name(naming.rms, **names)) if has_rms else ""
    image = str(folder / format_file_name(naming.image, **names))
    return Candidate(candidate.field, image, rms, request.source.name)


@dataclass(frozen=True, repr=False)
class FetchedService(Shown):
    """The cutouts that were downloaded, and the errors of those that were not.

    Attributes
    ----------
    folder : Path
    naming : Naming
    failures : mapping of (str, str) to ServiceError
        By source and field.
    survey_facts : SurveyFacts
        Of the service that downloaded them.
    """

    folder: Path
    naming: Naming
    failures: Mapping[tuple[str, str], ServiceError]
    survey_facts: SurveyFacts = NO_FACTS

    def __str__(self) -> str:
        return f"{type(self).__name__}:{self.folder}"

    def _summary(self) -> Summary:
        facts = {"folder": str(self.folder), "cutouts not delivered": f"{len(self.failures):,}"}
        return Summary(type(self).__name__, facts)

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Raise `ServiceUnavailableError`: searches belong to the service that downloaded."""
        raise ServiceUnavailableError(_NO_SEARCH)

    def search_all(self, catalogue: object, size_deg: float) -> list[list[Candidate]]:
        """Raise `ServiceUnavailableError`, as `search` does."""
        raise ServiceUnavailableError(_NO_SEARCH)

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Read the files of a candidate; they have the size that the server made."""
        return self._read_candidate(candidate, float(position.icrs.dec.deg))

    def cutouts(self, requests: Sequence[CutoutRequest], size_deg: float) -> Iterator[Outcome]:
        """Read the files of many candidates."""
        for request in requests:
            failure = self.failures.get((request.source.name, request.candidate.field))
            try:
                yield failure or self._read(request)
            except ImageError as error:
                yield error

    def _read(self, request: CutoutRequest) -> Cutout:
        local = local_candidate(request, self.naming, self.folder)
        cutout = self._read_candidate(local, request.source.dec)
        return replace(cutout, file=local.image.rpartition("/")[2])

    def _read_candidate(self, candidate: Candidate, dec_deg: float) -> Cutout:
        cutout = read_cutout(candidate, with_checksums=self.naming.with_checksums)
        return self.survey_facts.complete_cutout(cutout, dec_deg)


_NO_SEARCH = "search downloaded cutouts: search with the service that downloaded them"
