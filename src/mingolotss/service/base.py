"""The interface of image services, and how one is opened by name.

A service answers two questions: which images hold a position (`ImageService.search`), and what are
the pixels of one of them around it (`ImageService.cutout`). A service that answers for many sources
at once has `search_all` and `cutouts` as well; for the others, the functions `search_all` and
`fetch_cutouts` of this module go through the sources one by one. Services are pickled for the
workers.

>>> open_service("flder:/tmp")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: no service is called 'flder': did you mean 'folder'? ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray, Outcome
from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import (
    ImageError,
    InputError,
    PluginError,
    ServiceAnswerError,
    ServiceError,
)
from mingolotss.foreign import is_own, translate_errors
from mingolotss.model import Candidate, Cutout
from mingolotss.service import SERVICES
from mingolotss.service.folder_addresses import split_folder
from mingolotss.service.survey_facts import NO_FACTS, SurveyFacts
from mingolotss.sky.header_facts import HeaderFacts

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = [
    "BulkService",
    "CutoutRequest",
    "Estimate",
    "FactsService",
    "FetchService",
    "FileService",
    "HeaderService",
    "ImageService",
    "Naming",
    "Progress",
    "ReadAheadService",
    "ScaleService",
    "absolute_address",
    "fetch_cutouts",
    "local_root",
    "open_service",
    "reads_ahead",
    "search_all",
    "survey_facts",
]

_PASSED = (ImageError, ServiceError, InputError)  # what a plug-in may raise as it is
Progress = Callable[[int], object]
"""Called with the number of sources or requests that are finished."""


class ImageService(Protocol):
    """Where images come from.

    A service whose images are simulated says so by an attribute ``simulated = True``: every
    description of the dataset then repeats it. `mingolotss.testing.check_service` tests a service.

    Examples
    --------
    >>> from mingolotss import Candidate, Cutout
    >>> class OneImage:
    ...     def search(self, position, size):
    ...         return [Candidate("A", "a.fits")]
    ...     def cutout(self, candidate, position, size):
    ...         raise NotImplementedError
    >>> OneImage().search(None, None)[0].field
    'A'
    """

    def search(self, position: SkyCoord, size: Quantity) -> Sequence[Candidate]:
        """Return each image whose footprint holds a position.

        Parameters
        ----------
        position : SkyCoord
            In any frame.
        size : Quantity, angle
            Side of the cutouts that will be requested.

        Returns
        -------
        sequence of Candidate
            Empty if no image holds the position.

        Raises
        ------
        ServiceError
            The search failed.
        """

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Return a square with the side `size` on the grid of the image.

        Past the edge of the image it is NaN, or it ends there, as archives cut.

        Parameters
        ----------
        candidate : Candidate
            As `search` returned it.
        position : SkyCoord
            The middle of the square, in any frame.
        size : Quantity, angle
            Side of the square.

        Returns
        -------
        Cutout
            The pixels, their noise if the service has it, and their WCS.

        Raises
        ------
        ImageError, ServiceError
            The image cannot be used, or not be delivered.
        """


@runtime_checkable
class BulkService(Protocol):
    """A service that answers for many sources at once."""

    def search_all(
        self, catalogue: Catalogue, size_deg: float
    ) -> Sequence[list[Candidate] | ServiceError]:
        """Return the candidates of every row of the catalogue.

        Returns
        -------
        sequence, or `mingolotss.candidates.table.CandidateTable`
            For every row its candidates, sorted by field, or the error of its search.
        """

    def cutouts(self, requests: Sequence[CutoutRequest], size_deg: float) -> Iterable[Outcome]:
        """Return, for each request in order, the pixels or the reason why there are none.

        Both may be columns: `mingolotss.candidates.requests.CutoutRequests` and
        `mingolotss.candidates.cutouts.CutoutArray`.
        """


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a download will take: the number of requests, bytes and seconds."""

    requests: int
    bytes: int
    seconds: float


@runtime_checkable
class FetchService(Protocol):
    """A service that downloads: all cutouts are fetched first, then read from disk."""

    def search_all(
        self, catalogue: Catalogue, size_deg: float, progress: Progress | None = None
    ) -> Sequence[list[Candidate] | ServiceError]:
        """Return the candidates of every source, as `BulkService.search_all` does.

        `progress` is called with the number of sources that are finished.
        """

    def local_candidate(self, request: CutoutRequest) -> Candidate:
        """Return the candidate of a request with the paths of the files that are fetched for it."""

    def estimate(self, requests: Iterable[CutoutRequest], size_deg: float) -> Estimate:
        """Return what fetching will take; files that are on disk are not counted."""

    def fetch(
        self,
        requests: Iterable[CutoutRequest],
        size_deg: float,
        progress: Progress | None = None,
    ) -> ImageService:
        """Fetch the cutouts that are not on disk; return a service that reads them from disk.

        `progress` is called with the number of requests that are finished.
        """


@runtime_checkable
class FileService(Protocol):
    """A service that lists files: it says which of them it does not use."""

    def notices(self) -> list[str]:
        """Return one line for each kind of file that is not used, with names and the reason.

        The lines are complete after the search.
        """

    def reason_without_image(self, source: str) -> str:
        """Return why a source has no candidate, "" if there is nothing more to say."""


@runtime_checkable
class ReadAheadService(Protocol):
    """A service that reads from an address while the stamps are made.

    It needs fewer requests if it knows the next cutouts as well.
    """

    @property
    def is_remote(self) -> bool:
        """Return whether it reads from an address, and not on this machine."""

    def read_ahead(self, requests: CutoutRequests, size_deg: float) -> int:
        """Fetch what the cutouts of the first requests need, as many as are kept at a time.

        An error is raised when the cutout is requested, not here.

        Returns
        -------
        int
            The number of these requests, at least 1.
        """


@runtime_checkable
class ScaleService(Protocol):
    """A service that knows the size of a pixel of its images without reading their pixels."""

    def pixel_scales_arcsec(self, images: Sequence[str]) -> list[float]:
        """Return the side of a pixel of each image, arcsec; NaN where it cannot be read."""


@runtime_checkable
class FactsService(Protocol):
    """A service that knows what its images are without reading their headers.

    Attributes
    ----------
    survey_facts : SurveyFacts
        Where the header of an image states something else, the header wins.
    """

    survey_facts: SurveyFacts


@runtime_checkable
class HeaderService(Protocol):
    """A service that can read the headers of its images before their pixels are needed."""

    def header_facts(self, images: Sequence[str]) -> list[HeaderFacts | None]:
        """Return what the header of each image says; None for one that cannot be read."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How files of cutouts are named, and whether their checksums are compared.

    Attributes
    ----------
    image, rms : str
        Templates, in which ``{source}`` and ``{field}`` stand for the names. `rms` is "" if there
        are no rms maps.
    ignore : tuple of str
        Images whose field ends in one of these are other products.
    checksums : str
        Of which images CHECKSUM and DATASUM are compared: "cutouts" (of those that are read whole,
        and of small mosaics), "all" or "none".
    """

    image: str = "{source}_{field}-mosaic.fits"
    rms: str = "{source}_{field}-mosaic-rms.fits"
    ignore: tuple[str, ...] = ("-low", "-residual")
    checksums: str = "cutouts"

    @property
    def with_checksums(self) -> bool:
        """Return whether the checksums of files that are read whole are compared."""
        return self.checksums != "none"


def absolute_address(address: str) -> str:
    """Return the address of a service; the path of a folder in it becomes absolute.

    The argument of a service is a path if its class has the attribute ``takes_folder = True``.

    >>> absolute_address("mosaics:/data/dr2/../dr3"), absolute_address("lotss-dr1")
    ('mosaics:/data/dr3', 'lotss-dr1')
    """
    name, folder = split_folder(address)
    return address if folder is None else f"{name}:{folder}"


def local_root(service: ImageService) -> str:
    """Return the folder on this machine that all images of a service lie in, "" if there is none.

    It is the attribute ``root`` of the service, as the paths of its images begin.
    """
    root = getattr(service, "root", "")
    return root if isinstance(root, str) and "://" not in root else ""


def survey_facts(service: ImageService) -> SurveyFacts:
    """Return what a service knows about all its images; nothing is known of most services."""
    facts = service.survey_facts if isinstance(service, FactsService) else None
    return facts if isinstance(facts, SurveyFacts) else NO_FACTS


def open_service(
    address: str,
    *,
    naming: Naming | None = None,
    workspace: Path | None = None,
    refresh: bool = False,
) -> ImageService:
    """Open a service by ``NAME``, ``NAME:ARGUMENT``, or the path of a folder.

    Parameters
    ----------
    address : str
        E.g. ``folder:cutouts``, ``mosaics:s3://bucket/mosaics``, ``lotss-dr1``, or a folder.
    naming : Naming, optional
        How files of cutouts are named.
    workspace : Path, optional
        The build's folder, for services that keep results and downloads.
    refresh : bool
        Such a service requests again what it has kept.

    Returns
    -------
    ImageService
        Its methods `search` and `cutout` are described there; nothing is requested yet.

    Raises
    ------
    InputError
        No service has that name, or it cannot be opened.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import SkyCoord
    >>> import mingolotss
    >>> service = mingolotss.open_service("mosaics:demo/sky")
    >>> position = SkyCoord(203.634, 55.954, unit="deg")
    >>> [candidate.field for candidate in service.search(position, 6 * u.arcmin)]
    ['P205+56']
    """
    name, colon, argument = address.partition(":")
    if name not in SERVICES and Path(address).is_dir():
        name, argument = "folder", address
    elif name not in SERVICES and (address.startswith((".", "/")) or not colon):
        if "/" in address or address.startswith("."):
            raise InputError(f"open the service {address}: there is no such folder")
    elif argument.startswith("//"):
        raise InputError(
            f"open the service {address}: an address needs the service's name before it, "
            f"e.g. mosaics:{address}"
        )
    service: ImageService = SERVICES.get(name).open(
        argument, naming=naming or Naming(), workspace=workspace, refresh=refresh
    )
    return service


def search_all(
    service: ImageService,
    catalogue: Catalogue,
    size_deg: float,
    progress: Progress | None = None,
) -> Sequence[list[Candidate] | ServiceError]:
    """Return the candidates of every source, by the bulk search of the service if it has one.

    Parameters
    ----------
    service : ImageService
    catalogue : Catalogue
    size_deg : float, deg
        Side of the cutouts.
    progress : callable, optional
        Called with the number of sources that are finished. A `BulkService` that does not download
        reports nothing.

    Returns
    -------
    sequence
        As `BulkService.search_all` returns it.
    """
    if isinstance(service, FetchService):
        return service.search_all(catalogue, size_deg, progress)
    if isinstance(service, BulkService):
        if is_own(type(service)):
            return service.search_all(catalogue, size_deg)
        # If a plug-in's bulk search raises an exception, its other search goes on source by source.
        with suppress(PluginError), translate_errors("search", PluginError, passed=_PASSED):
            return service.search_all(catalogue, size_deg)
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    answers: list[list[Candidate] | ServiceError] = []
    for row in range(len(catalogue)):
        position = SkyCoord(catalogue.ra[row], catalogue.dec[row], unit="deg")
        action = f"search for {catalogue.names[row]} with the service {type(service).__name__}"
        try:
            with translate_errors(action, PluginError, passed=_PASSED):
                candidates = service.search(position, size_deg * u.deg)
                answers.append(sorted(candidates, key=lambda candidate: candidate.field))
        except ServiceError as error:
            answers.append(error)
        except ImageError as error:
            answers.append(ServiceAnswerError(str(error)))
        if progress is not None:
            progress(len(answers))
    return answers


def fetch_cutouts(
    service: ImageService, requests: Sequence[CutoutRequest], size_deg: float
) -> Iterable[Outcome]:
    """Return the outcomes of requests in order, by the bulk method of the service if it has one.

    If a plug-in's bulk method raises an exception, its cutouts are requested one by one, so that
    only those are lost for which it raises one. What the headers of the images leave open is
    completed by the facts of a `FactsService`.

    Parameters
    ----------
    service : ImageService
    requests : sequence of CutoutRequest
    size_deg : float, deg
        Side of the cutouts.
    """
    outcomes, facts = _fetch_outcomes(service, requests, size_deg), survey_facts(service)
    if facts == NO_FACTS or is_own(type(service)):  # those of the package complete their cutouts
        return outcomes
    listed = list(outcomes)
    if len(listed) != len(requests):
        return listed  # the caller refuses them
    return [
        facts.complete_cutout(outcome, request.source.dec)
        if isinstance(outcome, Cutout) else outcome
        for outcome, request in zip(listed, requests, strict=True)
    ]  # fmt: skip


def reads_ahead(service: ImageService) -> TypeGuard[ReadAheadService]:
    """Return whether a service of this package reads its images from an address."""
    return isinstance(service, ReadAheadService) and is_own(type(service)) and service.is_remote


def _fetch_outcomes(
    service: ImageService, requests: Sequence[CutoutRequest], size_deg: float
) -> Iterable[Outcome]:
    """Return the outcomes of requests as the service gives them."""
    if isinstance(service, BulkService):
        if is_own(type(service)):
            return service.cutouts(requests, size_deg)
        with suppress(ImageError, ServiceError), translate_errors("cut", passed=_PASSED):
            outcomes = service.cutouts(requests, size_deg)
            if isinstance(outcomes, CutoutArray):
                return outcomes
            listed = list(outcomes)
            if len(listed) != len(requests):
                return listed  # which outcome belongs to which request is not known
            return map(_check_outcome, listed, requests)
    return (_fetch_one(service, request, size_deg) for request in requests)


def _fetch_one(service: ImageService, request: CutoutRequest, size_deg: float) -> Outcome:
    """Return the outcome of one request; what else a plug-in raises becomes a PluginError."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    candidate, source = request
    action = f"cut {source.name} out of {candidate.image} with {type(service).__name__}"
    try:
        with translate_errors(action, PluginError, passed=_PASSED):
            if isinstance(service, BulkService):
                (outcome,) = service.cutouts([request], size_deg)
            else:
                position = SkyCoord(source.ra, source.dec, unit="deg")
                outcome = service.cutout(candidate, position, size_deg * u.deg)
    except (ImageError, ServiceError) as error:
        return error
    return _check_outcome(outcome, request)


def _check_outcome(outcome: object, request: CutoutRequest) -> Outcome:
    """Return the outcome that a plug-in gave, or an error if it is no usable one."""
    if isinstance(outcome, ImageError | ServiceError):
        return outcome
    candidate, source = request
    action = f"cut {source.name} out of {candidate.image}"
    if not isinstance(outcome, Cutout):
        return PluginError(f"{action}: the service gave {type(outcome).__name__}, not a Cutout")
    for name in ("image", "rms"):
        array: object = getattr(outcome, name)
        if name == "rms" and array is None:
            continue
        if not isinstance(array, np.ndarray):
            return PluginError(f"{action}: {name} is {type(array).__name__}, not an array")
        if array.ndim != 2 or not array.size or array.dtype.kind != "f":
            return PluginError(
                f"{action}: {name} is an array of {array.dtype} with the shape {array.shape}, and "
                "floats with two axes are needed"
            )
    try:
        with translate_errors(f"{action}: its WCS", PluginError):
            float(outcome.wcs.pixel_scale_arcsec)
            outcome.wcs.to_pixel(source.ra, source.dec)
    except ImageError as error:
        return error
    return outcome
