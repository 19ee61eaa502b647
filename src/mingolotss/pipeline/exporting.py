"""``export()``: a dataset in another format, also in those that need the images again.

Most formats are written from what a dataset holds (`mingolotss.publish.export`). FITS files, and
the column ``image`` of a HATS collection, have the brightness before the steps of the recipe, which
only the images have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.splits import SplitPlan
from mingolotss.errors import InputError
from mingolotss.io.files import locate
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.pipeline.recorded_sources import images_problem
from mingolotss.publish.export import Export, Writer
from mingolotss.publish.export import export as export_records
from mingolotss.recipe.model import HatsSettings, Recipe

__all__ = ["Export", "export", "reads_images", "special_writer"]

_LACKING = {
    "fits": "the files have no maps of the noise",
    "hats": "the column image has no inverse variances",
}
"""What formats lack that are written without the images."""


def export(
    build: Path | str,
    format: str,  # noqa: A002 - the word of the command line
    out: Path | str,
    *,
    split: SplitPlan | str | None = None,
    merge: Mapping[str, Sequence[str | int]] | None = None,
    archive: bool = False,
    fresh: bool = False,
    hats: HatsSettings | Mapping[str, object] | None = None,
    mapper: Mapper = map,
    progress: BuildProgress | None = None,
) -> Export:
    """Write a build, or an export, in another format.

    Parameters
    ----------
    build : path
        A folder that ``mingolotss build`` or ``export`` wrote, or its fsspec address; FITS files
        have no stamps.
    format : str
        A name in `mingolotss.formats.FORMATS`.
    out : path
        The folder to make, also at an fsspec address.
    split : SplitPlan or str, optional
        By default the splits are those of `build`.
    merge : mapping of str to sequence of str or int, optional
        New classes made of old ones; the rest is left out.
    archive : bool
        Also write ``OUT.tar.gz``, which a dataset class downloads and opens.
    fresh : bool
        Replace what is at `out`, if an export wrote it.
    hats : HatsSettings or mapping, optional
        For the format ``hats``: settings in the place of those of the recipe, or some of them by
        their keys, e.g. ``{"margin_arcsec": 5}``.
    mapper : callable
        As for `mingolotss.run`; for the format ``fits``, which reads the images of the build again.
    progress : callable, optional
        As for `mingolotss.run`.

    Returns
    -------
    Export
        The folder, the archive if one was asked for, and the number of images in each split.

    Raises
    ------
    InputError
        An unknown format, split or class; `out` exists; the format cannot hold these images.
    DatasetError
        `build` is not whole. For ``fits``: an image is gone or was changed, or gives another stamp.
    ServiceUnavailableError
        An address does not answer.

    Examples
    --------
    >>> import mingolotss
    >>> split = "stratified:train=0.8,test=0.2,seed=1"
    >>> mingolotss.export("demo", "parquet", "table", split=split).splits
    {'train': 94, 'test': 24}
    """
    build = locate(build)
    recipe = _recipe(build, format, hats)
    writer, notices = special_writer(build, format, recipe, mapper, progress or no_progress)
    done = export_records(
        build, format, out, split=split, merge=merge, archive=archive, fresh=fresh, writer=writer,
        recipe=recipe,
    )  # fmt: skip
    return replace(done, notices=notices)


def reads_images(
    build: Path | str, format_name: str, hats: HatsSettings | Mapping[str, object] | None = None
) -> bool:
    """Return whether an export reads the images of the build again, which processes do faster.

    All else is done by libraries that several threads use at once, in the memory of one process.

    Parameters and errors are those of `export`.
    """
    if format_name != "hats":
        return format_name in _LACKING
    recipe = _recipe(locate(build), format_name, hats)
    return recipe is not None and recipe.hats.flux


def _recipe(
    build: Path, format_name: str, hats: HatsSettings | Mapping[str, object] | None
) -> Recipe | None:
    """Return the recipe of a build with other settings of HATS collections; None if it has none."""
    provenance = read_provenance(build)
    if hats is None or provenance is None:
        return None if provenance is None else provenance.recipe
    if format_name != "hats":
        raise InputError(
            f"export {build} as {format_name}: rows of a partition, margin, flux and arrays are "
            "settings of the format hats; leave them out"
        )
    return provenance.recipe.with_hats(hats)


def special_writer(
    build: Path, format_name: str, recipe: Recipe | None, mapper: Mapper, progress: BuildProgress
) -> tuple[Writer | None, tuple[str, ...]]:
    """Return what writes a format that needs the images again, and what the export will lack.

    Parameters
    ----------
    build : Path
    format_name : str
    recipe : Recipe or None
        Of the build; None if it has none.
    mapper, progress
        As for `export`.

    Returns
    -------
    writer : Writer or None
        None for the method ``write`` of the format.
    notices : tuple of str
    """
    if recipe is None or format_name not in _LACKING:
        return None, ()
    # Each format brings libraries of its own, up to half a second, which a build in others saves.
    from mingolotss.formats.fits import stores_brightness
    from mingolotss.formats.hats.writer import write_hats
    from mingolotss.pipeline.export_fits import write_fits_again
    from mingolotss.pipeline.export_flux import write_hats_with_flux

    plain = partial(write_hats, mapper=mapper) if format_name == "hats" else None
    if not BuildFolder(build).candidates.exists() or (plain and not recipe.hats.flux):
        return plain, ()
    # If the stamps are the brightness, only the noise needs the images.
    problem = images_problem(build) if stores_brightness(recipe) else ""
    if problem:
        return plain, (f"{_LACKING[format_name]}, which need the images: {problem}",)
    if format_name == "hats":
        return partial(write_hats_with_flux, build, recipe, mapper, progress), ()
    return partial(write_fits_again, build, recipe, mapper, progress), ()
