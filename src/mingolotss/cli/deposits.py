"""The command that makes a dataset ready for the archives that distribute it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mingolotss.cli.app import app
from mingolotss.cli.options import EXPORTS, CommandWithFormats
from mingolotss.cli.printing import quoted, say


@app.command(cls=CommandWithFormats)
def publish(
    dataset: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of a build or of an export.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="Folder to upload. It is created.")
    ],
    format: Annotated[  # noqa: A002
        str,
        typer.Option("--format", "-f", metavar="FORMAT", help=f"Of the files: one of {EXPORTS}."),
    ] = "parquet",
    previous: Annotated[
        Path | None,
        typer.Option(
            "--previous",
            metavar="OLD",
            show_default=False,
            help="The version before, a build, an export or such a folder: lists what differs.",
        ),
    ] = None,
) -> None:
    """Make a folder to upload to Zenodo and to Hugging Face.

    The dataset is verified first. OUT/huggingface is an export with its card. OUT/zenodo has the
    same as one archive, with licence, citation, checksums and metadata (.zenodo.json, DataCite).
    Nothing is uploaded.
    """
    from mingolotss.dataset.layout import DepositFolder
    from mingolotss.release.deposit import deposit

    done = deposit(dataset, out, format=format, previous=previous)
    for notice in done.notices:
        say(f"the recipe does not state its {notice}")
    if done.comparison is not None:
        same = f"{done.comparison.identical} of {done.comparison.common} images are identical"
        say(f"compared with {previous}: {same}, see CHANGES.md")
    say(f"{out}: {done.images} images, archive {done.archive}")
    folder = DepositFolder(out)
    say(f"  Zenodo: upload every file of {folder.zenodo}")
    say(f"  Hugging Face: hf upload NAME {quoted(folder.hub)} --repo-type dataset")
