"""Whether the images on disk are still those that a part was made from.

A part records a checksum of each local image: of the whole file where the service has read it
whole, which is in the table of candidates, and of samples where only parts of a mosaic were read.
No times are recorded, so that the same images give the same bytes. An image is looked at more
closely if it, or the link to it, was changed after the part was written, or if its folder is
another one than it was.

Images are recorded by their paths relative to the folder of all images, so that they are the same
images in another folder; `differing_images` compares those. Each channel of a recipe has a record
of its own, since the images of two channels may have the same name in two folders.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.manifest import CANDIDATE_CHANNEL
from mingolotss.dataset.recorded_inputs import locate_image
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_values import fill_null, scalar
from mingolotss.io.documents import parse_json
from mingolotss.io.file_identity import FileTimes, quick_checksum, read_times
from mingolotss.io.files import sha256_file
from mingolotss.io.parquet import read_schema, read_table
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.task import Task
from mingolotss.service.base import FetchService

__all__ = [
    "Times",
    "changed_images",
    "describe_images",
    "differing_images",
    "image_times",
    "images_unchanged",
    "recorded_checksums",
    "recorded_folder",
]

Times = Mapping[str, FileTimes | None]
"""Size and times of files, by path; None for a file that is not there."""

_KEY = "images"  # in the metadata of a part's table; of a further channel, "images of NAME"
_REFERENCE = "reference"  # the name of the reference in the metadata, if there are channels
_COLUMNS = ("image", "image_sha256", "rms", "rms_sha256")  # of the table of candidates
_MISSING, _NOT_READ = "missing", "not read"  # in place of a checksum


class _Record(NamedTuple):
    """The images of a part.

    Attributes
    ----------
    folders : dict of str to list
        Of each folder a checksum of its path without links, and the number of its inode.
    checksums : dict of str to str
        Those that are not in the table of the part, by path.

    All paths are those of the table of candidates.
    """

    folders: dict[str, list[object]]
    checksums: dict[str, str]


def image_times(task: Task) -> Times:
    """Return size and times of the local images of a part, of all its channels."""
    return {path: _times(path) for one in _tasks(task) for path in _local_images(one)}


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
    records = {_key(one.channel): _describe(one, times, table) for one in _tasks(task)}
    if task.channel_in_tables is not None:
        records[_REFERENCE] = task.channel_in_tables
    return records


def _describe(task: Task, times: Times, table: pa.Table) -> str:
    """Return the record of the images of one channel."""
    in_table = _Candidates(table, task.channel_in_tables).checksums
    paths, checksums = _local_images(task), {}
    for path in paths:
        name = task.paths.name(path)
        if times[path] != _times(path):  # it was changed while it was read: make the part again
            checksums[name] = _NOT_READ
        elif name not in in_table:
            checksums[name] = _checksum(path)
    return json.dumps(_Record(_folders(task, paths), checksums)._asdict())


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
    candidates = _Candidates(part, task.channel_in_tables)
    record, paths = _read_record(part, task.channel), _local_images(task)
    moved = {folder for folder, place in _folders(task, paths).items()
             if record.folders.get(folder) != place}  # fmt: skip
    for path in paths:
        name = task.paths.name(path)
        times, recorded = _times(path), record.checksums.get(name)
        if times is None or recorded in {_MISSING, _NOT_READ}:
            if times is not None or recorded != _MISSING:
                return False
            continue
        if times.mtime_ns > written_at:
            return False
        is_touched = times.ctime_ns >= written_at
        if recorded is not None:
            # Samples of a large file can be equal although it was changed.
            if (is_touched and times.is_sampled) or _checksum(path) != recorded:
                return False
        elif (is_touched or os.path.dirname(name) in moved) and (  # noqa: PTH120
            candidates.checksums.get(name) != sha256_file(Path(path))
        ):
            return False
    return _downloads_unchanged(task, candidates, written_at)


def changed_images(parts: Iterable[Path], root: Path | None, channel: str = "") -> Iterator[str]:
    """Yield a line for each image that some parts were made from in pieces, and that has changed.

    Parameters
    ----------
    parts : iterable of Path
        The tables of the parts.
    root : Path or None
        The folder of the images.
    channel : str
        A further channel; "" for the images of the reference, or of a recipe without channels.
    """
    checked: set[tuple[str, str]] = set()
    for part in parts:
        written_at = part.stat().st_mtime_ns
        for name, recorded in _read_record(part, channel).checksums.items():
            path = locate_image(name, root)
            times = _times(path)
            if times is None or recorded == _MISSING or (path, recorded) in checked:
                continue
            checked.add((path, recorded))
            if recorded != _checksum(path):
                yield f"{path}: changed since the build"
            elif times.is_sampled and times.mtime_ns > written_at:
                yield f"{path}: written again since the build; build again to be sure of its pixels"


def differing_images(
    parts: Iterable[Path],
    root: Path,
    *,
    earlier_root: str = "",
    only_touched: bool = False,
    channel: str = "",
) -> list[str]:
    """Return the images of some parts that are others in a folder, or missing there.

    Parameters
    ----------
    parts : iterable of Path
        The tables of the parts.
    root : Path
        The folder in which the images are looked for.
    earlier_root : str
        The folder that paths begin with in tables of an earlier version.
    only_touched : bool
        Do not read files again that were neither written nor renamed after the part was.
    channel : str
        As for `changed_images`.

    Returns
    -------
    list of str
        Their names in the table of candidates, each once.
    """
    prefix = str(Path(earlier_root, "x"))[:-1] if earlier_root else ""
    is_same: dict[tuple[str, str], bool] = {}
    for part, in_pieces, whole in _recorded(parts, channel):
        written_at = part.stat().st_mtime_ns
        recorded = [(*item, _checksum) for item in in_pieces.items()]
        recorded += [(*item, _whole_checksum) for item in whole.items()]
        for image, checksum, compute in recorded:
            if "://" in image or checksum in {_MISSING, _NOT_READ}:
                continue
            name = image.removeprefix(prefix)
            path = str(root / name)
            times = _times(path) if only_touched else None
            if times is not None and not times.changed_since(written_at):
                continue
            if (name, checksum) not in is_same:
                is_same[name, checksum] = compute(path) == checksum
    return list(dict.fromkeys(name for (name, _), same in is_same.items() if not same))


def recorded_checksums(parts: Iterable[Path], channel: str = "") -> dict[str, str]:
    """Return the checksum of each image that some parts were made from, by its name in tables."""
    checksums: dict[str, str] = {}
    for _, in_pieces, whole in _recorded(parts, channel):
        checksums |= in_pieces | whole
    return checksums


def _recorded(
    parts: Iterable[Path], channel: str
) -> Iterator[tuple[Path, dict[str, str], dict[str, str]]]:
    """Yield the checksums of images read in pieces, and of those read whole, of each part.

    A part that is damaged, or of a version that recorded none, is left out: it will be made again.
    """
    for part in parts:
        with suppress(DatasetError, OSError):
            in_pieces = _read_record(part, channel).checksums
            name = channel or _read_reference(part)
            yield part, in_pieces, _Candidates(part, name).checksums


def recorded_folder(parts: Iterable[Path], folder: str) -> str:
    """Return where a folder of images was, without links, for a build of an earlier version.

    Those recorded the paths of folders as they were given, and where they lead. "" if it is not
    recorded.
    """
    name = str(Path(folder, "x"))[:-2]
    for part in parts:
        with suppress(DatasetError, OSError):
            if place := _read_record(part).folders.get(name):
                return str(place[0])
    return ""


class _Candidates:
    """The candidates of a channel in the table of a part, which is read when they are needed.

    Parameters
    ----------
    part : Path or pyarrow.Table
    channel : str or None
        None for a part without channels.
    """

    def __init__(self, part: Path | pa.Table, channel: str | None) -> None:
        self._part, self._channel = part, channel

    @cached_property
    def _columns(self) -> list[pa.ChunkedArray]:
        """Return path and checksum of image and rms map of each candidate, in order."""
        part = self._part
        table = part if isinstance(part, pa.Table) else read_table(part, ["offers"])
        candidates = pc.list_flatten(table["offers"])
        if self._channel is not None:
            is_own = pc.equal(
                pc.struct_field(candidates, CANDIDATE_CHANNEL.name), scalar(self._channel)
            )
            candidates = candidates.filter(is_own)
        return [pc.struct_field(candidates, name) for name in _COLUMNS]

    def checksum(self, index: int, column: str) -> str | None:
        """Return a checksum of one candidate."""
        text: str | None = self._columns[_COLUMNS.index(column)][index].as_py()
        return text

    @cached_property
    def checksums(self) -> dict[str, str]:
        """Return the checksums of the images that were read whole, by path."""
        checksums: dict[str, str] = {}
        for paths, digests in (self._columns[:2], self._columns[2:]):
            known = fill_null(pc.not_equal(digests, scalar("")), False)
            pair = paths.filter(known).to_pylist(), digests.filter(known).to_pylist()
            checksums |= zip(*pair, strict=True)
        return checksums


def _key(channel: str) -> str:
    """Return the key of the record of a further channel, or of the reference, whose name is ""."""
    return f"{_KEY} of {channel}" if channel else _KEY


def _tasks(task: Task) -> list[Task]:
    """Return the task of each channel; the task itself is that of the reference."""
    return [task, *task.channel_tasks.values()]


def _read_record(part: Path, channel: str = "") -> _Record:
    """Return the record of a channel in the table of a part.

    Raises
    ------
    DatasetError
        There is none.
    """
    try:
        record = _Record(**parse_json((read_schema(part).metadata or {})[_key(channel).encode()]))
        return _Record(dict(record.folders), dict(record.checksums))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"read {part}: no record of its images; build again") from error


def _read_reference(part: Path) -> str | None:
    """Return the name of the reference channel of a part, None for a part without channels."""
    name = (read_schema(part).metadata or {}).get(_REFERENCE.encode())
    return None if name is None else name.decode()


def _local_images(task: Task) -> list[str]:
    """Return the paths of the images of a part that are on this machine, each once."""
    paths = (path for _, *paths in task.candidates.images for path in paths if path)
    return [path for path in dict.fromkeys(paths) if "://" not in path]


def _times(path: str) -> FileTimes | None:
    try:
        return read_times(path)
    except (OSError, ValueError):  # no such file, none that can be read, or no name of a file
        return None


def _checksum(path: str) -> str:
    try:
        return quick_checksum(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return _MISSING
    except OSError:
        return _NOT_READ


def _whole_checksum(path: str) -> str:
    try:
        return sha256_file(Path(path))
    except (OSError, ValueError):
        return _MISSING


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


def _downloads_unchanged(task: Task, candidates: _Candidates, written_at: int) -> bool:
    """Return whether the files of a service that downloads, as far as they are there, are the same.

    They lie in the folder of the build, as the part does.
    """
    if not isinstance(task.service, FetchService):
        return True
    for index, request in enumerate(Chunk(task, 0, len(task)).requests):
        local = task.service.local_candidate(request)
        for path, column in ((local.image, "image_sha256"), (local.rms, "rms_sha256")):
            times = _times(path) if path else None
            if times is None:
                continue
            if times.mtime_ns > written_at:
                return False
            is_touched = times.ctime_ns >= written_at
            checksum = candidates.checksum(index, column) if is_touched else None
            if checksum and sha256_file(Path(path)) != checksum:
                return False
    return True
