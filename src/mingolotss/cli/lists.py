"""The commands that list classes, recipes and services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mingolotss.cli.app import app
from mingolotss.cli.options import CATALOGUE, RECIPE
from mingolotss.cli.printing import print_lines, print_table, say
from mingolotss.errors import clean_text

if TYPE_CHECKING:
    from mingolotss.catalogue.catalogue import Catalogue


_COMBINATIONS = 10  # of tags


@app.command()
def classes(
    recipe: Annotated[str, RECIPE] = "mingolotss",
    catalogue: Annotated[str | None, CATALOGUE] = None,
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
        say(f"the recipe {recipe} has no class table; its dataset has no labels")
    elif not rows:
        say(
            f"the classes of the recipe {recipe} are the values of the column "
            f"{loaded.classes.column!r}; give a --catalogue to list them"
        )
    elif sources is None:
        cells = [(str(row.label), row.name, row.source, row.note) for row in rows]
        print_table(("label", name_of_kind, "from", "appearance"), cells)
    else:
        cells = [
            (str(row.label) if row.label >= 0 else "", row.name, row.source, str(row.count))
            for row in rows
        ]
        all_sources = ("", "all", "", str(len(sources)))
        print_table(("label", name_of_kind, "from", "count"), [*cells, all_sources])
        _print_label_counts(sources)


def _print_label_counts(sources: Catalogue) -> None:
    """Print how many tags or votes the sources have, and the most frequent sets of tags."""
    from mingolotss.dataset.label_census import count_tags
    from mingolotss.dataset.label_words import label_facts, tags_text

    vectors, names = sources.vectors, sources.classes
    facts = label_facts(sources.labels.astype(int), names, vectors, "source")
    print_lines([f"{name}: {text}" for name, text in facts.items()])
    if vectors is not None and vectors.kind == "tags":
        combinations = count_tags(vectors, names).combinations[:_COMBINATIONS]
        rows = [(tags_text(tags, names), str(count)) for tags, count in combinations]
        print_table(("most frequent combinations", "count"), rows)


@app.command()
def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print this recipe instead of the list.")
    ] = None,
) -> None:
    """List the shipped recipes, or print one of them.

    To make your own recipe, save a printed one in a TOML file and change it.
    """
    from mingolotss.recipe.tables import recipe_summaries, recipe_text

    if name is not None:
        from mingolotss.recipe.load import load_recipe  # with the models of all settings

        load_recipe(name)
        for line in recipe_text(name).splitlines():
            print(line if line.replace("\t", " ").isprintable() else clean_text(line))
        return
    print_table(("recipe", "dataset"), [*recipe_summaries().items()])
    say(
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
        print_table(("images", "of this service"), describe_service(name))
        return
    for heading, group in service_groups().items():
        print_table(("service", heading), [*group.items()])
        print()
    say("What is known about the images of one: mingolotss services NAME.")
