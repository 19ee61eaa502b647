"""The command line: parse, call the library, print.

Exit codes: 0 done; 1 finished, but more sources were rejected than `--max-rejected` allows, or
`verify` found something wrong; 2 something given is wrong; 3 the far end failed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mingolotss.build import Build, Progress

__all__ = ["app", "main"]

app = typer.Typer(
    name="mingolotss",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_INTERRUPTED = 130  # what typer makes of Ctrl-C
_RECIPE = typer.Argument(help="a shipped recipe (see `mingolotss recipes`) or a TOML file")
_OUT = typer.Option("--out", "-o", help="folder of the build; made if it is not there")
_CATALOGUE = typer.Option(
    "--catalogue",
    "-c",
    help="FITS, VOTable, ECSV, CSV or Parquet, or the address of one; instead of the recipe's",
)
_SERVICE = typer.Option(
    "--service", "-s", help="where images come from (see `mingolotss services`)"
)
_LIMIT = typer.Option("--limit", min=1, help="only the first N rows of the catalogue")
_SET = typer.Option("--set", help="change one setting of the recipe: KEY=VALUE, e.g. noise.sigma=4")
_FRESH = typer.Option("--fresh/--resume", help="start over, or go on where the last run stopped")
_WORKERS = typer.Option("--workers", "-j", min=1, help="how many at once  [default: every core]")
_PROCESSES = typer.Option("--processes/--threads", help="what the workers are")
_DASK = typer.Option(
    "--dask", help="a cluster: the address of a Dask scheduler, or `local` for one made on the spot"
)
_FORMATS = typer.Option("--formats", help="what to write: png,csv,batches,parquet")
_DECISIONS = typer.Option("--decisions", help="a decisions.csv instead of the one in the build")
_MAX_REJECTED = typer.Option(
    "--max-rejected", min=0, help="how many sources may be rejected before the exit code is 1"
)
_EXPORTS = "batches, parquet, webdataset, hdf5, zarr, png"
_SPLIT = typer.Option(
    "--split",
    help="published, stratified:train=0.7,val=0.1,test=0.2,seed=1 or k-fold:folds=5,seed=1; "
    "sources that share pixels stay together  [default: as the build is split]",
)
_MERGE = typer.Option(
    "--merge", help="a class made of others, by name or label: FRI=0,1,2; repeat for each class"
)


def _version(asked: bool) -> None:
    if asked:
        from mingolotss import __version__
        from mingolotss.kernel import describe

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
            help="say which version this is, and whether its loops are compiled",
        ),
    ] = False,
) -> None:
    """From a catalogue of radio galaxies to a machine-learning dataset.

    Begin with: mingolotss demo
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error a user can cause is one line and an exit code."""
    # Arrow's own allocator gives memory back while packing takes more: half as long again.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        app(args=arguments, standalone_mode=True)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        _fail("stopped; the same command goes on where it was", _INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # looked at, not swallowed: a bug is raised again below
        from mingolotss.errors import MingoError, ServiceError

        if not isinstance(error, MingoError):
            raise
        _fail(str(error), 3 if isinstance(error, ServiceError) else 2)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"mingolotss: {' '.join(message.split())}\n")
    sys.exit(code)


@app.command()
def demo(
    out: Annotated[Path, _OUT] = Path("demo"),
    sources: Annotated[int, typer.Option(min=10, help="galaxies in the catalogue")] = 600,
    seed: Annotated[int, typer.Option(help="another seed is another sky")] = 1,
    workers: Annotated[int | None, _WORKERS] = None,
) -> None:
    """Simulate a sky of radio galaxies and build the dataset from it: no network needed."""
    from mingolotss.demo import demo as run_demo
    from mingolotss.mappers import threads
    from mingolotss.report.page import write_report

    with threads(workers) as mapper, _progress() as progress:
        built = run_demo(out, sources=sources, seed=seed, mapper=mapper, progress=progress)
    _say_built(built)
    page = write_report(out)
    print(f"Look at it:  {page}   mingolotss review {out}   mingolotss status {out}")
    print(
        f'Load it:     mingolotss.MingoLoTSS("{out}") in PyTorch, mingolotss.load("{out}") in numpy'
    )


@app.command()
def build(
    recipe: Annotated[str, _RECIPE] = "mingolotss",
    out: Annotated[str, _OUT] = "dataset",
    catalogue: Annotated[str | None, _CATALOGUE] = None,
    service: Annotated[str | None, _SERVICE] = None,
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
    """Build a dataset: the whole job, resumed where an earlier run stopped."""
    from mingolotss import mappers

    pool = (mappers.local if processes else mappers.threads)(workers)
    if dask is not None:
        from mingolotss.cluster import cluster

        pool = cluster(dask, workers)
    with pool as mapper, _progress() as progress:
        from mingolotss.build import build as run_build  # while the workers' server starts
        from mingolotss.files import locate

        built = run_build(
            _recipe(recipe, setting, formats),
            mapper=mapper,
            progress=progress,
            **_inputs(locate(out), catalogue, service, limit, fresh, decisions),
        )
    _say_built(built)
    if built.rejected > max_rejected:
        print(
            f"{built.rejected} rejected is more than --max-rejected {max_rejected} allows; "
            f"see why: mingolotss status {out}"
        )
        raise typer.Exit(1)


@app.command()
def plan(
    recipe: Annotated[str, _RECIPE] = "mingolotss",
    out: Annotated[Path, _OUT] = Path("dataset"),
    catalogue: Annotated[str | None, _CATALOGUE] = None,
    service: Annotated[str | None, _SERVICE] = None,
    limit: Annotated[int | None, _LIMIT] = None,
    setting: Annotated[list[str] | None, _SET] = None,
    formats: Annotated[str | None, _FORMATS] = None,
    decisions: Annotated[Path | None, _DECISIONS] = None,
    fresh: Annotated[bool, _FRESH] = False,
) -> None:
    """List every image on offer for every source, without fetching pixels."""
    from mingolotss.build import plan as make_plan

    with _progress() as progress:
        planned = make_plan(
            _recipe(recipe, setting, formats),
            progress=progress,
            **_inputs(out, catalogue, service, limit, fresh, decisions),
        )
    print(f"{planned.covered} of {planned.sources} sources have an image")
    _table(
        ("images on offer", "sources"),
        [(str(number), str(count)) for number, count in planned.field_counts().items()],
    )
    for name, reason in list(planned.unanswered.items())[:3]:
        print(f"no answer for {name}: {reason}")
    if len(planned.unanswered) > 3:
        print(f"... no answer for {len(planned.unanswered)} sources in all")
    print(f"Every one of them: {out / 'candidates.parquet'}")
    estimate = planned.estimate()
    if estimate is not None:
        print(
            f"To download: {estimate.requests} files, about {estimate.bytes / 1e6:.0f} MB in "
            f"{estimate.seconds / 60:.1f} min"
        )


@app.command()
def fetch(
    recipe: Annotated[str, _RECIPE] = "mingolotss",
    out: Annotated[Path, _OUT] = Path("dataset"),
    catalogue: Annotated[str | None, _CATALOGUE] = None,
    service: Annotated[str | None, _SERVICE] = None,
    limit: Annotated[int | None, _LIMIT] = None,
    setting: Annotated[list[str] | None, _SET] = None,
    formats: Annotated[str | None, _FORMATS] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="ask again for what is here already")
    ] = False,
) -> None:
    """Download every cutout that is not here yet; `build` then reads them."""
    from mingolotss.build import fetch as run_fetch
    from mingolotss.build import plan as make_plan

    with _progress() as progress:
        planned = make_plan(
            _recipe(recipe, setting, formats),
            refresh=refresh,
            progress=progress,
            **_inputs(out, catalogue, service, limit, False, None),
        )
        fetched = run_fetch(planned, progress).service
    failures = getattr(fetched, "failures", {})
    reasons = [*planned.unanswered.items(), *((s, str(e)) for (s, _), e in failures.items())]
    for name, reason in reasons[:3]:
        print(f"{name}: {reason}")
    total = sum(len(offer) for offer in planned.offers)
    here = f"{total - len(failures)} of {total} images of {planned.sources} sources"
    print(f"{out / 'cutouts'}: {here}")
    again = len(planned.unanswered) + sum(e.retry for e in failures.values())
    if again:
        print(f"{again} may do better later: run the same command again")
        raise typer.Exit(3)


@app.command()
def status(
    out: Annotated[Path, typer.Argument(help="folder of a build")],
    rejected: Annotated[bool, typer.Option(help="name every rejected source")] = False,
) -> None:
    """Show what is done, what is left, what was rejected and why."""
    from mingolotss.status import CASES, FLAGS
    from mingolotss.status import status as look

    found = look(out)
    state = "finished" if found.packed and not found.left else "not finished: run build again"
    print(f"{out}: {found.settings.recipe.title or found.settings.recipe.name}, {state}")
    print(
        f"{found.sources} sources: {found.written} written, {found.rejected} rejected, "
        f"{found.left} left"
    )
    if found.classes:
        _table(("class", "written"), [(n, str(c)) for n, c in found.classes.items()])
    rows = [
        (f"case {case}", CASES[case], str(found.cases.get(case, 0)), _eg(found, case))
        for case in CASES
    ]
    rows += [(flag, FLAGS[flag], str(n), _eg(found, flag)) for flag, n in found.flags.items()]
    _table(("what", "meaning", "sources", "e.g."), rows)
    if found.rejections:
        reasons = [(s, reason, str(n)) for (s, reason), n in found.reasons().items()]
        _table(("rejected at", "why", "sources"), reasons)
        for source, stage, reason in found.rejections if rejected else found.rejections[:3]:
            print(f"{source} ({stage}): {reason}")
        if not rejected and len(found.rejections) > 3:
            print(f"... all {len(found.rejections)}: mingolotss status {out} --rejected")


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="folder of a build, or an archive of batches")],
) -> None:
    """Check every checksum, count and image against the manifest."""
    from mingolotss.verify import verify as check

    found = check(path)
    for problem in found.problems:
        print(problem)
    good = "all good" if found.good else f"{len(found.problems)} problems"
    print(f"{path}: {found.files} files and {found.images} images checked, {good}")
    if not found.good:
        raise typer.Exit(1)


@app.command()
def export(
    build: Annotated[Path, typer.Argument(help="folder of a build, or of a Parquet export")],
    format: Annotated[str, typer.Option("--format", "-f", help=f"one of {_EXPORTS}")],  # noqa: A002
    out: Annotated[Path, typer.Option("--out", "-o", help="folder to make")],
    split: Annotated[str | None, _SPLIT] = None,
    merge: Annotated[list[str] | None, _MERGE] = None,
    binary: Annotated[bool, typer.Option(help="the recipe's two classes, FRI and FRII")] = False,
    archive: Annotated[bool, typer.Option(help="also write OUT.tar.gz, to be downloaded")] = False,
    fresh: Annotated[bool, typer.Option(help="replace an export that is there")] = False,
) -> None:
    """Write a build in another format, split as you like, with its own description."""
    from mingolotss.export import binary_groups, parse_groups
    from mingolotss.export import export as run_export

    groups = binary_groups(build) if binary else parse_groups(merge or [])
    done = run_export(
        build, format, out, split=split, merge=groups or None, archive=archive, fresh=fresh
    )
    counts = ", ".join(f"{name} {count}" for name, count in done.splits.items())
    print(f"{done.out}: {done.images} images as {format} ({counts})")
    if done.archive:
        print(f"{done.archive}: sha256 {done.sha256}")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="a build, an export or a folder of batches")],
    b: Annotated[Path, typer.Argument(help="another")],
    most: Annotated[int, typer.Option("--show", min=0, help="lines shown of each kind")] = 10,
) -> None:
    """Say what differs between two datasets: sources, labels, fields, pixels."""
    from mingolotss.compare import compare as run_compare

    found = run_compare(a, b)
    print(f"{found.common} sources in both, {found.identical} with identical images")
    for what, lines in found.differences():
        if lines:
            print(f"{what}: {len(lines)}")
            print("".join(f"  {line}\n" for line in lines[:most]), end="")
    print("nothing differs" if found.same else "they differ")
    if not found.same:
        raise typer.Exit(1)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="folder of a build")],
    decisions: Annotated[Path | None, _DECISIONS] = None,
) -> None:
    """Write report.html: what was built from what, and what to look at."""
    from mingolotss.report.page import write_report

    print(write_report(out, decisions=decisions))


@app.command()
def review(
    out: Annotated[Path, typer.Argument(help="folder of a build")],
    host: Annotated[str, typer.Option(help="where to listen; this machine alone")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8765,
    by: Annotated[str, typer.Option(help="who reviews  [default: your login name]")] = "",
    decisions: Annotated[Path | None, _DECISIONS] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="a name this machine is reached by, with --host")
    ] = None,
) -> None:
    """Open the page for inspecting sources by eye; decisions go to decisions.csv."""
    from mingolotss.review.server import review as serve

    serve(
        out, host=host, port=port, by=by, decisions=decisions, names=tuple(name or ()),
        say=lambda line: print(line, flush=True),
    )  # fmt: skip


@app.command()
def classes(
    recipe: Annotated[str, _RECIPE] = "mingolotss",
    catalogue: Annotated[str | None, _CATALOGUE] = None,
) -> None:
    """List the classes of a recipe, and how many sources of a catalogue are in each."""
    from mingolotss.catalogue import read_catalogue
    from mingolotss.recipe import load_recipe

    loaded = load_recipe(recipe)
    known = loaded.classes.table
    if catalogue is None:
        if not known:
            print(f"the recipe {loaded.name} has no classes of its own: the dataset is unlabelled")
            return
        rows = [(str(c.label), c.name, " + ".join(c.flags) or c.value, c.note) for c in known]
        _table(("label", "class", "from", "what it looks like"), rows)
        return
    read = read_catalogue(catalogue, loaded.catalogue.columns, loaded.rules)
    how = {c.label: " + ".join(c.flags) or c.value for c in known}
    rows = [
        (str(label), name, how.get(label, ""), str(count))
        for label, (name, count) in enumerate(zip(read.classes, read.counts(), strict=True))
    ]
    _table(("label", "class", "from", "count"), [*rows, ("", "all", "", str(len(read)))])


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="print this recipe, to start your own")] = None,
) -> None:
    """List the shipped recipes, or print one."""
    from importlib.resources import files

    from mingolotss.recipe import load_recipe, recipe_names

    if name is not None:
        load_recipe(name)
        path = (
            Path(name) if name.endswith(".toml") else files("mingolotss.recipes") / f"{name}.toml"
        )
        print(path.read_text(encoding="utf-8"), end="")
        return
    _table(("recipe", "what it makes"), [(n, load_recipe(n).summary) for n in recipe_names()])
    print("See one:  mingolotss recipes NAME     Make your own: save it as MINE.toml and change it")


@app.command()
def services() -> None:
    """List the image services, one line each."""
    from mingolotss.services import SERVICES

    _table(
        ("service", "where images come from"),
        [(name, SERVICES.summary(name)) for name in SERVICES.names()],
    )


def _recipe(name: str, changes: Sequence[str] | None, formats: str | None) -> Any:
    from mingolotss.errors import RecipeError
    from mingolotss.recipe import load_recipe

    loaded, parsed = load_recipe(name), {}
    for change in changes or ():
        key, equals, value = change.partition("=")
        if not equals:
            raise RecipeError(f"--set {change}: expected KEY=VALUE, e.g. noise.sigma=4")
        parsed[key.strip()] = _value(value.strip())
    if formats is not None:
        parsed["formats"] = [one.strip() for one in formats.split(",") if one.strip()]
    return loaded.changed(parsed) if parsed else loaded


def _value(text: str) -> Any:
    """Return a value as TOML reads it; a word without quotes is a string."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _inputs(
    out: Path,
    catalogue: str | None,
    service: str | None,
    limit: int | None,
    fresh: bool,
    decisions: Path | None,
) -> dict[str, Any]:
    """Return what `plan` takes; the service `simulated` alone makes its sky first."""
    if service == "simulated":
        from mingolotss.demo import simulated_sky

        made, service = simulated_sky(out)
        catalogue = catalogue or str(made)
    return {
        "out": out, "catalogue": catalogue, "service": service, "limit": limit, "fresh": fresh,
        "decisions": decisions,
    }  # fmt: skip


def _say_built(built: Build) -> None:
    print(
        f"{built.out}: {built.sources} sources, {built.written} written, {built.rejected} rejected"
    )


def _eg(found: Any, key: int | str) -> str:
    names = found.examples.get(key, [])
    return names[0] if names else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; plain columns when it is not a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

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
def _progress() -> Iterator[Progress]:
    """Give a function that shows progress: a bar on a terminal, log lines otherwise."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log()
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
            task, completed=done, total=total, description=what
        )


def _log() -> Progress:
    """Return a progress function that writes a line for each tenth of the work."""
    last: list[tuple[str, int]] = []

    def say(done: int, total: int, what: str) -> None:
        mark = (what, 10 * done // max(total, 1))
        if mark not in last:
            last[:] = [mark]
            sys.stderr.write(f"{what}: {done} of {total}\n")
            sys.stderr.flush()

    return say
