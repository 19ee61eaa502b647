"""Whether the images on disk are still those that a part was made from.

An image is looked at more closely if it, or the link to it, was changed after the part was written,
or if its folder is another one than it was. `mingolotss.pipeline.recorded_images` reads what parts
have recorded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from mingolotss.io.file_identity import FileTimes
from mingolotss.io.files import sha256_file
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.recorded_images import (
    MISSING,
    NOT_READ,
    REFERENCE,
    CandidateChecksums,
    ImageRecord,
    checksum_of_samples,
    read_record,
    record_key,
    times_of_file,
    whole_key,
)
from mingolotss.pipeline.task import Task
from mingolotss.service.base import FetchService

__all__ = ["Times", "describe_images", "image_times", "images_unchanged"]

Times = Mapping[str, FileTimes | None]
"""Size and times of files, by path; None for a file that is not there."""


def image_times(task: Task) -> Times:
    """Return size and times of the local images of a part, of all its channels."""
    return {path: times_of_file(path) for one in _tasks(task) for path in _local_images(one)}


def describe_images(task: Task, times: Times, table: pa.Table) -> dict[str, str]:
    """Return the record of the images of a part, as metadata for its table: of each channel.

    Parameters
    ----------
    task : Task
    times : mapping
        From `image_times`, before the images were read.
    table : pyarrow.Table
        The table of the part.
    """
    records = {}
    for one in _tasks(task):
        in_table = CandidateChecksums(table, one.channel_in_tables).checksums
        records[record_key(one.channel)] = _describe(one, times, in_table)
        records[whole_key(one.channel)] = str(len(in_table))
    if task.channel_in_tables is not None:
        records[REFERENCE] = task.channel_in_tables
    return records


def _describe(task: Task, times: Times, in_table: Mapping[str, str]) -> str:
    """Return the record of the images of one channel but those whose checksums are in the table."""
    paths, checksums = _local_images(task), {}
    for path in paths:
        name = task.paths.name(path)
        if times[path] != times_of_file(
            path
        ):  # it was changed while it was read: make the part again
            checksums[name] = NOT_READ
        elif name not in in_table:
            checksums[name] = checksum_of_samples(path)
    return json.dumps(ImageRecord(_folders(task, paths), checksums)._asdict())


def images_unchanged(task: Task, part: Path) -> bool:
    """Return whether the images of a part are those that it was made from.

    Parameters
    ----------
    task : Task
    part : Path
        The table of the part.

    Raises
    ------
    OSError, DatasetError
        A file cannot be read, or the table is damaged.
    """
    return all(_channel_unchanged(one, part) for one in _tasks(task))


def _channel_unchanged(task: Task, part: Path) -> bool:
    """Return whether the images of one channel are those that a part was made from."""
    written_at = part.stat().st_mtime_ns
    candidates = CandidateChecksums(part, task.channel_in_tables)
    record, paths = read_record(part, task.channel), _local_images(task)
    moved = {folder for folder, place in _folders(task, paths).items()
             if record.folders.get(folder) != place}  # fmt: skip
    for path in paths:
        name = task.paths.name(path)
        times, recorded = times_of_file(path), record.checksums.get(name)
        if times is None or recorded in {MISSING, NOT_READ}:
            if times is not None or recorded != MISSING:
                return False
            continue
        if times.mtime_ns > written_at:
            return False
        is_touched = times.ctime_ns >= written_at
        if recorded is not None:
            # Samples of a large file can be equal although it was changed.
            if (is_touched and times.is_sampled) or checksum_of_samples(path) != recorded:
                return False
        elif (is_touched or os.path.dirname(name) in moved) and (  # noqa: PTH120
            candidates.checksums.get(name) != sha256_file(Path(path))
        ):
            return False
    return _downloads_unchanged(task, candidates, written_at)


def _tasks(task: Task) -> list[Task]:
    """Return the task of each channel; the task itself is that of the reference."""
    return [task, *task.channel_tasks.values()]


def _local_images(task: Task) -> list[str]:
    """Return the paths of the images of a part that are on this machine, each once."""
    paths = (path for _, *paths in task.candidates.images for path in paths if path)
    return [path for path in dict.fromkeys(paths) if "://" not in path]


def _folders(task: Task, paths: Iterable[str]) -> dict[str, list[object]]:
    """Return of each folder of some files where it is, and the number of its inode."""
    name, folder_of = task.paths.name, os.path.dirname
    folders = {folder_of(name(path)): folder_of(path) for path in paths}
    return {folder: _place(path) for folder, path in folders.items()}


def _place(folder: str) -> list[object]:
    # A checksum, since the path may tell the name of a person.
    try:
        real = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()
        return [real, Path(folder).stat().st_ino]
    except (OSError, ValueError):
        return []


def _downloads_unchanged(task: Task, candidates: CandidateChecksums, written_at: int) -> bool:
    """Return whether the files of a service that downloads, as far as they are there, are the same.

    They lie in the folder of the build, as the part does.
    """
    if not isinstance(task.service, FetchService):
        return True
    for index, request in enumerate(Chunk(task, 0, len(task)).requests):
        local = task.service.local_candidate(request)
        for path, column in ((local.image, "image_sha256"), (local.rms, "rms_sha256")):
            times = times_of_file(path) if path else None
            if times is None:
                continue
            if times.mtime_ns > written_at:
                return False
            is_touched = times.ctime_ns >= written_at
            checksum = candidates.checksum(index, column) if is_touched else None
            if checksum and sha256_file(Path(path)) != checksum:
                return False
    return True
