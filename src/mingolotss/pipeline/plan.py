"""Plan a build: which images each source has, and in which split and batch it is.

Planning reads the catalogue and searches the service; it reads no pixels. A `Plan` can be
inspected, and `mingolotss.pipeline.run` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import REPEATED_COLUMNS
from mingolotss.dataset.notices import write_notices
from mingolotss.dataset.products import remove_products, remove_tables
from mingolotss.dataset.provenance import (
    Provenance,
    check_same_build,
    read_provenance,
    write_provenance,
)
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.dataset.recorded_inputs import carry_products, read_inputs, write_inputs
from mingolotss.errors import clean_text
from mingolotss.io.files import write_bytes
from mingolotss.io.parquet import write_table
from mingolotss.pipeline.build_lock import build_lock
from mingolotss.pipeline.build_plan import Plan
from mingolotss.pipeline.image_demands import check_images
from mingolotss.pipeline.image_paths import ImagePaths
from mingolotss.pipeline.judged_labels import follow_decisions
from mingolotss.pipeline.plan_checks import check_decisions, check_downloads
from mingolotss.pipeline.plan_notices import channel_notices, coarse_positions, service_notices
from mingolotss.pipeline.planned_beams import BeamImages, plan_common_beam
from mingolotss.pipeline.planned_broadening import planned_broadening
from mingolotss.pipeline.planned_candidates import (
    reasons_without_image,
    search_channels,
    search_images,
)
from mingolotss.pipeline.planned_extents import planned_extents
from mingolotss.pipeline.planned_masks import PlannedMasks, plan_masks
from mingolotss.pipeline.planned_splits import PlannedSplits, parse_plan, plan_splits
from mingolotss.pipeline.planned_stamps import plan_stamps
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.pipeline.rebuild import build_folder, complete_arguments
from mingolotss.pipeline.recorded_splits import read_earlier_build
from mingolotss.pipeline.resolved_inputs import ResolvedInputs, check_places, resolve_inputs
from mingolotss.pipeline.stated_surveys import stated_surveys
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService
from mingolotss.service.local.folder import FolderService
from mingolotss.service.simulation import has_simulated_images

__all__ = ["plan", "plan_locked"]


def plan(
    recipe: str | Path | Recipe | None = None,
    *,
    out: Path | str | None = None,
    catalogue: Path | str | Catalogue | None = None,
    service: str | Path | ImageService | None = None,
    services: Mapping[str, str | Path | ImageService] | None = None,
    components: Path | str | None = None,
    decisions: Path | str | None = None,
    limit: int | None = None,
    settings: Mapping[str, object] | None = None,
    fresh: bool = False,
    refresh: bool = False,
    progress: BuildProgress | None = None,
) -> Plan:
    """Find the images of every source, and record the plan in the build's folder.

    No pixels are read. If there is a build in the folder already, what is not given is taken from
    its record.

    Parameters
    ----------
    recipe : str, Path or Recipe, optional
        The name of a shipped recipe, a TOML file, or a recipe. By default that of the build in
        `out`, otherwise "mingolotss". With ``DIR/recipe.toml`` of a build, its catalogue, service,
        limit and decisions are used as well.
    out : path, optional
        The build's folder, by default the one of ``DIR/recipe.toml``, otherwise "dataset".
        ``recipe.toml``, ``inputs.toml`` and ``candidates.parquet`` are written there.
    catalogue : Path, str or Catalogue, optional
        A file or an ``http`` address. It replaces the recipe's catalogue.
    service : str, Path or ImageService, optional
        It replaces the recipe's service. ``simulated`` without a folder makes a simulated sky in
        ``out/sky`` and, unless `catalogue` is given, uses the catalogue of that sky.
    services : mapping of str to str, Path or ImageService, optional
        They replace the services of channels, by the names of these. `service` replaces that of
        the reference.
    components : Path, optional
        The file of components or shapes that masks are made from, for a recipe with ``[mask]``.
    decisions : Path, optional
        The file of decisions; by default the recorded one, otherwise ``decisions.csv`` in `out`.
    limit : int, optional
        Use only the first rows of the catalogue.
    settings : mapping of str to value, optional
        Changes of the recipe by dotted keys, e.g. ``{"noise.sigma": 4}``.
    fresh : bool
        First remove what an earlier build wrote to `out`; downloads stay.
    refresh : bool
        Repeat the searches and downloads of a service that keeps them.
    progress : callable, optional
        Called with (sources done, total, current activity).

    Returns
    -------
    Plan
        Every source with its candidates; `mingolotss.run` makes the dataset of it.

    Raises
    ------
    InputError
        An argument is wrong or not recorded, `out` holds another build, the inputs at another place
        are not those that it was made from, or one is running there.
    ServiceError
        The service cannot be reached, or gave no image of any source.

    Examples
    --------
    >>> import mingolotss
    >>> plan = mingolotss.plan(out="demo")
    >>> plan.covered, plan.sources
    (119, 120)
    >>> plan.table().column_names[:5]
    ['row', 'source', 'field', 'image', 'rms']
    """
    out = build_folder(recipe, out)
    with build_lock(out):
        return plan_locked(
            recipe, out, catalogue, service, decisions, limit, settings, services=services,
            components=components, fresh=fresh, refresh=refresh, progress=progress,
        )  # fmt: skip


def plan_locked(
    recipe: str | Path | Recipe | None,
    out: Path,
    catalogue: Path | str | Catalogue | None,
    service: str | Path | ImageService | None,
    decisions: Path | str | None,
    limit: int | None,
    settings: Mapping[str, object] | None,
    *,
    services: Mapping[str, str | Path | ImageService] | None,
    components: Path | str | None,
    fresh: bool,
    refresh: bool,
    progress: BuildProgress | None,
    begin_parts: Callable[[Plan], None] = lambda _: None,
) -> Plan:
    """Plan as `plan` does, for a caller that holds the lock on `out`.

    `begin_parts` is called with the plan of a new build before its splits are planned.
    """
    arguments = complete_arguments(
        recipe, out, catalogue, service, decisions, limit, settings, services=services,
        components=components, fresh=fresh,
    )  # fmt: skip
    inputs = resolve_inputs(arguments, out, refresh=refresh)
    existing, messages = None if fresh else read_provenance(out), []
    if existing is not None and inputs.recipe.beam.is_planned:
        # Repeated builds use the beam that was planned once, also after images have been added.
        inputs = inputs.with_recipe(inputs.recipe.with_planned_beam(existing.recipe.beam))
    earlier = None
    if not fresh and arguments.repeated is not None:
        earlier = read_earlier_build(arguments.repeated, read_provenance(arguments.repeated))
    has_more_rows = (
        earlier is not None and earlier.folder == out and earlier.is_part_of(inputs.catalogue)
    )
    if existing is not None:
        check_same_build(existing, inputs.provenance, out, has_more_rows=has_more_rows)
        messages = check_places(out, existing, inputs)
    if earlier is not None and not has_more_rows and not earlier.has_all(inputs.catalogue):
        earlier = None  # another catalogue, in another folder
    people = follow_decisions(arguments.decisions, inputs.catalogue, inputs.recipe)
    inputs = inputs._replace(catalogue=people.catalogue)
    notify, images = progress or no_progress, inputs.images
    reference = inputs.recipe.reference_recipe
    stamps = plan_stamps(reference, inputs.catalogue)
    candidates, search_errors = search_images(inputs, stamps, reference, images, notify)
    channels = search_channels(inputs, stamps, candidates, search_errors, notify)
    all_images = [(images.service, candidates, reference)]
    all_images += [(channel.service, channel.candidates, channel.recipe) for channel in channels]
    beam = plan_common_beam(inputs.recipe.beam, _beam_images(inputs.catalogue, all_images))
    inputs = inputs.with_recipe(inputs.recipe.with_planned_beam(beam.settings))
    channels = tuple(
        replace(channel, recipe=channel.recipe.with_planned_beam(beam.settings))
        for channel in channels
    )
    check_decisions(people.by_source, inputs.catalogue, candidates)
    candidates = candidates.without(stamps.is_impossible)  # no pixels are read for them
    masks = _plan_masks(inputs, candidates, reference)
    demands = check_images(reference, candidates, images.service)
    folder = BuildFolder(out)
    paths = ImagePaths(images.root, str(out))
    result = Plan(  # complete but for its splits
        catalogue=inputs.catalogue,
        candidates=candidates,
        recipe=inputs.recipe,
        service=images.service,
        decisions=people.by_source,
        out=out,
        splits=PlannedSplits.unknown(parse_plan(inputs.recipe), inputs.catalogue.names),
        search_errors=search_errors,
        reasons_without_image=reasons_without_image(images.service, candidates, search_errors),
        notices=(
            *map(paths.shorten, service_notices(images.service)),
            *channel_notices(inputs, out),
            *map(clean_text, inputs.catalogue.notices),
            *map(clean_text, people.notices),
            *coarse_positions(inputs, candidates),
            *(clean_text(paths.shorten(line)) for line in beam.notices),
            *demands,
            *stamps.notices,
            *map(clean_text, masks.notices),
        ),
        in_catalogue_order=isinstance(images.service, FolderService),
        image_root=images.root,
        inputs=inputs.recorded,
        messages=(*messages, *beam.messages),
        channels=channels,
        stamp_deg=stamps.stamp_deg,
        components=masks.components,
        judgements=people.judgements,
    )
    if existing is None and earlier is None:
        begin_parts(result)
    splits = plan_splits(inputs.recipe, inputs.catalogue, candidates, images.service, earlier)
    result = replace(result, splits=splits)
    check_downloads(result)
    if fresh:  # only now, so that nothing is lost if the search fails
        remove_products(out)
    if has_more_rows:
        remove_tables(out)
    _record(out, None if has_more_rows else existing, inputs, result, splits)
    write_inputs(out, carry_products(inputs.recorded, read_inputs(out)))
    if arguments.copies_decisions:
        write_bytes(folder.decisions, arguments.decisions.read_bytes())
    if not folder.candidates.exists():
        write_table(folder.candidates, result.table(), repeated_columns=REPEATED_COLUMNS)
    write_notices(folder.notices, result.notices)
    return result


def _record(
    out: Path,
    existing: Provenance | None,
    inputs: ResolvedInputs,
    new_plan: Plan,
    splits: PlannedSplits,
) -> None:
    """Write the provenance of a new build, and new statements of a recipe about its dataset."""
    if existing is None:
        all_images = [(new_plan.service, new_plan.candidates.images)]
        all_images += [(one.service, one.candidates.images) for one in new_plan.channels]
        simulated = any(
            has_simulated_images(service, (image for _, image, _ in images))
            for service, images in all_images
        )
        today = datetime.now(UTC).date().isoformat()
        surveys = stated_surveys(service for service, _ in all_images)
        provenance = replace(
            inputs.provenance,
            classes=inputs.catalogue.classes,
            simulated=simulated,
            date=today,
            surveys=surveys,
        )
        write_provenance(out, replace(provenance, split=splits.write(out)))
    elif existing.recipe.to_dict() != inputs.recipe.to_dict():
        # `check_same_build` has seen to it that only texts, the rules for judgements and the HATS
        # collection differ. Without the list of checksums the build is incomplete, so that the
        # descriptions and the collection are written again.
        packages = read_package_versions(out)
        changed = replace(existing, recipe=inputs.recipe, classes=inputs.catalogue.classes)
        write_provenance(out, changed, packages)
        BuildFolder(out).checksums.unlink(missing_ok=True)


def _plan_masks(
    inputs: ResolvedInputs, candidates: CandidateTable, reference: Recipe
) -> PlannedMasks:
    """Return what the masks of a build are made from."""
    if inputs.components is None:
        return PlannedMasks()
    service, catalogue = inputs.images.service, inputs.catalogue
    extents = planned_extents(inputs.recipe, catalogue, candidates, service)
    return plan_masks(reference, inputs.components, catalogue, extents)


def _beam_images(
    catalogue: Catalogue, channels: Sequence[tuple[ImageService, CandidateTable, Recipe]]
) -> list[BeamImages]:
    """Return the images of all channels whose beams count, the reference first."""
    if not any(recipe.beam.common for _, _, recipe in channels):
        return []
    broadening = planned_broadening(catalogue, channels)
    return [
        BeamImages(service, candidates, catalogue.dec, recipe.beam, added)
        for (service, candidates, recipe), added in zip(channels, broadening, strict=True)
    ]
