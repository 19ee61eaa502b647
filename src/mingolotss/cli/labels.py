"""The commands about labels: which look wrong, how far people agree, and the Zooniverse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mingolotss.cli.app import app
from mingolotss.cli.options import BUILD, DECISIONS
from mingolotss.cli.printing import print_lines, print_table, quoted, say, show_progress
from mingolotss.errors import InputError


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

    with show_progress(log=False) as progress:
        result = find_suspects(
            dataset,
            probabilities=probabilities,
            folds=folds,
            seed=seed,
            out=out,
            progress=progress,
        )
    print_lines(result.measured)
    for notice in result.notices:
        say(f"warning: {notice}")
    if most:
        print_table(TERMINAL_HEADER, result.terminal_rows(most))
    if result.written is not None:
        say(f"The full list: {result.written}")
    if result.is_reviewable:
        say(f"Look at it:    mingolotss review {quoted(dataset)} --suspects")


@app.command()
def agreement(
    out: Annotated[Path, BUILD],
    decisions: Annotated[Path | None, DECISIONS] = None,
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
    print_lines([*agreement_lines(result, most)])
    if json is not None:
        write_bytes(json, render_agreement(result))
        say(f"Everything: {json}")
    try:
        path = write_disagreements(result)
    except InputError as error:  # a build that is only readable has an agreement all the same
        say(error)
        return
    if result.disagreements:
        say(f"Queue: {path}   mingolotss review {quoted(out)} --disagreements")


_zooniverse = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


app.add_typer(
    _zooniverse, name="zooniverse", help="Let volunteers of the Zooniverse classify a dataset."
)


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
    say(f"{written.subjects:,} subjects, {written.images:,} images: {written.manifest}")


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
    print_lines(result.lines())
