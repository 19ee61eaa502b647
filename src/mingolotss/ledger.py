"""The ledger of a part: a row for every source, record or rejection, with all its candidates.

Columns are filled whole: what the catalogue says comes from its arrays, and only what was
measured is noted source by source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mingolotss.files import safe_name
from mingolotss.labels import UNLABELLED
from mingolotss.manifest import CANDIDATES, MANIFEST
from mingolotss.task import Offer, Task, Work
from mingolotss.writers.batches import batch_name

__all__ = ["LEDGER", "Ledger"]

LEDGER = pa.schema([*MANIFEST, ("offers", pa.list_(pa.struct(list(CANDIDATES))))])


class Ledger:
    """What became of the sources of a part, noted while they are worked on.

    Rows are kept as plain tuples, so that a chunk's images and objects can go.

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
        self._counts: list[int] = []
        self._rows: list[tuple[Any, ...]] = []
        self._offers: list[tuple[Any, ...]] = []

    def add(self, works: Iterable[Work]) -> None:
        """Note the next sources of the task, written or rejected."""
        for work in works:
            self._counts.append(len(work.offers))
            self._offers += [_offer(work, offer) for offer in work.offers]
            self.again = self.again or any(offer.again for offer in work.offers)
            if work.reason:
                self._rows.append(("rejected", work.stage, work.reason, *_NO_RECORD))
            else:
                self._rows.append(("written", None, None, *_record(work, self._task)))
                self.images.append(work.image)

    def table(self) -> pa.Table:
        """Return all of it, columns of `LEDGER`, a row for each source of the task."""
        columns = _catalogue(self._task)
        columns |= dict(zip(_NOTED, zip(*self._rows, strict=True), strict=True))
        columns["candidates"] = np.array(self._counts, np.int16)
        columns |= _batches(columns["status"], self._task)
        columns["offers"] = _lists(self._counts, self._offers)
        arrays = [
            column if isinstance(column, pa.Array) else pa.array(column, LEDGER.field(name).type)
            for name, column in ((name, columns[name]) for name in LEDGER.names)
        ]
        return pa.Table.from_arrays(arrays, schema=LEDGER)


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
        "size_arcsec": pa.array(catalogue.size_arcsec, from_pandas=False),
        "flux_mjy": pa.array(catalogue.flux_mjy, from_pandas=False),
    }


def _batches(status: Sequence[str], task: Task) -> dict[str, Any]:
    train = task.recipe.batches.train
    names = pa.array([batch_name(index, train) for index in range(train + 1)])
    splits = pa.array(["train"] * train + ["test"])
    which = pa.array(task.batches, mask=np.array([word == "rejected" for word in status]))
    return {"batch": names.take(which), "split": splits.take(which)}


_RECORD = (
    "field", "map_file", "image_file", "case", "separation_arcsec", "percent_nan", "recentred",
    "blank", "undecided", "exceeds_stamp", "decided_by", "noise_jy", "peak_jy",
    "pixel_scale_arcsec", "pixels_sha256",
)  # fmt: skip
_NO_RECORD = (None,) * len(_RECORD)
_NOTED = ("status", "stage", "reason", *_RECORD)


def _record(work: Work, task: Task) -> tuple[Any, ...]:
    chosen, choice, stamp = work.chosen, work.choice, task.recipe.stamp
    if chosen is None or choice is None or chosen.place is None or chosen.scale_arcsec is None:
        raise RuntimeError(f"{work.source.name} has neither a choice nor a rejection")
    candidate = chosen.candidate
    pixel = stamp.pixel_arcsec or chosen.scale_arcsec
    map_file = chosen.file or candidate.image.rpartition("/")[2]
    source = safe_name(work.source.name)
    field = safe_name(_written_field(source, candidate.field, map_file))
    return (
        candidate.field,
        map_file,
        stamp.name.format(source=source, field=field),
        choice.case,
        chosen.place.separation_arcsec,
        chosen.percent_nan,
        work.recentred,
        work.blank,
        choice.undecided,
        work.source.size_arcsec > stamp.pixels * pixel,
        choice.decided_by or None,
        work.noise_jy,
        work.peak_jy,
        pixel,
        work.pixels_sha256,
    )


def _written_field(source: str, field: str, map_file: str) -> str:
    """Return the field as the image's own file name spells it (``P164_55`` stays)."""
    spelled = field.replace("+", "_")
    return spelled if map_file.startswith(f"{source}_{spelled}") else field


def _lists(counts: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> pa.Array:
    """Return the rows of the candidates table as a list for each source."""
    columns: Iterable[Any] = zip(*rows, strict=True) if rows else ([] for _ in CANDIDATES)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, CANDIDATES, strict=True)]
    structs = pa.StructArray.from_arrays(arrays, fields=list(CANDIDATES))
    starts = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return pa.ListArray.from_arrays(starts, structs, type=LEDGER.field("offers").type)


def _offer(work: Work, offer: Offer) -> tuple[Any, ...]:
    candidate, seen = offer.candidate, offer.scale_arcsec is not None
    return (
        work.source.row,
        work.source.name,
        candidate.field,
        candidate.image,
        candidate.rms,
        offer.sha256,
        offer.rms_sha256,
        *offer.shape,
        offer.scale_arcsec,
        offer.place.separation_arcsec if offer.place else None,
        offer.percent_nan if seen else None,
        offer.verdict,
    )
