"""Find recipes and read their files as tables, with those that they extend; nothing is checked.

``extends = "mingolotss"`` begins a recipe with the settings of a shipped recipe, and
``extends = "base.toml"`` with those of a file in the same folder. Tables are merged key by key;
every other value, lists included, replaces the inherited one. ``name`` must be given. It is not
inherited, nor is what is true of the other dataset alone: its title, summary, description, authors,
version, DOI, address, date and keywords, and ``published``. Licence, papers and funding are
inherited, since they are those of the images and of the catalogue.

Not here: what the tables mean (`mingolotss.recipe.load`).

>>> read_tables("mingolotss")["images"]["size_arcmin"]
6.0
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mingolotss.errors import RecipeError
from mingolotss.io.documents import parse_toml
from mingolotss.io.files import read_bounded
from mingolotss.registry import nearest

__all__ = ["read_tables", "recipe_names", "recipe_summaries", "recipe_text"]

Tables = Mapping[str, Any]
_SHIPPED = Path(__file__).with_name("shipped")
_MAX_CHAIN = 20
_NOT_INHERITED = (
    "name", "published", "title", "summary", "description", "authors", "version", "doi", "url",
    "date", "keywords",
)  # fmt: skip


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes."""
    names = (item.name for item in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def recipe_summaries() -> dict[str, str]:
    """Return the shipped recipes, each with its summary in one line."""
    return {name: read_tables(name).get("summary", "") for name in recipe_names()}


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


def read_tables(name: str | Path) -> Tables:
    """Return the settings of a recipe as its file and those that it extends have them.

    Parameters
    ----------
    name : str or Path
        As for `mingolotss.recipe.load.load_recipe`.

    Raises
    ------
    RecipeError
        There is no such recipe or file, or it is not TOML.
    """
    return _with_extended(str(name), ())


def _with_extended(name: str, extended_by: tuple[str, ...]) -> Tables:
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
    inherited = _with_extended(_base_of(name, base), (*extended_by, name))
    return _merge({k: v for k, v in inherited.items() if k not in _NOT_INHERITED}, settings)


def _base_of(name: str, base: object) -> str:
    """Return the recipe that `name` extends: a shipped one, or a file in the same folder."""
    if not isinstance(base, str) or "/" in base or "\\" in base:
        raise RecipeError(
            f"read the recipe {name}: extends = {base!r}: expected the name of a shipped recipe, "
            "or of a .toml file in the same folder"
        )
    return str(Path(name).parent / base) if base.endswith(".toml") else base


def _read(name: str) -> Tables:
    """Return the keys of a recipe's file; a build's file has them under ``recipe``."""
    text = recipe_text(name)
    try:
        tables = parse_toml(text)
    except ValueError as error:
        raise RecipeError(f"read the recipe {name}: not TOML: {error}") from error
    settings = tables.get("recipe", tables)
    if not isinstance(settings, dict):
        raise RecipeError(f"read the recipe {name}: 'recipe' is no table")
    return settings


def _merge(inherited: Tables, own: Tables) -> Tables:
    """Return inherited settings with `own` on top: tables key by key, all else replaced."""
    merged = dict(inherited)
    for key, value in own.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or "/" in name
