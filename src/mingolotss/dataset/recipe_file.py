"""``recipe.toml`` of a build as tables, and what is read of it without the recipe.

To read the recipe itself (`mingolotss.dataset.provenance`) needs pydantic, which takes 0.1 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.errors import DatasetError
from mingolotss.io.documents import parse_toml
from mingolotss.io.error_text import first_line
from mingolotss.io.files import read_bounded
from mingolotss.io.system_faults import describe_fault

__all__ = [
    "classes_of",
    "damaged_recipe",
    "parse_recipe_text",
    "read_package_versions",
    "read_recipe_text",
    "read_recorded_classes",
]


def read_package_versions(folder: Path) -> dict[str, str]:
    """Return the versions of the packages that made a build; empty if they are not recorded.

    Raises
    ------
    DatasetError
        ``recipe.toml`` is damaged.
    """
    path = DatasetFolder(folder).recipe
    build = (_read_tables(path) or {}).get("build", {})
    packages = build.get("packages", {}) if isinstance(build, dict) else {}
    if not isinstance(packages, dict) or not all(isinstance(v, str) for v in packages.values()):
        raise damaged_recipe(path, TypeError("the versions of the packages are no texts"))
    return packages


def read_recorded_classes(folder: Path) -> tuple[str, ...] | None:
    """Return the names of the classes of a build or an export; None without ``recipe.toml``.

    Raises
    ------
    DatasetError
        ``recipe.toml`` is damaged.
    """
    path = DatasetFolder(folder).recipe
    tables = _read_tables(path)
    try:
        return None if tables is None else classes_of(tables["build"])
    except (KeyError, TypeError) as error:
        raise damaged_recipe(path, error) from error


def classes_of(build: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the classes in the table ``build``.

    Raises
    ------
    KeyError, TypeError
        It has none, or they are no list of names.
    """
    classes = build["classes"]
    if not isinstance(classes, list) or not all(isinstance(one, str) for one in classes):
        raise TypeError("build.classes is no list of names")
    return tuple(classes)


def _read_tables(path: Path) -> dict[str, Any] | None:
    text = read_recipe_text(path)
    return None if text is None else parse_recipe_text(text, path)


def read_recipe_text(path: Path) -> str | None:
    """Return the text of a ``recipe.toml``, None if there is none.

    Raises
    ------
    DatasetError
        The file cannot be read.
    """
    try:
        return read_bounded(path).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8
        raise damaged_recipe(path, error) from error


def parse_recipe_text(text: str, path: Path) -> dict[str, Any]:
    """Return the tables of a ``recipe.toml``.

    Raises
    ------
    DatasetError
        It is no TOML.
    """
    try:
        return parse_toml(text)
    except ValueError as error:
        raise damaged_recipe(path, error) from error


def damaged_recipe(path: Path, error: Exception) -> DatasetError:
    """Return the error for a ``recipe.toml`` that cannot be used."""
    return DatasetError(
        f"read {path}: "
        + (
            describe_fault(error)
            or f"damaged ({first_line(error)}); remove the folder or build with --fresh"
        )
    )
