"""The commands that make a dataset and say how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mingolotss.cli.app import app
from mingolotss.cli.options import (
    BUILD,
    BUILD_RECIPE,
    CATALOGUE,
    COMPONENTS,
    DASK,
    DECISIONS,
    DEMO_OUT,
    FORMATS,
    FRESH,
    LIMIT,
    MAX_REJECTED,
    OUT,
    PROCESSES,
    SERVICE,
    SET,
    WORKERS,
)
from mingolotss.cli.printing import (
    first_example,
    print_lines,
    print_notices,
    print_split,
    print_summary,
    print_table,
    quoted,
    say,
    show_progress,
)

if TYPE_CHECKING:
    from mingolotss.qa.status import Status


@app.command()
def demo(
    out: Annotated[Path, DEMO_OUT] = Path("demo"),
    sources: Annotated[
        int, typer.Option(min=10, metavar="N", help="Number of galaxies in the catalogue.")
    ] = 600,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random numbers.")] = 1,
    workers: Annotated[int | None, WORKERS] = None,
) -> None:
    """Simulate a sky and build a dataset from it.

    No network is needed. The result is a complete build with its report.
    """
    from mingolotss.dataset.layout import BuildFolder
    from mingolotss.demonstration import demo as run_demo
    from mingolotss.pipeline.executors.local import threads

    with threads(workers) as mapper, show_progress() as progress:
        built = run_demo(out, sources=sources, seed=seed, mapper=mapper, progress=progress)
    print_summary(built)
    page = BuildFolder(out).report
    say(f"Look at it:  {page}   mingolotss review {out}   mingolotss status {out}")
    place = out.as_posix()  # in Python, a backslash would have to be doubled
    ways = f'mingolotss.MingoLoTSS("{place}") in PyTorch, mingolotss.load("{place}") in numpy'
    say(f"Load it:     {ways}")


@app.command()
def build(
    recipe: Annotated[str | None, BUILD_RECIPE] = None,
    out: Annotated[str | None, OUT] = None,
    catalogue: Annotated[str | None, CATALOGUE] = None,
    service: Annotated[list[str] | None, SERVICE] = None,
    components: Annotated[str | None, COMPONENTS] = None,
    limit: Annotated[int | None, LIMIT] = None,
    setting: Annotated[list[str] | None, SET] = None,
    formats: Annotated[str | None, FORMATS] = None,
    decisions: Annotated[Path | None, DECISIONS] = None,
    fresh: Annotated[bool, FRESH] = False,
    workers: Annotated[int | None, WORKERS] = None,
    processes: Annotated[bool, PROCESSES] = True,
    dask: Annotated[str | None, DASK] = None,
    max_rejected: Annotated[int, MAX_REJECTED] = 0,
) -> None:
    """Build a dataset, or resume or repeat a build.

    Searches for images, downloads what is missing, makes the stamps and writes every format. If
    there is a build in DIR, what is not given is as recorded there: after a review or a change of
    its inputs, `mingolotss build --out DIR` is enough.
    """
    from mingolotss.pipeline.executors import local as executors
    from mingolotss.pipeline.service_arguments import parse_services

    of_reference, of_channels = parse_services(service or [])
    settings = _settings(setting, formats)
    pool = (executors.processes_or_thread if processes else executors.threads)(workers)
    if dask is not None:
        from mingolotss.pipeline.executors.dask import cluster

        pool = cluster(dask, workers)
    with pool as mapper, show_progress() as progress:
        from mingolotss.pipeline.run import build as run_build  # while the workers' server starts

        built = run_build(
            recipe,
            out=out,
            catalogue=catalogue,
            service=of_reference,
            services=of_channels,
            components=components,
            decisions=decisions,
            limit=limit,
            settings=settings,
            fresh=fresh,
            mapper=mapper,
            progress=progress,
        )
    print_summary(built)
    if built.rejected > max_rejected:
        say(
            f"{built.rejected} rejected is more than --max-rejected {max_rejected} allows, so the "
            "exit code is 1; the dataset has all others; "
            f"for the reasons run: mingolotss status {quoted(built.out)}"
        )
        raise typer.Exit(1)


@app.command()
def plan(
    recipe: Annotated[str | None, BUILD_RECIPE] = None,
    out: Annotated[str | None, OUT] = None,
    catalogue: Annotated[str | None, CATALOGUE] = None,
    service: Annotated[list[str] | None, SERVICE] = None,
    components: Annotated[str | None, COMPONENTS] = None,
    limit: Annotated[int | None, LIMIT] = None,
    setting: Annotated[list[str] | None, SET] = None,
    formats: Annotated[str | None, FORMATS] = None,
    decisions: Annotated[Path | None, DECISIONS] = None,
    fresh: Annotated[bool, FRESH] = False,
) -> None:
    """List the available images of every source.

    No pixels are read. The list is written to candidates.parquet in the build's folder.
    """
    from mingolotss.dataset.layout import BuildFolder
    from mingolotss.pipeline.plan import plan as make_plan
    from mingolotss.pipeline.service_arguments import parse_services

    of_reference, of_channels = parse_services(service or [])
    with show_progress() as progress:
        build_plan = make_plan(
            recipe,
            out=out,
            catalogue=catalogue,
            service=of_reference,
            services=of_channels,
            components=components,
            decisions=decisions,
            limit=limit,
            settings=_settings(setting, formats),
            fresh=fresh,
            progress=progress,
        )
    print_lines(build_plan.messages)
    if getattr(build_plan.service, "assumes_images", False):
        say(
            f"{build_plan.covered} of {build_plan.sources} sources can be requested; only the "
            "download shows whether the service has their images"
        )
    else:
        say(f"{build_plan.covered} of {build_plan.sources} sources have an image")
    if build_plan.channels:
        print_table(
            ("channel", "sources", "without an image", "images from"), build_plan.channel_rows()
        )
    print_table(
        ("images", "sources"),
        [(str(number), str(count)) for number, count in build_plan.field_counts().items()],
    )
    print_split(build_plan.describe_split())
    _print_reasons("no answer", build_plan.search_errors)
    _print_reasons("no image", build_plan.reasons_without_image)
    for channel in build_plan.channels:
        _print_reasons(f"channel {channel.name}: no answer", channel.search_errors)
        _print_reasons(f"channel {channel.name}: no image", channel.reasons_without_image)
    print_notices(build_plan.notices, build_plan.out)
    say(f"The full list: {BuildFolder(build_plan.out).candidates}")
    estimate = build_plan.estimate()
    if estimate is not None:
        say(
            f"To download: {estimate.requests} files, about {estimate.bytes / 1e6:.0f} MB in "
            f"{estimate.seconds / 60:.1f} min"
        )


def _print_reasons(what: str, reasons: Mapping[str, str]) -> None:
    """Print what the first sources lack and why, and how many there are."""
    for name, reason in [*reasons.items()][:3]:
        say(f"{what} for {name}: {reason}")
    if len(reasons) > 3:
        say(f"... {what} for {len(reasons)} sources in all")


@app.command()
def fetch(
    recipe: Annotated[str | None, BUILD_RECIPE] = None,
    out: Annotated[str | None, OUT] = None,
    catalogue: Annotated[str | None, CATALOGUE] = None,
    service: Annotated[list[str] | None, SERVICE] = None,
    components: Annotated[str | None, COMPONENTS] = None,
    limit: Annotated[int | None, LIMIT] = None,
    setting: Annotated[list[str] | None, SET] = None,
    formats: Annotated[str | None, FORMATS] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Repeat every search and every download.")
    ] = False,
) -> None:
    """Download the cutouts that a build needs.

    Cutouts that are already in the build's folder are not downloaded again. The command `build`
    reads the downloaded files; it also downloads what is missing.
    """
    from mingolotss.dataset.layout import BuildFolder
    from mingolotss.pipeline.plan import plan as make_plan
    from mingolotss.pipeline.run import fetch as run_fetch
    from mingolotss.pipeline.service_arguments import parse_services

    of_reference, of_channels = parse_services(service or [])
    with show_progress() as progress:
        build_plan = make_plan(
            recipe,
            out=out,
            catalogue=catalogue,
            service=of_reference,
            services=of_channels,
            components=components,
            limit=limit,
            settings=_settings(setting, formats),
            refresh=refresh,
            progress=progress,
        )
        fetched = run_fetch(build_plan, progress)
    print_lines(build_plan.messages)
    print_notices(build_plan.notices, build_plan.out)
    folder, retryable = BuildFolder(build_plan.out), 0
    for channel, fetched_service, _ in fetched.image_services():
        inputs = build_plan if channel is None else channel
        failures = getattr(fetched_service, "failures", {})
        reasons = [*inputs.search_errors.items(), *((s, str(e)) for (s, _), e in failures.items())]
        for name, reason in reasons[:3]:
            say(f"{name}: {reason}")
        total = sum(1 for _ in build_plan.requests(channel=channel))
        here = f"{total - len(failures)} of {total} images of {build_plan.sources} sources"
        workspace = folder.workspace if channel is None else folder.channel_workspace(channel.name)
        say(f"{workspace.cutouts}: {here}")
        retryable += len(inputs.search_errors) + sum(e.retry for e in failures.values())
    if retryable:
        say(f"{retryable} may succeed later: run the same command again")
        raise typer.Exit(3)


@app.command()
def status(
    out: Annotated[Path, BUILD],
    rejected: Annotated[
        bool, typer.Option(show_default=False, help="List every rejected source with its reason.")
    ] = False,
) -> None:
    """Show the progress of a build, its classes and its rejections."""
    from mingolotss.qa.descriptions import CASES, FLAGS
    from mingolotss.qa.status import status as read_status

    build = read_status(out)
    state = "finished" if build.finished else "not finished"
    say(f"{out}: {build.provenance.title}, {state}")
    say(
        f"{build.sources} sources: {build.written} written, {build.rejected} rejected, "
        f"{build.remaining} remaining"
    )
    command = f"mingolotss build --out {quoted(out)}"
    if not build.finished:
        say(f"To finish it: {command}")
    for change in build.changes:
        say(f"Changed since the build: {change.text}")
    remedies = {change.remedy for change in build.changes} - {"none"}
    if remedies:
        say(f"To build it again: {command}{' --fresh' if 'fresh' in remedies else ''}")
    print_lines(_collection(build))
    if build.classes:
        print_table(*_classes(build))
    if build.channels:
        header = ("channel", "whole pixels", "resampled", "missing")
        print_table(header, [(name, *map(str, counts)) for name, counts in build.channels.items()])
    if build.split is not None:
        print_split(build.split, with_shares=not build.classes)
    rows = [
        (f"case {case}", CASES[case], str(build.cases.get(case, 0)), first_example(build, case))
        for case in CASES
    ]
    rows += [
        (flag, FLAGS[flag], str(count), first_example(build, flag))
        for flag, count in build.counts.items()
    ]
    print_table(("case or flag", "meaning", "sources", "example"), rows)
    print_notices(build.notices, out)
    if build.rejections:
        reasons = [(s, reason, str(n)) for (s, reason), n in build.reasons().items()]
        print_table(("rejected at", "reason", "sources"), reasons)
        for source, stage, reason in build.rejections if rejected else build.rejections[:3]:
            say(f"{source} ({stage}): {reason}")
        if not rejected and len(build.rejections) > 3:
            say(f"... to list all {len(build.rejections)}: mingolotss status {out} --rejected")


def _collection(build: Status) -> list[str]:
    """Return a line about the HATS collection of a build, if it has one."""
    from mingolotss.dataset.layout import BuildFolder
    from mingolotss.io.summaries import count_text

    if not build.partitions:
        return []
    counted = count_text(build.partitions, "partition")
    return [f"HATS collection: {BuildFolder(build.out).hats}, {counted}"]


def _classes(build: Status) -> tuple[list[str], list[list[str]]]:
    """Return the table of classes: the images in all, and those in each split."""
    header = ["tag" if build.kind == "tags" else "class", "written"]
    counted = {**build.classes, **build.without_class}
    rows = [[name, str(count)] for name, count in counted.items()]
    split = build.split
    if split is not None:
        header += split.splits
        counts = dict(zip(split.classes, split.counts.tolist(), strict=True))
        none: list[object] = [0] * len(split.splits)
        unknown: list[object] = [""] * len(split.splits)
        rows = [
            [*row, *map(str, counts.get(row[0], none if row[0] in build.classes else unknown))]
            for row in rows
        ]
        if build.kind == "tags":  # their sum is not the number of images
            rows.append(["all", str(build.written), *map(str, split.sizes.tolist())])
    return header, rows


def _settings(changes: Sequence[str] | None, formats: str | None) -> dict[str, object]:
    """Return the changes of the recipe by their dotted keys."""
    from mingolotss.errors import RecipeError

    parsed: dict[str, object] = {}
    for change in changes or ():
        key, equals, value = change.partition("=")
        if not equals:
            raise RecipeError(f"--set {change}: expected KEY=VALUE, e.g. noise.sigma=4")
        parsed[key.strip()] = _value(value.strip())
    if formats is not None:
        parsed["formats"] = [one.strip() for one in formats.split(",") if one.strip()]
    return parsed


def _value(text: str) -> object:
    """Parse a value as TOML; anything that is not valid TOML is a string."""
    from mingolotss.io.documents import parse_toml

    try:
        value: object = parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text
    return value
