"""The commands that write or serve pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mingolotss.cli.app import app
from mingolotss.cli.options import BUILD, DECISIONS
from mingolotss.cli.printing import say
from mingolotss.errors import InputError


@app.command()
def report(
    out: Annotated[Path, BUILD],
    decisions: Annotated[Path | None, DECISIONS] = None,
) -> None:
    """Write report.html, an overview of a build in pictures.

    The page lists the sources that need a check by eye. It is one file and loads nothing else.
    """
    from mingolotss.qa.report.page import report as write_report

    say(write_report(out, decisions=decisions))


@app.command()
def review(
    out: Annotated[Path, BUILD],
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
    decisions: Annotated[Path | None, DECISIONS] = None,
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
    from mingolotss.qa.review.server import review as serve

    flags = {"labels": labels, "suspects": suspects, "disagreements": disagreements}
    queues = [flag for flag, is_set in flags.items() if is_set]
    options = [f"--{flag}" for flag in queues] + (["--queue"] if queue is not None else [])
    if len(options) > 1:
        raise InputError(f"review: {' and '.join(options)} are different queues; give one of them")
    serve(
        out, host=host, port=port, by=by, decisions=decisions, names=tuple(name or ()),
        queue=queues[0] if queues else "", queue_file=queue, blind=blind, notify=say,
    )  # fmt: skip
