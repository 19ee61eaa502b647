"""Of every candidate of a chunk of sources: its cutout, its measures, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mingolotss.errors import ServiceError
from mingolotss.model import Cutout
from mingolotss.pixels import has_signal, percent_nan
from mingolotss.selection import Measured, choose, places
from mingolotss.services.base import Wanted, cutouts
from mingolotss.task import Offer, Task, Work

__all__ = ["decide", "read"]


def read(works: Sequence[Work], task: Task) -> None:
    """Fetch and measure every candidate of the chunk; say of the unusable ones why."""
    pairs = [(work, offer) for work in works for offer in work.offers]
    wanted = [Wanted(offer.candidate, work.source) for work, offer in pairs]
    answers = cutouts(task.service, wanted, task.recipe.images.size_arcmin / 60)
    noise = task.recipe.noise
    needs_rms = noise.method == "rms-map" and noise.otherwise == "reject"
    usable: list[tuple[Work, Offer]] = []
    for (work, offer), answer in zip(pairs, answers, strict=True):
        if isinstance(answer, Cutout):
            _measure(offer, answer, needs_rms=needs_rms)
            usable.append((work, offer))
        else:
            offer.verdict = str(answer)
            offer.stage = "fetch" if isinstance(answer, ServiceError) else "validate"
            offer.again = isinstance(answer, ServiceError) and answer.retry
    _place(usable)


def _measure(offer: Offer, cutout: Cutout, *, needs_rms: bool) -> None:
    offer.cutout = cutout
    offer.file = cutout.file
    offer.shape = cutout.image.shape
    offer.scale_arcsec = cutout.wcs.pixel_scale_arcsec
    offer.sha256, offer.rms_sha256 = cutout.sha256, cutout.rms_sha256
    offer.percent_nan = 0.0 if cutout.clean else percent_nan(cutout.image)
    if not cutout.clean and not has_signal(cutout.image):
        offer.verdict = "no finite non-zero pixel"
    elif needs_rms and cutout.rms is None:
        offer.verdict = "no rms map, which the recipe's noise needs"


def _place(usable: Sequence[tuple[Work, Offer]]) -> None:
    found = places(
        [offer.cutout for _, offer in usable if offer.cutout is not None],
        np.array([work.source.ra for work, _ in usable]),
        np.array([work.source.dec for work, _ in usable]),
    )
    for (_, offer), place in zip(usable, found, strict=True):
        offer.place = place
        on_sky = math.isfinite(place.x) and math.isfinite(place.separation_arcsec)
        if not on_sky and not offer.verdict:
            offer.verdict = "the source's place is not on the image's projection"


def decide(work: Work, task: Task) -> None:
    """Choose among the usable candidates, or reject the source."""
    decision = task.decisions.get(work.source.name)
    usable = [offer for offer in work.offers if not offer.verdict]
    if work.source.name in task.unanswered:
        return work.reject("search", task.unanswered[work.source.name])
    if not work.offers:
        return work.reject("search", "no image holds the position")
    if not usable:
        reasons = "; ".join(f"{o.candidate.field or 'image'}: {o.verdict}" for o in work.offers)
        stages = {offer.stage for offer in work.offers}
        return work.reject("validate" if "validate" in stages else "fetch", reasons)
    if decision is not None and decision.verdict == "reject":
        note = f": {decision.note}" if decision.note else ""
        return work.reject("choose", f"rejected by {decision.by or 'decisions.csv'}{note}")
    work.choice = choose(
        [
            Measured(
                offer.candidate.field,
                offer.place.separation_arcsec if offer.place else math.nan,
                offer.percent_nan,
            )
            for offer in usable
        ],
        decision,
        near_arcsec=task.recipe.choose.near_arcsec,
    )
    work.chosen = usable[work.choice.index]
    for offer in usable:
        offer.verdict = "chosen" if offer is work.chosen else "not chosen"
    return None
