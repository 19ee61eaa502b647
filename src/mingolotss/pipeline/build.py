"""The whole job: plan first, pixels second.

`plan` reads the catalogue, asks the service what covers each source and touches no pixel. `run`
makes the parts through a mapper (anything that is called like `map`: threads, processes, a
cluster's client) and packs them into the dataset. `build` is both. A build that was stopped at
any instant goes on where it was, and ends the same to the byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.decisions import Decision, read_decisions
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import CANDIDATES, REPEATED_COLUMNS
from mingolotss.dataset.provenance import Settings, check_same, read_settings, write_settings
from mingolotss.errors import DecisionError, InputError, RecipeError, ServiceError
from mingolotss.formats.batches import batch_of_rows
from mingolotss.io.files import is_local, locate, sweep
from mingolotss.io.parquet import read_table, write_table
from mingolotss.model import Candidate, Ints
from mingolotss.pipeline.assemble import PartTables, assemble, is_packed, remove_products
from mingolotss.pipeline.inputs import resolve_catalogue
from mingolotss.pipeline.part import make_part, read_finished
from mingolotss.pipeline.task import Summary, Task, part_name
from mingolotss.recipe.model import Recipe, load_recipe
from mingolotss.service.base import (
    CutoutRequest,
    Estimate,
    FetchService,
    ImageService,
    Naming,
    open_service,
    search_all,
)
from mingolotss.service.local.folder import FolderService
from mingolotss.sky.healpix import nested_pixel

__all__ = ["Build", "Mapper", "Plan", "Progress", "build", "fetch", "plan", "run"]

Mapper = Callable[[Callable[[Task], Summary], Iterable[Task]], Iterable[Summary]]
Progress = Callable[[int, int, str], None]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Plan:
    """What a build will do: every source with the images on offer, and no pixels yet.

    Attributes
    ----------
    catalogue : Catalogue
    offers : Offers
        For each source its candidates, sorted by field; lists are taken too.
    recipe : Recipe
    service : ImageService
    decisions : mapping of str to Decision
    out : Path
    unanswered : mapping of str to str
        Names of sources that the service did not answer for, and why; they have no offers.
    """

    catalogue: Catalogue
    offers: CandidateTable
    recipe: Recipe
    service: ImageService
    decisions: Mapping[str, Decision]
    out: Path
    unanswered: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "offers", CandidateTable.of(self.offers, self.catalogue.names))

    @property
    def sources(self) -> int:
        """Return how many sources there are."""
        return len(self.catalogue)

    @property
    def covered(self) -> int:
        """Return how many have at least one image."""
        return int(np.count_nonzero(self.offers.counts))

    def field_counts(self) -> dict[int, int]:
        """Return how many sources have 0, 1, 2, ... images."""
        numbers, counts = np.unique(self.offers.counts, return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def wanted(self, parts: Iterable[int] | None = None) -> Iterator[CutoutRequest]:
        """Give every cutout of some parts, all of them by default, in the order of the parts."""
        for part in range(len(self.partitions)) if parts is None else parts:
            for row in self.partitions[part]:
                source = self.catalogue.source(int(row))
                yield from (CutoutRequest(candidate, source) for candidate in self.offers[row])

    def estimate(self) -> Estimate | None:
        """Return what is still to be downloaded, or None for a service that does not."""
        if not isinstance(self.service, FetchService):
            return None
        return self.service.estimate(self.wanted(), self.recipe.images.size_arcmin / 60)

    @cached_property
    def partitions(self) -> list[Ints]:
        """Return the rows of every part: neighbours on one image together, else in order.

        Parts go image by image and, within one, from south to north, mostly as the rows are in its
        file: two workers on one image read different pages of it. Within a part the sources of an
        image are in HEALPix order, so what one reads is near the processor still for the next.
        """
        n, image, dec = self.sources, self.offers.first, self.catalogue.dec
        size = min(4096, max(64, -(-n // 8)))
        whole = isinstance(self.service, FolderService)  # a file for each source: any order does
        order = np.arange(n) if whole else np.lexsort((dec, image))
        bands = [order[start : start + size] for start in range(0, n, size)]
        if whole:
            return bands
        place = nested_pixel(self.catalogue.ra, dec)
        return [band[np.lexsort((place[band], image[band]))] for band in bands]

    @cached_property
    def batches(self) -> Ints:
        """Return the batch of every row."""
        wanted = self.recipe.batches
        return batch_of_rows(self.sources, train=wanted.train, rows=wanted.rows, of=wanted.of)

    def task(self, index: int) -> Task:
        """Return one partition as a worker needs it."""
        rows = self.partitions[index]
        catalogue = self.catalogue.take(rows)
        return Task(
            index=index,
            catalogue=catalogue,
            rows=rows,
            offers=self.offers.take(rows),
            batches=self.batches[rows],
            decisions=_of(self.decisions, catalogue.names),
            recipe=self.recipe,
            service=self.service,
            out=self.out,
            unanswered=_of(self.unanswered, catalogue.names),
        )

    def table(self) -> pa.Table:
        """Return the candidates as a table that a person can read."""
        offers = self.offers
        rows = np.repeat(np.arange(self.sources), offers.counts)
        columns: dict[str, Any] = {"row": rows, "source": pa.array(offers.names).take(rows)}
        for index, name in enumerate(("field", "image", "rms")):
            words = pa.array([image[index] for image in offers.images], pa.string())
            columns[name] = words.take(offers.which)
        nothing = {f.name: pa.nulls(len(rows), f.type) for f in CANDIDATES}
        return pa.table(nothing | columns, schema=CANDIDATES)


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: where it is and how many sources became what."""

    out: Path
    sources: int
    written: int
    rejected: int


def plan(
    recipe: str | Path | Recipe = "mingolotss",
    *,
    out: Path | str,
    catalogue: Path | str | Catalogue | None = None,
    service: str | ImageService | None = None,
    decisions: Path | str | None = None,
    limit: int | None = None,
    fresh: bool = False,
    refresh: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Find out what a build will do; no pixel is read.

    Parameters
    ----------
    recipe : str, Path or Recipe
        A shipped recipe's name, a TOML file, or a recipe.
    out : Path
        The build's folder. ``recipe.toml`` and ``candidates.parquet`` are written there.
    catalogue : Path, str or Catalogue, optional
        A file or an ``http`` address; instead of the recipe's.
    service : str or ImageService, optional
        Instead of the recipe's.
    decisions : Path, optional
        ``decisions.csv``; by default the one in `out`.
    limit : int, optional
        Only the catalogue's first rows.
    fresh : bool
        Remove what an earlier build left in `out` first; what was downloaded stays.
    refresh : bool
        Ask a service that downloads for everything once more.
    progress : callable, optional
        Called with (sources done, sources in all, what is going on).

    Raises
    ------
    InputError
        Something given is wrong, or `out` holds another build.
    ServiceError
        The service cannot be asked.
    """
    out = locate(out)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    naming = Naming(recipe.images.image, recipe.images.rms, recipe.images.ignore)
    opened = (
        open_service(
            service or _need_service(recipe), naming=naming, workspace=out, refresh=refresh
        )
        if service is None or isinstance(service, str)
        else service
    )
    sources = resolve_catalogue(recipe, catalogue, opened, out).head(limit)
    if fresh:
        remove_products(out)
    settings = Settings.of(recipe, sources, str(service or recipe.images.service), limit)
    before = read_settings(out)
    if before is not None:
        check_same(before, settings, out)
    if progress is not None and isinstance(opened, FetchService):
        say, total = progress, len(sources)
        opened.tell = lambda done: say(done, total, "searching")
    answers = search_all(opened, sources, recipe.images.size_arcmin / 60)
    offers, unanswered = _sorted_out(answers, sources.names)
    found = read_decisions(Path(decisions) if decisions else out / "decisions.csv")
    _check_decisions(found, sources, offers)
    planned = Plan(sources, offers, recipe, opened, found, out, unanswered)
    if before is None:
        write_settings(out, settings)
    if not (out / "candidates.parquet").exists():
        write_table(out / "candidates.parquet", planned.table(), dictionary=REPEATED_COLUMNS)
    return planned


def run(planned: Plan, mapper: Mapper = map, progress: Progress | None = None) -> Build:
    """Make what `plan` found: every part that is not there yet, then the dataset.

    Parameters
    ----------
    planned : Plan
    mapper : callable
        Called as ``mapper(function, tasks)``; `map` itself, or one of
        `mingolotss.pipeline.executors.local`.
    progress : callable, optional
        Called with (sources done, sources in all, what is going on).
    """
    say = progress or (lambda *_: None)
    with _alone(planned.out):
        sweep(planned.out)
        parts = range(len(planned.partitions))
        there = {path.name for path in (planned.out / "ledger").glob("part-*.parquet")}
        left = [
            index for index in parts
            if part_name(index) not in there or not _done(planned, index)
        ]  # fmt: skip
        for index in left:  # so that a worker that finds a part knows that this run made it
            (planned.out / "ledger" / part_name(index)).unlink(missing_ok=True)
        done = planned.sources - sum(len(planned.partitions[index]) for index in left)
        planned = fetch(planned, say, parts=left)
        say(done, planned.sources, "stamps")
        part_tables = PartTables(planned.out, len(parts), planned.sources)
        for summary in mapper(make_part, (planned.task(index) for index in left)):
            done += summary.written + summary.rejected
            say(done, planned.sources, "stamps")
            part_tables.hold(summary.index)
        if left or not is_packed(planned.out, planned.recipe):
            say(done, planned.sources, "packing")
            assemble(planned.out, planned.recipe, planned.catalogue.classes, part_tables)
    return _built(planned)


def fetch(
    planned: Plan, progress: Progress | None = None, *, parts: Sequence[int] | None = None
) -> Plan:
    """Download the cutouts of a plan that are not in the build's folder yet.

    Parameters
    ----------
    planned : Plan
    progress : callable, optional
        Called with (cutouts done, cutouts in all, what is going on).
    parts : sequence of int, optional
        Only the cutouts of these parts.

    Returns
    -------
    Plan
        The same, with a service that reads what was fetched and asks nobody. A plan whose
        service downloads nothing comes back as it is.
    """
    if not isinstance(planned.service, FetchService):
        return planned
    total = sum(1 for _ in planned.wanted(parts))
    say = progress or (lambda *_: None)
    size_deg = planned.recipe.images.size_arcmin / 60
    read = planned.service.fetch(
        planned.wanted(parts), size_deg, lambda done: say(done, total, "fetching")
    )
    return replace(planned, service=read)


def build(
    recipe: str | Path | Recipe = "mingolotss",
    *,
    out: Path | str,
    mapper: Mapper = map,
    progress: Progress | None = None,
    **options: Any,
) -> Build:
    """Plan and run; the options are those of `plan`."""
    return run(plan(recipe, out=out, progress=progress, **options), mapper, progress)


def _sorted_out(
    answers: Sequence[list[Candidate] | ServiceError], names: list[str]
) -> tuple[CandidateTable, dict[str, str]]:
    """Return the offers, and why there are none where the service did not answer."""
    if isinstance(answers, CandidateTable):
        return answers, {}
    found = [[] if isinstance(answer, ServiceError) else answer for answer in answers]
    pairs = zip(names, answers, strict=True)
    unanswered = {name: str(one) for name, one in pairs if isinstance(one, ServiceError)}
    return CandidateTable.of(found, names), unanswered


def _of(known: Mapping[str, _T], names: Sequence[str]) -> dict[str, _T]:
    """Return what is known of some sources; mostly it is nothing of any."""
    return {name: known[name] for name in names if name in known} if known else {}


def _need_service(recipe: Recipe) -> str:
    if not recipe.images.service:
        raise RecipeError(f"the recipe {recipe.name} names no service: give --service")
    return recipe.images.service


def _check_decisions(
    decisions: Mapping[str, Decision], catalogue: Catalogue, offers: Sequence[Sequence[Candidate]]
) -> None:
    """Refuse decisions that cannot be applied before any pixel is read."""
    for decision in decisions.values():
        row = catalogue.row_of.get(decision.source)
        if row is None or not decision.field:
            continue  # a shared file may name sources of another catalogue
        fields = [candidate.field for candidate in offers[row]]
        if decision.field not in fields:
            raise DecisionError(
                f"apply decisions.csv to {decision.source}: there is no image of field "
                f"{decision.field!r}; on offer: {', '.join(fields) or 'none'}"
            )


def _done(planned: Plan, index: int) -> bool:
    """Return whether a part is there, was made from the same things, and is newer than they."""
    if read_finished(planned.task(index)) is None:
        return False
    made = (planned.out / "ledger" / part_name(index)).stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= made for path in _fetched(planned, index))


def _fetched(planned: Plan, index: int) -> Iterator[Path]:
    """Give the downloads that a part was made from and that are still there."""
    service = planned.service
    if isinstance(service, FetchService):
        for wanted in planned.wanted([index]):
            local = service.local(wanted)
            yield from (p for p in (Path(local.image), Path(local.rms)) if p.is_file())


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the build's folder against a second build in it."""
    if not is_local(out):
        yield  # an object store has no locks; parts are written whole and are equal anyway
        return
    folder = out / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InputError(
            f"build in {out}: another build is running there; wait for it or choose another --out"
        ) from error
    finally:
        os.close(handle)


def _built(planned: Plan) -> Build:
    status = read_table(planned.out / "manifest.parquet", ["status"])["status"]
    written = pc.sum(pc.equal(status, "written")).as_py()
    return Build(planned.out, len(status), written, len(status) - written)
