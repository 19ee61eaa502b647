"""Write the HATS collection of a build from its finished parts.

It appears when it is complete. A later run keeps it while the stamps, the settings of the recipe
that concern it and what it states about the dataset are the same (`CollectionRecord`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mingolotss import __version__
from mingolotss.dataset.checksums import digest_files
from mingolotss.dataset.collection_record import CollectionRecord
from mingolotss.dataset.layout import BuildFolder, HatsCollection
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.records import read_stored_records
from mingolotss.errors import DatasetError
from mingolotss.formats import FORMATS
from mingolotss.formats.base import ExportHeader, Format
from mingolotss.io.files import TEMPORARY_PREFIX, is_local, remove_tree, sha256_file
from mingolotss.io.optional import import_optional
from mingolotss.io.store_folders import move_objects
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.exporting import special_writer
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.publish.export import export_header
from mingolotss.recipe.model import Recipe

__all__ = ["assemble_collection", "require_library"]

_FORMAT = "hats"
_STAGE = f"{TEMPORARY_PREFIX}{_FORMAT}"


def require_library(recipe: Recipe) -> None:
    """Check that the library for the collection of a recipe is there, before any stamp is made.

    Raises
    ------
    InputError
        It is not installed.
    """
    if _FORMAT in recipe.formats:
        import_optional(_FORMAT, "write a HATS collection", extra=_FORMAT)


def assemble_collection(
    out: Path,
    recipe: Recipe,
    stamps: Mapping[str, str],
    mapper: Mapper,
    progress: BuildProgress,
) -> dict[str, str]:
    """Write the collection unless it is there, or remove one that the recipe does not ask for.

    Parameters
    ----------
    out : Path
        The folder of the build, whose tables are complete.
    recipe : Recipe
    stamps : mapping of str to str
        The SHA-256 of the stamps of each part, in the order of the parts.
    mapper, progress
        As for `mingolotss.run`.

    Returns
    -------
    dict of str to str
        The SHA-256 of each file of the collection, by its name relative to `out`.

    Raises
    ------
    InputError
        A file cannot be written, or the library hats is missing.
    DatasetError
        The brightness of a stamp cannot be computed.
    """
    build = BuildFolder(out)
    record = CollectionRecord.read(build)
    remove_tree(out / _STAGE)  # of an interrupted run
    provenance = read_provenance(out)
    if _FORMAT not in recipe.formats or provenance is None:
        if build.hats_record.exists():
            remove_tree(build.hats)
            build.hats_record.unlink()
        return {}
    header = export_header(provenance.split_plan, provenance, _FORMAT)
    key = _key(build, provenance, header, stamps)
    if record is None or record.key != key or not record.is_whole(build):
        build.hats_record.unlink(missing_ok=True)
        record = CollectionRecord(key, _write(build, recipe, header, mapper, progress))
        record.write(build)
    return {build.name_of(build.hats / name): digest for name, digest in record.files.items()}


def _key(
    build: BuildFolder, provenance: Provenance, header: ExportHeader, stamps: Mapping[str, str]
) -> str:
    """Return the SHA-256 of all that decides the content of the collection."""
    recipe = provenance.recipe
    values = [__version__, recipe.digest, recipe.hats.to_dict(), header.to_dict(),
              provenance.classes, list(stamps.values())]  # fmt: skip
    if recipe.hats.flux:  # which other images can change under the same stamps
        values.append(sha256_file(build.candidates))
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _write(
    build: BuildFolder,
    recipe: Recipe,
    header: ExportHeader,
    mapper: Mapper,
    progress: BuildProgress,
) -> dict[str, str]:
    """Write the collection, and return the SHA-256 of its files; nothing for a build of no stamps.

    The lock on the build sees to it that nobody else writes there.
    """
    dataset_format: Format = FORMATS.get(_FORMAT)
    writer, notices = special_writer(build.path, _FORMAT, recipe, mapper, progress)
    if notices:
        raise DatasetError(f"assemble {build.path}: {notices[0]}; or set hats.flux = false")
    records, stage = read_stored_records(build.path), build.path / _STAGE
    digests: dict[str, str] = {}
    try:
        if len(records):
            stored = records if dataset_format.streams else records.with_images()
            (writer or dataset_format.write)(stored, stage, header)
            files = sorted(path for path in stage.rglob("*") if path.is_file())
            digests = digest_files(stage, files)
        remove_tree(build.hats)
        if is_local(stage) and digests:
            stage.rename(build.hats)
        elif digests:
            last = HatsCollection(build.hats, recipe.name).properties.name
            move_objects(stage, build.hats, last=[last])
    except BaseException:
        with suppress(OSError):
            remove_tree(stage)
        raise
    return digests
