"""HDF5: one file ``NAME.h5``, with the images in one piece so that readers can map them.

The format needs h5py; a missing library is named with the command that installs it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from io import SEEK_CUR, FileIO
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_names import LABEL_NAMES
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.manifest import kept_fields, kept_unit
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays, take_split
from mingolotss.dataset.stamp_shape import channel_names
from mingolotss.errors import InputError
from mingolotss.formats.base import (
    IMAGE_AXES,
    ExportHeader,
    Format,
    check_masks,
    check_samples,
    reading_export,
)
from mingolotss.formats.label_arrays import (
    LABEL_NOTES,
    label_arrays,
    vectors_of_arrays,
)
from mingolotss.formats.places import find_hdf5
from mingolotss.io.files import atomic_path, check_regular, largest_expansion
from mingolotss.io.optional import import_optional

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["HDF5", "read_hdf5", "write_hdf5"]

_NUMBERS = ("ra", "dec", "size_arcsec", "flux_mjy", "noise_jy", "peak_jy", "pixel_scale_arcsec")
# In the oldest version of the format, which h5py writes by default, an attribute has 64 KiB at
# most, 16 bytes for each text.
_MANY_CLASSES = 4000
_MOST_CLASSES, _LARGEST_CLASSES = 1 << 16, 64 << 20  # labels are int16; bytes
_NAMES = ("classes", "channels")  # attributes of texts
_VARIABLE_LENGTH = 9
_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_HEAP = b"GCOL\x01"  # signature and version of a heap of texts of variable length
_IMAGES = {False: "n, ny, nx; row 0 is the south", True: "n, channel, ny, nx; row 0 is the south"}
_NOTES = {
    "labels": "index into the attribute classes; -1 is unlabelled",
    "masks": "n, ny, nx; 0 background, 1 this source, 2 another source",
    **LABEL_NOTES,
}


def write_hdf5(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write ``NAME.h5``: ``images``, ``labels``, the main columns, and `header` as attributes.

    Tags, votes and masks are arrays beside the labels. The names of channels are the attribute
    ``channels``, and the axes of ``images`` have labels.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        h5py is not installed, or a name contains a NUL character.
    """
    h5py = import_optional("h5py", f"write {folder}")
    names = (
        *records.classes,
        *records.channels,
        *chain.from_iterable(map(records.texts, TEXT_COLUMNS)),
    )
    if nul := next((name for name in names if "\0" in name), None):
        raise InputError(
            f"export {header.name} as hdf5: {nul!r} contains a NUL character, which ends a text in "
            "HDF5; use another format"
        )
    texts = {
        name: np.array([text.encode() for text in records.texts(name)], h5py.string_dtype())
        for name in TEXT_COLUMNS
    }
    numbers = {name: records.numbers(name) for name in _NUMBERS}
    masks = records.masks()
    columns: dict[str, npt.NDArray[np.generic]] = {
        "images": records.images(),
        "labels": records.labels,
        **label_arrays(records.vectors),
        **({} if masks is None else {"masks": masks}),
        **texts,
        **numbers,
    }
    path = ExportFolder(folder).hdf5(header.name)
    notes = {"images": _IMAGES[bool(records.channels)], **_NOTES}
    version = "v110" if len(records.classes) > _MANY_CLASSES else None
    kept = _kept_columns(records, header, h5py)
    with atomic_path(path) as temporary, _Sink(temporary) as sink:
        with h5py.File(sink, "w", libver=version) as file:
            for name, values in columns.items():
                dataset = file.create_dataset(name, data=values, track_times=False)
                if name in notes:
                    dataset.attrs["note"] = notes[name]
            if records.channels:
                file.attrs["channels"] = list(records.channels)
                for axis, label in enumerate(IMAGE_AXES):
                    file["images"].dims[axis].label = label
            for name, (values, unit) in kept.items():
                dataset = file.create_dataset(f"catalogue/{name}", data=values, track_times=False)
                if unit:
                    dataset.attrs["unit"] = unit
            file.attrs["classes"] = list(records.classes)
            file.attrs.update(header.to_dict())
        if sink.error is not None:
            raise sink.error


def _kept_columns(
    records: Records, header: ExportHeader, h5py: ModuleType
) -> dict[str, tuple[npt.NDArray[np.generic], str]]:
    """Return the columns that are kept from the catalogue, with their units.

    Numbers are as in the manifest, and floats with NaN where whole numbers or flags are null. A
    slash in a name, which would be a group in HDF5, is an underscore.
    """
    columns: dict[str, tuple[npt.NDArray[np.generic], str]] = {}
    for field in kept_fields(records.table.schema):
        column = records.table[field.name]
        if pa.types.is_temporal(field.type):
            column = column.cast(pa.string())
        if pa.types.is_string(column.type):
            texts = [text or "" for text in column.to_pylist()]
            if any("\0" in text for text in texts):
                raise InputError(
                    f"export {header.name} as hdf5: the column {field.name!r} contains a NUL "
                    "character, which ends a text in HDF5; use another format"
                )
            encoded = [text.encode() for text in texts]
            values: npt.NDArray[np.generic] = np.array(encoded, h5py.string_dtype())
        else:
            values = records.numbers(field.name) if column.null_count else column.to_numpy()
        columns[field.name.replace("/", "_")] = values, kept_unit(field)
    return columns


class _Sink(FileIO):
    """A new file that keeps its first error instead of raising it, for the HDF5 library.

    The library ends the process if it cannot write when a file is closed, on a full disk for
    example. After an error nothing is written any more.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+b")
        self.error: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data`, unless an error came before."""
        remaining = memoryview(data).cast("B")
        size = len(remaining)
        while remaining and self.error is None:
            try:
                remaining = remaining[super().write(remaining) :]
            except OSError as error:
                self.error = error
        if self.error is not None:
            super().seek(len(remaining), SEEK_CUR)
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size of the file, unless an error came before."""
        try:
            return super().truncate(size) if self.error is None else 0
        except OSError as error:
            self.error = error
            return 0


def read_hdf5(path: Path, split: str = "all") -> Arrays:
    """Read an HDF5 export; the images are a memory map of the file.

    Only what stands in the file in one piece is read, as exports have it: no external files or
    links, no virtual datasets, no chunks and filters, and no types but numbers and texts.

    Parameters
    ----------
    path : Path
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        The file is damaged, or is no such file.
    InputError
        h5py is not installed, or there is no such split.
    """
    h5py = import_optional("h5py", f"read {path}")
    with reading_export(path, "HDF5"):
        check_regular(path)
        size = path.stat().st_size
        with h5py.File(path, "r") as file:
            images, labels = (_dataset(h5py, file, name, size) for name in ("images", "labels"))
            names = [name for name in _NAMES if name == "classes" or name in file.attrs]
            count = sum(_count_names(h5py, file, name) for name in names)
            count += len(TEXT_COLUMNS) * len(images)
            columns = [_dataset(h5py, file, name, size) for name in TEXT_COLUMNS]
            _check_texts(path, count, images, columns)
            texts = [_read_texts(h5py, column, len(images)) for column in columns]
            classes = _decode_texts(file.attrs["classes"])
            channels: tuple[str, ...] = ()
            if "channels" in names:
                channels = channel_names(_decode_texts(file.attrs["channels"]))
            check_samples(
                (images.dtype, images.shape), (labels.dtype, labels.shape), size, channels
            )
            numbers = labels[:].astype(np.int64)
            vectors = _read_vectors(h5py, file, size, len(labels), len(classes))
            stored = {"images": images}
            if file.get("masks", getlink=True) is not None:
                stored["masks"] = _dataset(h5py, file, "masks", size)
                check_masks((stored["masks"].dtype, stored["masks"].shape), images.shape)
            mapped = {name: _open_pixels(path, dataset, size) for name, dataset in stored.items()}
    samples = Arrays(
        mapped["images"], numbers, classes, *texts, channels=channels, masks=mapped.get("masks"),
        vectors=vectors,
    )  # fmt: skip
    return take_split(samples, split, str(path))


def _open_pixels(path: Path, dataset: Any, size: int) -> npt.NDArray[Any]:
    """Return the pixels of a dataset in one piece: a memory map, unless their bytes are swapped.

    Raises
    ------
    ValueError
        They end after the end of the file, whose size is `size`.
    """
    offset, kind = dataset.id.get_offset(), dataset.dtype
    if offset is None or not kind.isnative:
        pixels: npt.NDArray[Any] = dataset[:].astype(kind.newbyteorder("="))
        return pixels
    if offset + dataset.nbytes > size:
        raise ValueError(f"the {dataset.name[1:]} end after the end of the file")
    return np.memmap(path, kind, "r", offset, dataset.shape)


def _dataset(h5py: ModuleType, file: Mapping[str, Any], name: str, size: int) -> Any:
    """Return a dataset in one piece of this file, whose size is `size`.

    Raises
    ------
    KeyError, ValueError
        It is a link, is stored elsewhere or in chunks, has a type of another kind, or is larger
        than the file.
    """
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):  # type: ignore[call-overload]
        raise KeyError(f"no {name} in it, or a link to somewhere else")
    dataset = file[name]
    properties = dataset.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.CHUNKED:
        # The library would decompress any number of bytes, with the code of plug-ins.
        raise ValueError(f"{name} is stored in chunks; for one piece: h5repack -l CONTI OLD NEW")
    if layout != h5py.h5d.CONTIGUOUS or properties.get_external_count():
        raise ValueError(f"{name} is stored in other files")
    if dataset.id.get_type().get_class() not in _kinds(h5py):
        raise ValueError(f"{name} has a type that an export never has")
    if not dataset.shape or dataset.size * dataset.dtype.itemsize > size:
        raise ValueError(f"{name} of shape {dataset.shape} in a file of {size} bytes")
    return dataset


def _read_vectors(
    h5py: ModuleType, file: Any, size: int, n: int, n_classes: int
) -> LabelVectors | None:
    """Read the tags or votes of the file, whose size is `size`."""
    # "name in file" would follow a link out of the file.
    names = [name for name in LABEL_NAMES if file.get(name, getlink=True) is not None]
    stored = {name: _dataset(h5py, file, name, size) for name in names}
    return vectors_of_arrays({name: values[:] for name, values in stored.items()}, n, n_classes)


def _kinds(h5py: ModuleType) -> tuple[int, int, int]:
    """Return the classes of types that an export has: integers, real numbers and texts."""
    return h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING


def _check_texts(path: Path, count: int, images: Any, columns: Sequence[Any]) -> None:
    """Check the texts of variable length, of which the HDF5 library believes all that is written.

    The library loops for ever in a heap whose objects have a wrong size, and allocates the length
    that a reference says. A text may be named by every row, so that a small file can contain any
    number of bytes.

    Raises
    ------
    ValueError
        A heap or a reference is damaged, or the texts are larger than plausible.
    """
    # A global heap collection (HDF5 File Format Specification 3.0, section III.E) has the
    # signature GCOL, a version, three zero bytes and its size; then objects, each with an index
    # (2 bytes, 0 for the free space at the end), a count (2), four zero bytes, a size (8) and its
    # data, padded to 8 bytes. The pixels, by far the largest part of the file, are left out.
    size, offset = path.stat().st_size, images.id.get_offset()
    pixels = (offset, offset + images.nbytes) if offset is not None else (size, size)
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        parts = ((0, pixels[0]), (pixels[1], size))
        heaps = [place for part in parts for place in _places(data, _HEAP, *part)]
        largest = max((_largest_object(data, place) for place in heaps), default=0)
        if count * largest > largest_expansion(size):
            raise ValueError(f"a text of {largest} bytes")
        pieces = [
            (column.id.get_offset(), len(column))
            for column in columns
            if column.dtype.hasobject and column.id.get_offset() is not None
        ]
        for name in _NAMES:
            places = [
                place for part in parts for place in _places(data, f"{name}\0".encode(), *part)
            ]
            pieces += [piece for place in places for piece in _attribute_data(data, place, name)]
        for start, number in pieces:
            references = np.frombuffer(data[start : start + 16 * number], _REFERENCE)
            is_known = np.isin(references["heap"], [0, *heaps])
            if len(references) < number or not is_known.all():
                raise ValueError("a reference to a text outside the heaps")
            if references["length"].max(initial=0) > largest:
                raise ValueError("a reference to a text with a wrong length")


def _places(data: mmap, pattern: bytes, start: int, stop: int) -> Iterator[int]:
    """Give each place of a pattern between `start` and `stop`."""
    place = data.find(pattern, start, stop)
    while place >= 0:
        yield place
        place = data.find(pattern, place + 1, stop)


def _attribute_data(data: mmap, name: int, text: str) -> Iterator[tuple[int, int]]:
    """Give start and number of the texts of an attribute whose name begins at `name`, if it is one.

    Its name is `text`.

    Its message (section IV.A.2.m) has the sizes of name, type and space, then these and the data.
    In version 1 each part is padded to 8 bytes; version 3 has the encoding of the name, too.
    """
    for version, header, padding in ((1, 8, 8), (3, 9, 1)):
        if name < header or data[name - header] != version:
            continue
        sizes = struct.unpack_from("<3H", data, name - header + 2)
        length, kind, space = (-(-size // padding) * padding for size in sizes)
        # The type of variable length is the class 9 in the low bits of its first byte; a space of
        # one dimension has its number of values at its end, or before its largest number.
        dimension = name + length + kind + (8 if version == 1 else 4)
        is_list = sizes[0] == len(text) + 1 and dimension + 8 <= len(data)
        if is_list and data[name + length] & 15 == _VARIABLE_LENGTH:
            (number,) = struct.unpack_from("<Q", data, dimension)
            yield name + length + kind + space, min(number, _MOST_CLASSES)


def _largest_object(data: mmap, start: int) -> int:
    """Return the size of the largest object of a heap, in bytes."""
    if start + 16 > len(data):
        return 0
    (length,) = struct.unpack_from("<Q", data, start + 8)
    place, end, largest = start + 16, start + length, 0
    if end > len(data):
        raise ValueError("a heap of texts ends after the end of the file")
    while place + 16 <= end:
        index, size = struct.unpack_from("<H6xQ", data, place)
        # The size of the free space includes these 16 bytes.
        step = 16 + -(-size // 8) * 8 if index else size
        if step < 16 or place + step > end:
            raise ValueError("a damaged heap of texts")
        place += step
        largest = max(largest, size if index else 0)
    return largest


def _read_texts(h5py: ModuleType, column: Any, count: int) -> tuple[str, ...]:
    if h5py.check_string_dtype(column.dtype) is None or column.shape != (count,):
        raise ValueError(f"{column.name} of type {column.dtype} and shape {column.shape}")
    return _decode_texts(column[:])


def _count_names(h5py: ModuleType, file: Any, name: str) -> int:
    """Return the number of names of classes or of channels, after a check of their type."""
    attribute = file.attrs.get_id(name)
    count: int = math.prod(attribute.shape)
    if h5py.check_string_dtype(attribute.dtype) is None or len(attribute.shape) != 1:
        raise ValueError(f"{name} of type {attribute.dtype} and shape {attribute.shape}")
    if count > _MOST_CLASSES or count * attribute.dtype.itemsize > _LARGEST_CLASSES:
        raise ValueError(f"{count} {name} of {attribute.dtype}")
    return count


def _decode_texts(values: npt.NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(value.decode() if isinstance(value, bytes) else value for value in values.tolist())


HDF5 = Format(
    write_hdf5,
    find_hdf5,
    read_hdf5,
    ('h5py.File("FOLDER/NAME.h5")["images"]', 'mingolotss.MingoLoTSS("FOLDER")'),
)
