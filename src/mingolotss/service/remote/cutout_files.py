"""The files of cutouts: fetched to the build's folder, each once, and read from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from mingolotss.errors import ServiceAnswerError
from mingolotss.io.fits import read_image
from mingolotss.io.http import Transport, UndamagedFits
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service.base import CutoutRequest, Naming
from mingolotss.service.local.folder import read_cutout
from mingolotss.service.remote.downloaded import local_candidate
from mingolotss.service.remote.search_cache import SearchCache, SearchResult
from mingolotss.service.remote.workspace import Workspace
from mingolotss.service.rms_maps import require_same_pixels
from mingolotss.service.survey_facts import NO_FACTS, SurveyFacts

__all__ = ["CutoutFiles", "DownloadOptions"]


class DownloadOptions(TypedDict, total=False):
    """The options that all services have that download.

    Attributes
    ----------
    transport : Transport, optional
        The HTTP client.
    naming : Naming, optional
        How files of cutouts are named, on disk and at the server.
    workspace : Path, optional
        The build's folder. Without one, cutouts and results stay in memory.
    refresh : bool
        Request again what is on disk.
    """

    transport: Transport | None
    naming: Naming | None
    workspace: Path | None
    refresh: bool


class CutoutFiles:
    """Fetches and reads the files of cutouts.

    Parameters
    ----------
    **options
        See `DownloadOptions`.

    Attributes
    ----------
    transport : Transport
    naming : Naming
    workspace : Path or None
    refresh : bool
    url : str
        The address of the service, without credentials: its host may be private, and its answers
        may lead there.
    results : SearchCache
        Results of searches, and the refusals of cutouts.
    survey_facts : SurveyFacts
        What is known about the images before they are read; it completes their headers.
    """

    url = ""
    survey_facts: SurveyFacts = NO_FACTS

    def __init__(self, **options: Unpack[DownloadOptions]) -> None:
        self.transport = options.get("transport") or Transport()
        self.naming = options.get("naming") or Naming()
        self.workspace = options.get("workspace")
        self.refresh = options.get("refresh", False)
        searches = self.workspace and Workspace(self.workspace).searches
        self.results = SearchCache(searches, refresh=self.refresh)

    def fetch_bytes(self, url: str, source: Source, size_deg: float) -> bytes:
        """Return the FITS file of a cutout."""
        with self.refusals():
            validator = UndamagedFits(with_checksums=self.naming.with_checksums)
            return self.transport.get(url, validator=validator, service=self.url or None).body

    def fetch_to(self, path: Path, url: str, source: Source, size_deg: float) -> None:
        """Write the FITS file of a cutout, complete or not at all."""
        with self.refusals():
            validator = UndamagedFits(with_checksums=self.naming.with_checksums)
            self.transport.fetch(url, path, validator=validator, service=self.url or None)

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Turn those errors of a request into `ServiceAnswerError` that are final here.

        A page instead of an image may be about maintenance, and is not final in general. A service
        that reports in this way that it has no image overrides the method.
        """
        yield

    def cutout_key(self, url: str, source: Source, size_deg: float) -> str:
        """Return the key of a cutout in `results`: its address, if no other cutout has it."""
        return url

    def local_candidate(self, request: CutoutRequest) -> Candidate:
        """Return the candidate of a request with the paths of its files in the workspace."""
        folder = Workspace(self.workspace or Path()).cutouts
        return local_candidate(request, self.naming, folder)

    def missing_files(self, request: CutoutRequest, size_deg: float) -> list[str]:
        """Return the addresses of a candidate's files that have to be fetched.

        Refused ones do not.
        """
        return [
            url
            for url, path in self._files(request)
            if self._is_missing(path)
            and self.results.load(self.cutout_key(url, request.source, size_deg)) is None
        ]

    def fetch_files(self, request: CutoutRequest, size_deg: float) -> Candidate:
        """Fetch the files of a candidate that are not on disk.

        Returns
        -------
        Candidate
            With the paths of the files.

        Raises
        ------
        ServiceError
            The server does not deliver a file. A refusal is stored, and raised without a request
            the next time.
        """
        for url, path in self._files(request):
            if self._is_missing(path):
                self._fetch_file(url, path, request.source, size_deg)
        return self.local_candidate(request)

    def read_cutout(self, request: CutoutRequest, size_deg: float) -> Cutout:
        """Return the pixels of a candidate, fetched if they are not on disk.

        Raises
        ------
        ServiceError, ImageError
            A file cannot be fetched, or cannot be used.
        """
        cutout = self._read_files(request, size_deg)
        return self.survey_facts.complete_cutout(cutout, request.source.dec)

    def _read_files(self, request: CutoutRequest, size_deg: float) -> Cutout:
        compare = self.naming.with_checksums
        if self.workspace is not None:
            local = self.fetch_files(request, size_deg)
            return replace(read_cutout(local, with_checksums=compare), file=Path(local.image).name)
        candidate, source = request.candidate, request.source
        body = self.fetch_bytes(candidate.image, source, size_deg)
        image = read_image(body, path=candidate.image, with_checksums=compare)
        wcs = image.wcs()
        rms, rms_sha256 = None, ""
        if candidate.rms:
            body = self.fetch_bytes(candidate.rms, source, size_deg)
            rms_map = read_image(body, path=candidate.rms, with_checksums=compare)
            rms, rms_sha256 = rms_map.data, rms_map.sha256
            require_same_pixels(image, wcs, rms_map)
        return Cutout(image.data, rms, wcs, (0, 0), image.sha256, rms_sha256)

    def _files(self, request: CutoutRequest) -> list[tuple[str, Path]]:
        """Return address and path of the image and, if there is one, of the rms map."""
        candidate, local = request.candidate, self.local_candidate(request)
        pairs = ((candidate.image, local.image), (candidate.rms, local.rms))
        return [(url, Path(path)) for url, path in pairs if url and path]

    def _is_missing(self, path: Path) -> bool:
        return self.refresh or not path.is_file()

    def _fetch_file(self, url: str, path: Path, source: Source, size_deg: float) -> None:
        key = self.cutout_key(url, source, size_deg)
        # A file on disk is a complete answer, and a stored result a refusal: only what has neither
        # is asked for. A file is written when its last byte is there, and so an interrupted run can
        # be resumed.
        stored = self.results.load(key)
        if stored is not None:
            stored.candidates_or_raise(key)
        try:
            self.fetch_to(path, url, source, size_deg)
        except ServiceAnswerError as error:
            self.results.store(key, SearchResult(refused=str(error)))
            raise
