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
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats import FORMATS
from mingolotss.formats.base import ExportHeader, Format
from mingolotss.io.files import TEMPORARY_PREFIX, is_local, remove_tree, sha256_file
from mingolotss.io.optional import import_optional
from mingolotss.io.store_folders import move_objects
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.exporting import special_writer
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.pipeline.recorded_images import recorded_checksums
from mingolotss.publish.export import export_header
from mingolotss.recipe.model import Recipe

__all__ = ["assemble_collection", "check_collection"]

_FORMAT = "hats"
_STAGE = f"{TEMPORARY_PREFIX}{_FORMAT}"


def check_collection(out: Path, recipe: Recipe) -> None:
    """Check what the collection of a build needs, before any stamp is made.

    Raises
    ------
    InputError
        The library hats is not installed, or another folder has the place of the collection.
    """
    if _FORMAT not in recipe.formats:
        return
    import_optional(_FORMAT, "write a HATS collection", extra=_FORMAT)
    build = BuildFolder(out)
    if build.hats.exists() and not CollectionRecord.is_own(build):
        raise InputError(
            f"build in {out}: its folder {build.hats.name} was not written by this build, and the "
            "HATS collection belongs there; move it away, or choose another --out"
        )


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
        record = _write(build, key, recipe, header, mapper, progress)
    return {build.name_of(build.hats / name): digest for name, digest in record.files.items()}


def _key(
    build: BuildFolder, provenance: Provenance, header: ExportHeader, stamps: Mapping[str, str]
) -> str:
    """Return the SHA-256 of all that decides the content of the collection."""
    recipe = provenance.recipe
    values: list[object]
    values = [__version__, recipe.digest, recipe.hats.to_dict(), header.to_dict(),
              provenance.classes, list(stamps.values())]  # fmt: skip
    if recipe.hats.flux:  # which other images can change under the same stamps
        channels = ["", *(channel.name for channel in recipe.further_channels)]
        images = (recorded_checksums(build.parts(), channel) for channel in channels)
        values.append(sha256_file(build.candidates))
        values.append([sorted(checksums.items()) for checksums in images])
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _write(
    build: BuildFolder,
    key: str,
    recipe: Recipe,
    header: ExportHeader,
    mapper: Mapper,
    progress: BuildProgress,
) -> CollectionRecord:
    """Write the collection and the record of it; a build without stamps has a record only.

    The lock on the build sees to it that nobody else writes there.
    """
    dataset_format: Format = FORMATS.get(_FORMAT)
    writer, notices = special_writer(build.path, _FORMAT, recipe, mapper, progress)
    if notices:
        raise DatasetError(f"assemble {build.path}: {notices[0]}; or set hats.flux = false")
    records, stage = read_stored_records(build.path), build.path / _STAGE
    files: list[Path] = []
    try:
        if len(records):
            stored = records if dataset_format.streams else records.with_images()
            (writer or dataset_format.write)(stored, stage, header)
            files = sorted(path for path in stage.rglob("*") if path.is_file())
        record = CollectionRecord(key, recipe.hats.to_dict(), digest_files(stage, files))
        # The record comes before the collection, so that a collection without one is not ours, and
        # after the removal of the old one, which may have files of the same names.
        remove_tree(build.hats)
        record.write(build)
        if is_local(stage) and files:
            stage.rename(build.hats)
        elif files:
            last = HatsCollection(build.hats, recipe.name).properties.name
            move_objects(stage, build.hats, last=[last])
    except BaseException:
        with suppress(OSError):
            remove_tree(stage)
        raise
    return record
