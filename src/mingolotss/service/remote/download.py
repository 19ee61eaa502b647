"""Services that download: search answers and cutouts are kept, and asked for once.

`DownloadService` does everything but the questions: a service of this kind says what to ask for
a place and how to read the answer. What is fetched goes to ``DIR/cutouts`` under the recipe's
names, so that a build reads it as the ``folder`` service does; answers to searches go to
``DIR/searches``. Without a folder, everything stays in memory.

A source that fails does not stop the others: its error takes its place in the results.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mingolotss.candidates.cutouts import Outcome
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError, ServiceAnswerError, ServiceError
from mingolotss.io.files import write_bytes
from mingolotss.io.fits import read_image
from mingolotss.io.http import Transport, whole_fits
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service.base import CutoutRequest, Estimate, Naming, Progress
from mingolotss.service.local.folder import read_cutout
from mingolotss.service.remote.downloaded import FetchedService, local_candidate
from mingolotss.service.remote.search_cache import SearchCache, SearchResult
from mingolotss.service.remote.workspace import Workspace

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = ["DownloadService", "digest"]

_OPTIONS = {"transport", "naming", "workspace", "refresh"}
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class DownloadService:
    """The part that services over HTTP have in common.

    Parameters
    ----------
    transport : Transport, optional
        The HTTP client.
    naming : Naming, optional
        How files of cutouts are named, here and at the server.
    workspace : Path, optional
        The build's folder.
    refresh : bool
        Ask again for what is here already.
    """

    def __init__(
        self,
        *,
        transport: Transport | None = None,
        naming: Naming | None = None,
        workspace: Path | None = None,
        refresh: bool = False,
    ) -> None:
        self.transport = transport or Transport()
        self.naming = naming or Naming()
        self.workspace = workspace
        self.refresh = refresh
        self.answers = SearchCache(workspace and Workspace(workspace).searches, refresh=refresh)
        self.search_seconds: list[float] = []

    pixel_arcsec = 1.5  # of LoTSS at full resolution; only estimates use it

    @classmethod
    def open(cls, argument: str, **options: Any) -> Self:
        """Open ``NAME:ARGUMENT``; the options are those of the class."""
        return cls.of_argument(argument, **{k: v for k, v in options.items() if k in _OPTIONS})

    # What a service says for itself.

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service from what stands after the colon."""
        raise NotImplementedError

    def question(self, source: Source, size_deg: float) -> str:
        """Return what is asked for a source: an address, or a line that stands for the dialogue."""
        raise NotImplementedError

    def ask(self, question: str) -> SearchResult:
        """Ask the server."""
        raise NotImplementedError

    def fetch_bytes(self, url: str, source: Source, size_deg: float) -> bytes:
        """Return the FITS file of a cutout."""
        return self.transport.get(url, validator=whole_fits).body

    def cutout_question(self, url: str, source: Source, size_deg: float) -> str:
        """Return what stands for a cutout among the answers: its address, if it has one."""
        return url

    # What build and users call.

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Return each image whose footprint holds a position."""
        source = _nameless(position)
        return list(self.answer(source, size.to_value("deg")).candidates)

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Return the pixels of a candidate, fetched unless they are here."""
        source = _nameless(position, candidate.source)
        return self._cutout(CutoutRequest(candidate, source), size.to_value("deg"))

    def search_all(
        self, catalogue: Catalogue, size_deg: float, progress: Progress | None = None
    ) -> list[list[Candidate] | ServiceError]:
        """Return the candidates of every source, or why there are none to be had."""

        def one(row: int) -> list[Candidate] | ServiceError:
            source = catalogue.source(row)
            try:
                found = self.answer(source, size_deg).candidates
            except ServiceError as error:
                return error
            return [Candidate(c.field, c.image, c.rms, source.name) for c in found]

        found = []
        for answer in self.side_by_side(one, range(len(catalogue))):
            found.append(answer)
            if progress is not None:
                progress(len(found))
        return found

    def cutouts(self, wanted: Sequence[CutoutRequest], size_deg: float) -> Iterator[Outcome]:
        """Give the pixels of many candidates in order, fetching what is not here."""

        def one(item: CutoutRequest) -> Outcome:
            try:
                return self._cutout(item, size_deg)
            except (ImageError, ServiceError) as error:
                return error

        yield from self.side_by_side(one, wanted)

    def fetch(
        self,
        wanted: Iterable[CutoutRequest],
        size_deg: float,
        progress: Progress | None = None,
    ) -> FetchedService:
        """Fetch what is not in the workspace; return a service that reads it.

        A cutout that cannot be had does not stop the others.
        """
        if self.workspace is None:
            raise InputError("fetch: there is no build folder to fetch into")

        def one(item: CutoutRequest) -> tuple[CutoutRequest, ServiceError | None]:
            try:
                self.fetch_one(item, size_deg)
            except ServiceError as error:
                return item, error
            return item, None

        failures = {}
        for done, (item, error) in enumerate(self.side_by_side(one, wanted), 1):
            if error is not None:
                failures[item.source.name, item.candidate.field] = error
            if progress is not None:
                progress(done)
        return FetchedService(Workspace(self.workspace).cutouts, self.naming, failures)

    def estimate(self, wanted: Iterable[CutoutRequest], size_deg: float) -> Estimate:
        """Return what fetching will take: by the searches' pace, 0.5 s a request without any."""
        requests = sum(self.waiting(item, size_deg) for item in wanted)
        pace = median(self.search_seconds) if self.search_seconds else 0.5
        side = size_deg * 3600 / self.pixel_arcsec
        size = int(side * side * 4) + 5760
        seconds = requests * pace / self.transport.limits.connections
        return Estimate(requests, requests * size, seconds)

    # The parts of it.

    def answer(self, source: Source, size_deg: float) -> SearchResult:
        """Return the answer for a source, kept or fresh."""
        question = self.question(source, size_deg)
        known = self.answers.recall(question)
        if known is None:
            known = self._ask_and_keep(question)
        known.given(question)
        return known

    def fetch_one(self, wanted: CutoutRequest, size_deg: float) -> Candidate:
        """Fetch a candidate's files unless they are here; return it with the files' paths."""
        local = self.local(wanted)
        for url, path in ((wanted.candidate.image, local.image), (wanted.candidate.rms, local.rms)):
            if url and (self.refresh or not Path(path).is_file()):
                self._fetch_file(url, Path(path), wanted.source, size_deg)
        return local

    def local(self, wanted: CutoutRequest) -> Candidate:
        """Return a candidate with the paths of its files in the workspace."""
        return local_candidate(wanted, self.naming, Workspace(self.workspace or Path()).cutouts)

    def waiting(self, wanted: CutoutRequest, size_deg: float) -> int:
        """Return how many of a candidate's files are still to be fetched."""
        local = self.local(wanted)
        pairs = ((wanted.candidate.image, local.image), (wanted.candidate.rms, local.rms))
        return sum(
            (self.refresh or not Path(path).is_file())
            and self.answers.recall(self.cutout_question(url, wanted.source, size_deg)) is None
            for url, path in pairs
            if url
        )

    def side_by_side(self, work: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
        """Do work on as many items at a time as keeps the connections busy, results in order.

        Two threads a connection: one reads an answer while the other waits for the next. The
        window is short, so memory does not grow with the catalogue.
        """
        threads = 2 * self.transport.limits.connections
        self.transport.stopping.clear()
        with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:
            running: deque[Future[_Out]] = deque()
            try:
                for item in items:
                    running.append(pool.submit(work, item))
                    if len(running) >= 8 * threads:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            except BaseException:  # a stop from outside: let no thread sit out its back-off
                self.transport.stopping.set()
                raise
            finally:
                for task in running:
                    task.cancel()

    def _ask_and_keep(self, question: str) -> SearchResult:
        began = time.monotonic()
        try:
            answer = self.ask(question)
        except ServiceAnswerError as error:
            answer = SearchResult(refused=str(error))
        self.search_seconds.append(time.monotonic() - began)
        self.answers.keep(question, answer)
        return answer

    def _fetch_file(self, url: str, path: Path, source: Source, size_deg: float) -> None:
        question = self.cutout_question(url, source, size_deg)
        known = self.answers.recall(question)
        if known is not None:
            known.given(question)
        try:
            body = self.fetch_bytes(url, source, size_deg)
        except ServiceAnswerError as error:
            self.answers.keep(question, SearchResult(refused=str(error)))
            raise
        write_bytes(path, body)

    def _cutout(self, wanted: CutoutRequest, size_deg: float) -> Cutout:
        if self.workspace is not None:
            local = self.fetch_one(wanted, size_deg)
            return replace(read_cutout(local), file=Path(local.image).name)
        candidate = wanted.candidate
        body = self.fetch_bytes(candidate.image, wanted.source, size_deg)
        image = read_image(body, path=candidate.image)
        rms, digest = None, ""
        if candidate.rms:
            body = self.fetch_bytes(candidate.rms, wanted.source, size_deg)
            found = read_image(body, path=candidate.rms)
            rms, digest = found.data, found.sha256
        return Cutout(image.data, rms, image.wcs(), (0, 0), image.sha256, digest)

    def __str__(self) -> str:
        return f"{type(self).__name__}:{getattr(self, 'url', '')}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "search_seconds": []}


def digest(body: bytes) -> str:
    """Return the SHA-256 of an answer, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _nameless(position: SkyCoord, name: str = "") -> Source:
    """Return a source for a place that no catalogue named."""
    ra, dec = float(position.icrs.ra.deg), float(position.icrs.dec.deg)
    return Source(-1, name or f"J{ra:.5f}{dec:+.5f}", ra, dec)
