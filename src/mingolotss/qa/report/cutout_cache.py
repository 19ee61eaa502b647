"""The cutouts that a build was made from, read again for a look.

They come from where the build had them: downloads in ``DIR/cutouts``, or the service named in
``recipe.toml``. What cannot be read is an `ImageError` that says why, to be shown in its place.
"""

from __future__ import annotations

import threading
from functools import cached_property, lru_cache

from mingolotss.errors import ImageError, InputError, MingoError, ServiceError
from mingolotss.io.files import safe_name
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.qa.report.build_view import Contents
from mingolotss.service.base import CutoutRequest, ImageService, Naming, cutouts, open_service
from mingolotss.service.local.folder import read_cutout

__all__ = ["Cutouts"]

_KEPT = 16  # of 240 x 240, image and rms, 0.5 MB each


class Cutouts:
    """The cutouts of one build.

    Parameters
    ----------
    contents : Contents
    remote : bool
        Whether what is not on this disk may be fetched.
    """

    def __init__(self, contents: Contents, *, remote: bool = False) -> None:
        self._contents = contents
        self._remote = remote
        self._lock = threading.Lock()
        self._kept = lru_cache(_KEPT)(self._read)

    def get(self, source: Source, candidate: Candidate) -> Cutout:
        """Return the pixels of one candidate of a source.

        Raises
        ------
        ImageError, ServiceError
            They cannot be had: the line says why.
        """
        with self._lock:
            return self._kept(source, candidate)

    def _read(self, source: Source, candidate: Candidate) -> Cutout:
        downloaded = self._downloaded(source, candidate)
        if downloaded is not None:
            return read_cutout(downloaded)
        if "://" in candidate.image and not self._remote:
            raise ImageError(
                f"read {candidate.image}: it is not on this disk; see it on the review page",
                path=candidate.image,
            )
        size = self._contents.recipe.images.size_arcmin / 60
        try:
            service = self._service
        except MingoError as error:
            raise ImageError(f"read {candidate.image}: {error}", path=candidate.image) from error
        answer = next(iter(cutouts(service, [CutoutRequest(candidate, source)], size)))
        if isinstance(answer, (ImageError, ServiceError)):
            raise answer
        return answer

    def _downloaded(self, source: Source, candidate: Candidate) -> Candidate | None:
        """Return the candidate as a pair of files in ``DIR/cutouts``, if they are there."""
        folder, images = self._contents.folder / "cutouts", self._contents.recipe.images
        for field in (candidate.field, candidate.field.replace("+", "_")):
            names = {"source": safe_name(source.name), "field": safe_name(field)}
            image = folder / images.image.format(**names)
            if image.is_file():
                break
        else:
            return None
        rms = folder / images.rms.format(**names)
        found = str(rms) if images.rms and rms.is_file() else ""
        return Candidate(candidate.field, str(image), found, source.name)

    @cached_property
    def _service(self) -> ImageService:
        settings, images = self._contents.settings, self._contents.recipe.images
        if not settings.service:
            raise InputError("the build names no service")
        naming = Naming(images.image, images.rms, images.ignore)
        return open_service(settings.service, naming=naming, workspace=self._contents.folder)
