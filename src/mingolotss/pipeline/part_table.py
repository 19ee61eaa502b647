"""The table of a part: a row for every source, written or rejected, with all its candidates.

Everything is columns: those of the catalogue as they are, and those of the stages, chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.candidates.status import to_verdicts
from mingolotss.catalogue.labels import UNLABELLED
from mingolotss.dataset.layout import batch_name
from mingolotss.dataset.manifest import CANDIDATES, MANIFEST
from mingolotss.io.files import safe_name
from mingolotss.model import Bools, Floats, Objects
from mingolotss.pipeline.choice import Choices
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.measure import Measured
from mingolotss.pipeline.stamps import Stamps
from mingolotss.pipeline.task import Task

__all__ = ["LEDGER", "PartTable", "candidate_rows", "source_rows"]

LEDGER = pa.schema([*MANIFEST, ("offers", pa.list_(pa.struct(list(CANDIDATES))))])

Columns = dict[str, npt.NDArray[np.generic]]
_NO_REJECTION = (None, None)
_NO_IMAGE = (None,) * 4
# Null for a rejected source, and for a candidate without a cutout.
_OF_WRITTEN = (
    "field", "map_file", "image_file", "case", "separation_arcsec", "percent_nan", "recentred",
    "blank", "undecided", "exceeds_stamp", "decided_by", "noise_jy", "peak_jy",
    "pixel_scale_arcsec", "pixels_sha256",
)  # fmt: skip
_OF_CUTOUT = ("ny", "nx", "pixel_scale_arcsec", "separation_arcsec", "percent_nan")


class PartTable:
    """The rows of a part, collected chunk by chunk.

    Only columns and stored images are kept, so that the pixels of a chunk can be freed.

    Attributes
    ----------
    images : list of bytes
        The stamps of the written sources, as they are stored.
    retryable : bool
        The service may be able to deliver a missing cutout another time.
    """

    def __init__(self, task: Task) -> None:
        self.images: list[bytes] = []
        self.retryable = False
        self._task = task
        rows = [(*image, image[1].rpartition("/")[2]) for image in task.candidates.images]
        self._images = np.array([*rows, _NO_IMAGE], object)  # index -1: no image
        self._sources: list[Columns] = []
        self._candidates: list[Columns] = []

    def add(self, chunk: Chunk, measured: Measured, choices: Choices, stamps: Stamps) -> None:
        """Add the next sources of the task."""
        self.retryable |= measured.retryable
        self.images += [image for image in stamps.images if image is not None]
        self._sources.append(source_rows(chunk, measured, choices, stamps, self._images))
        self._candidates.append(candidate_rows(chunk, measured, choices, stamps, self._images))

    def table(self) -> pa.Table:
        """Return the whole table, columns of `LEDGER`, a row for each source of the task."""
        sources, candidates = _concatenate(self._sources), _concatenate(self._candidates)
        rejected = sources.pop("rejected").astype(bool)
        columns: dict[str, npt.NDArray[np.generic] | pa.Array | list[str]] = {
            **_catalogue_columns(self._task),
            **_batch_columns(rejected, self._task),
            **sources,
        }
        status = pa.array(["written", "rejected"])
        columns["status"] = status.take(pa.array(rejected.astype(np.int8)))
        columns["offers"] = _lists(sources["candidates"], candidates)
        arrays = [
            _array(columns[field.name], field.type, rejected if field.name in _OF_WRITTEN else None)
            for field in LEDGER
        ]
        return pa.Table.from_arrays(arrays, schema=LEDGER)


def source_rows(
    chunk: Chunk, measured: Measured, choices: Choices, stamps: Stamps, images: Objects
) -> Columns:
    """Return the columns of a chunk's sources, except those of catalogue and batches.

    Parameters
    ----------
    chunk : Chunk
        Its n sources.
    measured, choices, stamps
        The results of the stages.
    images : object array, shape (k + 1, 4)
        Field, image, rms map and file name of each image of the task; the last row is empty.

    Returns
    -------
    dict of str to array, shape (n,)
        Values of rejected sources mean nothing, except the stage and reason of the rejection.
    """
    settings, cutouts = chunk.task.recipe.stamp, measured.cutouts
    rejections = {**choices.rejections, **stamps.rejections}
    chosen = choices.chosen.copy()
    chosen[list(stamps.rejections)] = -1
    rejected = chosen < 0
    if np.flatnonzero(rejected).tolist() != sorted(rejections):
        raise RuntimeError("a source has neither a choice nor a rejection, or both")

    def of_chosen(values: npt.NDArray[np.generic], missing: object) -> npt.NDArray[np.generic]:
        """Return each source's value: one appended value stands for index -1, no candidate."""
        return np.append(values, np.array([missing], values.dtype))[chosen]

    fields, _, _, map_files = images[of_chosen(chunk.images, -1)].T
    files = of_chosen(cutouts.per_cutout((plane.file for plane in cutouts.planes), "", object), "")
    map_files = np.where(files == "", map_files, files)
    scale = cutouts.per_cutout((plane.wcs.pixel_scale_arcsec for plane in cutouts.planes), np.nan)
    pixel: Floats = of_chosen(scale, 0).astype(float, copy=False)
    if settings.pixel_arcsec:
        pixel = np.full(len(chunk), settings.pixel_arcsec)
    pairs = [rejections.get(row, _NO_REJECTION) for row in range(len(chunk))]
    return {
        "rejected": rejected,
        "stage": _objects(stage for stage, _ in pairs),
        "reason": _objects(reason for _, reason in pairs),
        "candidates": np.diff(chunk.starts),
        "field": fields,
        "map_file": map_files,
        "image_file": _objects(_image_files(chunk, fields, map_files)),
        "case": choices.case,
        "separation_arcsec": of_chosen(measured.separation_arcsec, 0),
        "percent_nan": of_chosen(measured.percent_nan, 0),
        "recentred": stamps.recentred,
        "blank": stamps.blank,
        "undecided": choices.undecided,
        "exceeds_stamp": chunk.task.catalogue.size_arcsec[chunk.rows] > settings.pixels * pixel,
        "decided_by": choices.decided_by,
        "noise_jy": stamps.noise_jy,
        "peak_jy": stamps.peak_jy,
        "pixel_scale_arcsec": pixel,
        "pixels_sha256": stamps.pixels_sha256,
    }


def candidate_rows(
    chunk: Chunk, measured: Measured, choices: Choices, stamps: Stamps, images: Objects
) -> Columns:
    """Return the columns of the candidates table, and ``no_cutout``; arguments as `source_rows`."""
    cutouts, planes = measured.cutouts, measured.cutouts.planes
    fields, addresses, rms, _ = images[chunk.images].T
    reasons = measured.reasons | {
        int(choices.chosen[row]): rejection.reason for row, rejection in stamps.rejections.items()
    }
    return {
        "no_cutout": cutouts.plane_index < 0,
        "row": chunk.task.rows[chunk.rows][chunk.source_index],
        "source": _objects(chunk.names)[chunk.source_index],
        "field": fields,
        "image": addresses,
        "rms": rms,
        "image_sha256": cutouts.per_cutout((plane.sha256 for plane in planes), None, object),
        "rms_sha256": cutouts.per_cutout((plane.rms_sha256 for plane in planes), None, object),
        "ny": cutouts.ny,
        "nx": cutouts.nx,
        "pixel_scale_arcsec": cutouts.per_cutout(
            (plane.wcs.pixel_scale_arcsec for plane in planes), np.nan
        ),
        "separation_arcsec": measured.separation_arcsec,
        "percent_nan": measured.percent_nan,
        "verdict": to_verdicts(choices.status, reasons),
    }


def _image_files(chunk: Chunk, fields: Objects, map_files: Objects) -> Iterator[str | None]:
    """Yield the name of each stamp's file, None for a rejected source."""
    form = chunk.task.recipe.stamp.name.format
    for name, field, map_file in zip(chunk.names, fields, map_files, strict=True):
        if field is None:
            yield None
            continue
        source = safe_name(name)
        yield form(source=source, field=safe_name(_spelled_field(source, field, map_file)))


def _spelled_field(source: str, field: str, map_file: str) -> str:
    """Return the field as the image's own file name spells it (``P164_55`` stays)."""
    spelled = field.replace("+", "_")
    return spelled if map_file.startswith(f"{source}_{spelled}") else field


def _lists(counts: npt.NDArray[np.generic], candidates: Columns) -> pa.Array:
    """Return the rows of the candidates table as a list for each source."""
    no_cutout = candidates["no_cutout"].astype(bool)
    arrays = [
        _array(candidates[field.name], field.type, no_cutout if field.name in _OF_CUTOUT else None)
        for field in CANDIDATES
    ]
    structs = pa.StructArray.from_arrays(arrays, fields=list(CANDIDATES))
    starts = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return pa.ListArray.from_arrays(starts, structs, type=LEDGER.field("offers").type)


def _catalogue_columns(task: Task) -> dict[str, npt.NDArray[np.generic] | pa.Array | list[str]]:
    catalogue = task.catalogue
    labels = pa.array(catalogue.labels, mask=catalogue.labels == UNLABELLED)
    classes = pa.array(catalogue.classes, pa.string())
    return {
        "row": task.rows,
        "source": catalogue.names,
        "ra": catalogue.ra,
        "dec": catalogue.dec,
        "label": labels,
        "class": classes.take(labels),
        "size_arcsec": catalogue.size_arcsec,
        "flux_mjy": catalogue.flux_mjy,
    }


def _batch_columns(rejected: Bools, task: Task) -> dict[str, pa.Array]:
    train = task.recipe.batches.train
    names = pa.array([batch_name(index, train) for index in range(train + 1)])
    splits = pa.array(["train"] * train + ["test"])
    batches = pa.array(task.batches, mask=rejected)
    return {"batch": names.take(batches), "split": splits.take(batches)}


def _array(
    column: npt.NDArray[np.generic] | pa.Array | list[str],
    kind: pa.DataType,
    null: Bools | None = None,
) -> pa.Array:
    """Return a column for the table, null where `null` is true; NaN is a number."""
    if isinstance(column, pa.Array):
        return column
    if isinstance(column, np.ndarray) and column.dtype != object:
        column = column.astype(kind.to_pandas_dtype(), copy=False)
    return pa.array(column, kind, mask=null, from_pandas=False)


def _concatenate(chunks: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([one[name] for one in chunks]) for name in chunks[0]}


def _objects(values: Iterable[object]) -> Objects:
    return np.array(list(values), object)
