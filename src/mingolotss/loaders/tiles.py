"""The tiles of a dataset in Parquet files: how many samples each has, and what it holds.

A tile is a group of rows of one file, which can be read alone: in a HATS collection or a build some
hundreds of sources that lie together on the sky. To open a dataset reads no image. Not here: the
order in which tiles are read (``tile_order.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_columns import TAGS, VOTES
from mingolotss.dataset.label_targets import Target
from mingolotss.dataset.manifest import further_fields
from mingolotss.dataset.masks import decode_masks
from mingolotss.dataset.published import choose_names
from mingolotss.dataset.records import class_names
from mingolotss.dataset.sample_table import without_nulls
from mingolotss.dataset.samples import least_fraction
from mingolotss.dataset.split_names import check_split, select
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.dataset.stamp_shape import StampShape, channel_places
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.errors import DatasetError, InputError
from mingolotss.image.masks import Masks
from mingolotss.io.files import is_local, locate
from mingolotss.io.png import Allocate
from mingolotss.loaders.tile_labels import TileLabels
from mingolotss.loaders.tile_order import FILES_AT_A_TIME
from mingolotss.loaders.tile_rows import TileRows
from mingolotss.loaders.transforms import check_masks
from mingolotss.model import Bools, Ints
from mingolotss.registry import nearest

__all__ = ["TileReader", "Tiles", "open_tiles"]

_THREADS = 8  # that open files, when the dataset is opened
_OPEN_FILES = 2 * FILES_AT_A_TIME  # of one process; the footer of each is in memory, 1 MB
_LABEL, _CLASS, _SPLIT = "label", "class", "split"
_OMITTED = ("status", "stage", "reason")  # of rejections


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of a dataset, and which of their samples are chosen; small, also if pickled.

    Attributes
    ----------
    root : str
        Path or address of the dataset.
    files : tuple of str
        The files, by their paths in the dataset.
    file, group : int arrays, shape (number of tiles,)
        The file of each tile, and its group of rows there.
    counts : int array, shape (number of tiles,)
        How many of its samples are chosen.
    shape : StampShape
        Of the images as they are stored.
    labels : TileLabels
    channels : tuple of str
        Those that are chosen.
    places : tuple of int or None
        Of these channels among all; None for all.
    has_masks : bool
        Whether masks are read, too.
    splits : tuple of str or None
        Those whose samples are chosen; None for all samples.
    metadata : tuple of str
        The columns of the metadata that are read, too.
    """

    root: str
    files: tuple[str, ...]
    file: Ints
    group: Ints
    counts: Ints
    shape: StampShape
    labels: TileLabels
    channels: tuple[str, ...]
    places: tuple[int, ...] | None
    has_masks: bool
    splits: tuple[str, ...] | None
    metadata: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def samples(self) -> int:
        """Return how many samples are chosen."""
        return int(self.counts.sum())

    @property
    def columns(self) -> list[str]:
        """List the columns that are read beside images and masks."""
        splits = [] if self.splits is None else [_SPLIT]
        return list(dict.fromkeys([*self.labels.columns, *splits, *self.metadata]))

    def images(self, rows: TileRows, allocate: Allocate = np.empty) -> ImageArray:
        """Decode images.

        Parameters
        ----------
        rows : TileRows
        allocate : callable
            Makes the array of the result, ``allocate(shape, dtype)``.

        Returns
        -------
        writable array, shape (n, ny, nx) or (n, channels, ny, nx)

        Raises
        ------
        DatasetError
            One is damaged, or has another size than the others.
        """
        encoded, names = rows.encoded.tolist(), _Names(self, rows)
        if self.shape.is_png and self.places is None:
            return decode_stamps(encoded, names, self.shape, allocate)
        stored = decode_stamps(encoded, names, self.shape)
        chosen = stored if self.places is None else stored[:, list(self.places)]
        images = allocate(chosen.shape, chosen.dtype)
        images[:] = chosen
        return images

    def masks(self, rows: TileRows, allocate: Allocate = np.empty) -> Masks:
        """Decode masks, shape (n, ny, nx); the error is that of `images`."""
        encoded = [] if rows.masks is None else rows.masks.tolist()
        return decode_masks(encoded, _Names(self, rows, "the mask of "), allocate)


class _Names(Sequence[str]):
    """The name of each sample for a message, made when it is needed."""

    def __init__(self, tiles: Tiles, rows: TileRows, prefix: str = "") -> None:
        self._tiles, self._rows, self._prefix = tiles, rows, prefix

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            rows = np.arange(len(self))[index]
            return _Names(self._tiles, self._rows.take(rows), self._prefix)
        tiles, tile, row = self._tiles, self._rows.tile[index], self._rows.row[index]
        path = os.path.join(tiles.root, tiles.files[tiles.file[tile]])  # noqa: PTH118 - addresses
        return f"{self._prefix}row {row} in group {tiles.group[tile]} of {path}"


class TileReader:
    """Reads tiles, in one process; a context manager that closes the files.

    Parameters
    ----------
    tiles : Tiles
    """

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        # A process has its own connection to an object store: one that was made before a fork is
        # not usable.
        self._root = locate(tiles.root)
        self._open: dict[int, StampFile] = {}

    def close(self) -> None:
        """Close all files."""
        while self._open:
            self._open.popitem()[1].close()

    def read(self, tile: int, rows: Ints | None = None) -> TileRows:
        """Read a tile without decoding its images.

        Parameters
        ----------
        tile : int
        rows : int array, optional
            Which of its chosen samples; all of them by default.

        Raises
        ------
        DatasetError
            It is damaged, or has changed since the dataset was opened.
        """
        tiles = self._tiles
        stamps, group = self._file(int(tiles.file[tile])), int(tiles.group[tile])
        if stamps.shape != tiles.shape or group >= stamps.row_groups:
            raise _changed(stamps.path)
        table = stamps.values(tiles.columns, group)
        chosen = np.flatnonzero(_is_chosen(table, tiles.splits, tiles.labels, stamps.path))
        if len(chosen) != tiles.counts[tile]:
            raise _changed(stamps.path)
        if rows is not None:
            chosen = chosen[rows]
        table = table.take(pa.array(chosen))
        with _naming(stamps.path):
            targets = tiles.labels.targets(table)
        return TileRows(
            np.full(len(chosen), tile),
            chosen,
            _objects(stamps.encoded(group))[chosen],
            targets,
            _objects(stamps.encoded_masks(group))[chosen] if tiles.has_masks else None,
            self._metadata(table) if tiles.metadata else None,
        )

    def _file(self, number: int) -> StampFile:
        """Open a file, unless it is open, and close the one that was used least recently."""
        stamps = self._open.pop(number, None)
        if stamps is None:
            if len(self._open) >= _OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            name = self._tiles.files[number]
            stamps = StampFile(self._root / name if name else self._root)
        self._open[number] = stamps
        return stamps

    def _metadata(self, table: pa.Table) -> pa.Table:
        labels = dict(zip((_LABEL, _CLASS), self._tiles.labels.shown(table), strict=True))
        names = self._tiles.metadata
        return without_nulls(pa.table([labels.get(name, table[name]) for name in names], names))


def open_tiles(
    root: str | Path,
    split: str,
    *,
    merge: Mapping[str, Sequence[str | int]] | None = None,
    channels: str | Sequence[str] | None = None,
    masks: bool = False,
    target: Target | None = None,
    metadata: bool | Sequence[str] = False,
) -> Tiles:
    """Find the tiles of a dataset, and count the chosen samples of each.

    Parameters
    ----------
    root : path or address
        A HATS collection, an export as Parquet, a build, or one Parquet file of images.
    split, merge, channels, masks, target
        As for `mingolotss.ShuffledTiles`.
    metadata : bool or sequence of str
        The columns to give; True for all.

    Raises
    ------
    DatasetError
        There is no such dataset, or it is damaged.
    InputError
        The dataset has no such split, class, channel, mask or column, or no image in the split.
    """
    action = f"open {root}"
    if not isinstance(root, str | os.PathLike):
        raise InputError(f"open {root!r:.80}: give the path of a dataset, a text or a Path")
    place = locate(root)
    place = place.expanduser().absolute() if is_local(place) else place
    split = check_split(split, action)
    paths = _find_files(place)
    # Only a file of another program names its classes in its rows alone.
    with StampFile(paths[0]) as stamps:
        classes = class_names(place, stamps.columns([_LABEL, _CLASS]).slice(0, 0))
    columns = [_LABEL, _SPLIT] if classes else [_LABEL, _SPLIT, _CLASS]
    with ThreadPoolExecutor(min(_THREADS, len(paths))) as pool:
        files = list(pool.map(lambda path: _FileFacts.read(path, columns), paths))
    first = files[0]
    for file in files:
        if (file.shape, file.has_masks) != (first.shape, first.has_masks):
            raise DatasetError(
                f"read {file.path}: {file.shape}, and {first.path} has {first.shape}; they are not "
                "of one dataset"
            )
    check_masks(action, masks=masks, has_masks=first.has_masks)
    labels = TileLabels(
        choose_names(classes or _class_names(place, files), published=False),
        _kind(first.schema),
        merge,
        least_fraction=0.0 if merge is None else least_fraction(place),
    ).with_target(target, action)
    splits = _choose_splits([file.table[_SPLIT] for file in files], split, str(root))
    counts = [file.count(splits, labels) for file in files]
    total = np.concatenate(counts)
    if not total.sum():
        groups = "" if merge is None else f" and the classes of merge={dict(merge)!r:.200}"
        raise InputError(f"{action}: no image in its split {split!r}{groups}")
    places = None
    if channels is not None:
        places = tuple(channel_places(channels, first.shape.channels, action))
    return Tiles(
        root=str(place),
        files=tuple("" if path == place else path.relative_to(place).as_posix() for path in paths),
        file=np.repeat(np.arange(len(files)), list(map(len, counts))),
        group=np.concatenate([np.arange(len(one)) for one in counts]),
        counts=total,
        shape=first.shape,
        labels=labels,
        channels=first.shape.channels
        if places is None
        else tuple(first.shape.channels[one] for one in places),
        places=places,
        has_masks=masks,
        splits=splits,
        metadata=_metadata_names(metadata, first.schema, action),
    )


@dataclass(frozen=True, slots=True)
class _FileFacts:
    """What is known of a file after a dataset is opened."""

    path: Path
    shape: StampShape
    has_masks: bool
    schema: pa.Schema
    group_rows: tuple[int, ...]
    table: pa.Table

    @classmethod
    def read(cls, path: Path, columns: Sequence[str]) -> _FileFacts:
        with StampFile(path) as stamps:
            rows = tuple(map(stamps.group_rows, range(stamps.row_groups)))
            table = stamps.columns(columns)
            return cls(path, stamps.shape, stamps.has_masks, stamps.schema, rows, table)

    def count(self, splits: tuple[str, ...] | None, labels: TileLabels) -> Ints:
        """Return how many samples of each group are chosen."""
        is_chosen = _is_chosen(self.table, splits, labels, self.path)
        stops = np.cumsum(self.group_rows, dtype=np.int64)
        totals = np.concatenate([[0], np.cumsum(is_chosen)])
        counts: Ints = totals[stops] - totals[stops - self.group_rows]
        return counts


def _find_files(place: Path) -> list[Path]:
    """List the Parquet files of images of a dataset."""
    if paths := stamp_files(place):
        return paths
    if not place.exists():
        raise DatasetError(
            f"read tiles of {place}: there is nothing there; give a folder that mingolotss export "
            "--format hats wrote"
        )
    raise DatasetError(
        f"read tiles of {place}: no HATS collection, and no Parquet files of images; export it "
        "--format hats, or open it with mingolotss.MingoLoTSS"
    )


def _kind(schema: pa.Schema) -> Literal["tags", "votes"] | None:
    # A column of the catalogue may have one of these names.
    names = {field.name for field in further_fields(schema)}
    return "tags" if TAGS.name in names else "votes" if VOTES.name in names else None


def _class_names(place: Path, files: Sequence[_FileFacts]) -> tuple[str, ...]:
    """Return the name of each label in the rows of all files."""
    return class_names(place, pa.concat_tables([file.table for file in files]))


def _choose_splits(
    columns: Sequence[pa.ChunkedArray], split: str, origin: str
) -> tuple[str, ...] | None:
    """Return the splits whose samples a split consists of; None if all samples are chosen.

    A sample that is in no split is not part of "all" either, unless all are in none.
    """
    values = {text or "" for column in columns for text in pc.unique(column).to_pylist()}
    known = sorted(values - {""} or {""})
    chosen = np.array(known)[select(known, split, origin)] if split != "all" else known
    return None if values == {*chosen} else tuple(map(str, chosen))


def _is_chosen(
    table: pa.Table, splits: tuple[str, ...] | None, labels: TileLabels, path: Path
) -> Bools:
    """Return which rows are in the splits and in the classes."""
    with _naming(path):
        is_chosen = labels.is_kept(table)
    if splits is not None:
        # Of the distinct values, and then of the rows by their numbers. `pyarrow.array`,
        # `fill_null` and `to_numpy` would import pandas, where it is installed: 0.5 s.
        column = table[_SPLIT].cast(pa.string()).combine_chunks().dictionary_encode("encode")
        names = [name or "" for name in column.dictionary.to_pylist()]
        is_in = np.array([name in splits for name in [*names, ""]], bool)
        numbers = column.indices
        is_chosen &= is_in[
            np.frombuffer(numbers.buffers()[1], np.int32, len(numbers), 4 * numbers.offset)
        ]
    return is_chosen


def _metadata_names(names: bool | Sequence[str], schema: pa.Schema, action: str) -> tuple[str, ...]:
    """Return the columns of the metadata that are given."""
    known = [
        field.name
        for field in schema
        if not pa.types.is_nested(field.type)
        and not pa.types.is_binary(field.type)
        and field.name not in _OMITTED
    ]
    if isinstance(names, bool):
        return tuple(known) if names else ()
    for name in names:
        if name not in known:
            raise InputError(
                f"{action}: return_metadata has {name!r:.80}, which is no column;"
                f"{nearest(name, known)} it has {', '.join(known)}"
            )
    return tuple(names)


def _objects(column: pa.ChunkedArray) -> np.ndarray:
    """Return binary values as an array of bytes; a missing one is b""."""
    values = np.empty(len(column), object)
    values[:] = [data or b"" for data in column.to_pylist()]
    return values


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in an error of its labels."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error


def _changed(path: Path) -> DatasetError:
    return DatasetError(f"read {path}: it has changed since the dataset was opened; open it again")
