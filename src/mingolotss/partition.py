"""One partition of sources in, one part of the dataset out.

`process` is what every worker runs, on this machine or on a cluster: it asks the service for the
cutouts of its sources, measures, chooses, makes the stamps as stacks, and writes
``stamps/part-00000.parquet`` and then, as the mark that the part is whole,
``ledger/part-00000.parquet`` with a row for every source, record or rejection. Memory is bounded
by `CHUNK` sources.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.decisions import Decision
from mingolotss.errors import ImageError, ServiceError
from mingolotss.files import safe_name
from mingolotss.manifest import CANDIDATES, MANIFEST, stamp_schema, write_table
from mingolotss.model import Candidate, Cutout, FloatImage, Source
from mingolotss.noise import background2d_noise, sigma_clipped_noise
from mingolotss.pixels import has_signal, percent_nan, take_window, window_start
from mingolotss.recipe import Recipe
from mingolotss.selection import Choice, Measured, Place, choose, places
from mingolotss.services.base import ImageService, Wanted, cutouts
from mingolotss.stamp import Stack, finish, run_steps
from mingolotss.writers.batches import batch_name
from mingolotss.writers.png import encode_png, write_pngs

__all__ = [
    "CHUNK", "LEDGER", "Summary", "Task", "noise_of", "part_name", "preview", "process",
    "stamp_box",
]  # fmt: skip

CHUNK = 64  # sources at once: 64 x 1.5 cutouts of 240 x 240, image and rms, is 44 MB
LEDGER = pa.schema([*MANIFEST, ("offers", pa.list_(pa.struct(list(CANDIDATES))))])
AGAIN = "-again"  # ends the key of a part that a better day at the far end would change
_FORMAT = 1  # of the part's content; a higher one makes parts of an older program again


def part_name(index: int) -> str:
    """Return the file name of a part."""
    return f"part-{index:05d}.parquet"


@dataclass(frozen=True)
class Task:
    """A partition: everything that a worker needs, and nothing that it must share.

    Attributes
    ----------
    index : int
        Number of the part.
    sources : list of Source
    offers : list of list of Candidate
        For each source, sorted by field.
    batches : list of int
        For each source, the batch its row belongs to.
    decisions : mapping of str to Decision
        Those on these sources.
    unanswered : mapping of str to str
        Names of sources for which the service could not say what it has, and why.
    """

    index: int
    sources: list[Source]
    offers: list[list[Candidate]]
    batches: list[int]
    decisions: Mapping[str, Decision]
    classes: tuple[str, ...]
    recipe: Recipe
    service: ImageService
    out: Path
    unanswered: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Return the SHA-256 of all that the part depends on, but the images' pixels."""
        content = [
            _FORMAT,
            self.recipe.digest,
            self.classes,
            [(s.row, s.name, s.ra, s.dec, s.label, repr(s.size_arcsec)) for s in self.sources],
            [[(c.field, c.image, c.rms) for c in offer] for offer in self.offers],
            self.batches,
            [tuple(getattr(d, k) for k in d.__slots__) for d in self.decisions.values()],
        ]
        if self.unanswered:
            content.append(sorted(self.unanswered.items()))
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a partition."""

    index: int
    written: int
    rejected: int


@dataclass(slots=True)
class _Offer:
    """A candidate on its way to a verdict."""

    candidate: Candidate
    verdict: str = ""
    stage: str = "validate"
    again: bool = False  # a later try may do better
    cutout: Cutout | None = None
    place: Place | None = None
    percent_nan: float = math.nan


@dataclass(slots=True)
class _Work:
    """A source on its way to a record or a rejection."""

    source: Source
    batch: int
    offers: list[_Offer]
    stage: str = ""
    reason: str = ""
    choice: Choice | None = None
    chosen: _Offer | None = None
    made: dict[str, Any] = field(default_factory=dict)

    def reject(self, stage: str, reason: str) -> None:
        self.stage, self.reason = stage, reason


def process(task: Task) -> Summary:
    """Make one part; the images of `CHUNK` sources are in memory at a time."""
    ledger: dict[str, list[Any]] = {name: [] for name in LEDGER.names}
    images: list[bytes] = []
    again = False
    for start in range(0, len(task.sources), CHUNK):
        chunk = slice(start, start + CHUNK)
        works = [
            _Work(source, batch, [_Offer(candidate) for candidate in offers])
            for source, offers, batch in zip(
                task.sources[chunk], task.offers[chunk], task.batches[chunk], strict=True
            )
        ]
        _read(works, task)
        again |= any(offer.again for work in works for offer in work.offers)
        for work in works:
            _decide(work, task)
        _stamps(works, task)
        for work in works:
            _enter(ledger, images, work, task)
    written = _write(task, ledger, images, task.key + AGAIN * again)
    return Summary(task.index, written, len(task.sources) - written)


def _read(works: Sequence[_Work], task: Task) -> None:
    """Fetch and measure every candidate of the chunk; say of the unusable ones why."""
    pairs = [(work, offer) for work in works for offer in work.offers]
    wanted = [Wanted(offer.candidate, work.source) for work, offer in pairs]
    answers = cutouts(task.service, wanted, task.recipe.images.size_arcmin / 60)
    needs_rms = task.recipe.noise.method == "rms-map" and task.recipe.noise.otherwise == "reject"
    usable: list[tuple[_Work, _Offer]] = []
    for (work, offer), answer in zip(pairs, answers, strict=True):
        if isinstance(answer, Cutout):
            offer.cutout = answer
            offer.percent_nan = percent_nan(answer.image)
            if not has_signal(answer.image):
                offer.verdict = "no finite non-zero pixel"
            elif needs_rms and answer.rms is None:
                offer.verdict = "no rms map, which the recipe's noise needs"
            usable.append((work, offer))
        else:
            offer.verdict = str(answer)
            offer.stage = "fetch" if isinstance(answer, ServiceError) else "validate"
            offer.again = isinstance(answer, ServiceError) and answer.retry
    _place(usable)


def _place(usable: Sequence[tuple[_Work, _Offer]]) -> None:
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


def _decide(work: _Work, task: Task) -> None:
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
    measured = [
        Measured(
            offer.candidate.field,
            offer.place.separation_arcsec if offer.place else math.nan,
            offer.percent_nan,
        )
        for offer in usable
    ]
    work.choice = choose(measured, decision, near_arcsec=task.recipe.choose.near_arcsec)
    work.chosen = usable[work.choice.index]
    for offer in usable:
        offer.verdict = "chosen" if offer is work.chosen else "not chosen"
    return None


def _stamps(works: Sequence[_Work], task: Task) -> None:
    """Make the stamps of the chosen cutouts, in stacks of one type and size."""
    groups: dict[tuple[Any, ...], list[tuple[_Work, FloatImage, FloatImage]]] = {}
    for work in works:
        if work.chosen is None:
            continue
        try:
            image, noise = _window(work, work.chosen, task.recipe)
        except ImageError as error:
            work.reject("stamp", str(error))
            work.chosen.verdict = str(error)
            continue
        shape = (image.dtype, noise.dtype, image.shape, noise.shape)
        groups.setdefault(shape, []).append((work, image, noise))
    for members in groups.values():
        _finish([work for work, _, _ in members], *_stacked(members), task.recipe)


def _stacked(
    members: Sequence[tuple[_Work, FloatImage, FloatImage]],
) -> tuple[FloatImage, FloatImage]:
    images = np.stack([image for _, image, _ in members])
    return images, np.stack([noise for _, _, noise in members])


def _window(work: _Work, offer: _Offer, recipe: Recipe) -> tuple[FloatImage, FloatImage]:
    """Return the image and noise under a source's stamp, at the image's own pixels."""
    cutout, place = offer.cutout, offer.place
    if cutout is None or place is None:
        raise ImageError("no pixels")  # _decide chooses only what has both
    y0, x0, side, work.made["recentred"] = stamp_box(cutout, place, recipe)
    return take_window(cutout.image, y0, x0, side), _noise_under(cutout, recipe, y0, x0, side)


def stamp_box(cutout: Cutout, place: Place, recipe: Recipe) -> tuple[int, int, int, bool]:
    """Return where the stamp lies in a cutout: first row and column, side, whether recentred.

    Raises
    ------
    ImageError
        The recipe's pixels are no whole number of the image's.
    """
    side = recipe.stamp.pixels * _factor(recipe, cutout)
    ny, nx = cutout.image.shape
    recentre = recipe.recentre.enabled and (
        min(ny, nx) < side or place.separation_arcsec > recipe.recentre.separation_arcsec
    )
    y0 = window_start(ny, side, place.y if recentre else None)
    x0 = window_start(nx, side, place.x if recentre else None)
    return y0, x0, side, recentre


def preview(cutout: Cutout, place: Place, recipe: Recipe) -> npt.NDArray[Any]:
    """Return the stamp that a build makes of one cutout, shape (side, side)."""
    y0, x0, side, _ = stamp_box(cutout, place, recipe)
    image = take_window(cutout.image, y0, x0, side)
    noise = _noise_under(cutout, recipe, y0, x0, side)
    stack = run_steps(Stack(image[None], noise[None], recipe.stamp.pixels), recipe.step_list)
    return finish(stack, recipe.stamp.kind)[0][0]


def _factor(recipe: Recipe, cutout: Cutout) -> int:
    """Return how many of the image's pixels one of the stamp's has on a side."""
    wanted, scale = recipe.stamp.pixel_arcsec, cutout.wcs.pixel_scale_arcsec
    factor = round(wanted / scale) if wanted else 1
    if wanted and (factor < 1 or abs(wanted / (factor * scale) - 1) > 0.01):
        raise ImageError(
            f"the recipe's {wanted:g} arcsec pixels are no whole number of the image's "
            f"{scale:g} arcsec pixels"
        )
    return factor


def _noise_under(cutout: Cutout, recipe: Recipe, y0: int, x0: int, side: int) -> FloatImage:
    noise = noise_of(cutout, recipe)
    return noise if noise.shape == (1, 1) else take_window(noise, y0, x0, side)


def noise_of(cutout: Cutout, recipe: Recipe) -> FloatImage:
    """Return the noise of a cutout: a map of its shape, or one value of shape (1, 1)."""
    settings = recipe.noise
    if settings.method == "rms-map" and cutout.rms is not None:
        return cutout.rms
    method = settings.otherwise if settings.method == "rms-map" else settings.method
    if method == "background2d":
        return background2d_noise(cutout.image, box=settings.box, sigma=settings.sigma)
    return sigma_clipped_noise(cutout.image, sigma=settings.sigma, iterations=settings.iterations)


def _finish(works: Sequence[_Work], images: FloatImage, noise: FloatImage, recipe: Recipe) -> None:
    """Run the recipe's steps on a stack and hand each source its stamp."""
    with np.errstate(invalid="ignore"):
        peaks = np.fmax.reduce(images, axis=(-2, -1)).tolist()
        sparse = noise[:, ::5, ::5].reshape(len(works), -1)  # a median of 900 pixels says enough
        floors = np.nanmedian(np.where(np.isfinite(sparse).any(1, keepdims=True), sparse, 0), 1)
    stack = run_steps(Stack(images, noise, recipe.stamp.pixels), recipe.step_list)
    pixels, blank = finish(stack, recipe.stamp.kind)
    for index, work in enumerate(works):
        one = pixels[index]
        raw = one.astype(one.dtype.newbyteorder("<"), copy=False).tobytes()
        work.made.update(
            image=encode_png(one) if recipe.stamp.kind == "uint8" else raw,
            pixels_sha256=hashlib.sha256(raw).hexdigest(),
            blank=bool(blank[index]),
            noise_jy=float(floors[index]),
            peak_jy=float(peaks[index]),
        )


def _enter(ledger: dict[str, list[Any]], images: list[bytes], work: _Work, task: Task) -> None:
    """Add a source's row to the ledger, and its image if it has one."""
    source, written = work.source, not work.reason
    row: dict[str, Any] = {
        "row": source.row,
        "source": source.name,
        "ra": source.ra,
        "dec": source.dec,
        "label": source.label,
        "class": None if source.label is None else task.classes[source.label],
        "size_arcsec": source.size_arcsec,
        "flux_mjy": source.flux_mjy,
        "status": "written" if written else "rejected",
        "candidates": len(work.offers),
        "stage": work.stage or None,
        "reason": work.reason or None,
        "offers": [_offer_row(work, offer) for offer in work.offers],
    }
    if written:
        row.update(_record(work, task))
        images.append(work.made["image"])
    for name, column in ledger.items():
        column.append(row.get(name))


def _record(work: _Work, task: Task) -> dict[str, Any]:
    chosen, choice, stamp = work.chosen, work.choice, task.recipe.stamp
    if chosen is None or choice is None or chosen.place is None or chosen.cutout is None:
        raise RuntimeError(f"{work.source.name} has neither a choice nor a rejection")
    scale = chosen.cutout.wcs.pixel_scale_arcsec
    pixel = stamp.pixel_arcsec or scale
    train = task.recipe.batches.train
    names = {
        "source": safe_name(work.source.name),
        "field": safe_name(_written_field(work.source, chosen)),
    }
    return {
        "field": chosen.candidate.field,
        "map_file": _file_name(chosen),
        "image_file": stamp.name.format(**names),
        "case": choice.case,
        "separation_arcsec": chosen.place.separation_arcsec,
        "percent_nan": chosen.percent_nan,
        "recentred": work.made["recentred"],
        "blank": work.made["blank"],
        "undecided": choice.undecided,
        "exceeds_stamp": work.source.size_arcsec > stamp.pixels * pixel,
        "decided_by": choice.decided_by or None,
        "noise_jy": work.made["noise_jy"],
        "peak_jy": work.made["peak_jy"],
        "pixel_scale_arcsec": pixel,
        "batch": batch_name(work.batch, train),
        "split": "test" if work.batch == train else "train",
        "pixels_sha256": work.made["pixels_sha256"],
    }


def _file_name(offer: _Offer) -> str:
    """Return the name of the file that an image came from."""
    return (offer.cutout and offer.cutout.file) or offer.candidate.image.rpartition("/")[2]


def _written_field(source: Source, offer: _Offer) -> str:
    """Return the field as the image's own file name spells it (``P164_55`` stays)."""
    spelled = offer.candidate.field.replace("+", "_")
    prefix = f"{safe_name(source.name)}_"
    return spelled if _file_name(offer).startswith(prefix + spelled) else offer.candidate.field


def _offer_row(work: _Work, offer: _Offer) -> dict[str, Any]:
    cutout, place = offer.cutout, offer.place
    return {
        "row": work.source.row,
        "source": work.source.name,
        "field": offer.candidate.field,
        "image": offer.candidate.image,
        "rms": offer.candidate.rms,
        "image_sha256": cutout.sha256 if cutout else None,
        "rms_sha256": cutout.rms_sha256 if cutout else None,
        "ny": cutout.image.shape[0] if cutout else None,
        "nx": cutout.image.shape[1] if cutout else None,
        "pixel_scale_arcsec": cutout.wcs.pixel_scale_arcsec if cutout else None,
        "separation_arcsec": place.separation_arcsec if place else None,
        "percent_nan": offer.percent_nan if cutout else None,
        "verdict": offer.verdict,
    }


def _write(task: Task, ledger: dict[str, list[Any]], images: list[bytes], key: str) -> int:
    """Write the part's files, the ledger last; return how many stamps there are."""
    recipe, name = task.recipe, part_name(task.index)
    table = pa.table(ledger, schema=LEDGER.with_metadata({"key": key}))
    written = table.drop_columns(["offers"]).filter(
        pa.array([status == "written" for status in ledger["status"]])
    )
    names = written["image_file"].to_pylist()
    if "png" in recipe.formats:
        write_pngs(task.out / "png", names, images)
    schema = stamp_schema(recipe.stamp.kind)
    first: Any = images
    if recipe.stamp.kind == "uint8":
        first = [{"bytes": data, "path": path} for data, path in zip(images, names, strict=True)]
    stamps = pa.Table.from_arrays(
        [pa.array(first, schema[0].type), *(column.combine_chunks() for column in written.columns)],
        schema=schema,
    )
    write_table(task.out / "stamps" / name, stamps)
    write_table(task.out / "ledger" / name, table)
    return len(names)
