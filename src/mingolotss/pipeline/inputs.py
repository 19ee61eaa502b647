"""The inputs of a build: its catalogue, and the simulated sky.

A catalogue comes from a file, from a web address, from the names of the images, or from the
published list of the recipe. A catalogue from the web is downloaded once and stays in the build's
folder under ``searches``; the recipe's own catalogue must have the checksum that the recipe gives.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.column_names import ColumnNames
from mingolotss.catalogue.labels import ColumnRules
from mingolotss.catalogue.reading import catalogue_from_names, read_catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import CatalogueError, InputError
from mingolotss.io.file_names import safe_name
from mingolotss.io.files import md5_file
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.pipeline.published_catalogue import published_catalogue
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService
from mingolotss.service.local.folder import FolderService

if TYPE_CHECKING:
    from mingolotss.io.http import Transport

__all__ = ["NAMES_OF_IMAGES", "resolve_catalogue", "write_simulated_sky"]

NAMES_OF_IMAGES = "image-names"
"""In place of the file name of a catalogue that was made from the names of the images."""

_MAX_CATALOGUE_BYTES = 8 << 30  # LoTSS DR3's 13.7 million sources are about 4 GB


def resolve_catalogue(
    recipe: Recipe,
    catalogue: Path | str | Catalogue | None,
    service: ImageService,
    out: Path,
    *,
    transport: Transport | None = None,
) -> Catalogue:
    """Return the catalogue of a build.

    Parameters
    ----------
    recipe : Recipe
        Gives the meaning of the columns and classes, and the catalogue if no other is given.
    catalogue : Path, str or Catalogue, optional
        A file, an address that begins with ``http``, or the sources themselves.
    service : ImageService
        Gives the names of its images where the recipe makes its catalogue from them.
    out : Path
        The build's folder: downloaded catalogues are kept there.
    transport : Transport, optional
        The HTTP client; by default one that soon gives up, since a person is waiting.

    Raises
    ------
    InputError
        There is no catalogue, or it does not have the form that the recipe expects.
    ServiceError
        The catalogue cannot be downloaded.
    """
    if isinstance(catalogue, Catalogue):
        return catalogue
    if catalogue is None and (images := recipe.published.read_list()) is not None:
        published = published_catalogue(recipe, images, service)
        if published is not None:
            return published
    if catalogue is None and recipe.catalogue.names and isinstance(service, FolderService):
        rules = recipe.rules if isinstance(recipe.rules, ColumnRules) else None
        sources = catalogue_from_names(
            service.image_names(), recipe.catalogue.names, rules,
            path=str(service.folder), frame=recipe.catalogue.frame,
        )  # fmt: skip
        return replace(sources, path=NAMES_OF_IMAGES)
    location, md5 = str(catalogue), ""
    if catalogue is None:
        location, md5 = recipe.catalogue.url, recipe.catalogue.md5
    if not location:
        raise InputError(f"no catalogue was given, and {recipe.name} has none: --catalogue FILE")
    if location.startswith(("http://", "https://")):
        location = str(_download_once(location, out, md5, transport or _default_transport()))
    return read_catalogue(location, _columns(recipe), recipe.rules)


def _columns(recipe: Recipe) -> ColumnNames:
    """Return the columns of a catalogue, with those that stamps and masks depend on."""
    columns, needed = recipe.catalogue.columns, [*recipe.stamp.columns.values()]
    needed += [recipe.mask.catalogue] if recipe.mask.catalogue else []
    missing = [name for name in dict.fromkeys(needed) if name not in columns.keep]
    return replace(columns, keep=(*columns.keep, *missing)) if missing else columns


def write_simulated_sky(
    out: Path, *, sources: int = 600, seed: int = 1, progress: BuildProgress = no_progress
) -> tuple[Path, str]:
    """Write the simulated sky of a build unless it exists.

    Parameters
    ----------
    out : Path
        The build's folder; the sky is written to ``out/sky``.
    sources : int
        Number of galaxies in the catalogue.
    seed : int
        Seed of the random numbers.
    progress : callable
        Called as the fields of the sky are drawn, with their share of the galaxies.

    Returns
    -------
    catalogue : Path
        The file of its catalogue.
    service : str
        The address of its image service, for `open_service`.
    """
    from mingolotss.simulate import SkyFolder, SkyModel, write_sky  # 0.2 s

    def notify(done: int, total: int) -> None:
        progress(sources * done // total, sources, "simulating the sky")

    model = SkyModel(seed=seed, sources=sources)
    sky = SkyFolder(write_sky(model, BuildFolder(out).sky, progress=notify))
    return sky.catalogue, f"simulated:{sky.path}"


def _default_transport() -> Transport:
    from mingolotss.io.http import Limits, RetryPolicy, Transport  # the import takes 0.1 s

    retry_policy = RetryPolicy(attempts=3, outage_s=10.0)  # a person is waiting
    return Transport(limits=Limits(max_bytes=_MAX_CATALOGUE_BYTES), retry_policy=retry_policy)


def _download_once(url: str, out: Path, md5: str, transport: Transport) -> Path:
    """Return the path of a downloaded catalogue; download it unless it is there.

    Raises
    ------
    CatalogueError
        The file has not the MD5 that the recipe expects; it is removed.
    ServiceError
        The download failed.
    """
    from mingolotss.io.http.addresses import check_address  # the import takes 0.1 s

    url = transport.without_credentials(url)
    name = check_address(url).path.rpartition("/")[2] or "catalogue.fits"
    folder = BuildFolder(out).workspace.catalogues
    if not md5:  # nothing else would tell catalogues of one name at two addresses apart
        folder /= hashlib.sha256(url.encode()).hexdigest()[:16]
    path = folder / safe_name(name)
    if not path.exists():
        transport.fetch(url, path)
    if md5 and (actual := md5_file(path)) != md5:
        path.unlink()
        raise CatalogueError(
            f"fetch the catalogue {url}: its MD5 is {actual}, the recipe expects {md5}; try "
            "again, or give a --catalogue that you trust"
        )
    return path
