"""The commands that verify, export, compare and audit a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mingolotss.cli.app import app
from mingolotss.cli.options import (
    DASK,
    EXPORTS,
    HATS_ARRAYS,
    HATS_FLUX,
    HATS_MARGIN,
    HATS_ROWS,
    MERGE,
    SPLIT,
    WORKERS,
    CommandWithFormats,
)
from mingolotss.cli.printing import print_differences, print_lines, print_split, say, show_progress
from mingolotss.errors import InputError


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
        say(problem)
    good = "all good" if result.good else f"{len(result.problems)} problems"
    say(f"{path}: {result.files} files and {result.images} images checked, {good}")
    if not result.good:
        raise typer.Exit(1)


def _verify_published(path: Path, recipe: str | None) -> None:
    from mingolotss.qa.verify_published import verify_published

    result = verify_published(path, recipe)
    for line in (*result.differences, *result.summary):
        say(line)
    if not result.good:
        raise typer.Exit(1)


@app.command(cls=CommandWithFormats)
def export(
    build: Annotated[
        str,
        typer.Argument(metavar="DIR", help="Folder of a build or of an export, or its address."),
    ],
    format: Annotated[  # noqa: A002
        str, typer.Option("--format", "-f", metavar="FORMAT", help=f"One of {EXPORTS}.")
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Folder of the export, or its address, e.g. s3://bucket/name. It is created.",
        ),
    ],
    split: Annotated[str | None, SPLIT] = None,
    merge: Annotated[list[str] | None, MERGE] = None,
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
    partition_rows: Annotated[int | None, HATS_ROWS] = None,
    margin: Annotated[float | None, HATS_MARGIN] = None,
    flux: Annotated[bool | None, HATS_FLUX] = None,
    arrays: Annotated[bool | None, HATS_ARRAYS] = None,
    workers: Annotated[int | None, WORKERS] = None,
    dask: Annotated[str | None, DASK] = None,
) -> None:
    """Write a build in another format, with a split of your choice.

    Each export holds its own manifest, recipe, dataset card and checksums. The format fits, and
    hats with --flux, read the images of the build again, with --workers or --dask.
    """
    from mingolotss.pipeline.executors import local as executors
    from mingolotss.pipeline.exporting import export as run_export
    from mingolotss.pipeline.exporting import reads_images
    from mingolotss.publish.groups import binary_groups, parse_groups

    groups = binary_groups(build) if binary else parse_groups(merge or [])
    given = {"partition_rows": partition_rows, "margin_arcsec": margin, "flux": flux,
             "arrays": arrays}  # fmt: skip
    hats = {key: value for key, value in given.items() if value is not None}
    has_tasks = format in {"fits", "hats"}
    in_processes = reads_images(build, format, hats or None)
    pool = (executors.processes_or_thread if in_processes else executors.threads)(workers)
    if dask is not None:
        if not has_tasks:
            raise InputError(
                f"export {build} as {format}: only fits and hats are written on a cluster; leave "
                "out --dask"
            )
        from mingolotss.pipeline.executors.dask import cluster

        pool = cluster(dask, workers)
    with pool as mapper, show_progress() as progress:
        done = run_export(
            build, format, out, split=split, merge=groups or None, archive=archive, fresh=fresh,
            hats=hats or None, mapper=mapper, progress=progress,
        )  # fmt: skip
    counts = ", ".join(f"{name} {count}" for name, count in done.splits.items())
    simulated = "simulated " if done.simulated else ""
    say(f"{done.out}: {done.images} {simulated}images as {format} ({counts})")
    for notice in done.notices:
        say(f"warning: {notice}")
    if done.split is not None:
        print_split(done.split)
    if done.archive:
        say(f"{done.archive}: sha256 {done.sha256}")


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
    print_differences(comparison.causes(), most)
    say(f"{comparison.common} sources in both, {comparison.identical} with identical images")
    print_differences(comparison.differences(), most)
    if table is not None:
        comparison.write_table(table)
        say(f"The full table: {table}")
    if comparison.same:
        say("nothing differs but what is listed" if comparison.rows else "nothing differs")
        return
    say("they differ")
    raise typer.Exit(1)


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
    with show_progress(log=False) as progress:
        result = run_audit(
            *datasets,
            positions=positions,
            pixel_arcsec=pixel_arcsec,
            limit_arcsec=within,
            images=images,
            progress=progress,
        )
    print_lines([*audit_lines(result, most), *closing_lines(result)])
    if json is not None:
        write_audit(json, result)
        say(f"Everything: {json}")
    try:
        if (written := write_build_audit(datasets[0], result)) is not None:
            say(f"Everything: {written}")
    except InputError as error:  # a build that is only readable is audited all the same
        if review:
            raise
        say(error)
    if review and result.names():
        from mingolotss.qa.review.server import review as serve

        serve(datasets[0], queue="audit", port=port, notify=say)
    if not result.good:
        raise typer.Exit(1)
