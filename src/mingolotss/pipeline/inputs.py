"""The inputs of a build: its catalogue, and the simulated sky.

A catalogue is a file, an address, or made from the names of the images. An address is downloaded
once and stays in the build's folder under ``searches``; the recipe's own catalogue must have the
checksum that the recipe gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.labels import ColumnRules
from mingolotss.catalogue.reading import catalogue_from_names, read_catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import CatalogueError, InputError
from mingolotss.io.files import md5_file, safe_name
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService
from mingolotss.service.local.folder import FolderService
from mingolotss.simulate import SkyFolder, SkyModel, write_sky

if TYPE_CHECKING:
    from mingolotss.io.http import Transport

__all__ = ["resolve_catalogue", "simulated_sky"]

_LARGEST = 8 << 30  # bytes: LoTSS DR3's 13.7 million sources are about 4 GB


def resolve_catalogue(
    recipe: Recipe,
    given: Path | str | Catalogue | None,
    service: ImageService,
    out: Path,
    *,
    transport: Transport | None = None,
) -> Catalogue:
    """Return the catalogue of a build.

    Parameters
    ----------
    recipe : Recipe
        Says what columns and classes mean, and has a catalogue of its own if none is given.
    given : Path, str or Catalogue, optional
        A file, an address that begins with ``http``, or the sources themselves.
    service : ImageService
        Asked for the names of its images where the recipe makes its catalogue from them.
    out : Path
        The build's folder: fetched catalogues are kept there.

    Raises
    ------
    InputError
        There is no catalogue, or it is not what the recipe expects.
    ServiceError
        An address does not give one.
    """
    if isinstance(given, Catalogue):
        return given
    if given is None and recipe.catalogue.names and isinstance(service, FolderService):
        rules = recipe.rules if isinstance(recipe.rules, ColumnRules) else None
        return catalogue_from_names(
            service.image_names(), recipe.catalogue.names, rules, path=str(service.folder)
        )
    own = given is None
    place = str(recipe.catalogue.url if own else given)
    if not place:
        raise InputError(f"no catalogue was given, and {recipe.name} has none: --catalogue FILE")
    if place.startswith(("http://", "https://")):
        client = transport or _client()
        place = str(_downloaded(place, out, recipe.catalogue.md5 if own else "", client))
    return read_catalogue(place, recipe.catalogue.columns, recipe.rules)


def simulated_sky(out: Path, *, sources: int = 600, seed: int = 1) -> tuple[Path, str]:
    """Make the simulated sky of a build unless it exists; return its catalogue and service.

    Parameters
    ----------
    out : Path
        The build's folder; the sky is written to ``out/sky``.
    sources : int
        Number of galaxies in the catalogue.
    seed : int
        Seed of the random numbers.
    """
    sky = SkyFolder(write_sky(SkyModel(seed=seed, sources=sources), BuildFolder(out).sky))
    return sky.catalogue, f"simulated:{sky.path}"


def _client() -> Transport:
    from mingolotss.io.http import Limits, RetryPolicy, Transport  # 0.1 s, and rarely needed

    retry_policy = RetryPolicy(attempts=3, outage_s=10.0)  # a person is waiting
    return Transport(limits=Limits(max_bytes=_LARGEST), retry_policy=retry_policy)


def _downloaded(url: str, out: Path, md5: str, transport: Transport) -> Path:
    """Return the path of a downloaded catalogue, and download it if it is not there."""
    name = urlsplit(url).path.rpartition("/")[2] or "catalogue.fits"
    path = BuildFolder(out).workspace.catalogues / safe_name(name)
    if not path.exists():
        transport.fetch(url, path)
    if md5 and (actual := md5_file(path)) != md5:
        path.unlink()
        raise CatalogueError(
            f"fetch the catalogue {url}: its MD5 is {actual}, the recipe expects {md5}; try "
            "again, or give a --catalogue that you trust"
        )
    return path
