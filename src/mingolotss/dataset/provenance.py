"""``recipe.toml`` of a build: every setting in force, what it was built from and with.

The file is a recipe itself: ``mingolotss build OUT/recipe.toml`` uses the same settings.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tomli_w

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.files import write_bytes
from mingolotss.recipe.model import Recipe, parse_recipe

__all__ = ["Settings", "check_same", "read_settings", "write_settings"]

_PACKAGES = ("mingolotss", "numpy", "astropy", "pyarrow", "zlib-ng")


@dataclass(frozen=True)
class Settings:
    """What decides a build's content, the images apart.

    Attributes
    ----------
    recipe : Recipe
    catalogue, catalogue_sha256 : str
        File name and checksum.
    service : str
    rows : int
        Sources, after `limit`.
    limit : int
        0 for none.
    classes : tuple of str
    """

    recipe: Recipe
    catalogue: str
    catalogue_sha256: str
    service: str
    rows: int
    limit: int
    classes: tuple[str, ...]

    @classmethod
    def of(cls, recipe: Recipe, catalogue: Catalogue, service: str, limit: int | None) -> Settings:
        """Gather the settings of a build."""
        name = Path(catalogue.path).name
        digest = catalogue.sha256
        return cls(recipe, name, digest, service, len(catalogue), limit or 0, catalogue.classes)


def write_settings(out: Path, settings: Settings) -> None:
    """Write ``recipe.toml``."""
    content = {key: value for key, value in asdict(settings).items() if key != "recipe"}
    content["classes"] = list(settings.classes)
    tables = {
        "build": content | {"packages": _versions()},
        "recipe": settings.recipe.to_dict(),
    }
    text = "# Every setting of this build. As a recipe: mingolotss build THIS_FILE --out ...\n"
    write_bytes(out / "recipe.toml", (text + tomli_w.dumps(tables)).encode())


def read_settings(out: Path) -> Settings | None:
    """Read ``recipe.toml`` of a build, None if there is none.

    Raises
    ------
    DatasetError
        The file is damaged.
    """
    path = out / "recipe.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        build: dict[str, Any] = dict(tables["build"])
        build.pop("packages", None)
        build["classes"] = tuple(build["classes"])
        return Settings(recipe=parse_recipe(tables["recipe"], str(path)), **build)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise DatasetError(
            f"read {path}: damaged ({error}); remove the folder or build with --fresh"
        ) from error


def check_same(before: Settings, now: Settings, out: Path) -> None:
    """Refuse to go on in a folder that holds another build.

    Raises
    ------
    InputError
        The line says what differs.
    """
    differ = [
        f"{what} {getattr(before, what)!r}, not {getattr(now, what)!r}"
        for what in ("catalogue", "service", "limit")
        if getattr(before, what) != getattr(now, what)
    ]
    if before.recipe.digest != now.recipe.digest:
        names = before.recipe.name, now.recipe.name
        other = f"recipe {names[0]!r}, not {names[1]!r}"
        differ.insert(0, other if names[0] != names[1] else f"recipe {names[0]!r}, since changed")
    elif before.catalogue_sha256 != now.catalogue_sha256:
        differ.append("a catalogue with another checksum")
    if differ:
        raise InputError(
            f"build in {out}: it holds a build with {'; '.join(differ)}. Choose another --out, or "
            "--fresh to replace it"
        )


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
