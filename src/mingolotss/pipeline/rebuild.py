"""Build again: what is not given is taken from the record of the build.

``mingolotss build --out DIR`` and ``mingolotss build DIR/recipe.toml`` need nothing else. The
record is ``recipe.toml`` and ``inputs.toml`` of the folder (`mingolotss.dataset.recorded_inputs`).
An input that was recorded at two places is taken from where its content is the recorded one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.recorded_inputs import (
    RecordedComponents,
    RecordedImages,
    RecordedInputs,
    RecordedRecipe,
    decisions_file,
    read_inputs,
)
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.files import is_local, locate, sha256_file
from mingolotss.io.places import Place, absolute_path
from mingolotss.pipeline.recorded_images import differing_images, recorded_folder
from mingolotss.recipe.load import load_recipe, recipe_names
from mingolotss.recipe.model import ChannelSettings, Recipe
from mingolotss.service import SERVICES
from mingolotss.service.base import ImageService, absolute_address

__all__ = [
    "DEFAULT_OUT",
    "DEFAULT_RECIPE",
    "BuildArguments",
    "GivenService",
    "build_folder",
    "complete_arguments",
    "recorded_service",
]

DEFAULT_RECIPE, DEFAULT_OUT = "mingolotss", "dataset"
_RECIPE_FILE = BuildFolder(Path()).recipe.name


class GivenService(NamedTuple):
    """The service of a channel, for this build or the recorded one.

    Attributes
    ----------
    service : str, ImageService or None
        None: that of the recipe. Paths are absolute.
    given : bool
        Whether it was given and is not that of the recipe.
    """

    service: str | ImageService | None = None
    given: bool = False


@dataclass(frozen=True)
class BuildArguments:
    """The arguments of a build, none of them left to its record.

    Attributes
    ----------
    recipe : Recipe
    recorded_recipe : RecordedRecipe
        The recipe as it was given, for the record.
    catalogue : Path, str, Catalogue or None
        None: that of the recipe.
    service : str, ImageService or None
        Of the reference channel, where the recipe has channels. None: that of the recipe. Paths
        are absolute.
    limit : int or None
    decisions : Path
    repeated : Path or None
        The folder of the build that is repeated with its own recipe and split plan.
    copies_decisions : bool
        Whether they are those of a build in another folder.
    given : tuple of bool
        Whether catalogue and service were given, for this build or the recorded one, and are not
        those of the recipe.
    channels : mapping of str to GivenService
        The services of the further channels, by their names.
    components : Path, str or None
        The file that masks are made from; None for a recipe without masks.
    """

    recipe: Recipe
    recorded_recipe: RecordedRecipe
    catalogue: Path | str | Catalogue | None
    service: str | ImageService | None
    limit: int | None
    decisions: Path
    copies_decisions: bool
    repeated: Path | None
    given: tuple[bool, bool]
    channels: Mapping[str, GivenService]
    components: Path | str | None = None


def _splits_alike(one: Recipe, other: Recipe) -> bool:
    """Return whether two recipes split the same sources in the same way: by plan and stamps."""
    tables = ("catalogue", "classes", "images", "stamp", "steps", "split")
    one, other = one.reference_recipe, other.reference_recipe
    return all(getattr(one, name) == getattr(other, name) for name in tables)


class _Base(NamedTuple):
    """The build whose record completes the arguments.

    Attributes
    ----------
    folder : Path
    provenance : Provenance
    inputs : RecordedInputs or None
        None for a build of an earlier version.
    is_whole : bool
        Whether its recipe is used too. If not, the recipe was given, and what the record took
        from its recipe is now taken from the given one.
    """

    folder: Path
    provenance: Provenance
    inputs: RecordedInputs | None
    is_whole: bool


def build_folder(recipe: str | Path | Recipe | None, out: Path | str | None) -> Path:
    """Return the folder of a build.

    It is `out`, otherwise the folder of the build whose ``recipe.toml`` is `recipe`, otherwise
    `DEFAULT_OUT`.
    """
    if out is not None:
        return locate(out)
    return _recorded_build(recipe) or Path(DEFAULT_OUT)


def complete_arguments(
    recipe: str | Path | Recipe | None,
    out: Path,
    catalogue: Path | str | Catalogue | None,
    service: str | Path | ImageService | None,
    decisions: Path | str | None,
    limit: int | None,
    settings: Mapping[str, object] | None,
    *,
    services: Mapping[str, str | Path | ImageService] | None = None,
    components: Path | str | None = None,
    fresh: bool = False,
) -> BuildArguments:
    """Return the arguments of a build, completed from the record of an earlier one.

    Parameters
    ----------
    recipe, catalogue, service, decisions, limit, settings, services, components
        As for `mingolotss.pipeline.plan.plan`.
    out : Path
        The folder of the build.
    fresh : bool
        A damaged record is no error, since the build will be replaced.

    Raises
    ------
    DatasetError
        The record is damaged.
    InputError
        An input is neither given nor recorded, or is not where it was.
    """
    base = None
    with suppress(*(DatasetError,) * fresh):
        base = _find_base(recipe, out)
    if base is not None and base.is_whole:
        used, recorded_recipe = base.provenance.recipe, _carry_recipe(base, out)
    else:
        used, recorded_recipe = _load(DEFAULT_RECIPE if recipe is None else recipe, out)
        if base is not None and base.provenance.recipe.name != used.name:
            base = None  # another dataset, which takes nothing from the one that is there
    if settings:
        used = used.changed(settings)
    if limit is None and base is not None and base.is_whole and catalogue is None:
        limit = base.provenance.limit or None
    service, of_channels = _by_channel(used, service, services or {})
    given = catalogue is not None, bool(service)
    if base is not None and catalogue is None:
        catalogue, was_given = _recorded_catalogue(base)
        given = was_given, given[1]
    if base is not None and not service:
        service, was_given = _recorded_service(base)
        given = given[0], was_given
    service = _check_service(service)
    if components is None and base is not None and used.mask.makes_masks:
        components = _recorded_components(base)
    decisions_path, copies_decisions = _find_decisions(decisions, out, base)
    return BuildArguments(
        recipe=used,
        recorded_recipe=recorded_recipe,
        catalogue=catalogue,
        service=service,
        limit=limit,
        decisions=decisions_path,
        copies_decisions=copies_decisions,
        repeated=base.folder if base and _splits_alike(base.provenance.recipe, used) else None,
        given=given,
        channels={
            channel.name: _service_of_channel(
                used, channel, of_channels.get(channel.name), GivenService(service, given[1]), base
            )
            for channel in used.further_channels
        },
        components=components,
    )


def _by_channel(
    recipe: Recipe,
    service: str | Path | ImageService | None,
    services: Mapping[str, str | Path | ImageService],
) -> tuple[str | Path | ImageService | None, dict[str, str | Path | ImageService]]:
    """Return the service of the reference that was given, and those of the further channels.

    Raises
    ------
    InputError
        The recipe has no channel of a name, or the reference has two services.
    """
    known = [channel.name for channel in recipe.channels]
    for name in services:
        if name not in known:
            has = f"its channels are {', '.join(known)}" if known else "it has no channels"
            raise InputError(
                f"use a service for the channel {name!r}: the recipe {recipe.name} has no such "
                f"channel; {has}"
            )
    further, reference = dict(services), recipe.reference_channel
    if reference is not None and reference.name in further:
        if service:
            raise InputError(
                f"use a service for the channel {reference.name!r}: it is the reference, and a "
                "service without a name was given for it too; give one of them"
            )
        service = further.pop(reference.name)
    return service, further


def _check_service(service: str | Path | ImageService | None) -> str | ImageService | None:
    """Return a service as it was given, with an absolute path; None for that of the recipe."""
    if isinstance(service, str | Path):
        return absolute_address(str(service)) if str(service) else None
    methods = (getattr(service, name, None) for name in ("search", "search_all"))
    if service is not None and not any(map(callable, methods)):
        raise InputError(
            f"the service is an object of type {type(service).__name__}, which has no method "
            "search: give an address as NAME:ARGUMENT, a folder, or an image service"
        )
    return service


def _service_of_channel(
    recipe: Recipe,
    channel: ChannelSettings,
    service: str | Path | ImageService | None,
    reference: GivenService,
    base: _Base | None,
) -> GivenService:
    """Return the service of a further channel: the given one, the recorded one, or none.

    A channel that has the images of the recipe, as the reference has them, has its service too.
    """
    if service:
        return GivenService(_check_service(service), given=True)
    reference_channel = recipe.reference_channel
    if channel.images is None and reference_channel and reference_channel.images is None:
        return reference
    if base is None:
        return GivenService()
    recorded, was_given = _recorded_service(base, channel.name)
    return GivenService(_check_service(recorded), was_given)


def recorded_service(folder: Path, channel: str = "") -> str:
    """Return the address of the image service of a build, as it has recorded it.

    Parameters
    ----------
    folder : Path
    channel : str
        A further channel; "" for the reference, or of a recipe without channels.

    Raises
    ------
    InputError
        It is not recorded completely, or its folder is not where it was.
    """
    base = _find_base(None, folder)
    address, _ = _recorded_service(base, channel) if base is not None else ("", False)
    if not address:
        raise InputError(f"open the images of {folder}: the build names no service")
    return absolute_address(address)


def _recorded_build(recipe: str | Path | Recipe | None) -> Path | None:
    """Return the folder of the build whose ``recipe.toml`` a recipe is, None if it is none."""
    if not isinstance(recipe, str | Path) or Path(recipe).name != _RECIPE_FILE:
        return None
    folder = locate(str(recipe)).parent
    return folder if BuildFolder(folder).candidates.exists() else None


def _find_base(recipe: str | Path | Recipe | None, out: Path) -> _Base | None:
    """Return the build whose record completes the arguments, None if there is none."""
    folder = _recorded_build(recipe)
    is_whole = recipe is None or folder is not None
    folder = folder or out
    provenance = read_provenance(folder)
    if provenance is None:
        return None
    return _Base(folder, provenance, read_inputs(folder), is_whole)


def _load(recipe: str | Path | Recipe, out: Path) -> tuple[Recipe, RecordedRecipe]:
    """Load a recipe that was given; return it with the record of it."""
    if isinstance(recipe, Recipe):
        return recipe, RecordedRecipe(digest=recipe.digest)
    loaded = load_recipe(recipe)
    if str(recipe) in recipe_names():
        return loaded, RecordedRecipe(name=str(recipe), digest=loaded.digest)
    place = Place.of(absolute_path(recipe), out)
    return loaded, RecordedRecipe(digest=loaded.digest).at(place)


def _carry_recipe(base: _Base, out: Path) -> RecordedRecipe:
    """Return the record of the recipe of a build, for the folder `out`."""
    if base.inputs is None:
        return RecordedRecipe()
    recorded = base.inputs.recipe.model_copy(update={"effective": ""})
    paths = recorded.place.paths(base.folder)
    if not paths:
        return recorded
    path = next((path for path in paths if path.is_file()), paths[0])
    return recorded.at(Place.of(path, out))


def _recorded_catalogue(base: _Base) -> tuple[Path | str | None, bool]:
    """Return the catalogue of a build, None for that of the recipe, and whether it was given."""
    folder, provenance = base.folder, base.provenance
    if base.inputs is None:
        if provenance.recipe.catalogue.names or provenance.recipe.published.list:
            return None, False
        return (_find_catalogue(folder, provenance), True) if base.is_whole else (None, False)
    recorded = base.inputs.catalogue
    if recorded.source in ("names", "list") or not (base.is_whole or recorded.given):
        return None, False
    if recorded.source == "python":
        raise InputError(
            f"build {folder}: its catalogue was a table in Python, which is not recorded; give "
            "catalogue=, or --catalogue FILE"
        )
    paths = recorded.place.paths(folder)
    existing = [path for path in paths if path.is_file()]
    for path in existing:
        if len(existing) == 1 or sha256_file(path) == recorded.sha256:
            return path, recorded.given
    if existing:
        return existing[0], recorded.given
    if recorded.url:
        return recorded.url, recorded.given
    raise InputError(
        f"build {folder}: its catalogue {provenance.catalogue} is not at {_listed(paths)}; "
        "give --catalogue FILE"
    )


def _recorded_components(base: _Base) -> Path | None:
    """Return the components of a build, None if it had none."""
    recorded = RecordedComponents() if base.inputs is None else base.inputs.components
    paths = recorded.place.paths(base.folder)
    existing = [path for path in paths if path.is_file()]
    for path in existing:
        if len(existing) == 1 or sha256_file(path) == recorded.sha256:
            return path
    if existing or not base.provenance.components:
        return next(iter(existing), None)
    raise InputError(
        f"build {base.folder}: its components {base.provenance.components} are not at "
        f"{_listed(paths)}; give --components FILE"
    )


def _find_catalogue(folder: Path, provenance: Provenance) -> Path:
    """Return the catalogue of a build of an earlier version, which did not record its place."""
    build, name = BuildFolder(folder), provenance.catalogue
    if is_local(folder):
        places = [build.sky / name, *build.workspace.catalogues.rglob(name), folder.parent / name]
        for path in places:
            if path.is_file() and sha256_file(path) == provenance.catalogue_sha256:
                return path
    raise InputError(
        f"build {folder}: an earlier version of mingolotss made it, and did not record where the "
        f"catalogue {name or 'is'} is; give --catalogue FILE once"
    )


def _recorded_service(base: _Base, channel: str = "") -> tuple[str, bool]:
    """Return the address of the image service of a build, and whether it was given.

    It is "" for that of the recipe, and for a further channel of which nothing is recorded.
    """
    folder = base.folder
    if base.inputs is None:
        if channel or not base.is_whole:
            return "", False
        return _find_service(folder, base.provenance), True
    recorded = base.inputs.images_of(channel)
    if not (base.is_whole or recorded.given) or recorded == RecordedImages():
        return "", False
    its = f"of its channel {channel} " if channel else ""
    option = f"--service {channel}=" if channel else "--service "
    if recorded.source == "python":
        argument = f"services={{{channel!r}: ...}}" if channel else "service="
        raise InputError(
            f"build {folder}: its image service {its}was an object in Python "
            f"({recorded.service}), which is not recorded; give {argument}, or {option.strip()}"
        )
    if recorded.has_credentials:
        raise InputError(
            f"build {folder}: the address of its image service {its}had a user and a password, "
            f"which are not recorded; give {option}{recorded.service} with both before the host "
            "(USER:PASSWORD@HOST)"
        )
    if not recorded.reads_folder:
        return recorded.service, recorded.given
    paths = recorded.place.paths(folder)
    existing = [path for path in paths if path.is_dir()]
    if not existing:
        raise InputError(
            f"build {folder}: the folder of its images {its}is not at {_listed(paths)}; give "
            f"{option}{recorded.service}:DIR"
        )
    path = _first_with_same_images(existing, BuildFolder(folder).parts, channel)
    return f"{recorded.service}:{path}", recorded.given


def _first_with_same_images(
    folders: Sequence[Path], parts: Callable[[], list[Path]], channel: str
) -> Path:
    """Return the first folder that has the images of some parts, or the first of all."""
    if len(folders) > 1:
        for folder in folders:
            if not differing_images(parts(), folder, channel=channel):
                return folder
    return folders[0]


def _find_service(folder: Path, provenance: Provenance) -> str:
    """Return the service of a build of an earlier version, which recorded it as it was given.

    Its parts have recorded where the folder was.
    """
    name, _, argument = provenance.service.partition(":")
    if name not in SERVICES:
        name, argument = "folder", provenance.service
    if not getattr(SERVICES.get(name), "takes_folder", False) or "://" in argument:
        return provenance.service
    build = BuildFolder(folder)
    before = recorded_folder(build.parts(), argument)
    if before and Path(before).is_dir():
        return f"{name}:{before}"
    if name == "simulated" and build.sky.is_dir():
        return f"{name}:{build.sky}"
    return f"{name}:{argument}"


def _find_decisions(
    decisions: Path | str | None, out: Path, base: _Base | None
) -> tuple[Path, bool]:
    """Return the file of decisions, and whether it belongs to the folder of another build.

    It is the given one, the recorded one, or that of the folder.
    """
    if decisions is not None:
        path = Path(decisions)
        if not path.exists():
            raise InputError(f"read the decisions {path}: there is no such file")
        return path, False
    own = BuildFolder(out).decisions
    if base is None or (base.folder != out and own.exists()):
        return own, False
    path, own_of_base = decisions_file(base.folder), BuildFolder(base.folder).decisions
    if path != own_of_base:
        return path, False
    recorded = base.inputs.decisions.place.paths(base.folder) if base.inputs else []
    if recorded:
        raise InputError(
            f"build {out}: the decisions that it follows are not at {_listed(recorded)} any more; "
            "give --decisions FILE, or put the file back"
        )
    return (path, True) if base.folder != out and path.exists() else (own, False)


def _listed(paths: Sequence[Path]) -> str:
    return " or ".join(map(str, paths)) or "a place that could be recorded"
