"""Find and read recipes: shipped ones by name, others by path; a recipe can extend another.

``extends = "mingolotss"`` begins a recipe with the settings of a shipped recipe, and
``extends = "base.toml"`` with those of a file in the same folder. Tables are merged key by key;
every other value, lists included, replaces the inherited one. ``name`` must be given. It is not
inherited, nor is what is true of the other dataset alone: its title, summary, description, authors,
version, DOI, address, date and keywords, and ``published``. Licence, papers and funding are
inherited, since they are those of the images and of the catalogue.

>>> recipe = load_recipe("mingolotss")
>>> recipe.stamp.pixels, recipe.images.size_arcmin, len(recipe.class_names)
(150, 6.0, 10)
>>> load_recipe("mingolots")
Traceback (most recent call last):
    ...
mingolotss.errors.RecipeError: no recipe is called 'mingolots': did you mean 'mingolotss'? ...
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from mingolotss.errors import RecipeError
from mingolotss.io.documents import parse_toml
from mingolotss.io.files import read_bounded
from mingolotss.recipe.model import Recipe, parse_recipe
from mingolotss.registry import nearest

__all__ = ["load_recipe", "recipe_names", "recipe_text", "recipes"]

Settings = Mapping[str, object]
_SHIPPED = files("mingolotss.recipe.shipped")
_MAX_CHAIN = 20
_NOT_INHERITED = (
    "name", "published", "title", "summary", "description", "authors", "version", "doi", "url",
    "date", "keywords",
)  # fmt: skip


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes."""
    names = (item.name for item in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def recipes() -> dict[str, str]:
    """Return the shipped recipes: the name of each, and its summary in one line.

    >>> print(*list(recipes())[:5])
    frdeep-first frdeep-nvss lotss lotss-horton2025 mingolotss
    """
    return {name: load_recipe(name).summary for name in recipe_names()}


def recipe_text(name: str | Path) -> str:
    """Return a recipe as its file has it, with its comments; `name` is as for `load_recipe`.

    Raises
    ------
    RecipeError
        There is no such recipe or file, or it is not text.
    """
    text = str(name)
    if _is_path(text):
        try:
            return read_bounded(Path(text)).decode()
        except (OSError, ValueError) as error:  # ValueError: no UTF-8, or NUL in the path
            reason = getattr(error, "strerror", None) or "not a text file in UTF-8"
            raise RecipeError(f"read the recipe {text}: {reason}") from error
    known = recipe_names()
    if text not in known:
        raise RecipeError(
            f"no recipe is called {text!r}:{nearest(text, known)} Known: {', '.join(known)}; "
            "a recipe of your own is given as a path that ends in .toml"
        )
    return (_SHIPPED / f"{text}.toml").read_text(encoding="utf-8")


def load_recipe(name: str | Path) -> Recipe:
    """Load a recipe by its name, or from a TOML file.

    Parameters
    ----------
    name : str or Path
        The name of a shipped recipe, or the path of a TOML file: a recipe, or the ``recipe.toml``
        of a build.

    Raises
    ------
    RecipeError
        There is no such recipe or file, a key is unknown, or a value is impossible.
    """
    return parse_recipe(_settings(str(name), ()), str(name))


def _settings(name: str, extended_by: tuple[str, ...]) -> Settings:
    """Return the settings of a recipe, those that it extends included."""
    if name in extended_by:
        chain = " extends ".join((*extended_by, name))
        raise RecipeError(f"read the recipe {extended_by[0]}: it extends itself: {chain}")
    if len(extended_by) > _MAX_CHAIN:
        raise RecipeError(
            f"read the recipe {extended_by[0]}: more than {_MAX_CHAIN} recipes extend one another"
        )
    settings = dict(_read(name))
    base = settings.pop("extends", None)
    if base is None:
        return settings
    inherited = _settings(_base_of(name, base), (*extended_by, name))
    return _merge({k: v for k, v in inherited.items() if k not in _NOT_INHERITED}, settings)


def _base_of(name: str, base: object) -> str:
    """Return the recipe that `name` extends: a shipped one, or a file in the same folder."""
    if not isinstance(base, str) or "/" in base or "\\" in base:
        raise RecipeError(
            f"read the recipe {name}: extends = {base!r}: expected the name of a shipped recipe, "
            "or of a .toml file in the same folder"
        )
    return str(Path(name).parent / base) if base.endswith(".toml") else base


def _read(name: str) -> Settings:
    """Return the keys of a recipe's file; a build's file has them under ``recipe``."""
    try:
        tables = parse_toml(recipe_text(name))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"read the recipe {name}: not TOML: {error}") from error
    settings = tables.get("recipe", tables)
    if not isinstance(settings, dict):
        raise RecipeError(f"read the recipe {name}: 'recipe' is no table")
    return settings


def _merge(inherited: Settings, own: Settings) -> Settings:
    """Return inherited settings with `own` on top: tables key by key, all else replaced."""
    merged = dict(inherited)
    for key, value in own.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or "/" in name
