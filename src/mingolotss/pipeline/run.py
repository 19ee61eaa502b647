"""Carry out a plan: download what is missing, make the parts, assemble the dataset.

The parts are made by an executor, anything that is called like `map`: threads, processes or a Dask
cluster. A run that was interrupted at any instant is resumed by the next one, and the result is the
same to the byte.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.compute as pc

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.products import is_complete
from mingolotss.errors import InputError
from mingolotss.io.files import is_local, sweep, write_error
from mingolotss.io.lock import file_lock, lock_path, remove_stale_lock
from mingolotss.io.parquet import read_table
from mingolotss.pipeline.assemble import assemble
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.part import make_part, read_finished
from mingolotss.pipeline.part_tables import PartTables
from mingolotss.pipeline.plan import Plan, Progress
from mingolotss.pipeline.plan import plan as make_plan
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import FetchService, ImageService

__all__ = ["Build", "build", "fetch", "run"]


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: its folder, and how many sources were written and rejected."""

    out: Path
    sources: int
    written: int
    rejected: int


def run(plan: Plan, mapper: Mapper = map, progress: Progress | None = None) -> Build:
    """Make every part of a plan that does not exist yet, then assemble the dataset.

    Parameters
    ----------
    plan : Plan
    mapper : callable
        Called as ``mapper(function, tasks)``: `map` itself, or what `mingolotss.threads`,
        `mingolotss.processes` or `mingolotss.cluster` yields.
    progress : callable, optional
        Called with (sources done, total, current activity).

    Raises
    ------
    InputError
        Another build is running in the same folder.
    """
    notify = progress or (lambda *_: None)
    folder = BuildFolder(plan.out)
    with _locked(plan.out):
        sweep(plan.out)
        parts = range(len(plan.partitions))
        existing = set(folder.parts())
        remaining = [
            index for index in parts
            if folder.part(index) not in existing or not _is_current(plan, index)
        ]  # fmt: skip
        for index in remaining:  # a part that a worker finds was then made by this run
            folder.part(index).unlink(missing_ok=True)
        done = plan.sources - sum(len(plan.partitions[index]) for index in remaining)
        plan = fetch(plan, notify, parts=remaining)
        notify(done, plan.sources, "stamps")
        part_tables = PartTables(plan.out, len(parts), plan.sources)
        for summary in mapper(make_part, (plan.task(index) for index in remaining)):
            done += summary.written + summary.rejected
            notify(done, plan.sources, "stamps")
            part_tables.load(summary.index)
        if remaining or not is_complete(plan.out, plan.recipe):
            notify(done, plan.sources, "packing")
            assemble(plan.out, plan.recipe, plan.catalogue.classes, part_tables)
    return _summarize(plan)


def fetch(
    plan: Plan, progress: Progress | None = None, *, parts: Sequence[int] | None = None
) -> Plan:
    """Download the cutouts of a plan that are not in the build's folder yet.

    Parameters
    ----------
    plan : Plan
    progress : callable, optional
        Called with (cutouts done, total, current activity).
    parts : sequence of int, optional
        Only the cutouts of these parts.

    Returns
    -------
    Plan
        The same plan with a service that reads the downloaded files and sends no requests. A plan
        whose service reads local files is returned as it is.
    """
    if not isinstance(plan.service, FetchService):
        return plan
    total = sum(1 for _ in plan.requests(parts))
    notify = progress or (lambda *_: None)
    size_deg = plan.recipe.images.size_arcmin / 60
    service = plan.service.fetch(
        plan.requests(parts), size_deg, lambda done: notify(done, total, "fetching")
    )
    return replace(plan, service=service)


def build(
    recipe: str | Path | Recipe = "mingolotss",
    *,
    out: Path | str,
    catalogue: Path | str | Catalogue | None = None,
    service: str | ImageService | None = None,
    decisions: Path | str | None = None,
    limit: int | None = None,
    fresh: bool = False,
    refresh: bool = False,
    mapper: Mapper = map,
    progress: Progress | None = None,
) -> Build:
    """Plan a build and run it; a build that was interrupted is resumed.

    Parameters
    ----------
    recipe, out, catalogue, service, decisions, limit, fresh, refresh
        As for `plan`.
    mapper, progress
        As for `run`.

    Returns
    -------
    Build

    Raises
    ------
    InputError
        An argument is wrong, `out` holds another build, or one is running there.
    ServiceError
        The service cannot be reached.
    """
    planned = make_plan(
        recipe,
        out=out,
        catalogue=catalogue,
        service=service,
        decisions=decisions,
        limit=limit,
        fresh=fresh,
        refresh=refresh,
        progress=progress,
    )
    return run(planned, mapper, progress)


def _is_current(plan: Plan, index: int) -> bool:
    """Return whether a part exists, has the same key, and is newer than its inputs."""
    if read_finished(plan.task(index)) is None:
        return False
    written = BuildFolder(plan.out).part(index).stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= written for path in _downloads(plan, index))


def _downloads(plan: Plan, index: int) -> Iterator[Path]:
    """Yield the downloaded files of a part that exist."""
    service = plan.service
    if isinstance(service, FetchService):
        for request in plan.requests([index]):
            local = service.local_candidate(request)
            yield from (p for p in (Path(local.image), Path(local.rms)) if p.is_file())


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold a lock on the build's folder, so that no second build runs in it."""
    if not is_local(out):
        yield  # an object store has no locks; parts are written whole and are equal anyway
        return
    lock = lock_path(out / "build")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock(lock, wait=False))
        except BlockingIOError as error:
            raise InputError(
                f"build in {out}: another build is running there; wait for it or choose another "
                "--out"
            ) from error
        except OSError as error:
            raise write_error(error, lock) from error
        remove_stale_lock(lock_path(BuildFolder(out).decisions))
        yield


def _summarize(plan: Plan) -> Build:
    status = read_table(BuildFolder(plan.out).manifest, ["status"])["status"]
    written = pc.sum(pc.equal(status, "written")).as_py()
    return Build(plan.out, len(status), written, len(status) - written)
