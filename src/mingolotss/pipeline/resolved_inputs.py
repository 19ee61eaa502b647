"""The inputs of a build as objects, and the record of where they are.

`check_places` compares the images in another folder with those that a build was made from, so that
the same words in another working directory never continue a build with other images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.components import Components
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import name_kept_columns, recipe_columns
from mingolotss.dataset.provenance import Provenance
from mingolotss.dataset.recorded_inputs import (
    RecordedCatalogue,
    RecordedComponents,
    RecordedDecisions,
    RecordedImages,
    RecordedInputs,
    read_inputs,
)
from mingolotss.errors import InputError, RecipeError, hide_credentials
from mingolotss.foreign import is_own
from mingolotss.io.places import Place, absolute_path
from mingolotss.pipeline.inputs import NAMES_OF_IMAGES, resolve_catalogue, write_simulated_sky
from mingolotss.pipeline.planned_masks import resolve_components
from mingolotss.pipeline.rebuild import BuildArguments, GivenService
from mingolotss.pipeline.recorded_images import (
    differing_images,
    recorded_checksums,
    recorded_folder,
)
from mingolotss.recipe.model import Recipe
from mingolotss.service import SERVICES
from mingolotss.service.base import (
    ImageService,
    Naming,
    absolute_address,
    local_root,
    open_service,
)
from mingolotss.service.folder_addresses import split_folder
from mingolotss.service.local.listing import listed_files

__all__ = ["ResolvedImages", "ResolvedInputs", "check_places", "resolve_inputs"]

_MAX_SHOWN = 3  # names of images in one message


class ResolvedImages(NamedTuple):
    """The images of a build, or of one of its channels.

    Attributes
    ----------
    service : ImageService
    root : str
        The folder that all images lie in, as their paths begin; "" if they are addresses.
    folder : Path or None
        The folder that the paths of the images depend on.
    recorded : RecordedImages
    """

    service: ImageService
    root: str
    folder: Path | None
    recorded: RecordedImages


class ResolvedInputs(NamedTuple):
    """The inputs of a build.

    Attributes
    ----------
    recipe : Recipe
    catalogue : Catalogue
        After the limit.
    images : ResolvedImages
        Of the reference channel, where the recipe has channels.
    provenance : Provenance
    recorded : RecordedInputs
    channels : mapping of str to ResolvedImages
        Of the further channels, by their names.
    components : Components or None
        That the masks are made from.
    """

    recipe: Recipe
    catalogue: Catalogue
    images: ResolvedImages
    provenance: Provenance
    recorded: RecordedInputs
    channels: Mapping[str, ResolvedImages]
    components: Components | None = None

    def with_recipe(self, recipe: Recipe) -> ResolvedInputs:
        """Return the same inputs with a recipe whose plan is known."""
        return self._replace(recipe=recipe, provenance=replace(self.provenance, recipe=recipe))


def resolve_inputs(arguments: BuildArguments, out: Path, *, refresh: bool) -> ResolvedInputs:
    """Open the services and read the catalogue; make the simulated sky if asked."""
    recipe, catalogue = arguments.recipe, arguments.catalogue
    reference = recipe.reference_recipe
    catalogue_given, service_given = arguments.given
    given = GivenService(arguments.service, service_given)
    images = _open_images(reference, "", given, out, refresh=refresh)
    given_components = arguments.components
    if _address(reference, given) == "simulated" and catalogue is None:
        catalogue, _ = write_simulated_sky(absolute_path(out))
        if recipe.mask.makes_masks and given_components is None:
            from mingolotss.simulate import SkyFolder  # 0.2 s, for simulated skies only

            given_components = SkyFolder(catalogue.parent).components
    rows = resolve_catalogue(recipe, catalogue, images.service, out).head(arguments.limit)
    if rows.kept is not None:
        # It refuses names that collide, before any pixel is read.
        name_kept_columns(rows.kept, recipe_columns(recipe))
    components = resolve_components(recipe, given_components, rows)
    # Channels with the same images share one service, and so its searches and downloads.
    opened = [(reference.images, _address(reference, given), images)]
    channels: dict[str, ResolvedImages] = {}
    for channel in recipe.further_channels:
        own, given = recipe.of_channel(channel), arguments.channels[channel.name]
        address = _address(own, given, channel.name)
        for settings, other, shared in opened:
            if settings == own.images and _is_same_service(address, other):
                channels[channel.name] = shared
                break
        else:
            images_of_channel = _open_images(own, channel.name, given, out, refresh=refresh)
            channels[channel.name] = images_of_channel
            opened.append((own.images, address, images_of_channel))
    recorded = RecordedInputs(
        recipe=arguments.recorded_recipe,
        catalogue=_record_catalogue(recipe, catalogue, rows, out, given=catalogue_given),
        images=images.recorded,
        decisions=_record_decisions(arguments.decisions, out),
        channels={
            name: one.recorded.model_copy(update={"given": arguments.channels[name].given})
            for name, one in channels.items()
        },
        components=_record_components(components, out),
    )
    services = {name: one.recorded.service for name, one in channels.items()}
    provenance = Provenance.from_inputs(
        recipe, rows, images.recorded.service, arguments.limit, services, components
    )
    return ResolvedInputs(recipe, rows, images, provenance, recorded, channels, components)


def _address(recipe: Recipe, given: GivenService, channel: str = "") -> str | ImageService:
    """Return the service that was given, or the address of that of the recipe."""
    return given.service or absolute_address(_service_of(recipe, channel))


def _is_same_service(one: str | ImageService, other: str | ImageService) -> bool:
    return one is other or (isinstance(one, str) and isinstance(other, str) and one == other)


def _open_images(
    recipe: Recipe, channel: str, given: GivenService, out: Path, *, refresh: bool
) -> ResolvedImages:
    """Open the service of a channel, or of a recipe without channels.

    Parameters
    ----------
    recipe : Recipe
        Of this channel alone.
    channel : str
        The name of a further channel; "" for the reference, or without channels.
    given : GivenService
    out : Path
    refresh : bool
    """
    address = _address(recipe, given, channel)
    if address == "simulated":
        _, address = write_simulated_sky(absolute_path(out))
    service = address
    if isinstance(service, str):
        images = recipe.images
        naming = Naming(images.image, images.rms, images.ignore, images.checksums)
        workspace = BuildFolder(out).channel_workspace(channel).path if channel else out
        service = open_service(service, naming=naming, workspace=workspace, refresh=refresh)
    root = local_root(service)
    folder = absolute_path(root) if root else _folder_of_argument(address)
    recorded = _record_images(address, folder, out, given=given.given)
    return ResolvedImages(service, root, folder, recorded)


def check_places(out: Path, existing: Provenance, inputs: ResolvedInputs) -> list[str]:
    """Refuse to go on with other images at another place, of any channel.

    Images that were changed at their place are no error: their stamps are made again.

    Parameters
    ----------
    out : Path
        The folder of a build.
    existing : Provenance
        Its ``recipe.toml``.
    inputs : ResolvedInputs
        The inputs now.

    Returns
    -------
    list of str
        A line for the user for each channel whose images are at another place.

    Raises
    ------
    InputError
        The message names both folders.
    """
    lines = _check_place(out, existing, inputs.images.folder, "")
    for name, images in inputs.channels.items():
        lines += _check_place(out, existing, images.folder, name)
    return lines


def _check_place(out: Path, existing: Provenance, folder: Path | None, channel: str) -> list[str]:
    """Do the work of `check_places` for one channel, "" for the reference."""
    parts = BuildFolder(out).parts()
    if folder is None or not folder.is_dir():  # the service says that it is not there
        return []
    recorded, spelled = read_inputs(out), ""
    option = f"--service {channel}=SERVICE" if channel else "--service"
    of_channel = f" of the channel {channel}" if channel else ""
    if recorded is not None:
        place = recorded.images_of(channel).place
        before = str(place)
        if not before or place.is_at(folder, out) or _is_same(folder, place.paths(out)):
            return []
    else:
        spelled = existing.service.partition(":")[2] or existing.service
        before = recorded_folder(parts, spelled)
        if not before or _is_same(folder, [Path(before)]):
            return []
    names = differing_images(parts, folder, earlier_root=spelled, channel=channel)
    if names:
        count = len(recorded_checksums(parts, channel))
        shown = ", ".join(map(repr, names[:_MAX_SHOWN])) + ", ..." * (len(names) > _MAX_SHOWN)
        raise InputError(
            f"build in {out}: it was made from the images{of_channel} in {before}, and "
            f"{len(names)} of these {count} are missing or others in {folder} ({shown}). Give "
            f"{option} with the folder of the same images, choose another --out, or --fresh to "
            "replace the build"
        )
    return [f"the images{of_channel} are read from {folder} now, before from {before}"]


def _is_same(folder: Path, others: Sequence[Path]) -> bool:
    return any(other.exists() and other.samefile(folder) for other in others)


def _service_of(recipe: Recipe, channel: str = "") -> str:
    """Return the service of a recipe; raise RecipeError if it names none."""
    if not recipe.images.service:
        whose, option = f"the recipe {recipe.name}", "--service"
        if channel:
            whose, option = f"the channel {channel} of {whose}", f"--service {channel}=SERVICE"
        raise RecipeError(f"{whose} names no service: give {option}")
    return recipe.images.service


def _folder_of_argument(address: str | ImageService) -> Path | None:
    """Return the working directory if the argument of a service is a path from there.

    Only a plug-in knows whether its argument is a path; it says so by ``takes_folder``.
    """
    argument = address.partition(":")[2] if isinstance(address, str) else ""
    if not argument or "://" in argument or Path(argument).is_absolute():
        return None
    return absolute_path(".") if Path(argument).exists() else None


def _record_catalogue(
    recipe: Recipe,
    catalogue: Path | str | Catalogue | None,
    rows: Catalogue,
    out: Path,
    *,
    given: bool,
) -> RecordedCatalogue:
    if isinstance(catalogue, Catalogue):
        return RecordedCatalogue(given=True, source="python", sha256=rows.sha256)
    if rows.path == NAMES_OF_IMAGES:
        return RecordedCatalogue(given=given, source="names", sha256=rows.sha256)
    if catalogue is None and recipe.published.list:
        return RecordedCatalogue(given=given, source="list", sha256=rows.sha256)
    location = recipe.catalogue.url if catalogue is None else str(catalogue)
    url = hide_credentials(location) if location.startswith(("http://", "https://")) else ""
    recorded = RecordedCatalogue(given=given, url=url, sha256=rows.sha256)
    return recorded.at(Place.of(absolute_path(rows.path), out))


def _record_components(components: Components | None, out: Path) -> RecordedComponents:
    if components is None:
        return RecordedComponents()
    place = Place.of(absolute_path(components.path), out)
    return RecordedComponents(sha256=components.sha256).at(place)


def _record_images(
    address: str | ImageService, folder: Path | None, out: Path, *, given: bool
) -> RecordedImages:
    place = Place.of(folder, out) if folder else Place()
    if not isinstance(address, str):
        return RecordedImages(given=True, service=_name_of(address), source="python").at(place)
    name, argument = split_folder(address)
    if argument is not None and folder is not None:
        files, digest = listed_files(folder)
        return RecordedImages(
            given=given, service=name, reads_folder=True, files=files, files_sha256=digest
        ).at(place)
    hidden = hide_credentials(address)
    has_credentials = hidden != address
    return RecordedImages(given=given, service=hidden, has_credentials=has_credentials).at(place)


def _name_of(service: ImageService) -> str:
    """Return the name of a shipped service, what a plug-in calls itself, or that of its class."""
    kind = type(service)
    name = getattr(kind, "NAME", "")
    if name in SERVICES and SERVICES.get(name) is kind:
        return str(name)
    describes_itself = kind.__str__ is not object.__str__ and not is_own(kind)
    return hide_credentials(str(service)) if describes_itself else kind.__qualname__


def _record_decisions(path: Path, out: Path) -> RecordedDecisions:
    own = BuildFolder(out).decisions
    if path == own:
        return RecordedDecisions()
    place = Place.of(absolute_path(path), out)
    return RecordedDecisions() if place == Place(own.name) else RecordedDecisions().at(place)
