"""Load recipes: shipped ones by name, others by path.

>>> recipe = load_recipe("mingolotss")
>>> recipe.stamp.pixels, recipe.images.size_arcmin, len(recipe.class_names)
(150, 6.0, 10)
>>> load_recipe("mingolots")
Traceback (most recent call last):
    ...
mingolotss.errors.RecipeError: no recipe is called 'mingolots': did you mean 'mingolotss'? ...
"""

from __future__ import annotations

from pathlib import Path

from mingolotss.recipe.model import Recipe, parse_recipe
from mingolotss.recipe.tables import read_tables, recipe_names, recipe_summaries, recipe_text

__all__ = ["load_recipe", "recipe_names", "recipe_text", "recipes"]


def recipes() -> dict[str, str]:
    """Return the shipped recipes.

    Returns
    -------
    dict of str to str
        The name of each recipe, and its summary in one line.

    Examples
    --------
    >>> print(*list(recipes())[:5])
    frdeep-first frdeep-nvss lotss lotss-horton2025 mingolotss
    """
    return recipe_summaries()


def load_recipe(name: str | Path) -> Recipe:
    """Load a recipe by its name, or from a TOML file.

    Parameters
    ----------
    name : str or Path
        The name of a shipped recipe, or the path of a TOML file: a recipe, or the ``recipe.toml``
        of a build.

    Returns
    -------
    Recipe
        The settings, validated; what the file does not name has its default.

    Raises
    ------
    RecipeError
        There is no such recipe or file, a key is unknown, or a value is impossible.

    Examples
    --------
    >>> import mingolotss
    >>> recipe = mingolotss.load_recipe("mingolotss")
    >>> recipe.name, recipe.stamp.pixels, recipe.noise.sigma
    ('mingolotss', 150, 3.0)
    """
    return parse_recipe(read_tables(name), str(name))
