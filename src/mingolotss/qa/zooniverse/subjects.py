"""Write the images of a dataset as a subject set: picture files and their ``manifest.csv``.

The manifest is that of the project builder and of `panoptes subject-set upload-subjects`. Metadata
whose name begins with ``#`` are hidden from volunteers. The file names tell nothing about the
sources, and neither the labels nor the splits are among the metadata.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from mingolotss.catalogue.columns import to_text
from mingolotss.catalogue.table import ColumnRequest
from mingolotss.catalogue.tables import read_table
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.records import Records, read_records
from mingolotss.errors import CatalogueError, InputError
from mingolotss.formats.csv import plain_text, render_csv
from mingolotss.io.files import write_bytes
from mingolotss.model import FloatImage
from mingolotss.qa.report.colours import displayed

__all__ = ["SOURCE_KEY", "SubjectSet", "read_sources", "zooniverse_export"]

SOURCE_KEY = "#source"
"""The metadata of a subject that has the name of the source."""
MOST_PIXELS = 4000
LARGEST_FILE = 1 << 20  # bytes that the upload takes (panoptes-cli 1.2, MAX_UPLOAD_FILE_SIZE)
_SOURCE = "source"
_CHUNK = 256  # images that are decoded at once

Kind = Literal["png", "jpeg"]


class SubjectSet(NamedTuple):
    """What was written.

    Attributes
    ----------
    folder, manifest : Path
    subjects, images : int
        One image of each channel for each subject.
    """

    folder: Path
    manifest: Path
    subjects: int
    images: int


def zooniverse_export(
    dataset: Path | str,
    out: Path | str,
    *,
    size: int = 600,
    kind: str = "png",
    sources: Sequence[str] | None = None,
) -> SubjectSet:
    """Write the images of a dataset as a subject set of the Zooniverse.

    Parameters
    ----------
    dataset : path
        A build, or an export in Parquet.
    out : path
        A folder, which is new or empty. It gets ``stamp-000001.png`` ... and ``manifest.csv``.
    size : int
        The side of the images in pixels, at least that of the stamps: these are enlarged by cubic
        interpolation. North is up, unless the recipe turns the stamps.
    kind : {"png", "jpeg"}
        The type of the files.
    sources : sequence of str, optional
        Only these, in this order; by default all.

    Returns
    -------
    SubjectSet
        The folder, and how many subjects it has.

    Raises
    ------
    DatasetError
        There is no dataset, or it is damaged.
    InputError
        `out` is not empty or cannot be written, a source has no image, or an image would be larger
        than the Zooniverse takes.

    Examples
    --------
    >>> import mingolotss
    >>> subjects = mingolotss.zooniverse_export("demo", "subjects", size=150)
    >>> subjects.subjects, subjects.manifest.name
    (118, 'manifest.csv')
    """
    out = Path(out)
    action = f"write a subject set to {out}"
    if kind not in get_args(Kind):
        raise InputError(f"{action}: the kind {kind!r} is not png or jpeg")
    records = read_records(Path(dataset))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{action}: it is not empty; give the name of a new folder")
    rows = _rows(records, sources, action)
    side = max(records.take(np.array(rows[:1])).images().shape[-2:])
    if not side <= size <= MOST_PIXELS:
        raise InputError(
            f"{action}: images of {size} pixels from stamps of {side}; give a size from {side} to "
            f"{MOST_PIXELS}"
        )
    names = [f"stamp-{number:06d}" for number in range(1, len(rows) + 1)]
    suffix = ".png" if kind == "png" else ".jpg"
    channels = records.channels or ("",)
    files = [
        [f"{name}-{channel}{suffix}" if len(channels) > 1 else f"{name}{suffix}"
         for channel in range(1, len(channels) + 1)]
        for name in names
    ]  # fmt: skip
    for own_files, planes in zip(files, _planes(records, rows), strict=True):
        for file, plane in zip(own_files, planes, strict=True):
            data = _encode(plane, size, kind)
            if len(data) > LARGEST_FILE:
                raise InputError(
                    f"{action}: {file} has {len(data) / LARGEST_FILE:.1f} MiB, and the Zooniverse "
                    "takes 1 MiB; give a smaller --size, or --kind jpeg"
                )
            write_bytes(out / file, data)
    # Last, so that a folder with a manifest has all its images.
    manifest = out / "manifest.csv"
    write_bytes(manifest, _manifest(records, rows, files, Path(dataset)).encode())
    return SubjectSet(out, manifest, len(rows), len(rows) * len(channels))


def read_sources(path: Path | str) -> list[str]:
    """Return the column ``source`` of a table, for example of ``disagreements.csv``.

    Raises
    ------
    InputError
        It cannot be read, or has no such column.
    """
    path = Path(path)
    try:
        table = read_table(path, ColumnRequest((_SOURCE,)))
    except CatalogueError as error:
        reason = str(error).removeprefix(f"read the catalogue {path}: ")
        raise InputError(f"read the sources in {path}: {reason}") from error
    if _SOURCE not in table.columns:
        raise InputError(
            f"read the sources in {path}: it has no column {_SOURCE!r}, but "
            f"{', '.join(table.names) or 'none'}"
        )
    return [plain_text(name) for name in to_text(table.columns[_SOURCE], _SOURCE) if name]


def _rows(records: Records, sources: Sequence[str] | None, action: str) -> list[int]:
    """Return the indices of the records to write."""
    if sources is None:
        return list(range(len(records)))
    row_of = {name: row for row, name in enumerate(records.texts("source"))}
    absent = [name for name in sources if name not in row_of]
    if absent:
        raise InputError(
            f"{action}: the dataset has no image of {absent[0]!r}"
            + (f" and of {len(absent) - 1} more sources" if len(absent) > 1 else "")
        )
    rows = [row_of[name] for name in dict.fromkeys(sources)]
    if not rows:
        raise InputError(f"{action}: no source is named; there would be no subject")
    return rows


def _planes(
    records: Records, rows: Sequence[int]
) -> Iterator[Sequence[npt.NDArray[np.uint8] | FloatImage]]:
    """Give the planes of each image, one of each channel."""
    for start in range(0, len(rows), _CHUNK):
        images = records.take(np.array(rows[start : start + _CHUNK])).images()
        for image in images:
            yield image if image.ndim == 3 else image[None]


def _encode(plane: npt.NDArray[np.uint8] | FloatImage, size: int, kind: str) -> bytes:
    """Return a plane as a file whose longer side has `size` pixels."""
    # FITS counts rows from the bottom, and files from the top.
    image = Image.fromarray(displayed(plane)[::-1])
    scale = size / max(image.size)
    enlarged = image.resize(
        (math.ceil(image.width * scale), math.ceil(image.height * scale)),
        Image.Resampling.BICUBIC,
    )
    stream = io.BytesIO()
    if kind == "png":
        enlarged.save(stream, "PNG", optimize=True)
    else:
        enlarged.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def _manifest(
    records: Records, rows: Sequence[int], files: Sequence[Sequence[str]], dataset: Path
) -> str:
    """Return the text of ``manifest.csv``.

    No cell is empty: the uploader of Panoptes takes an empty cell for the folder of the manifest,
    which exists, and so for a file to upload.
    """
    names, fields = records.texts("source"), records.texts("field")
    ra, dec = records.numbers("ra").tolist(), records.numbers("dec").tolist()
    title = DatasetFolder(dataset).path.resolve().name or "dataset"
    count = len(files[0])
    header = ["image"] if count == 1 else [f"image {number}" for number in range(1, count + 1)]
    header += [SOURCE_KEY, "#ra_deg", "#dec_deg", "#field", "#dataset"]
    lines = (
        (*own, names[row], round(ra[row], 6), round(dec[row], 6), fields[row] or "none", title)
        for own, row in zip(files, rows, strict=True)
    )
    return render_csv(lines, header)
