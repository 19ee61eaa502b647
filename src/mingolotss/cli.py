"""The command line: parse, call the library, print.

Exit codes: 0 done; 1 finished, but more sources were rejected than `--max-rejected` allows, or
`verify`, `compare` or `audit` found something; 2 an argument or an input file is wrong; 3 a remote
service failed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mingolotss.errors import InputError, clean_text
from mingolotss.foreign import show_warnings_as_lines
from mingolotss.formats import FORMATS

if TYPE_CHECKING:
    from mingolotss.catalogue.catalogue import Catalogue
    from mingolotss.dataset.splits import SplitResult
    from mingolotss.pipeline.progress import BuildProgress
    from mingolotss.pipeline.run import Build
    from mingolotss.qa.status import Status

__all__ = ["app", "main"]

app = typer.Typer(
    name="mingolotss",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_zooniverse = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(
    _zooniverse, name="zooniverse", help="Let volunteers of the Zooniverse classify a dataset."
)

_CELL = 200  # letters of a cell of a table
_COMBINATIONS = 10  # of tags
_MAX_NOTICES = 10
_INTERRUPTED = 130  # what typer makes of Ctrl-C
_RECIPE_HELP = "Name of a shipped recipe (see `mingolotss recipes`) or a TOML file"
_RECIPE = typer.Argument(metavar="RECIPE", help=f"{_RECIPE_HELP}.")
_BUILD_RECIPE = typer.Argument(
    metavar="RECIPE",
    help=f"{_RECIPE_HELP}; DIR/recipe.toml of a build stands for all its inputs.  [default: that "
    "of the build in DIR, otherwise mingolotss]",
)
_OUT_HELP = "Folder of the build. It is created if it does not exist."
_DEMO_OUT = typer.Option("--out", "-o", metavar="DIR", help=_OUT_HELP)
_OUT = typer.Option(
    "--out",
    "-o",
    metavar="DIR",
    help=f"{_OUT_HELP}  [default: that of DIR/recipe.toml, otherwise dataset]",
)
_CATALOGUE = typer.Option(
    "--catalogue",
    "-c",
    metavar="FILE",
    help="Catalogue in FITS, VOTable, ECSV, CSV or Parquet, or the URL of one. "
    "Replaces the catalogue of the recipe.",
)
_SERVICE = typer.Option(
    "--service",
    "-s",
    metavar="[CHANNEL=]SERVICE",
    help="Where the images come from (see `mingolotss services`). Repeat it for a recipe with "
    "channels; without a name it is that of the reference.",
)
_COMPONENTS = typer.Option(
    "--components",
    metavar="FILE",
    help="Components or shapes of the sources, which masks are made from: a list of PyBDSF, a "
    "catalogue of components, or regions of DS9. For a recipe with [mask].",
)
_LIMIT = typer.Option(
    "--limit", min=1, metavar="N", help="Use only the first N rows of the catalogue."
)
_SET = typer.Option(
    "--set",
    metavar="KEY=VALUE",
    help="Change one setting of the recipe, for example noise.sigma=4. Can be repeated.",
)
_FRESH = typer.Option(
    "--fresh/--resume", help="Start again from the beginning, or resume the previous run."
)
_WORKERS = typer.Option(
    "--workers",
    "-j",
    min=1,
    metavar="N",
    help="Number of workers that run at the same time.  [default: one per core]",
)
_PROCESSES = typer.Option("--processes/--threads", help="Run the workers as processes or threads.")
_DASK = typer.Option(
    "--dask",
    metavar="ADDRESS",
    help="Run on a Dask cluster: the address of a scheduler, or `local` to start one here.",
)
_FORMATS = typer.Option(
    "--formats", metavar="LIST", help="Formats to write, for example png,csv,batches,parquet."
)
_DECISIONS = typer.Option(
    "--decisions", metavar="FILE", help="Use this file instead of decisions.csv in the build."
)
_MAX_REJECTED = typer.Option(
    "--max-rejected",
    min=0,
    metavar="N",
    help="Exit with code 1 if more than N sources are rejected.",
)
_BUILD = typer.Argument(metavar="DIR", help="Folder of a build.")
_EXPORTS = ", ".join(FORMATS)
_SPLIT = typer.Option(
    "--split",
    metavar="SPLIT",
    help="One of: published; stratified:train=0.7,val=0.1,test=0.2,seed=1; k-fold:folds=5,seed=1; "
    "blocks:train=0.8,test=0.2, regions of sky; column:NAME; file:LIST.csv; like:OTHER, another "
    "dataset whose sources stay in their splits. Stratified, k-fold, blocks and like keep sources "
    "that share pixels out of different splits.  [default: the split of the build]",
)
_MERGE = typer.Option(
    "--merge",
    metavar="NAME=LIST",
    help="Make one class of several, given by name or label, for example FRI=0,1,2. "
    "Repeat the option for each new class. Classes in no group are left out.",
)


def _version(asked: bool) -> None:
    if asked:
        from mingolotss import __version__
        from mingolotss.image.compiled import describe

        print(f"mingolotss {__version__}, {describe()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the version, and whether the compiled kernel is available.",
        ),
    ] = False,
) -> None:
    """Turn a catalogue of radio galaxies into a machine-learning dataset.

    Begin with: mingolotss demo
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error a user can cause is one line and an exit code."""
    # Packing takes 1.5 times as long with Arrow's own allocator, which returns memory too early.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    show_warnings_as_lines()
    try:
        app(args=arguments, standalone_mode=True)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        _fail("interrupted; run the same command again to resume", _INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # a bug is raised again below
        from mingolotss.errors import MingoError, ServiceError
        from mingolotss.io.system_faults import describe_fault

        if isinstance(error, MingoError):
            _fail(str(error), 3 if isinstance(error, ServiceError) else 2)
        fault = describe_fault(error)
        if fault is None:
            raise
        # Objects that were half made for want of memory or files complain when they are deleted.
        warnings.simplefilter("ignore")
        sys.unraisablehook = lambda _: None
        _fail(" ".join(filter(None, (_place_of(error), fault))), 2)


def _say(text: object) -> None:
    """Print one line without the control characters of names that come from outside."""
    print(clean_text(str(text)), flush=True)


def _place_of(error: Exception) -> str:
    """Return the file of an error of the system with a colon, as far as it is known."""
    name = getattr(error, "filename", None)
    return f"{clean_text(str(name))}:" if isinstance(name, str) else ""


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"mingolotss: {' '.join(message.split())}\n")
    sys.exit(code)


@app.command()
def demo(
    out: Annotated[Path, _DEMO_OUT] = Path("demo"),
    sources: Annotated[
        int, typer.Option(min=10, metavar="N", help="Number of galaxies in the catalogue.")
    ] = 600,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random numbers.")] = 1,
    workers: Annotated[int | None, _WORKERS] = None,
) -> None:
    """Simulate a sky and build a dataset from it.

    No network is needed. The result is a complete build with its report.
    """
    from mingolotss.dataset.layout import BuildFolder
    from mingolotss.demonstration import demo as run_demo
    from mingolotss.pipeline.executors.local import threads

    with threads(workers) as mapper, _progress() as progress:
        built = run_demo(out, sources=sources, seed=seed, mapper=mapper, progress=progress)
    _print_summary(built)
    page = BuildFolder(out).report
    _say(f"Look at it:  {page}   mingolotss review {out}   mingolotss status {out}")
    _say(
        f'Load it:     mingolotss.MingoLoTSS("{out}") in PyTorch, mingolotss.load("{out}") in numpy'
    )


@app.command()
def build(
    recipe: Annotated[str | None, _BUILD_RECIPE] = None,
    out: Annotated[str | None, _OUT] = None,
    catalogue: Annotated[str | None, _CATALOGUE] = None,
    service: Annotated[list[str] | None, _SERVICE] = None,
    components: Annotated[str | None, _COMPONENTS] = None,
    limit: Annotated[int | None, _LIMIT] = None,
    setting: Annotated[list[str] | None, _SET] = None,
    formats: Annotated[str | None, _FORMATS] = None,
    decisions: Annotated[Path | None, _DECISIONS] = None,
    fresh: Annotated[bool, _FRESH] = False,
    workers: Annotated[int | None, _WORKERS] = None,
    processes: Annotated[bool, _PROCESSES] = True,
    dask: Annotated[str | None, _DASK] = None,
    max_rejected: Annotated[int, _MAX_REJECTED] = 0,
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
    with pool as mapper, _progress() as progress:
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
    _print_summary(built)
    if built.rejected > max_rejected:
        _say(
            f"{built.rejected} rejected is more than --max-rejected {max_rejected} allows; "
            f"for the reasons run: mingolotss status {_quoted(built.out)}"
        )
        raise typer.Exit(1)


@app.command()
def plan(
    recipe: Annotated[str | None, _BUILD_RECIPE] = None,
    out: Annotated[str | None, _OUT] = None,
    catalogue: Annotated[str | None, _CATALOGUE] = None,
    service: Annotated[list[str] | None, _SERVICE] = None,
    components: Annotated[str | None, _COMPONENTS] = None,
    limit: Annotated[int | None, _LIMIT] = None,
    setting: Annotated[list[str] | None, _SET] = None,
    formats: Annotated[str | None, _FORMATS] = None,
    decisions: Annotated[Path | None, _DECISIONS] = None,
    fresh: Annotated[bool, _FRESH] = False,
) -> None:
    """List the available images of every source.

    No pixels are read. The list is written to candidates.parquet in the build's folder.
    """
    from mingolotss.dataset.layout import BuildFolder
    from mingolotss.pipeline.plan import plan as make_plan
    from mingolotss.pipeline.service_arguments import parse_services

    of_reference, of_channels = parse_services(service or [])
    with _progress() as progress:
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
    _print_lines(build_plan.messages)
    if getattr(build_plan.service, "assumes_images", False):
        _say(
            f"{build_plan.covered} of {build_plan.sources} sources can be requested; only the "
            "download shows whether the service has their images"
        )
    else:
        _say(f"{build_plan.covered} of {build_plan.sources} sources have an image")
    if build_plan.channels:
        _table(("channel", "sources", "without an image", "images from"), build_plan.channel_rows())
    _table(
        ("images", "sources"),
        [(str(number), str(count)) for number, count in build_plan.field_counts().items()],
    )
    _print_split(build_plan.describe_split())
    _print_reasons("no answer", build_plan.search_errors)
    _print_reasons("no image", build_plan.reasons_without_image)
    for channel in build_plan.channels:
        _print_reasons(f"channel {channel.name}: no answer", channel.search_errors)
        _print_reasons(f"channel {channel.name}: no image", channel.reasons_without_image)
    _print_notices(build_plan.notices, build_plan.out)
    _say(f"The full list: {BuildFolder(build_plan.out).candidates}")
    estimate = build_plan.estimate()
    if estimate is not None:
        _say(
            f"To download: {estimate.requests} files, about {estimate.bytes / 1e6:.0f} MB in "
            f"{estimate.seconds / 60:.1f} min"
        )


def _print_reasons(what: str, reasons: Mapping[str, str]) -> None:
    """Print what the first sources lack and why, and how many there are."""
    for name, reason in [*reasons.items()][:3]:
        _say(f"{what} for {name}: {reason}")
    if len(reasons) > 3:
        _say(f"... {what} for {len(reasons)} sources in all")


@app.command()
def fetch(
    recipe: Annotated[str | None, _BUILD_RECIPE] = None,
    out: Annotated[str | None, _OUT] = None,
    catalogue: Annotated[str | None, _CATALOGUE] = None,
    service: Annotated[list[str] | None, _SERVICE] = None,
    components: Annotated[str | None, _COMPONENTS] = None,
    limit: Annotated[int | None, _LIMIT] = None,
    setting: Annotated[list[str] | None, _SET] = None,
    formats: Annotated[str | None, _FORMATS] = None,
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
    with _progress() as progress:
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
    _print_lines(build_plan.messages)
    _print_notices(build_plan.notices, build_plan.out)
    folder, retryable = BuildFolder(build_plan.out), 0
    for channel, fetched_service, _ in fetched.image_services():
        inputs = build_plan if channel is None else channel
        failures = getattr(fetched_service, "failures", {})
        reasons = [*inputs.search_errors.items(), *((s, str(e)) for (s, _), e in failures.items())]
        for name, reason in reasons[:3]:
            _say(f"{name}: {reason}")
        total = sum(1 for _ in build_plan.requests(channel=channel))
        here = f"{total - len(failures)} of {total} images of {build_plan.sources} sources"
        workspace = folder.workspace if channel is None else folder.channel_workspace(channel.name)
        _say(f"{workspace.cutouts}: {here}")
        retryable += len(inputs.search_errors) + sum(e.retry for e in failures.values())
    if retryable:
        _say(f"{retryable} may succeed later: run the same command again")
        raise typer.Exit(3)


@app.command()
def status(
    out: Annotated[Path, _BUILD],
    rejected: Annotated[
        bool, typer.Option(show_default=False, help="List every rejected source with its reason.")
    ] = False,
) -> None:
    """Show the progress of a build, its classes and its rejections."""
    from mingolotss.qa.descriptions import CASES, FLAGS
    from mingolotss.qa.status import status as read_status

    build = read_status(out)
    state = "finished" if build.finished else "not finished"
    _say(f"{out}: {build.provenance.title}, {state}")
    _say(
        f"{build.sources} sources: {build.written} written, {build.rejected} rejected, "
        f"{build.remaining} remaining"
    )
    command = f"mingolotss build --out {_quoted(out)}"
    if not build.finished:
        _say(f"To finish it: {command}")
    for change in build.changes:
        _say(f"Changed since the build: {change.text}")
    remedies = {change.remedy for change in build.changes} - {"none"}
    if remedies:
        _say(f"To build it again: {command}{' --fresh' if 'fresh' in remedies else ''}")
    if build.classes:
        _table(*_classes(build))
    if build.channels:
        header = ("channel", "whole pixels", "resampled", "missing")
        _table(header, [(name, *map(str, counts)) for name, counts in build.channels.items()])
    if build.split is not None:
        _print_split(build.split, with_shares=not build.classes)
    rows = [
        (f"case {case}", CASES[case], str(build.cases.get(case, 0)), _example(build, case))
        for case in CASES
    ]
    rows += [
        (flag, FLAGS[flag], str(count), _example(build, flag))
        for flag, count in build.counts.items()
    ]
    _table(("case or flag", "meaning", "sources", "example"), rows)
    _print_notices(build.notices, out)
    if build.rejections:
        reasons = [(s, reason, str(n)) for (s, reason), n in build.reasons().items()]
        _table(("rejected at", "reason", "sources"), reasons)
        for source, stage, reason in build.rejections if rejected else build.rejections[:3]:
            _say(f"{source} ({stage}): {reason}")
        if not rejected and len(build.rejections) > 3:
            _say(f"... to list all {len(build.rejections)}: mingolotss status {out} --rejected")


@app.command()
def verify(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Folder of a build or an export, or an archive.")
    ],
    published: Annotated[
        bool,
        typer.Option(
            "--published", show_default=False,
            help="Compare with the published dataset instead, file by file and image by image.",
        ),
    ] = False,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", metavar="RECIPE", show_default=False,
            help="With --published: the recipe that names the published dataset.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Check all checksums, counts and images against the manifest.

    With --published, compare with the checksums of the published files and images that the recipe
    has. Exits with code 1 if anything differs, and 2 if the recipe has none.
    """
    if published:
        _verify_published(path, recipe)
        return
    if recipe is not None:
        raise InputError(f"verify {path} --recipe {recipe}: --recipe goes with --published")
    from mingolotss.qa.verify import verify as check

    result = check(path)
    for problem in result.problems:
        _say(problem)
    good = "all good" if result.good else f"{len(result.problems)} problems"
    _say(f"{path}: {result.files} files and {result.images} images checked, {good}")
    if not result.good:
        raise typer.Exit(1)


def _verify_published(path: Path, recipe: str | None) -> None:
    from mingolotss.qa.verify_published import verify_published

    result = verify_published(path, recipe)
    for line in (*result.differences, *result.summary):
        _say(line)
    if not result.good:
        raise typer.Exit(1)


@app.command()
def export(
    build: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of a build, or of a Parquet export.")
    ],
    format: Annotated[  # noqa: A002
        str, typer.Option("--format", "-f", metavar="FORMAT", help=f"One of {_EXPORTS}.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="OUT", help="Folder of the export. It is created."),
    ],
    split: Annotated[str | None, _SPLIT] = None,
    merge: Annotated[list[str] | None, _MERGE] = None,
    binary: Annotated[
        bool,
        typer.Option(
            show_default=False, help="Merge into the two classes of the recipe, FRI and FRII."
        ),
    ] = False,
    archive: Annotated[
        bool,
        typer.Option(show_default=False, help="Also write OUT.tar.gz, for others to download."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option(show_default=False, help="Replace an existing export in OUT.")
    ] = False,
    workers: Annotated[int | None, _WORKERS] = None,
) -> None:
    """Write a build in another format, with a split of your choice.

    Each export holds its own manifest, recipe, dataset card and checksums. The format fits reads
    the images of the build again, with --workers.
    """
    from mingolotss.pipeline.executors import local as executors
    from mingolotss.pipeline.exporting import export as run_export
    from mingolotss.publish.groups import binary_groups, parse_groups

    groups = binary_groups(build) if binary else parse_groups(merge or [])
    pool = executors.processes_or_thread if format == "fits" else executors.threads
    with pool(workers) as mapper, _progress() as progress:
        done = run_export(
            build, format, out, split=split, merge=groups or None, archive=archive, fresh=fresh,
            mapper=mapper, progress=progress,
        )  # fmt: skip
    counts = ", ".join(f"{name} {count}" for name, count in done.splits.items())
    simulated = "simulated " if done.simulated else ""
    _say(f"{done.out}: {done.images} {simulated}images as {format} ({counts})")
    for notice in done.notices:
        _say(f"warning: {notice}")
    if done.split is not None:
        _print_split(done.split)
    if done.archive:
        _say(f"{done.archive}: sha256 {done.sha256}")


@app.command()
def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A build, an export or a folder of batches.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The dataset to compare with.")],
    most: Annotated[
        int,
        typer.Option(
            "--show", min=0, metavar="N", help="Show at most N lines of each kind of difference."
        ),
    ] = 3,
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="FILE", help="Write all differences to a CSV file."),
    ] = None,
) -> None:
    """List the differences between two datasets.

    First settings, inputs, versions, catalogue rows, images and decisions, then what follows from
    them: sources, labels, splits, fields and pixels. Exits with code 1 if the datasets differ.
    """
    from mingolotss.qa.compare import compare as run_compare

    comparison = run_compare(a, b)
    _print_differences(comparison.causes(), most)
    _say(f"{comparison.common} sources in both, {comparison.identical} with identical images")
    _print_differences(comparison.differences(), most)
    if table is not None:
        comparison.write_table(table)
        _say(f"The full table: {table}")
    if comparison.same:
        _say("nothing differs but what is listed" if comparison.rows else "nothing differs")
        return
    _say("they differ")
    raise typer.Exit(1)


@app.command()
def suspects(
    dataset: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A build, an export, or a folder of batches."),
    ],
    probabilities: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use the predictions of your own model instead of the baseline: a table (CSV, "
            "Parquet) with the column `source` and the probability of each class, by its name.",
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=2, metavar="N", help="Number of folds of the baseline.")
    ] = 5,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed of the folds and the baseline.")
    ] = 0,
    most: Annotated[
        int, typer.Option("--show", min=0, metavar="N", help="Show the first N labels.")
    ] = 10,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write the queue to this file.  [default: DIR/suspects.csv of a build]",
        ),
    ] = None,
) -> None:
    """Rank the labels by how wrong they look.

    A baseline predicts the sources of each fold from those of the others, and cleanlab compares
    the predictions with the labels. Look at the queue with: mingolotss review DIR --suspects
    """
    from mingolotss.qa.suspects.result import TERMINAL_HEADER
    from mingolotss.qa.suspects.run import suspects as find_suspects

    with _progress(log=False) as progress:
        result = find_suspects(
            dataset,
            probabilities=probabilities,
            folds=folds,
            seed=seed,
            out=out,
            progress=progress,
        )
    _print_lines(result.measured)
    for notice in result.notices:
        _say(f"warning: {notice}")
    if most:
        _table(TERMINAL_HEADER, result.terminal_rows(most))
    if result.written is not None:
        _say(f"The full list: {result.written}")
    if result.is_reviewable:
        _say(f"Look at it:    mingolotss review {_quoted(dataset)} --suspects")


@app.command()
def audit(
    datasets: Annotated[
        list[Path],
        typer.Argument(
            metavar="A [B ...]", help="Builds, exports, or folders of batches.", show_default=False
        ),
    ],
    positions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table with the columns name, ra and dec (deg), for datasets without positions.",
        ),
    ] = None,
    pixel_arcsec: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="ARCSEC",
            show_default=False,
            help="Pixel scale of datasets that do not say it.",
        ),
    ] = 0.0,
    within: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="ARCSEC",
            show_default=False,
            help="Positions that are closer are one.  [default: the beam or two pixels]",
        ),
    ] = 0.0,
    images: Annotated[
        bool,
        typer.Option("--images/--no-images", help="Whether to look for equal images and twins."),
    ] = True,
    most: Annotated[
        int,
        typer.Option("--show", min=0, metavar="N", help="Show at most N lines of each finding."),
    ] = 3,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything to this file.")
    ] = None,
    review: Annotated[
        bool,
        typer.Option(
            "--review", show_default=False, help="Then open the review page with the sources found."
        ),
    ] = False,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Port of the review page; 0: any free."),
    ] = 8765,
) -> None:
    """Look for what could make results with a dataset wrong.

    Stamps that share pixels across splits, one position under two names, labels that disagree,
    equal images and twins, missing classes, and splits that differ. Of several datasets: shared
    sources, test sources of one in train of the other, and labels that contradict each other. If A
    is a build, the result is written to audit.json in it, and `report` and `review` show it. Exits
    with code 1 if something was found.
    """
    from mingolotss.errors import InputError
    from mingolotss.qa.audit.document import check_reviewable, write_audit, write_build_audit
    from mingolotss.qa.audit.run import audit as run_audit
    from mingolotss.qa.audit.terminal import audit_lines, closing_lines

    if review:
        check_reviewable(datasets[0])
    with _progress(log=False) as progress:
        result = run_audit(
            *datasets,
            positions=positions,
            pixel_arcsec=pixel_arcsec,
            limit_arcsec=within,
            images=images,
            progress=progress,
        )
    _print_lines([*audit_lines(result, most), *closing_lines(result)])
    if json is not None:
        write_audit(json, result)
        _say(f"Everything: {json}")
    try:
        if (written := write_build_audit(datasets[0], result)) is not None:
            _say(f"Everything: {written}")
    except InputError as error:  # a build that is only readable is audited all the same
        if review:
            raise
        _say(error)
    if review and result.names():
        from mingolotss.qa.review.server import review as serve

        serve(datasets[0], queue="audit", port=port, notify=_say)
    if not result.good:
        raise typer.Exit(1)


@app.command()
def agreement(
    out: Annotated[Path, _BUILD],
    decisions: Annotated[Path | None, _DECISIONS] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything to this file.")
    ] = None,
    most: Annotated[
        int, typer.Option("--max", min=1, metavar="N", help="Show at most N rows of each kind.")
    ] = 10,
) -> None:
    """Measure how far people agree on the labels of a build.

    Cohen's kappa of each pair of people, Fleiss' kappa of the sources that equally many have
    judged, Krippendorff's alpha of all, and which classes are confused. The sources on which people
    disagree are written to disagreements.csv in the build, worst first; `mingolotss review DIR
    --disagreements` shows them in this order.
    """
    from mingolotss.io.files import write_bytes
    from mingolotss.qa.agreement.document import render_agreement, write_disagreements
    from mingolotss.qa.agreement.measure import agreement as measure
    from mingolotss.qa.agreement.terminal import agreement_lines

    result = measure(out, decisions=decisions)
    _print_lines([*agreement_lines(result, most)])
    if json is not None:
        write_bytes(json, render_agreement(result))
        _say(f"Everything: {json}")
    try:
        path = write_disagreements(result)
    except InputError as error:  # a build that is only readable has an agreement all the same
        _say(error)
        return
    if result.disagreements:
        _say(f"Queue: {path}   mingolotss review {_quoted(out)} --disagreements")


@_zooniverse.command("export")
def _zooniverse_export(
    dataset: Annotated[
        Path, typer.Argument(metavar="DIR", help="A build, or an export in Parquet.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    size: Annotated[int, typer.Option(min=1, metavar="PIXELS", help="Side of the images.")] = 600,
    kind: Annotated[str, typer.Option(metavar="KIND", help="png or jpeg.")] = "png",
    sources: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Only the sources in the column `source` of this CSV file, in its order, for "
            "example DIR/disagreements.csv.",
        ),
    ] = None,
) -> None:
    """Write the images of a dataset as a subject set, with its manifest.

    `panoptes subject-set upload-subjects ID OUT/manifest.csv`, or the project builder, uploads it.
    Volunteers see neither names nor labels.
    """
    from mingolotss.qa.zooniverse.subjects import read_sources
    from mingolotss.qa.zooniverse.subjects import zooniverse_export as write

    names = None if sources is None else read_sources(sources)
    written = write(dataset, out, size=size, kind=kind, sources=names)
    _say(f"{written.subjects:,} subjects, {written.images:,} images: {written.manifest}")


@_zooniverse.command("import")
def _zooniverse_import(
    classifications: Annotated[
        Path, typer.Argument(metavar="FILE", help="The classification export of the project.")
    ],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Folder of a build.")],
    workflow: Annotated[
        str, typer.Option(metavar="ID", help="Number or name of the workflow, if it has several.")
    ] = "",
    task: Annotated[
        str, typer.Option(metavar="TASK", help="The question, e.g. T0, if it has several.")
    ] = "",
    version: Annotated[
        str,
        typer.Option(
            "--workflow-version", metavar="N", help="Only this version: 16 for all 16.x, or 16.55."
        ),
    ] = "",
    answer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT=CLASS",
            help="The class that an answer means; TEXT= for none of the classes. Can be repeated.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="An answer that is no judgement. Can be repeated."),
    ] = None,
    duplicates: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="Which classification of a person counts who has several on one source: first or "
            "last.",
        ),
    ] = "first",
    source_key: Annotated[
        str, typer.Option(metavar="NAME", help="The metadata that has the names of the sources.")
    ] = "#source",
) -> None:
    """Add the classifications of volunteers to decisions.csv of a build.

    What was added before is not added again. The rule of the recipe makes labels of them, fractions
    for example.
    """
    from mingolotss.qa.zooniverse.judgements import zooniverse_import as add

    meanings = {}
    for text in answer or ():
        name, equals, meaning = text.rpartition("=")
        if not equals:
            raise InputError(f"read --answer {text}: expected TEXT=CLASS, or TEXT= for no class")
        meanings[name] = meaning
    result = add(
        classifications, into, workflow=workflow, task=task, version=version, answers=meanings,
        ignore=ignore or (), duplicates=duplicates, source_key=source_key,
    )  # fmt: skip
    _print_lines(result.lines())


@app.command()
def report(
    out: Annotated[Path, _BUILD],
    decisions: Annotated[Path | None, _DECISIONS] = None,
) -> None:
    """Write report.html, an overview of a build in pictures.

    The page lists the sources that need a check by eye. It is one file and loads nothing else.
    """
    from mingolotss.qa.report.page import report as write_report

    _say(write_report(out, decisions=decisions))


@app.command()
def review(
    out: Annotated[Path, _BUILD],
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Network address of the server.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Port of the server; 0: any free port."),
    ] = 8765,
    by: Annotated[
        str,
        typer.Option(metavar="NAME", help="Name of the reviewer.  [default: your login name]"),
    ] = "",
    labels: Annotated[
        bool, typer.Option("--labels", show_default=False, help="Begin with the labels.")
    ] = False,
    suspects: Annotated[
        bool,
        typer.Option(
            "--suspects", show_default=False, help="Labels that `mingolotss suspects` found."
        ),
    ] = False,
    disagreements: Annotated[
        bool,
        typer.Option(
            "--disagreements",
            show_default=False,
            help="Labels on which people disagree, by `mingolotss agreement`.",
        ),
    ] = False,
    queue: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labels of these sources: a table with `source`."),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option(
            "--blind",
            show_default=False,
            help="Show neither labels of the dataset nor judgements of other people.",
        ),
    ] = False,
    decisions: Annotated[Path | None, _DECISIONS] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Host name of this machine, needed with --host. Can be repeated."
        ),
    ] = None,
) -> None:
    """Look at sources and judge their labels in a web browser.

    The decisions are written to decisions.csv; `mingolotss build --out DIR` then follows them.
    """
    from mingolotss.errors import InputError
    from mingolotss.qa.review.server import review as serve

    flags = {"labels": labels, "suspects": suspects, "disagreements": disagreements}
    queues = [flag for flag, is_set in flags.items() if is_set]
    options = [f"--{flag}" for flag in queues] + (["--queue"] if queue is not None else [])
    if len(options) > 1:
        raise InputError(f"review: {' and '.join(options)} are different queues; give one of them")
    serve(
        out, host=host, port=port, by=by, decisions=decisions, names=tuple(name or ()),
        queue=queues[0] if queues else "", queue_file=queue, blind=blind, notify=_say,
    )  # fmt: skip


@app.command()
def classes(
    recipe: Annotated[str, _RECIPE] = "mingolotss",
    catalogue: Annotated[str | None, _CATALOGUE] = None,
) -> None:
    """List the classes of a recipe.

    With a catalogue, also count its sources in each class. A source with several tags is counted
    for each of them.
    """
    from mingolotss.catalogue.reading import read_catalogue
    from mingolotss.recipe.classes import classes as list_classes
    from mingolotss.recipe.load import load_recipe

    loaded = load_recipe(recipe)
    sources = None
    if catalogue is not None:
        sources = read_catalogue(catalogue, loaded.catalogue.columns, loaded.rules)
    rows, kind = list_classes(loaded, sources), loaded.label_kind
    name_of_kind = "tag" if kind == "tags" else "class"
    if not rows and loaded.classes.source == "none":
        _say(f"the recipe {recipe} has no class table; its dataset has no labels")
    elif not rows:
        _say(
            f"the classes of the recipe {recipe} are the values of the column "
            f"{loaded.classes.column!r}; give a --catalogue to list them"
        )
    elif sources is None:
        cells = [(str(row.label), row.name, row.source, row.note) for row in rows]
        _table(("label", name_of_kind, "from", "appearance"), cells)
    else:
        cells = [
            (str(row.label) if row.label >= 0 else "", row.name, row.source, str(row.count))
            for row in rows
        ]
        all_sources = ("", "all", "", str(len(sources)))
        _table(("label", name_of_kind, "from", "count"), [*cells, all_sources])
        _print_label_counts(sources)


@app.command()
def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print this recipe instead of the list.")
    ] = None,
) -> None:
    """List the shipped recipes, or print one of them.

    To make your own recipe, save a printed one in a TOML file and change it.
    """
    from mingolotss.recipe.load import load_recipe, recipe_text
    from mingolotss.recipe.load import recipes as list_recipes

    if name is not None:
        load_recipe(name)
        for line in recipe_text(name).splitlines():
            print(line if line.replace("\t", " ").isprintable() else clean_text(line))
        return
    _table(("recipe", "dataset"), [*list_recipes().items()])
    _say(
        "To print one: mingolotss recipes NAME. To make your own, save it as MINE.toml and edit it."
    )


@app.command()
def services(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Say what is known about this service's images."),
    ] = None,
) -> None:
    """List the image services, or describe the images of one.

    NAME can be an address with a band or a survey, e.g. legacy:g or skyview:NVSS. Nothing is
    requested from any server.
    """
    from mingolotss.service import service_groups
    from mingolotss.service.description import describe_service

    if name is not None:
        _table(("images", "of this service"), describe_service(name))
        return
    for heading, group in service_groups().items():
        _table(("service", heading), [*group.items()])
        print()
    _say("What is known about the images of one: mingolotss services NAME.")


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
    import tomllib

    from mingolotss.io.documents import parse_toml

    try:
        value: object = parse_toml(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value


def _print_differences(differences: Sequence[tuple[str, Sequence[str]]], most: int) -> None:
    """Print each kind of difference with its number and its first lines."""
    for kind, lines in differences:
        if not lines:
            continue
        _say(f"{kind}: {len(lines):,}")
        for line in lines[:most]:
            _say(f"  {line}")
        if len(lines) > most:
            _say(f"  ... {len(lines) - most:,} more (--show N, or --table FILE for all)")


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        _say(line)


def _quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    import shlex

    return shlex.quote(str(path))


def _print_notices(lines: Sequence[str], out: Path) -> None:
    """Print the first lines about files that are not used, and where all of them are."""
    from mingolotss.dataset.layout import BuildFolder

    for line in lines[:_MAX_NOTICES]:
        _say(line)
    if len(lines) > _MAX_NOTICES:
        _say(f"... {len(lines) - _MAX_NOTICES} more lines like these: {BuildFolder(out).notices}")


def _print_summary(built: Build) -> None:
    from mingolotss.qa.split_of_build import split_of_build

    _print_lines(built.messages)
    _print_notices(built.notices, built.out)
    sky = "simulated sky, " if built.simulated else ""
    _say(
        f"{built.out}: {sky}{built.sources} sources, {built.written} written, "
        f"{built.rejected} rejected"
    )
    split = split_of_build(built.out)
    if split is not None:
        _print_split(split)


def _print_split(split: SplitResult, *, with_shares: bool = True) -> None:
    """Name the split, and say what a person should know about it: warnings last."""
    _say(f"split: {split.plan.text}")
    warnings_of_split = [line for line in split.lines() if line.startswith("warning: ")]
    _print_lines([line for line in split.lines() if line not in warnings_of_split])
    if with_shares:
        _table(*split.table())
    _print_lines(warnings_of_split)


def _print_label_counts(sources: Catalogue) -> None:
    """Print how many tags or votes the sources have, and the most frequent sets of tags."""
    from mingolotss.dataset.label_census import count_tags
    from mingolotss.dataset.label_words import label_facts, tags_text

    vectors, names = sources.vectors, sources.classes
    facts = label_facts(sources.labels.astype(int), names, vectors, "source")
    _print_lines([f"{name}: {text}" for name, text in facts.items()])
    if vectors is not None and vectors.kind == "tags":
        combinations = count_tags(vectors, names).combinations[:_COMBINATIONS]
        rows = [(tags_text(tags, names), str(count)) for tags, count in combinations]
        _table(("most frequent combinations", "count"), rows)


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


def _example(build: Status, key: int | str) -> str:
    names = build.examples.get(key, [])
    return names[0] if names else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; plain columns when it is not a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mingolotss.qa.report.formatting import one_line

    rows = [[one_line(cell, _CELL) for cell in row] for row in rows]
    console = Console(highlight=False)
    if not console.is_terminal:
        widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
        for row in (header, *rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print(line.rstrip())
        return
    table = Table(*header, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    console.print(table)


@contextmanager
def _progress(*, log: bool = True) -> Iterator[BuildProgress]:
    """Yield a function that shows progress: a bar on a terminal, log lines or nothing otherwise."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log() if log else lambda *_: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )  # fmt: skip

    columns = (
        TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("planning", total=None)
        yield lambda done, total, what: bar.update(
            task, completed=done, total=total, description=clean_text(what).replace("[", r"\[")
        )


def _log() -> BuildProgress:
    """Return a progress function that writes a line for each tenth of the work."""
    last: list[tuple[str, int]] = []

    def say(done: int, total: int, what: str) -> None:
        mark = (what, 10 * done // max(total, 1))
        if mark not in last:
            last[:] = [mark]
            sys.stderr.write(f"{clean_text(what)}: {done} of {total}\n")
            sys.stderr.flush()

    return say
