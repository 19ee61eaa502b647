"""The cutouts that a build was made from, read again to show them.

They come from where the build read them: the downloads in ``DIR/cutouts``, or the service that
``recipe.toml`` names. If one cannot be read, the page shows the reason in its place.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property, lru_cache

from mingolotss.errors import (
    ImageError,
    MingoError,
    ServiceError,
    UnreadableFileError,
)
from mingolotss.image.lost_pages import LostPages
from mingolotss.io.file_names import format_file_name
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.pipeline.planned_stamps import recorded_stamp_deg
from mingolotss.pipeline.rebuild import recorded_service
from mingolotss.qa.report.build_view import BuildView
from mingolotss.service.base import (
    CutoutRequest,
    ImageService,
    Naming,
    fetch_cutouts,
    open_service,
    survey_facts,
)
from mingolotss.service.local.folder import read_cutout
from mingolotss.service.local.mosaic_file import forget_mosaics
from mingolotss.service.survey_facts import NO_FACTS, SurveyFacts

__all__ = ["CutoutCache"]

_CACHED = 16  # cutouts of 240 x 240 pixels, image and rms map, 0.5 MB each


class CutoutCache:
    """The cutouts of one build.

    Parameters
    ----------
    build : BuildView
    remote : bool
        Whether cutouts that are not on this disk may be downloaded.
    """

    def __init__(self, build: BuildView, *, remote: bool = False) -> None:
        self._build = build
        self._remote = remote
        self._lock = threading.Lock()
        self._cached = lru_cache(_CACHED)(self._read_copy)

    def get(self, source: Source, candidate: Candidate) -> Cutout:
        """Return the pixels of one candidate of a source.

        Raises
        ------
        ImageError, ServiceError
            The cutout cannot be read; the message says why.
        """
        with self._lock:
            return self._cached(source, candidate)

    def _read_copy(self, source: Source, candidate: Candidate) -> Cutout:
        """Return the pixels of a candidate as a copy, which no change of its file can reach."""
        with LostPages() as lost:
            cutout = self._read(source, candidate)
            rms = None if cutout.rms is None else cutout.rms.copy()
            copied = replace(cutout, image=cutout.image.copy(), rms=rms)
        if lost.pages:
            forget_mosaics()
            raise UnreadableFileError(
                f"read {candidate.image}: the system cannot read all of it now, or it was just cut "
                "short; try again",
                path=candidate.image,
            )
        return copied

    def _read(self, source: Source, candidate: Candidate) -> Cutout:
        downloaded = self._downloaded(source, candidate)
        if downloaded is not None:
            return self._facts.complete_cutout(read_cutout(downloaded), source.dec)
        if "://" in candidate.image and not self._remote:
            raise ImageError(
                f"read {candidate.image}: it is not on this disk; the review page can download it",
                path=candidate.image,
            )
        try:
            service, size = self._service, self._size_deg
        except MingoError as error:
            raise ImageError(f"read {candidate.image}: {error}", path=candidate.image) from error
        cutout = next(iter(fetch_cutouts(service, [CutoutRequest(candidate, source)], size)))
        if isinstance(cutout, (ImageError, ServiceError)):
            raise cutout
        return cutout

    def _downloaded(self, source: Source, candidate: Candidate) -> Candidate | None:
        """Return the candidate as files in ``DIR/cutouts``, or None if they do not exist."""
        folder, images = self._build.folder.workspace.cutouts, self._build.reference_recipe.images
        others = {row.candidate.field for row in self._build.candidate_rows(source.row)}
        spellings = {candidate.field.replace("+", "_")} - others  # not the file of another field
        for field in (candidate.field, *spellings):
            names = {"source": source.name, "field": field}
            image = folder / format_file_name(images.image, **names)
            if image.is_file():
                break
        else:
            return None
        rms = folder / format_file_name(images.rms, **names)
        rms_address = str(rms) if images.rms and rms.is_file() else ""
        return Candidate(candidate.field, str(image), rms_address, source.name)

    @cached_property
    def _size_deg(self) -> float:
        """The side of the cutouts that the build asked for."""
        recipe = self._build.reference_recipe
        return max(recipe.images.size_deg, recorded_stamp_deg(recipe, self._build.manifest))

    @cached_property
    def _facts(self) -> SurveyFacts:
        """Return what the service of the images states about them, if it is known again."""
        if not self._build.provenance.surveys:
            return NO_FACTS
        try:
            return survey_facts(self._service)
        except MingoError:
            return NO_FACTS

    @cached_property
    def _service(self) -> ImageService:
        images, folder = self._build.reference_recipe.images, self._build.folder.path
        naming = Naming(images.image, images.rms, images.ignore, images.checksums)
        return open_service(recorded_service(folder), naming=naming, workspace=folder)
