"""The images that parts were made from, as the tables of the parts record them.

A part records a checksum of each local image: of the whole file where the service has read it
whole, which is in the table of candidates, and of samples where only parts of a mosaic were read.
No times are recorded, so that the same images give the same bytes.

Images are recorded by their paths relative to the folder of all images, so that they are the same
images in another folder; `differing_images` compares those. Each channel of a recipe has a record
of its own, since the images of two channels may have the same name in two folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from mingolotss.dataset.manifest import CANDIDATE_CHANNEL
from mingolotss.dataset.recorded_inputs import locate_image
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_values import (
    array_of,
    equals,
    fill_null,
    filter_rows,
    flatten_lists,
    numpy_of,
    struct_field,
)
from mingolotss.io.documents import parse_json
from mingolotss.io.file_identity import FileTimes, quick_checksum, read_times
from mingolotss.io.files import sha256_file
from mingolotss.io.parquet import open_dataset, read_open_table, read_schema, read_table

__all__ = [
    "MISSING",
    "NOT_READ",
    "REFERENCE",
    "CandidateChecksums",
    "ImageRecord",
    "changed_images",
    "checksum_of_samples",
    "differing_images",
    "read_record",
    "record_key",
    "recorded_checksums",
    "recorded_folder",
    "times_of_file",
    "whole_key",
]

MISSING, NOT_READ = "missing", "not read"
"""In the place of a checksum."""
REFERENCE = "reference"
"""The key of the name of the reference in the metadata of a part, if there are channels."""
_KEY = "images"  # in the metadata of a part's table; of a further channel, "images of NAME"
_CANDIDATES = "offers"  # the column of a part
_COLUMNS = ("image", "image_sha256", "rms", "rms_sha256")  # of the table of candidates


class ImageRecord(NamedTuple):
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
        for name, recorded in read_record(part, channel).checksums.items():
            path = locate_image(name, root)
            times = times_of_file(path)
            if times is None or recorded == MISSING or (path, recorded) in checked:
                continue
            checked.add((path, recorded))
            if recorded != checksum_of_samples(path):
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
        recorded = [(*item, checksum_of_samples) for item in in_pieces.items()]
        recorded += [(*item, _whole_checksum) for item in whole.items()]
        for image, checksum, compute in recorded:
            if "://" in image or checksum in {MISSING, NOT_READ}:
                continue
            name = image.removeprefix(prefix)
            path = str(root / name)
            times = times_of_file(path) if only_touched else None
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
            yield part, *_recorded_in(part, channel)


def _recorded_in(part: Path, channel: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the checksums of images of a part that were read in pieces, and of those read whole.

    Raises
    ------
    DatasetError
        It is damaged, or of a version that recorded none.
    """
    with open_dataset(part) as file:
        metadata = file.schema_arrow.metadata or {}
        in_pieces = _record_in(metadata, part, channel).checksums
        if metadata.get(whole_key(channel).encode()) == b"0":
            return in_pieces, {}
        table = read_open_table(file, part, [_CANDIDATES])
    return in_pieces, CandidateChecksums(table, channel or _reference_in(metadata)).checksums


def recorded_folder(parts: Iterable[Path], folder: str) -> str:
    """Return where a folder of images was, without links, for a build of an earlier version.

    Those recorded the paths of folders as they were given, and where they lead. "" if it is not
    recorded.
    """
    name = str(Path(folder, "x"))[:-2]
    for part in parts:
        with suppress(DatasetError, OSError):
            if place := read_record(part).folders.get(name):
                return str(place[0])
    return ""


class CandidateChecksums:
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
        table = part if isinstance(part, pa.Table) else read_table(part, [_CANDIDATES])
        candidates = flatten_lists(table[_CANDIDATES])
        if self._channel is not None:
            is_own = equals(struct_field(candidates, CANDIDATE_CHANNEL.name), self._channel)
            candidates = filter_rows(candidates, is_own)
        return [struct_field(candidates, name) for name in _COLUMNS]

    def checksum(self, index: int, column: str) -> str | None:
        """Return a checksum of one candidate."""
        text: str | None = self._columns[_COLUMNS.index(column)][index].as_py()
        return text

    @cached_property
    def checksums(self) -> dict[str, str]:
        """Return the checksums of the images that were read whole, by path."""
        checksums: dict[str, str] = {}
        for paths, digests in (self._columns[:2], self._columns[2:]):
            known = array_of(~numpy_of(fill_null(equals(digests, ""), True)))
            pair = (filter_rows(column, known).to_pylist() for column in (paths, digests))
            checksums |= zip(*pair, strict=True)
        return checksums


def record_key(channel: str) -> str:
    """Return the key of the record of a further channel, or of the reference, whose name is ""."""
    return f"{_KEY} of {channel}" if channel else _KEY


def whole_key(channel: str) -> str:
    """Return the key of the number of images that were read whole, as `record_key` does.

    Where it is 0, the table of candidates need not be read. Builds of earlier versions do not have
    it.
    """
    return f"{record_key(channel)}, read whole"


def read_record(part: Path, channel: str = "") -> ImageRecord:
    """Return the record of a channel in the table of a part.

    Raises
    ------
    DatasetError
        There is none.
    """
    return _record_in(read_schema(part).metadata or {}, part, channel)


def _record_in(metadata: Mapping[bytes, bytes], part: Path, channel: str) -> ImageRecord:
    try:
        record = ImageRecord(**parse_json(metadata[record_key(channel).encode()]))
        return ImageRecord(dict(record.folders), dict(record.checksums))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"read {part}: no record of its images; build again") from error


def _reference_in(metadata: Mapping[bytes, bytes]) -> str | None:
    """Return the name of the reference channel of a part, None for a part without channels."""
    name = metadata.get(REFERENCE.encode())
    return None if name is None else name.decode()


def times_of_file(path: str) -> FileTimes | None:
    """Return size and times of a file, None for one that is not there or cannot be read."""
    try:
        return read_times(path)
    except (OSError, ValueError):  # no such file, none that can be read, or no name of a file
        return None


def checksum_of_samples(path: str) -> str:
    """Return the checksum of samples of an image, or what stands in its place."""
    try:
        return quick_checksum(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return MISSING
    except OSError:
        return NOT_READ


def _whole_checksum(path: str) -> str:
    try:
        return sha256_file(Path(path))
    except (OSError, ValueError):
        return MISSING
