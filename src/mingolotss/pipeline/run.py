"""Carry out a plan: download missing cutouts, make the parts, assemble the dataset.

The parts are made by an executor, a function that is called like `map`: `map` itself, threads,
processes or a Dask cluster. A run that was interrupted at any instant is resumed by the next one,
and the result is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.compute as pc

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.products import is_complete
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.recorded_inputs import mark_products, write_inputs
from mingolotss.errors import InputError, MingoError, ServiceError
from mingolotss.io.arrow_values import equals
from mingolotss.io.file_names import safe_name
from mingolotss.io.files import remove_temporary_files, same_file
from mingolotss.io.parquet import read_table
from mingolotss.io.summaries import Shown, Summary, count_text
from mingolotss.loaders.arrays import open_samples
from mingolotss.pipeline.assemble import assemble
from mingolotss.pipeline.assemble_collection import check_collection
from mingolotss.pipeline.build_lock import build_lock
from mingolotss.pipeline.build_plan import Plan
from mingolotss.pipeline.channel_inputs import ChannelInputs
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.head_start import HeadStart, head_start
from mingolotss.pipeline.part import read_finished
from mingolotss.pipeline.part_tables import PartTables
from mingolotss.pipeline.plan import plan_locked
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.pipeline.rebuild import build_folder
from mingolotss.pipeline.recovery import make_parts
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import FetchService, ImageService

__all__ = ["Build", "build", "fetch", "run"]


@dataclass(frozen=True, slots=True, repr=False)
class Build(Shown):
    """A finished build: its folder, and how many sources were written and rejected.

    Attributes
    ----------
    out : Path
        The folder.
    sources, written, rejected : int
        Rows of the catalogue; `sources` is `written` + `rejected`.
    notices : tuple of str
        The files that the image service does not use, a line for each reason.
    simulated : bool
        Whether the images are simulated.
    messages : tuple of str
        Lines about inputs that have moved.

    Examples
    --------
    >>> import mingolotss
    >>> build = mingolotss.build(out="demo")
    >>> build.sources == build.written + build.rejected
    True
    """

    out: Path
    sources: int
    written: int
    rejected: int
    notices: tuple[str, ...] = ()
    simulated: bool = False
    messages: tuple[str, ...] = ()

    def _summary(self) -> Summary:
        facts = {"out": str(self.out)}
        if self.notices:
            facts["not used"] = "; ".join(self.notices[:3])
        return Summary(
            f"Build: {count_text(self.written, 'image')} of {count_text(self.sources, 'source')}, "
            f"{self.rejected:,} rejected",
            facts,
        )

    def _repr_html_(self) -> str:
        summary = self._summary()
        try:
            samples = open_samples(self.out, "all")
            table, stamps = samples.label_table(), samples.pictures()
        except MingoError:  # the folder has been removed, or has no image
            return summary.html()
        return replace(summary, table=table, pictures=stamps).html()


def run(plan: Plan, mapper: Mapper = map, progress: BuildProgress | None = None) -> Build:
    """Make every part of a plan that does not exist yet, then assemble the dataset.

    Parameters
    ----------
    plan : Plan
        As `mingolotss.plan` or `fetch` returns it.
    mapper : callable
        Called as ``mapper(function, tasks)``: `map` itself, or the function that
        `mingolotss.threads`, `mingolotss.processes` or `mingolotss.cluster` yields.
    progress : callable, optional
        Called with (sources done, total, current activity).

    Returns
    -------
    Build
        The folder, and how many sources were written and rejected.

    Raises
    ------
    InputError
        Another build is running in the same folder, a file cannot be written, or a worker died.
    ServiceError
        No cutout of the plan can be fetched.

    Examples
    --------
    >>> import mingolotss
    >>> plan = mingolotss.plan(out="demo")
    >>> mingolotss.run(plan)
    Build: 118 images of 120 sources, 2 rejected
        ...
    """
    with build_lock(plan.out):
        return _run_locked(plan, mapper, progress)


def _run_locked(
    plan: Plan,
    mapper: Mapper,
    progress: BuildProgress | None,
    early: HeadStart | None = None,
) -> Build:
    """Run a plan as `run` does, for a caller that holds the lock on its folder.

    `early` has begun with its parts, or not.
    """
    notify = progress or no_progress
    remove_temporary_files(plan.out)
    check_collection(plan.out, plan.recipe)
    _check_names(plan)
    remaining = _remaining_parts(plan)
    for index in remaining:  # delete stale parts, so that workers never reuse them
        BuildFolder(plan.out).part(index).unlink(missing_ok=True)
    done = plan.sources - sum(len(plan.partitions[index]) for index in remaining)
    plan = fetch(plan, notify, parts=remaining)
    notify(done, plan.sources, "stamps")
    part_tables = PartTables(plan.out, len(plan.partitions), plan.sources)
    begun = None if early is None else early.go_on(plan, remaining)
    tasks = (plan.task(index) for index in remaining) if begun is None else begun.tasks
    for summary in make_parts(mapper, tasks, None if begun is None else begun.results):
        done += summary.written + summary.rejected
        notify(done, plan.sources, "stamps")
        part_tables.add(summary.index)
    if remaining or not is_complete(plan.out, plan.recipe):
        notify(done, plan.sources, "assembling")
        assemble(
            plan.out, plan.recipe, plan.catalogue.classes, plan.splits.batches, part_tables,
            mapper, notify,
        )  # fmt: skip
    decisions = [*plan.decisions.values(), *plan.judgements]
    write_inputs(plan.out, mark_products(plan.inputs, plan.recipe.digest, decisions))
    return _summarize(plan)


def fetch(
    plan: Plan, progress: BuildProgress | None = None, *, parts: Sequence[int] | None = None
) -> Plan:
    """Download the cutouts of a plan that are not in the build's folder yet.

    Parameters
    ----------
    plan : Plan
        As `mingolotss.plan` returns it.
    progress : callable, optional
        Called with (cutouts done, total, current activity).
    parts : sequence of int, optional
        Numbers of the parts whose cutouts are downloaded; by default all.

    Returns
    -------
    Plan
        The same plan with a service that reads the downloaded files and sends no requests. A plan
        whose service reads local files is returned as it is.

    Raises
    ------
    InputError
        A file cannot be written.
    ServiceError
        No cutout of the plan can be fetched. One that cannot be fetched raises nothing: the
        returned service gives its error when it is asked for the cutout.

    Examples
    --------
    The images of the demo are on this disk, so that there is nothing to download:

    >>> import mingolotss
    >>> plan = mingolotss.plan(out="demo")
    >>> mingolotss.fetch(plan) is plan
    True
    """
    fetched: list[tuple[ImageService, ImageService]] = []  # each service, and what replaces it
    for channel, service, recipe in plan.image_services():
        if isinstance(service, FetchService):
            notify = progress or no_progress
            fetched.append((service, _fetch_one(plan, channel, service, recipe, parts, notify)))
    if not fetched:
        return plan

    def replacement(service: ImageService) -> ImageService:
        return next((new for old, new in fetched if old is service), service)

    channels = (replace(one, service=replacement(one.service)) for one in plan.channels)
    return replace(plan, service=replacement(plan.service), channels=tuple(channels))


def _fetch_one(
    plan: Plan,
    channel: ChannelInputs | None,
    service: FetchService,
    recipe: Recipe,
    parts: Sequence[int] | None,
    notify: BuildProgress,
) -> ImageService:
    """Download the cutouts of one service, and return the service that reads them.

    Parameters
    ----------
    plan : Plan
    channel : ChannelInputs or None
        None for the reference.
    service : FetchService
    recipe : Recipe
        Of this channel alone.
    parts : sequence of int or None
    notify : BuildProgress
    """
    total = sum(1 for _ in plan.requests(parts, channel))
    new_service = service.fetch(
        plan.requests(parts, channel),
        plan.cutout_deg(recipe),
        lambda done: notify(done, total, "fetching"),
    )
    failures: Mapping[object, ServiceError] = getattr(new_service, "failures", {})
    if total and len(failures) == total == sum(1 for _ in plan.requests(channel=channel)):
        error = next(iter(failures.values()))
        may_be_missing = channel is not None and channel.missing != "reject"
        if may_be_missing and not any(failure.retry for failure in failures.values()):
            return new_service
        whose = "" if channel is None else f" of the channel {channel.name}"
        message = (
            f"download {total} images{whose}: the server delivered none; the first error: {error}"
        )
        raise type(error)(message, url=error.url, status=error.status)
    return new_service


def build(
    recipe: str | Path | Recipe | None = None,
    *,
    out: Path | str | None = None,
    catalogue: Path | str | Catalogue | None = None,
    service: str | Path | ImageService | None = None,
    services: Mapping[str, str | Path | ImageService] | None = None,
    components: Path | str | None = None,
    decisions: Path | str | None = None,
    limit: int | None = None,
    settings: Mapping[str, object] | None = None,
    fresh: bool = False,
    refresh: bool = False,
    mapper: Mapper = map,
    progress: BuildProgress | None = None,
) -> Build:
    """Plan a build and run it; a build that was interrupted is resumed.

    If there is a build in `out` already, what is not given is taken from its record:
    ``build(out="DIR")`` is enough, also after a review.

    Parameters
    ----------
    recipe : str, Path or Recipe, optional
        The name of a shipped recipe, a TOML file, or a recipe. By default that of the build in
        `out`, otherwise "mingolotss".
    out : path, optional
        The build's folder.
    catalogue : path, str or Catalogue, optional
        A file or an ``http`` address. It replaces the recipe's catalogue.
    service : str, Path or ImageService, optional
        It replaces the recipe's service.
    services : mapping of str to str, Path or ImageService, optional
        They replace the services of channels, by the names of these.
    components : path, optional
        The file of components or shapes that masks are made from.
    decisions : path, optional
        The file of decisions.
    limit : int, optional
        Use only the first rows of the catalogue.
    settings : mapping of str to value, optional
        Changes of the recipe by dotted keys, e.g. ``{"noise.sigma": 4}``.
    fresh : bool
        First remove what an earlier build wrote to `out`; downloads stay.
    refresh : bool
        Repeat the searches and downloads of a service that keeps them. `mingolotss.plan` says more
        about all arguments up to this one.
    mapper : callable
        As for `mingolotss.run`.
    progress : callable, optional
        As for `mingolotss.run`.

    Returns
    -------
    Build
        The folder, and how many sources were written and rejected.

    Raises
    ------
    InputError
        An argument is wrong or not recorded, `out` holds another build, the inputs at another place
        are not those that it was made from, or one is running there.
    ServiceError
        The service cannot be reached, or delivers no image of any source.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.build("mingolotss", service="simulated:demo/sky", out="sky-again",
    ...                  catalogue="demo/sky/catalogue.fits", limit=64)
    Build: 64 images of 64 sources, 0 rejected
        ...
    """
    out = build_folder(recipe, out)
    # The lock is held from before anything is deleted until all is written.
    with build_lock(out), head_start(mapper) as early:
        build_plan = plan_locked(
            recipe, out, catalogue, service, decisions, limit, settings, services=services,
            components=components, fresh=fresh, refresh=refresh, progress=progress,
            begin_parts=early.begin,
        )  # fmt: skip
        return _run_locked(build_plan, mapper, progress, early)


def _remaining_parts(plan: Plan) -> list[int]:
    """Return the numbers of the parts that must be made."""
    folder = BuildFolder(plan.out)
    existing = set(folder.parts())
    return [
        index for index in range(len(plan.partitions))
        if folder.part(index) not in existing or read_finished(plan.task(index)) is None
    ]  # fmt: skip


def _check_names(plan: Plan) -> None:
    """Refuse sources whose files would be one file on this disk, which ignores case."""
    one_each = {"png", "fits"} & {*plan.recipe.formats}
    has_downloads = any(isinstance(one, FetchService) for _, one, _ in plan.image_services())
    if not one_each and not has_downloads:
        return  # no files are named after sources
    names = plan.catalogue.names
    pair = same_file([safe_name(name) for name in names], plan.out)
    if pair is not None:
        first, second = (repr(names[row]) for row in pair)
        raise InputError(
            f"build in {plan.out}: this disk ignores case, so that files of the sources {first} "
            f"and {second} would replace each other; choose another --out, or rename one of them"
        )


def _summarize(plan: Plan) -> Build:
    """Return the numbers of the finished build, counted in its manifest."""
    status = read_table(BuildFolder(plan.out).manifest, ["status"])["status"]
    written = pc.sum(equals(status, "written")).as_py()
    provenance = read_provenance(plan.out)
    return Build(
        plan.out, len(status), written, len(status) - written, plan.notices,
        simulated=provenance is not None and provenance.simulated,
        messages=(*plan.messages, *plan.splits.notes),
    )  # fmt: skip
