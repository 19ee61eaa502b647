"""Of every candidate of a chunk of sources: its cutout, its measures, and the verdict."""

from __future__ import annotations

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.selection import Measured, choose, locate
from mingolotss.errors import ServiceError
from mingolotss.image.pixels import has_signal, percent_nan
from mingolotss.pipeline.chunk import Chunk
from mingolotss.service.base import cutouts

__all__ = ["decide", "read"]


def read(chunk: Chunk) -> None:
    """Fetch and measure every candidate of the chunk; say of the unusable ones why."""
    task, wants = chunk.task, chunk.wants
    answers = cutouts(task.service, wants, task.recipe.images.size_arcmin / 60)
    boxes = chunk.boxes = CutoutArray.of(answers)
    if len(boxes) != len(wants):
        raise RuntimeError(f"{len(wants)} cutouts were wanted and {len(boxes)} came")
    if sorted(boxes.errors) != np.flatnonzero(boxes.which < 0).tolist():
        raise RuntimeError("a wanted cutout is neither there nor said to be lacking, or both")
    for index, error in boxes.errors.items():
        chunk.verdict[index] = str(error) or type(error).__name__
        chunk.unfetched[index] = isinstance(error, ServiceError)
        chunk.again |= isinstance(error, ServiceError) and error.retry
    _measure(chunk)
    chunk.x, chunk.y, chunk.separation = locate(boxes, wants.ra, wants.dec)
    lost = ~(np.isfinite(chunk.x) & np.isfinite(chunk.separation)) & (boxes.which >= 0)
    chunk.verdict[lost & (chunk.verdict == "")] = (
        "the source's place is not on the image's projection"
    )


def _measure(chunk: Chunk) -> None:
    """Read the cutouts not known to be fully observed; reject those without a needed rms map."""
    boxes, noise = chunk.boxes, chunk.task.recipe.noise
    if noise.method == "rms-map" and noise.otherwise == "reject":
        lacking = boxes.each((plane.rms is None for plane in boxes.planes), False)
        chunk.verdict[lacking] = "no rms map, which the recipe's noise needs"
    for index in np.flatnonzero((boxes.which >= 0) & ~boxes.fully_observed).tolist():
        image = boxes.cutout(index).image
        chunk.percent_nan[index] = percent_nan(image)
        if not has_signal(image):
            chunk.verdict[index] = "no finite non-zero pixel"


def decide(chunk: Chunk) -> None:
    """Choose among the usable candidates of every source, or reject it."""
    task, usable = chunk.task, chunk.verdict == ""
    plain = np.bincount(chunk.of[usable], minlength=len(chunk)) == 1
    if task.decisions or task.unanswered:
        plain &= [name not in task.decisions and name not in task.unanswered
                  for name in chunk.names]  # fmt: skip
    only = np.flatnonzero(usable & plain[chunk.of])
    chunk.chosen[chunk.of[only]] = only
    chunk.verdict[only] = "chosen"
    for row in np.flatnonzero(~plain).tolist():
        _decide(chunk, row)


def _decide(chunk: Chunk, row: int) -> None:
    """Choose among the usable candidates of one source, or reject it."""
    task, name = chunk.task, chunk.names[row]
    decision = task.decisions.get(name)
    offers = range(*chunk.starts[row : row + 2].tolist())
    usable = [offer for offer in offers if not chunk.verdict[offer]]
    if name in task.unanswered:
        return chunk.reject(row, "search", task.unanswered[name])
    if not offers:
        return chunk.reject(row, "search", "no image holds the position")
    if not usable:
        reasons = "; ".join(f"{chunk.field(o) or 'image'}: {chunk.verdict[o]}" for o in offers)
        return chunk.reject(row, "fetch" if chunk.unfetched[offers].all() else "validate", reasons)
    if decision is not None and decision.verdict == "reject":
        note = f": {decision.note}" if decision.note else ""
        return chunk.reject(row, "choose", f"rejected by {decision.by or 'decisions.csv'}{note}")
    measured = [
        Measured(chunk.field(o), float(chunk.separation[o]), float(chunk.percent_nan[o]))
        for o in usable
    ]
    choice = choose(measured, decision, near_arcsec=task.recipe.choose.near_arcsec)
    chunk.chosen[row] = usable[choice.index]
    chunk.case[row], chunk.undecided[row] = choice.case, choice.undecided
    chunk.decided_by[row] = choice.decided_by or None
    for offer in usable:
        chunk.verdict[offer] = "chosen" if offer == chunk.chosen[row] else "not chosen"
    return None
