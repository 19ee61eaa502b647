"""The arguments and options that several commands have."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from mingolotss.formats import FORMATS as EXPORT_FORMATS

__all__ = [
    "BUILD",
    "BUILD_RECIPE",
    "CATALOGUE",
    "COMPONENTS",
    "DASK",
    "DECISIONS",
    "DEMO_OUT",
    "EXPORTS",
    "FORMATS",
    "FRESH",
    "HATS_ARRAYS",
    "HATS_FLUX",
    "HATS_MARGIN",
    "HATS_ROWS",
    "LIMIT",
    "MAX_REJECTED",
    "MERGE",
    "OUT",
    "PROCESSES",
    "RECIPE",
    "SERVICE",
    "SET",
    "SPLIT",
    "WORKERS",
    "CommandWithFormats",
]


class CommandWithFormats(TyperCommand):
    """Names the formats when its help is shown; the search for those of others takes 20 ms."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Put the names in the place of `EXPORTS`."""
        for option in self.params:
            if isinstance(option, TyperOption) and option.help:
                option.help = option.help.replace(EXPORTS, ", ".join(EXPORT_FORMATS))
        super().format_help(ctx, formatter)


_RECIPE_HELP = "Name of a shipped recipe (see `mingolotss recipes`) or a TOML file"
RECIPE = typer.Argument(metavar="RECIPE", help=f"{_RECIPE_HELP}.")
BUILD_RECIPE = typer.Argument(
    metavar="RECIPE",
    help=f"{_RECIPE_HELP}; DIR/recipe.toml of a build stands for all its inputs.  [default: that "
    "of the build in DIR, otherwise mingolotss]",
)
_OUT_HELP = "Folder of the build. It is created if it does not exist."
DEMO_OUT = typer.Option("--out", "-o", metavar="DIR", help=_OUT_HELP)
OUT = typer.Option(
    "--out",
    "-o",
    metavar="DIR",
    help=f"{_OUT_HELP}  [default: that of DIR/recipe.toml, otherwise dataset]",
)
CATALOGUE = typer.Option(
    "--catalogue",
    "-c",
    metavar="FILE",
    help="Catalogue in FITS, VOTable, ECSV, CSV or Parquet, or the URL of one. "
    "Replaces the catalogue of the recipe.",
)
SERVICE = typer.Option(
    "--service",
    "-s",
    metavar="[CHANNEL=]SERVICE",
    help="Where the images come from (see `mingolotss services`). Repeat it for a recipe with "
    "channels; without a name it is that of the reference.",
)
COMPONENTS = typer.Option(
    "--components",
    metavar="FILE",
    help="Components or shapes of the sources, which masks are made from: a list of PyBDSF, a "
    "catalogue of components, or regions of DS9. For a recipe with [mask].",
)
LIMIT = typer.Option(
    "--limit", min=1, metavar="N", help="Use only the first N rows of the catalogue."
)
SET = typer.Option(
    "--set",
    metavar="KEY=VALUE",
    help="Change one setting of the recipe, for example noise.sigma=4. Can be repeated.",
)
FRESH = typer.Option(
    "--fresh/--resume", help="Start again from the beginning, or resume the previous run."
)
WORKERS = typer.Option(
    "--workers",
    "-j",
    min=1,
    metavar="N",
    help="Number of workers that run at the same time.  [default: one per core]",
)
PROCESSES = typer.Option("--processes/--threads", help="Run the workers as processes or threads.")
DASK = typer.Option(
    "--dask",
    metavar="ADDRESS",
    help="Run on a Dask cluster: the address of a scheduler, or `local` to start one here.",
)
FORMATS = typer.Option(
    "--formats", metavar="LIST", help="Formats to write, for example png,csv,batches,parquet."
)
DECISIONS = typer.Option(
    "--decisions", metavar="FILE", help="Use this file instead of decisions.csv in the build."
)
MAX_REJECTED = typer.Option(
    "--max-rejected",
    min=0,
    metavar="N",
    help="Exit with code 1 if more than N sources are rejected.",
)
EXPORTS = "{formats}"
"""In the help of an option of a `CommandWithFormats`: the names of all formats."""
BUILD = typer.Argument(metavar="DIR", help="Folder of a build.")
SPLIT = typer.Option(
    "--split",
    metavar="SPLIT",
    help="One of: published; stratified:train=0.7,val=0.1,test=0.2,seed=1; k-fold:folds=5,seed=1; "
    "blocks:train=0.8,test=0.2, regions of sky; column:NAME; file:LIST.csv; like:OTHER, another "
    "dataset whose sources stay in their splits. Stratified, k-fold, blocks and like keep sources "
    "that share pixels out of different splits.  [default: the split of the build]",
)
MERGE = typer.Option(
    "--merge",
    metavar="NAME=LIST",
    help="Make one class of several, given by name or label, for example FRI=0,1,2. "
    "Repeat the option for each new class. Classes in no group are left out.",
)
HATS_ROWS = typer.Option(
    "--partition-rows",
    metavar="N",
    help="For hats: most rows of a partition.  [default: as in the recipe]",
)
HATS_MARGIN = typer.Option(
    "--margin",
    metavar="ARCSEC",
    help="For hats: width of the margin of a partition, at most 3600 arcsec; 0 for none.  "
    "[default: as in the recipe, otherwise 10]",
)
HATS_FLUX = typer.Option(
    "--flux/--no-flux",
    show_default=False,
    help="For hats: add the column image of the Multimodal Universe, with brightness, inverse "
    "variance and mask. It reads the images of the build again.",
)
HATS_ARRAYS = typer.Option(
    "--arrays/--no-arrays",
    show_default=False,
    help="For hats: add the pixels as arrays to stamps that are PNG files.",
)
