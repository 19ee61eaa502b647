"""The ledger of a part: a row for every source, record or rejection, with all its candidates.

Everything is columns: those of the catalogue as they are, those of what was measured chunk by
chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.catalogue.labels import UNLABELLED
from mingolotss.dataset.manifest import CANDIDATES, MANIFEST
from mingolotss.formats.batches import batch_name
from mingolotss.io.files import safe_name
from mingolotss.model import Bools, Objects
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.task import Task

__all__ = ["LEDGER", "PartTable"]

LEDGER = pa.schema([*MANIFEST, ("offers", pa.list_(pa.struct(list(CANDIDATES))))])

_Columns = dict[str, npt.NDArray[Any]]
_KEPT = (None, None)
_RECORD = (
    "field", "map_file", "image_file", "case", "separation_arcsec", "percent_nan", "recentred",
    "blank", "undecided", "exceeds_stamp", "decided_by", "noise_jy", "peak_jy",
    "pixel_scale_arcsec", "pixels_sha256",
)  # fmt: skip
_MEASURED = ("ny", "nx", "pixel_scale_arcsec", "separation_arcsec", "percent_nan")


class PartTable:
    """What became of the sources of a part, noted while they are worked on.

    Only columns are kept, so that a chunk's images can go.

    Attributes
    ----------
    images : list of bytes
        The stamps of the sources written, as they are stored.
    again : bool
        A later try may do better by one of the sources.
    """

    def __init__(self, task: Task) -> None:
        self.images: list[bytes] = []
        self.again = False
        self._task = task
        rows = [(*image, image[1].rpartition("/")[2]) for image in task.offers.images]
        self._known = np.array([*rows, (None,) * 4], object)  # -1 is none of them
        self._sources: list[_Columns] = []
        self._offers: list[_Columns] = []

    def add(self, chunk: Chunk) -> None:
        """Note the next sources of the task, written or rejected."""
        self.again |= chunk.again
        self.images += [image for image in chunk.images if image is not None]
        self._sources.append(_sources(chunk, self._known))
        self._offers.append(_offers(chunk, self._known))

    def table(self) -> pa.Table:
        """Return all of it, columns of `LEDGER`, a row for each source of the task."""
        found, offers = _joined(self._sources), _joined(self._offers)
        lost = found.pop("lost")
        columns: dict[str, Any] = {**_catalogue(self._task), **_batches(lost, self._task), **found}
        columns["status"] = pa.array(["written", "rejected"]).take(pa.array(lost.astype(np.int8)))
        columns["offers"] = _lists(found["candidates"], offers)
        arrays = [
            _array(columns[field.name], field.type, lost if field.name in _RECORD else None)
            for field in LEDGER
        ]
        return pa.Table.from_arrays(arrays, schema=LEDGER)


def _sources(chunk: Chunk, known: Objects) -> _Columns:
    """Return what was found of each source; of one that was lost only that and why."""
    stamp, boxes, chosen = chunk.task.recipe.stamp, chunk.boxes, chunk.chosen
    lost = chosen < 0
    if np.flatnonzero(lost).tolist() != sorted(chunk.lost):
        raise RuntimeError("a source has neither a choice nor a rejection, or both")

    def of_chosen(values: npt.NDArray[Any], missing: Any) -> npt.NDArray[Any]:
        return np.append(values, np.array([missing], values.dtype))[chosen]

    fields, _, _, map_files = known[of_chosen(chunk.image, -1)].T
    files = of_chosen(boxes.each((plane.file for plane in boxes.planes), "", object), "")
    map_files = np.where(files == "", map_files, files)
    scale = boxes.each((plane.wcs.pixel_scale_arcsec for plane in boxes.planes), np.nan)
    pixel = np.full(len(chunk), stamp.pixel_arcsec) if stamp.pixel_arcsec else of_chosen(scale, 0)
    why = [chunk.lost.get(row, _KEPT) for row in range(len(chunk))]
    return {
        "lost": lost,
        "stage": _objects(stage for stage, _ in why),
        "reason": _objects(reason for _, reason in why),
        "candidates": np.diff(chunk.starts),
        "field": fields,
        "map_file": map_files,
        "image_file": _objects(_names(chunk, fields, map_files)),
        "case": chunk.case,
        "separation_arcsec": of_chosen(chunk.separation, 0),
        "percent_nan": of_chosen(chunk.percent_nan, 0),
        "recentred": chunk.recentred,
        "blank": chunk.blank,
        "undecided": chunk.undecided,
        "exceeds_stamp": chunk.task.catalogue.size_arcsec[chunk.some] > stamp.pixels * pixel,
        "decided_by": chunk.decided_by,
        "noise_jy": chunk.noise_jy,
        "peak_jy": chunk.peak_jy,
        "pixel_scale_arcsec": pixel,
        "pixels_sha256": chunk.pixels_sha256,
    }


def _names(chunk: Chunk, fields: Objects, map_files: Objects) -> Iterator[str | None]:
    """Give the name of each stamp's file, None of a source that was lost."""
    form = chunk.task.recipe.stamp.name.format
    for name, field, map_file in zip(chunk.names, fields, map_files, strict=True):
        if field is None:
            yield None
            continue
        source = safe_name(name)
        written = safe_name(_written_field(source, field, map_file))
        yield form(source=source, field=written)


def _written_field(source: str, field: str, map_file: str) -> str:
    """Return the field as the image's own file name spells it (``P164_55`` stays)."""
    spelled = field.replace("+", "_")
    return spelled if map_file.startswith(f"{source}_{spelled}") else field


def _offers(chunk: Chunk, known: Objects) -> _Columns:
    """Return the rows of the candidates table."""
    boxes, of = chunk.boxes, chunk.of
    fields, addresses, rms, _ = known[chunk.image].T
    return {
        "unread": boxes.which < 0,
        "row": chunk.task.rows[chunk.some][of],
        "source": _objects(chunk.names)[of],
        "field": fields,
        "image": addresses,
        "rms": rms,
        "image_sha256": boxes.each((plane.sha256 for plane in boxes.planes), None, object),
        "rms_sha256": boxes.each((plane.rms_sha256 for plane in boxes.planes), None, object),
        "ny": boxes.ny,
        "nx": boxes.nx,
        "pixel_scale_arcsec": boxes.each(
            (plane.wcs.pixel_scale_arcsec for plane in boxes.planes), np.nan
        ),
        "separation_arcsec": chunk.separation,
        "percent_nan": chunk.percent_nan,
        "verdict": chunk.verdict,
    }


def _lists(counts: npt.NDArray[np.int64], offers: _Columns) -> pa.Array:
    """Return the rows of the candidates table as a list for each source."""
    unread = offers["unread"]
    arrays = [
        _array(offers[field.name], field.type, unread if field.name in _MEASURED else None)
        for field in CANDIDATES
    ]
    structs = pa.StructArray.from_arrays(arrays, fields=list(CANDIDATES))
    starts = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return pa.ListArray.from_arrays(starts, structs, type=LEDGER.field("offers").type)


def _catalogue(task: Task) -> dict[str, Any]:
    catalogue = task.catalogue
    unlabelled = catalogue.labels == UNLABELLED
    numbers = pa.array(catalogue.labels, mask=unlabelled)
    classes = pa.array(catalogue.classes, pa.string())
    return {
        "row": task.rows,
        "source": catalogue.names,
        "ra": catalogue.ra,
        "dec": catalogue.dec,
        "label": numbers,
        "class": classes.take(numbers),
        "size_arcsec": catalogue.size_arcsec,
        "flux_mjy": catalogue.flux_mjy,
    }


def _batches(lost: Bools, task: Task) -> dict[str, Any]:
    train = task.recipe.batches.train
    names = pa.array([batch_name(index, train) for index in range(train + 1)])
    splits = pa.array(["train"] * train + ["test"])
    which = pa.array(task.batches, mask=lost)
    return {"batch": names.take(which), "split": splits.take(which)}


def _array(column: Any, kind: pa.DataType, gone: Bools | None = None) -> pa.Array:
    """Return a column for the table, null where it is gone; NaN is a number."""
    if isinstance(column, pa.Array):
        return column
    if isinstance(column, np.ndarray) and column.dtype != object:
        column = column.astype(kind.to_pandas_dtype(), copy=False)
    return pa.array(column, kind, mask=gone, from_pandas=False)


def _joined(parts: Sequence[_Columns]) -> _Columns:
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}


def _objects(values: Iterable[Any]) -> Objects:
    return np.array(list(values), object)
