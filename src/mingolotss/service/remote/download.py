"""The part that all services have in common that download.

`DownloadService` does everything but the queries: each service says what the query of a source is
(`DownloadService.query`) and how to run it (`DownloadService.run_query`). Cutouts go to
``DIR/cutouts`` under the names of the recipe, so that a build reads them as the service ``folder``
does; results of searches go to ``DIR/searches``. Without a folder everything stays in memory.

A source that fails does not stop the others: its error takes its place in the results.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Self, Unpack
from urllib.parse import urlsplit

from mingolotss.candidates.cutouts import Outcome
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import (
    ImageError,
    InputError,
    ServiceAnswerError,
    ServiceError,
    hide_credentials,
)
from mingolotss.io.http import UnreachableHostError
from mingolotss.io.summaries import Shown, Summary
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service.base import CutoutRequest, Estimate, Progress
from mingolotss.service.concurrency import concurrent_map
from mingolotss.service.remote.cutout_files import CutoutFiles, DownloadOptions
from mingolotss.service.remote.downloaded import FetchedService
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.workspace import Workspace

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = ["DownloadOptions", "DownloadService", "sha256_hex"]


class DownloadService(CutoutFiles, Shown):
    """Base class of the services over HTTP; its methods may be called from any thread.

    Parameters
    ----------
    **options
        See `DownloadOptions`.

    Attributes
    ----------
    search_seconds : list of float, s
        How long each search took; `estimate` uses it.
    assumes_images : bool
        Candidates were given without a search: only the download shows whether there are images.
    """

    pixel_arcsec = 1.5  # of LoTSS at full resolution; only estimates use it
    assumes_images = False

    def __init__(self, **options: Unpack[DownloadOptions]) -> None:
        super().__init__(**options)
        self.search_seconds: list[float] = []

    # Each service implements these.

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``NAME:ARGUMENT``."""
        raise NotImplementedError

    def query(self, source: Source, size_deg: float) -> str:
        """Return the query of a source: an address, or a line of text that stands for a dialogue.

        It is also the key of the result on disk.
        """
        raise NotImplementedError

    def run_query(self, query: str) -> SearchResult:
        """Send a query to the server and interpret the response.

        Raises
        ------
        ServiceError
        """
        raise NotImplementedError

    def ahead_of(
        self, requests: Iterable[CutoutRequest], size_deg: float
    ) -> Iterable[CutoutRequest]:
        """Return the requests of `fetch`, after what many of them need was fetched together.

        There is nothing of that kind unless a service says so.
        """
        return requests

    # `ImageService`, `BulkService` and `FetchService`.

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Return each image whose footprint holds a position."""
        source = _unnamed_source(position)
        return list(self.search_source(source, size.to_value("deg")).candidates)

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Return the pixels of a candidate, fetched if they are not on disk."""
        source = _unnamed_source(position, candidate.source)
        return self.read_cutout(CutoutRequest(candidate, source), size.to_value("deg"))

    def search_all(
        self, catalogue: Catalogue, size_deg: float, progress: Progress | None = None
    ) -> list[list[Candidate] | ServiceError]:
        """Return the candidates of every source, or the error of its search.

        Raises
        ------
        UnreachableHostError
            The host of the service accepts no connection: every further search would fail. Or no
            search was necessary, cutouts are missing on disk, and every download would fail.
        """

        def search_row(row: int) -> list[Candidate] | ServiceError:
            source = catalogue.source(row)
            try:
                candidates = self.search_source(source, size_deg).candidates
                if self.assumes_images:
                    self._require_contact_for(candidates, source, size_deg)
            except ServiceError as error:
                self._raise_if_unreachable(error)
                return error
            return [Candidate(c.field, c.image, c.rms, source.name) for c in candidates]

        answers = []
        for answer in concurrent_map(self.transport, search_row, range(len(catalogue))):
            answers.append(answer)
            if progress is not None:
                progress(len(answers))
        return answers

    def cutouts(self, requests: Sequence[CutoutRequest], size_deg: float) -> Iterator[Outcome]:
        """Yield the pixels of many candidates in order, fetched if they are not on disk."""

        def read(request: CutoutRequest) -> Outcome:
            try:
                return self.read_cutout(request, size_deg)
            except (ImageError, ServiceError) as error:
                return error

        yield from concurrent_map(self.transport, read, requests)

    def fetch(
        self,
        requests: Iterable[CutoutRequest],
        size_deg: float,
        progress: Progress | None = None,
    ) -> FetchedService:
        """Fetch the cutouts that are not in the workspace; return a service that reads them.

        A cutout that cannot be fetched does not stop the others.

        Raises
        ------
        InputError
            The service has no workspace.
        UnreachableHostError
            The host of the service accepts no connection.
        """
        if self.workspace is None:
            raise InputError("fetch: there is no build folder to fetch into")

        def fetch_one(request: CutoutRequest) -> tuple[CutoutRequest, ServiceError | None]:
            try:
                self.fetch_files(request, size_deg)
            except ServiceError as error:
                self._raise_if_unreachable(error)
                return request, error
            return request, None

        failures = {}
        ahead = self.ahead_of(requests, size_deg)
        fetched = concurrent_map(self.transport, fetch_one, ahead)
        for done, (request, error) in enumerate(fetched, 1):
            if error is not None:
                failures[request.source.name, request.candidate.field] = error
            if progress is not None:
                progress(done)
        folder = Workspace(self.workspace).cutouts
        return FetchedService(folder, self.naming, failures, self.survey_facts)

    def estimate(self, requests: Iterable[CutoutRequest], size_deg: float) -> Estimate:
        """Return what fetching will take.

        The time of one file is the median time of the searches, 0.5 s if there were none.
        """
        files = sum(len(self.missing_files(request, size_deg)) for request in requests)
        file_seconds = median(self.search_seconds) if self.search_seconds else 0.5
        # A file has float32 pixels and about two blocks of 2,880 bytes for the header and the
        # padding.
        side = size_deg * 3600 / self.pixel_arcsec
        file_bytes = int(side * side * 4) + 5760
        seconds = files * file_seconds / self.transport.limits.connections
        return Estimate(files, files * file_bytes, seconds)

    def search_source(self, source: Source, size_deg: float) -> SearchResult:
        """Return the search result of a source, from disk or from the server.

        Raises
        ------
        ServiceError
            The server refused the query, or does not answer.
        """
        query = self.query(source, size_deg)
        result = self.results.load(query)
        if result is None:
            result = self._run_and_store(query)
        result.candidates_or_raise(query)
        return result

    def _require_contact_for(
        self, candidates: Sequence[Candidate], source: Source, size_deg: float
    ) -> None:
        """Check that the server accepts connections if a cutout of a source has to be fetched."""
        if self.transport.limiter_for(self.url).reached:
            return
        requests = [CutoutRequest(candidate, source) for candidate in candidates]
        if any(self.missing_files(request, size_deg) for request in requests):
            self.transport.require_contact(self.url)

    def _raise_if_unreachable(self, error: ServiceError) -> None:
        """Raise the error again if it concerns the host of the service, and so all requests."""
        own_host = urlsplit(self.url).netloc
        if isinstance(error, UnreachableHostError) and urlsplit(error.url).netloc == own_host:
            raise error

    def _run_and_store(self, query: str) -> SearchResult:
        # A refusal is a result too and is stored: the server would refuse the same query again in
        # the next run. Errors that may pass, such as a timeout, are raised and leave nothing
        # behind.
        started = time.monotonic()
        try:
            result = self.run_query(query)
        except ServiceAnswerError as error:
            result = SearchResult(refused=str(error))
        self.search_seconds.append(time.monotonic() - started)
        self.results.store(query, result)
        return result

    def __str__(self) -> str:
        return f"{type(self).__name__}:{self.url}"

    def _summary(self) -> Summary:
        place = "memory" if self.workspace is None else str(self.workspace)
        facts = {"address": hide_credentials(self.url), "answers and cutouts": f"kept in {place}"}
        return Summary(type(self).__name__, facts)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "search_seconds": []}


def sha256_hex(body: bytes) -> str:
    """Return the SHA-256 of a response, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _unnamed_source(position: SkyCoord, name: str = "") -> Source:
    """Return a source for a position that is not from a catalogue."""
    ra, dec = float(position.icrs.ra.deg), float(position.icrs.dec.deg)
    return Source(-1, name or f"J{ra:.5f}{dec:+.5f}", ra, dec)
