"""The interface of a format: how it is written, found and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.error_text import first_line

__all__ = ["ExportHeader", "Format", "damaged", "need_uint8"]


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """Facts about the dataset that a format stores beside the images, where it can.

    Attributes
    ----------
    name : str
        Name of the recipe; formats of one file are called so.
    title, license, citation : str
    folder, archive : str
        Names of the folder of batches and of its archive.
    split_plan : str
    format : str
    """

    name: str
    title: str
    license: str
    citation: str
    folder: str
    archive: str
    split_plan: str
    format: str

    def to_dict(self) -> dict[str, str]:
        """Return the facts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Format:
    """One format of a dataset on disk.

    What `write` writes, `read` returns: the same images, labels, sources, names and splits.

    Attributes
    ----------
    write : callable
        ``write(records, folder, header)`` writes all files into a folder. It raises `InputError`
        if the format cannot hold such images. The same records give the same bytes.
    find : callable
        ``find(place)`` lists the datasets in this format at a path, which may be the dataset
        itself or a folder that holds it.
    read : callable
        ``read(path, split)`` reads one of them, or its samples of one split. It raises
        `DatasetError` if the dataset is damaged.
    examples : tuple of str
        Lines of Python for the dataset card; FOLDER and NAME stand for the export and its dataset.
    """

    write: Callable[[Records, Path, ExportHeader], None]
    find: Callable[[Path], Sequence[Path]]
    read: Callable[[Path, str], Arrays]
    examples: tuple[str, ...]


def need_uint8(records: Records, header: ExportHeader) -> None:
    """Refuse float32 images.

    Raises
    ------
    InputError
        The images are float32, and the format holds only uint8.
    """
    if records.is_float:
        raise InputError(
            f"export {header.name} as {header.format}: its images are float32; use hdf5, zarr or "
            "parquet"
        )


def damaged(path: Path, kind: str, error: Exception) -> DatasetError:
    """Return the error for an export that cannot be read."""
    reason = first_line(error)
    return DatasetError(f"read {path}: not a whole {kind} export ({reason}); export it again")
