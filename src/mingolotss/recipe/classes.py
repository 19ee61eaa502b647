"""The classes of a recipe, and how many sources of a catalogue are in each.

>>> [row.name for row in classes("mingolotss")][:2], classes("mingolotss")[1].source
(['FRI', 'FRI NAT'], 'FR1 + NAT')
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.label_groups import label_groups
from mingolotss.catalogue.labels import UNLABELLED
from mingolotss.catalogue.reading import read_catalogue
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import Recipe

__all__ = ["ClassRow", "classes"]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class.

    Attributes
    ----------
    label : int
        -1 for the sources without a class.
    name : str
    source : str
        The flags or the value of the catalogue that mean this class, "" if the catalogue itself
        names its classes.
    note : str
        What its galaxies look like.
    count : int or None
        Sources of the catalogue in this class; None without a catalogue.
    """

    label: int
    name: str
    source: str = ""
    note: str = ""
    count: int | None = None


def classes(
    recipe: str | Path | Recipe = "mingolotss", catalogue: str | Path | Catalogue | None = None
) -> list[ClassRow]:
    """Return the classes of a recipe, counted in a catalogue if one is given.

    Parameters
    ----------
    recipe : str, Path or Recipe
        The name of a shipped recipe, a TOML file, or a recipe.
    catalogue : str, Path or Catalogue, optional
        A file, or the sources themselves.

    Returns
    -------
    list of ClassRow
        By label; empty if the dataset of the recipe has no labels. If the recipe permits sources
        without a class and the catalogue has some, they are the last row, and those without a tag
        or without a single class have a row of their own. A source with several tags is counted
        for each, and one with votes for the class with the most.

    Raises
    ------
    RecipeError, CatalogueError
        There is no such recipe, or the catalogue cannot be read.

    Examples
    --------
    >>> import mingolotss
    >>> [row.name for row in mingolotss.classes("mingolotss")][:3]
    ['FRI', 'FRI NAT', 'FRI WAT']
    >>> mingolotss.classes("mingolotss", "demo/sky/catalogue.fits")[0].count
    16
    """
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    known = [
        ClassRow(row.label, row.name, " + ".join(row.flags) or row.value, row.note)
        for row in loaded.classes.final_table
    ]
    if catalogue is None:
        return known
    if not isinstance(catalogue, Catalogue):
        catalogue = read_catalogue(catalogue, loaded.catalogue.columns, loaded.rules)
    by_label = {row.label: row for row in known}
    rows = [
        ClassRow(label, name, row.source, row.note, int(count))
        for label, (name, count) in enumerate(
            zip(catalogue.classes, catalogue.counts(), strict=True)
        )
        for row in [by_label.get(label, ClassRow(label, name))]
    ]
    groups = label_groups(catalogue.labels, catalogue.classes, catalogue.vectors)
    without = [(name, int(members.sum())) for label, name, members in groups if label is None]
    if catalogue.vectors is None:
        without = [("without a class", count) for _, count in without]
    return rows + [ClassRow(UNLABELLED, name, count=count) for name, count in without if rows]
