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
from mingolotss.formats.fits import stores_brightness
from mingolotss.io.files import locate
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.export_fits import write_fits_again
from mingolotss.pipeline.export_flux import write_hats_with_flux
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.pipeline.recorded_sources import images_problem
from mingolotss.publish.export import Export, Writer
from mingolotss.publish.export import export as export_records

__all__ = ["Export", "export"]

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
    mapper, progress
        As for `mingolotss.run`; for the format ``fits``, which reads the images of the build again.

    Raises
    ------
    InputError
        An unknown format, split or class; `out` exists; the format cannot hold these images.
    DatasetError
        `build` is not whole. For ``fits``: an image is gone or was changed, or gives another stamp.
    ServiceUnavailableError
        An address does not answer.
    """
    build = locate(build)
    writer, notices = _writer(build, format, mapper, progress or no_progress)
    done = export_records(
        build, format, out, split=split, merge=merge, archive=archive, fresh=fresh, writer=writer
    )
    return replace(done, notices=notices)


def _writer(
    build: Path, format_name: str, mapper: Mapper, progress: BuildProgress
) -> tuple[Writer | None, tuple[str, ...]]:
    """Return what writes a format that needs the images again, and what the export will lack."""
    provenance = read_provenance(build) if format_name in _LACKING else None
    if provenance is None or not BuildFolder(build).candidates.exists():
        return None, ()
    recipe = provenance.recipe
    if format_name == "hats" and not recipe.hats.flux:
        return None, ()
    # If the stamps are the brightness, only the noise needs the images.
    problem = images_problem(build) if stores_brightness(recipe) else ""
    if problem:
        return None, (f"{_LACKING[format_name]}, which need the images: {problem}",)
    if format_name == "hats":
        return partial(write_hats_with_flux, build, recipe, progress), ()
    return partial(write_fits_again, build, recipe, mapper, progress), ()
