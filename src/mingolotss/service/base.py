"""What every image service does, and how one is opened by name.

A service answers two questions: which images hold a place (`ImageService.search`), and which
pixels of one image lie around it (`ImageService.cutout`). One that can answer for many sources at
once also has `search_all` and `cutouts`; for one that cannot, `search_all` and `cutouts` in this
module ask source by source. A service must survive pickling, since workers get a copy.

>>> open_service("flder:/tmp")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: no service is called 'flder': did you mean 'folder'? ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mingolotss.candidates.cutouts import Outcome
from mingolotss.candidates.requests import CutoutRequest
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError, ServiceError
from mingolotss.model import Candidate, Cutout
from mingolotss.service import SERVICES

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = [
    "BulkService",
    "CutoutRequest",
    "Estimate",
    "FetchService",
    "ImageService",
    "Naming",
    "Progress",
    "cutouts",
    "open_service",
    "search_all",
]

Progress = Callable[[int], object]
"""Called with the number of sources or requests that are finished."""


class ImageService(Protocol):
    """Where images come from: ask what covers a position, then ask for the pixels."""

    def search(self, position: SkyCoord, size: Quantity) -> Sequence[Candidate]:
        """Return each image whose footprint holds `position`; none is a normal answer."""

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Return a square of side `size` on the image's own grid.

        Past the image's edge it is NaN, or it ends there, as archives cut.

        Raises
        ------
        ImageError, ServiceError
            The image cannot be used or had.
        """


@runtime_checkable
class BulkService(Protocol):
    """A service that answers for many sources at once."""

    def search_all(
        self, catalogue: Catalogue, size_deg: float
    ) -> Sequence[list[Candidate] | ServiceError]:
        """Return the candidates of every row of the catalogue, each list sorted by field.

        The error of a row that the far end did not answer stands in its place.
        """

    def cutouts(self, wanted: Sequence[CutoutRequest], size_deg: float) -> Iterable[Outcome]:
        """Give, for each wanted cutout in order, its pixels or why there are none.

        Both may be columns: `mingolotss.candidates.requests.CutoutRequests`,
        `mingolotss.candidates.cutouts.CutoutArray`.
        """


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a fetch will take: requests, bytes and seconds."""

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

    def local(self, wanted: CutoutRequest) -> Candidate:
        """Return a candidate with the paths of the files that it becomes."""

    def estimate(self, wanted: Iterable[CutoutRequest], size_deg: float) -> Estimate:
        """Return what fetching these will take, less what is here already."""

    def fetch(
        self,
        wanted: Iterable[CutoutRequest],
        size_deg: float,
        progress: Progress | None = None,
    ) -> ImageService:
        """Fetch the cutouts that are not on disk; return a service that reads them from disk.

        `progress` is called with the number of requests that are finished.
        """


@dataclass(frozen=True, slots=True)
class Naming:
    """How files of cutouts are named; ``{source}`` and ``{field}`` stand for the names."""

    image: str = "{source}_{field}-mosaic.fits"
    rms: str = "{source}_{field}-mosaic-rms.fits"
    ignore: tuple[str, ...] = ("-low", "-residual")


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
        The build's folder, for services that keep what they were told.
    refresh : bool
        Ask such a service again for what it has kept.

    Raises
    ------
    InputError
        No service has that name, or it cannot be opened.
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
        Called with the number of sources that are finished, unless the service has a bulk search
        that asks nobody.
    """
    if isinstance(service, FetchService):
        return service.search_all(catalogue, size_deg, progress)
    if isinstance(service, BulkService):
        return service.search_all(catalogue, size_deg)
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    found: list[list[Candidate] | ServiceError] = []
    for row in range(len(catalogue)):
        place = SkyCoord(catalogue.ra[row], catalogue.dec[row], unit="deg")
        try:
            answer = service.search(place, size_deg * u.deg)
        except ServiceError as error:
            found.append(error)
        else:
            found.append(sorted(answer, key=lambda candidate: candidate.field))
        if progress is not None:
            progress(len(found))
    return found


def cutouts(
    service: ImageService, wanted: Sequence[CutoutRequest], size_deg: float
) -> Iterable[Outcome]:
    """Give the cutouts wanted, in order, by the service's own bulk method if it has one."""
    if isinstance(service, BulkService):
        return service.cutouts(wanted, size_deg)
    return _one_by_one(service, wanted, size_deg)


def _one_by_one(
    service: ImageService, wanted: Sequence[CutoutRequest], size_deg: float
) -> Iterator[Outcome]:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    for one in wanted:
        place = SkyCoord(one.source.ra, one.source.dec, unit="deg")
        try:
            yield service.cutout(one.candidate, place, size_deg * u.deg)
        except (ImageError, ServiceError) as error:
            yield error
