"""The ledger of a part: a row for every source, record or rejection, with all its candidates.

Columns are filled whole: what the catalogue says comes from its arrays, and only what was
measured is gathered source by source.
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

__all__ = ["LEDGER", "ledger_table"]

LEDGER = pa.schema([*MANIFEST, ("offers", pa.list_(pa.struct(list(CANDIDATES))))])


def ledger_table(works: Sequence[Work], task: Task) -> pa.Table:
    """Return the ledger of a part, a row for each of `works`, which are all of the task's."""
    columns = _catalogue(task) | _fates(works) | _batches(works, task) | _records(works, task)
    columns["offers"] = _offers(works)
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


def _fates(works: Sequence[Work]) -> dict[str, Any]:
    return {
        "status": ["rejected" if work.reason else "written" for work in works],
        "candidates": np.array([len(work.offers) for work in works], np.int16),
        "stage": [work.stage or None for work in works],
        "reason": [work.reason or None for work in works],
    }


def _batches(works: Sequence[Work], task: Task) -> dict[str, Any]:
    train = task.recipe.batches.train
    names = pa.array([batch_name(index, train) for index in range(train + 1)])
    splits = pa.array(["train"] * train + ["test"])
    lost = np.array([bool(work.reason) for work in works])
    which = pa.array(task.batches, mask=lost)
    return {"batch": names.take(which), "split": splits.take(which)}


_MEASURED = (
    "field", "map_file", "image_file", "case", "separation_arcsec", "percent_nan", "recentred",
    "blank", "undecided", "exceeds_stamp", "decided_by", "noise_jy", "peak_jy",
    "pixel_scale_arcsec", "pixels_sha256",
)  # fmt: skip


def _records(works: Sequence[Work], task: Task) -> dict[str, Any]:
    nothing = (None,) * len(_MEASURED)
    rows = (nothing if work.reason else _record(work, task) for work in works)
    return dict(zip(_MEASURED, zip(*rows, strict=True), strict=True))


def _record(work: Work, task: Task) -> tuple[Any, ...]:
    chosen, choice, stamp = work.chosen, work.choice, task.recipe.stamp
    if chosen is None or choice is None or chosen.place is None or chosen.scale_arcsec is None:
        raise RuntimeError(f"{work.source.name} has neither a choice nor a rejection")
    made, candidate = work.made, chosen.candidate
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
        made["recentred"],
        made["blank"],
        choice.undecided,
        work.source.size_arcsec > stamp.pixels * pixel,
        choice.decided_by or None,
        made["noise_jy"],
        made["peak_jy"],
        pixel,
        made["pixels_sha256"],
    )


def _written_field(source: str, field: str, map_file: str) -> str:
    """Return the field as the image's own file name spells it (``P164_55`` stays)."""
    spelled = field.replace("+", "_")
    return spelled if map_file.startswith(f"{source}_{spelled}") else field


def _offers(works: Sequence[Work]) -> pa.Array:
    counts = [len(work.offers) for work in works]
    rows = [_offer(work, offer) for work in works for offer in work.offers]
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
