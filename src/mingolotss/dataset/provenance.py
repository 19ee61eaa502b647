"""``recipe.toml`` of a build: its recipe, the inputs, and the versions of the packages.

The file is a recipe itself: ``mingolotss build OUT/recipe.toml`` uses the same settings. It is a
part of the dataset and holds no paths: ``inputs.toml`` (`mingolotss.dataset.recorded_inputs`) says
where the inputs are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import tomli_w

from mingolotss.dataset.build_split import BuildSplit, read_build_split
from mingolotss.dataset.layout import DatasetFolder, batch_name
from mingolotss.dataset.recipe_file import (
    classes_of,
    damaged_recipe,
    parse_recipe_text,
    read_recipe_text,
)
from mingolotss.errors import InputError
from mingolotss.io.files import write_bytes
from mingolotss.recipe.differences import recipe_differences
from mingolotss.recipe.metadata import Metadata
from mingolotss.recipe.model import PUBLISHED_SPLIT, Recipe, parse_recipe
from mingolotss.service import SERVICES
from mingolotss.service.folder_addresses import split_folder

if TYPE_CHECKING:  # the readers of a dataset need no catalogue
    from mingolotss.catalogue.catalogue import Catalogue
    from mingolotss.catalogue.components import Components

__all__ = [
    "Provenance",
    "check_same_build",
    "read_provenance",
    "write_provenance",
]

_PACKAGES = ("mingolotss", "numpy", "astropy", "pyarrow", "zlib-ng")
_BEAM_PACKAGES = ("radio-beam", "scipy")  # of builds with a common beam
_TYPES = {"catalogue": str, "catalogue_sha256": str, "service": str, "rows": int, "limit": int}
_LATER_TYPES = {
    "simulated": bool,
    "date": str,
    "left_out": dict,
    "services": dict,
    "surveys": dict,
    "components": str,
    "components_sha256": str,
}  # builds of older versions do not have these
_MOST_ROWS = 1 << 48
_MAX_SHOWN = 3  # settings that differ, in one message
_COMMENT = "# Every setting of this build. To build it again: mingolotss build THIS_FILE\n"


@dataclass(frozen=True)
class Provenance:
    """All that decides the content of a build except the images.

    Attributes
    ----------
    recipe : Recipe
    catalogue, catalogue_sha256 : str
        File name and checksum.
    service : str
        The name of an image service that reads a folder; otherwise the whole address, without user
        and password. (Earlier versions recorded the folder too.)
    rows : int
        Sources, after `limit`.
    limit : int
        Only the first rows of the catalogue; 0 for all.
    classes : tuple of str
        Name of each label.
    simulated : bool
        Whether the images are simulated.
    date : str
        The day on which the build began, as 2026-11-26, in UTC; "" if it is not recorded.
    left_out : mapping of str to int
        How many rows of the catalogue's file are no sources, by the reason.
    split : BuildSplit or None
        How the build was split; None for a build of an older version, which follows the order of
        the catalogue.
    services : mapping of str to str
        The services of the further channels, by their names; `service` is that of the reference.
    surveys : mapping of str to mapping of str to str
        What the image services state about their images, by the survey: names and values.
    components, components_sha256 : str
        File name and checksum of what the masks were made from; "" without masks.
    """

    recipe: Recipe
    catalogue: str
    catalogue_sha256: str
    service: str
    rows: int
    limit: int
    classes: tuple[str, ...]
    simulated: bool = False
    date: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    split: BuildSplit | None = None
    services: Mapping[str, str] = field(default_factory=dict)
    surveys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    components: str = ""
    components_sha256: str = ""

    @property
    def split_plan(self) -> str:
        """The plan by which the build was split."""
        return "catalogue-order" if self.split is None else self.split.plan

    @property
    def batch_names(self) -> tuple[str, ...]:
        """The file names of the batches, in the order in which they are listed and archived."""
        if self.split is not None:
            return self.split.batches
        train = self.recipe.batches.train
        return tuple(batch_name(index, train) for index in range(train + 1))

    @property
    def metadata(self) -> Metadata:
        """What is stated about this dataset; title and description have their defaults.

        A recipe for images of a survey states nothing about simulated images. Only if its own
        service is the simulated sky, its statements hold for them.
        """
        recipe = self.recipe
        stated = {name: getattr(recipe, name) for name in Metadata.model_fields}
        title = recipe.title or recipe.name
        if self.simulated and "simulated" not in title.lower():
            title = f"{title} (simulated sky)"
        if self.simulated and not recipe.reference_recipe.images.service.startswith("simulated"):
            stated = {}
        description = " ".join(str(stated.get("description", "")).split())
        stated["title"] = title
        text = f"{description or self._default_description()} {self._extent()}"
        stated["description"] = text + self._reservation()
        return Metadata.model_construct(**stated)

    def _default_description(self) -> str:
        if self.simulated:
            return (
                f"Images of a simulated radio sky, processed by the recipe {self.recipe.name}. "
                "Nothing in them was observed."
            )
        return f"Images of radio sources, processed by the recipe {self.recipe.name}."

    def _extent(self) -> str:
        """Say how many sources there are: a build can be of a part, or of another catalogue."""
        rows = f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}"
        if self.limit:
            extent = f"This build was limited to the first {rows} of the catalogue."
        else:
            whole = "has" if not self.left_out else "without those that are left out has"
            extent = f"The catalogue {whole} {rows}."
        return f"{extent} {self.left_out_rows}".rstrip()

    @property
    def left_out_rows(self) -> str:
        """How many rows of the file are no sources and why, as a sentence; "" if there are none."""
        if not self.left_out:
            return ""
        reasons = "; ".join(f"{count:,} by {reason}" for reason, count in self.left_out.items())
        return f"Rows of the catalogue that are left out: {reasons}."

    @property
    def replaced_service(self) -> tuple[str, str] | None:
        """The service that the recipe names and the one that was used, if they differ."""
        named_service = self.recipe.reference_recipe.images.service
        used, named = (address.partition(":")[0] for address in (self.service, named_service))
        if "/" in used:
            used = "folder"
        elif not re.fullmatch(r"[\w.+-]+", used):  # the text of an object
            used = "a service of the program that called mingolotss"
        return None if named in {"", used} else (named, used)

    def _reservation(self) -> str:
        """Say that a recipe speaks of the images of its own service, if another was used."""
        if self.replaced_service is None or self.simulated:
            return ""
        named, used = self.replaced_service
        return (
            f" The recipe is for the images of the service {named}; those of this build are from "
            f"{used}."
        )

    @property
    def title(self) -> str:
        """The title of the dataset; that of a simulated one says so."""
        return self.metadata.title

    @property
    def description(self) -> str:
        """What the dataset is, in a few sentences."""
        return self.metadata.description

    @classmethod
    def from_inputs(
        cls,
        recipe: Recipe,
        catalogue: Catalogue,
        service: str,
        limit: int | None,
        services: Mapping[str, str] | None = None,
        components: Components | None = None,
    ) -> Provenance:
        """Return the provenance of a build.

        Parameters
        ----------
        recipe : Recipe
        catalogue : Catalogue
            After `limit`.
        service : str
        limit : int or None
        services : mapping of str to str, optional
            Of the further channels.
        components : Components, optional
            That the masks are made from.
        """
        return cls(
            recipe=recipe,
            catalogue=Path(catalogue.path).name,
            catalogue_sha256=catalogue.sha256,
            service=service,
            rows=len(catalogue),
            limit=limit or 0,
            classes=catalogue.classes,
            left_out=dict(catalogue.left_out),
            services=dict(services or {}),
            components="" if components is None else Path(components.path).name,
            components_sha256="" if components is None else components.sha256,
        )


def write_provenance(
    folder: Path, provenance: Provenance, packages: Mapping[str, str] | None = None
) -> None:
    """Write ``recipe.toml`` of a build.

    Parameters
    ----------
    folder : Path
    provenance : Provenance
    packages : mapping of str to str, optional
        The versions of the packages that made the build; by default of those in use.
    """
    build = {key: value for key, value in asdict(provenance).items() if key != "recipe"}
    build["classes"] = list(provenance.classes)
    for key in ("left_out", "services", "surveys", "components", "components_sha256"):
        if not build[key]:
            del build[key]
    del build["split"]
    if provenance.split is not None:
        build["split"] = provenance.split.to_dict()
    tables = {
        "build": build | {"packages": packages or _package_versions(provenance.recipe)},
        "recipe": provenance.recipe.to_dict(),
    }
    write_bytes(DatasetFolder(folder).recipe, (_COMMENT + tomli_w.dumps(tables)).encode())


def read_provenance(folder: Path) -> Provenance | None:
    """Read ``recipe.toml`` of a build or an export; None if there is none.

    Raises
    ------
    DatasetError
        The file is damaged.
    """
    path = DatasetFolder(folder).recipe
    text = read_recipe_text(path)
    return None if text is None else _provenance(text, path)


@lru_cache(maxsize=4)
def _provenance(text: str, path: Path) -> Provenance:
    """Return what ``recipe.toml`` says; a command asks for that of its build three times."""
    tables = parse_recipe_text(text, path)
    try:
        build = {key: value for key, value in tables["build"].items() if key != "packages"}
        _check_types(build)
        build["classes"] = classes_of(build)
        if "split" in build:
            build["split"] = read_build_split(build["split"])
        else:  # an older version, which had only this one
            tables["recipe"].setdefault("split", {"plan": PUBLISHED_SPLIT})
        # The service of the simulated sky has had this name in every version.
        build.setdefault("simulated", build["service"].partition(":")[0] == "simulated")
        return Provenance(recipe=parse_recipe(tables["recipe"], str(path)), **build)
    except (AttributeError, KeyError, TypeError) as error:
        raise damaged_recipe(path, error) from error


def _check_types(build: Mapping[str, object]) -> None:
    """Check the values of the table ``build``.

    Raises
    ------
    TypeError
        One has another type than `write_provenance` writes.
    """
    for name, kind in _TYPES.items():
        if type(build[name]) is not kind:
            raise TypeError(f"build.{name} = {build[name]!r:.40}")
    for name, kind in _LATER_TYPES.items():
        if name in build and type(build[name]) is not kind:
            raise TypeError(f"build.{name} = {build[name]!r:.40}")
    _check_tables(build)
    for name in ("rows", "limit"):
        if not 0 <= cast("int", build[name]) < _MOST_ROWS:
            raise TypeError(f"build.{name} = {build[name]!r:.40}")


def _check_tables(build: Mapping[str, object]) -> None:
    """Check the values in the tables of the table ``build``, as `_check_types` does."""
    services = cast("dict[str, object]", build.get("services", {}))
    if not all(isinstance(service, str) for service in services.values()):
        raise TypeError("build.services is no table of addresses")
    left_out = cast("dict[str, object]", build.get("left_out", {}))
    if not all(type(count) is int and 0 <= count < _MOST_ROWS for count in left_out.values()):
        raise TypeError("build.left_out is no table of numbers")
    for facts in cast("dict[str, object]", build.get("surveys", {})).values():
        if type(facts) is not dict or not all(isinstance(value, str) for value in facts.values()):
            raise TypeError("build.surveys is no table of texts")


def check_same_build(
    existing: Provenance, new: Provenance, folder: Path, *, has_more_rows: bool = False
) -> None:
    """Refuse to continue in a folder that holds another build.

    Catalogues are compared by their content, not by their names. Other rules for the judgements of
    people are no difference: sources get other labels, and stay in their splits.

    Parameters
    ----------
    existing, new : Provenance
    folder : Path
    has_more_rows : bool
        The catalogue of `new` is that of `existing` with more rows, which is no other build.

    Raises
    ------
    InputError
        The line says what differs.
    """
    differences = [*_recipe_differences(existing.recipe, new.recipe)]
    if not has_more_rows:
        differences += _catalogue_differences(existing, new)
    if existing.components_sha256 != new.components_sha256:
        old, young = (
            f"{one.components!r} (SHA-256 {one.components_sha256[:12]}...)"
            for one in (existing, new)
        )
        differences.append(f"components {old}, not {young}")
    if _service_name(existing.service) != _service_name(new.service):
        differences.append(f"service {existing.service!r}, not {new.service!r}")
    for name, service in new.services.items():
        before = existing.services.get(name, service)  # another recipe has other channels
        if _service_name(before) != _service_name(service):
            differences.append(f"service {before!r} of the channel {name}, not {service!r}")
    if differences:
        raise InputError(
            f"build in {folder}: it holds a build with {'; '.join(differences)}. Choose another "
            "--out, or --fresh to replace it"
        )


def _catalogue_differences(existing: Provenance, new: Provenance) -> Iterator[str]:
    if existing.catalogue_sha256 != new.catalogue_sha256:
        old, young = (
            f"{one.catalogue!r} (SHA-256 {one.catalogue_sha256[:12]}...)" if one.catalogue_sha256
            else "in memory" for one in (existing, new)
        )  # fmt: skip
        yield f"catalogue {old}, not {young}"
    elif (existing.rows, existing.limit) != (new.rows, new.limit):
        old, young = (
            f"{one.rows} rows" + (f" (limit {one.limit})" if one.limit else "")
            for one in (existing, new)
        )
        yield f"{old} of the catalogue, not {young}"


def _recipe_differences(existing: Recipe, new: Recipe) -> Iterator[str]:
    if existing.name != new.name:
        yield f"recipe {existing.name!r}, not {new.name!r}"
    elif (before := existing.with_judgements(new.judgements)).digest != new.digest:
        changed = recipe_differences(before, new)
        shown = [f"{one.key} = {one.first}, not {one.second}" for one in changed[:_MAX_SHOWN]]
        if len(changed) > _MAX_SHOWN:
            shown.append(f"{len(changed) - _MAX_SHOWN} more settings")
        yield f"recipe {existing.name!r} and other settings ({'; '.join(shown)})"


def _service_name(service: str) -> str:
    """Return the name of a service that reads a folder, the whole address of others."""
    # Earlier versions recorded the path, also without a name, of a folder that may be gone.
    name, folder = split_folder(service)
    is_path = folder is None and ":" not in name and name not in SERVICES
    return "folder" if is_path else name


def _package_versions(recipe: Recipe) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # 20 ms, where builds are written

    versions = {}
    beams = [recipe.beam, *(channel.beam for channel in recipe.channels)]
    convolves = any(beam is not None and beam.common for beam in beams)
    for package in (*_PACKAGES, *_BEAM_PACKAGES * convolves):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
