"""Plan a build: which images each source has, and how the catalogue is divided into parts.

Planning reads the catalogue and searches the service; it reads no pixels. A `Plan` can be
inspected, and `mingolotss.pipeline.run` carries it out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.candidates.decisions import Decision
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.components import NearComponents
from mingolotss.dataset.label_origins import count_origins
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import CANDIDATE_CHANNEL, CANDIDATES, REPEATED_COLUMNS
from mingolotss.dataset.notices import write_notices
from mingolotss.dataset.products import remove_products, remove_tables
from mingolotss.dataset.provenance import (
    Provenance,
    check_same_build,
    read_package_versions,
    read_provenance,
    write_provenance,
)
from mingolotss.dataset.recorded_inputs import (
    RecordedInputs,
    carry_products,
    read_inputs,
    write_inputs,
)
from mingolotss.dataset.splits import SplitResult
from mingolotss.dataset.stamp_extents import stamp_extent
from mingolotss.errors import (
    DecisionError,
    InputError,
    ServiceAnswerError,
    ServiceError,
    clean_text,
    hide_credentials,
)
from mingolotss.io.arrow_values import array_of, text_array
from mingolotss.io.files import as_input_error, same_file, write_bytes
from mingolotss.io.parquet import write_table
from mingolotss.io.summaries import Shown, Summary, Table, count_text
from mingolotss.model import Candidate, Ints
from mingolotss.pipeline.build_lock import build_lock
from mingolotss.pipeline.channel_inputs import ChannelInputs, restrict
from mingolotss.pipeline.image_demands import check_images
from mingolotss.pipeline.image_paths import ImagePaths
from mingolotss.pipeline.judged_labels import follow_decisions
from mingolotss.pipeline.planned_beams import BeamImages, plan_common_beam
from mingolotss.pipeline.planned_broadening import planned_broadening
from mingolotss.pipeline.planned_extents import planned_extents
from mingolotss.pipeline.planned_masks import PlannedMasks, plan_masks
from mingolotss.pipeline.planned_splits import PlannedSplits, plan_splits, split_sources
from mingolotss.pipeline.planned_stamps import PlannedStamps, plan_stamps
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.pipeline.rebuild import build_folder, complete_arguments
from mingolotss.pipeline.recorded_splits import read_earlier_build
from mingolotss.pipeline.resolved_inputs import (
    ResolvedImages,
    ResolvedInputs,
    check_places,
    resolve_inputs,
)
from mingolotss.pipeline.stated_surveys import stated_surveys
from mingolotss.pipeline.task import Task
from mingolotss.recipe.model import ChannelSettings, Recipe
from mingolotss.service.base import (
    CutoutRequest,
    Estimate,
    FetchService,
    FileService,
    ImageService,
    search_all,
)
from mingolotss.service.local.folder import FolderService
from mingolotss.service.simulation import has_simulated_images
from mingolotss.sky.healpix_index import nested_pixels

__all__ = ["Plan", "plan", "plan_locked"]

_NSIDE = 4096  # HEALPix pixels of 52 arcsec; 3 ms for 20,000 positions (2 cores, median)
# A small catalogue is divided into 8 parts, which is enough for the workers to share. A part has at
# least 64 sources, since each has two files, and at most 4096, so that an interrupted build loses
# little and a worker holds few rows.
_MIN_PARTS, _MIN_PART_SOURCES, _MAX_PART_SOURCES = 8, 64, 4096


@dataclass(frozen=True, repr=False)
class Plan(Shown):
    """Every source of a build with its candidates, before any pixel is read.

    Attributes
    ----------
    catalogue : Catalogue
    candidates : CandidateTable
        The candidates of each source, sorted by field.
    recipe : Recipe
    service : ImageService
    decisions : mapping of str to Decision
        By the name of the source.
    out : Path
        The build's folder.
    search_errors : mapping of str to str
        The reason for each source whose search failed, by its name. It has no candidates.
    reasons_without_image : mapping of str to str
        Why a source has no image, by its name, for sources of which the service knows more than
        that no image holds the position.
    notices : tuple of str
        The files that the service does not use, a line for each reason.
    in_catalogue_order : bool
        Divide the catalogue into parts as it stands, not by image: for a service with one file for
        each cutout. Fixed when the plan is made, since `fetch` replaces the service and must not
        change the parts.
    image_root : str
        The folder that all images lie in; "" if they are addresses. Fixed for the same reason.
    inputs : RecordedInputs
        Where the inputs are, as the build's folder has recorded it.
    messages : tuple of str
        Lines for the user about inputs that were taken from the record, or have moved.
    splits : PlannedSplits
        The split and the batch of every source.
    channels : tuple of ChannelInputs
        The further channels of the recipe; `candidates` and `service` are those of the reference.
    stamp_deg : float, deg
        Side of the cutouts that the stamps need at least; 0 if those of the recipe are right.
    components : NearComponents or None
        The components near each source, for a recipe with masks.
    judgements : tuple of Decision
        Of each person on each source, where the recipe makes labels of them.
    """

    catalogue: Catalogue
    candidates: CandidateTable
    recipe: Recipe
    service: ImageService
    decisions: Mapping[str, Decision]
    out: Path
    splits: PlannedSplits
    search_errors: Mapping[str, str] = field(default_factory=dict)
    reasons_without_image: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    in_catalogue_order: bool = False
    image_root: str = ""
    inputs: RecordedInputs = field(default_factory=RecordedInputs)
    messages: tuple[str, ...] = ()
    channels: tuple[ChannelInputs, ...] = ()
    stamp_deg: float = 0.0
    components: NearComponents | None = None
    judgements: tuple[Decision, ...] = ()

    @property
    def sources(self) -> int:
        """Return the number of sources."""
        return len(self.catalogue)

    @property
    def covered(self) -> int:
        """Return the number of sources with at least one image."""
        return int(np.count_nonzero(self.candidates.counts))

    def _summary(self) -> Summary:
        facts = {
            "recipe": self.recipe.name,
            "catalogue": self.catalogue.path or "columns in memory",
            "service": hide_credentials(str(self.service)),
            "out": str(self.out),
            "parts": f"{len(self.partitions):,}",
        }
        for name, covered, rule, address in self.channel_rows() if self.channels else ():
            facts[f"channel {name}"] = f"{covered} sources, {address} (without an image: {rule})"
        if self.search_errors:
            facts["failed searches"] = f"{len(self.search_errors):,}"
        if self.components is not None:
            one = self.components.components
            facts["masks"] = f"from {one.path} ({one.link})"
        if self.decisions:
            facts["decisions"] = f"{len(self.decisions):,}"
        if self.judgements:
            origins = count_origins(self.catalogue.label_from or ())
            facts["judgements"] = (
                f"{len(self.judgements):,}, which give {count_text(origins.people, 'label')}"
            )
        if self.notices:
            facts["not used"] = "; ".join(self.notices[:3])
        title = f"Plan: {self.covered:,} of {count_text(self.sources, 'source')} with an image"
        counts = sorted(self.field_counts().items())
        return Summary(title, facts, Table(("images of a source", "sources"), counts))

    def channel_rows(self) -> list[tuple[str, str, str, str]]:
        """Return what each channel covers, in the order of the recipe.

        Returns
        -------
        list of tuple
            The name, the number of sources with an image, what happens to the others, and the
            service. Empty for a recipe without channels.
        """
        further = {channel.name: channel for channel in self.channels}
        rules = {"reject": "rejected", "nan": "NaN", "zero": "0"}
        rows = []
        for one in self.recipe.channels:
            channel = further.get(one.name)
            inputs = self if channel is None else channel
            rule = "rejected, the reference" if channel is None else rules[one.missing]
            address = hide_credentials(str(inputs.service))
            rows.append((one.name, f"{inputs.covered:,}", rule, address))
        return rows

    def field_counts(self) -> dict[int, int]:
        """Return how many sources have 0, 1, 2, ... images."""
        numbers, counts = np.unique(self.candidates.counts, return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def requests(
        self, parts: Iterable[int] | None = None, channel: ChannelInputs | None = None
    ) -> Iterator[CutoutRequest]:
        """Yield a request for every cutout of some parts, by default of all, part by part.

        Parameters
        ----------
        parts : iterable of int, optional
        channel : ChannelInputs, optional
            One of `channels`; by default the reference. A source without an image of the reference
            is rejected, and needs none of another channel.
        """
        candidates = self.candidates if channel is None else channel.candidates
        for part in range(len(self.partitions)) if parts is None else parts:
            for row in self.partitions[part]:
                if channel is not None and not self.candidates[row]:
                    continue
                source = self.catalogue.source(int(row))
                yield from (CutoutRequest(candidate, source) for candidate in candidates[row])

    def estimate(self) -> Estimate | None:
        """Estimate the remaining downloads; return None if the services read local files."""
        estimates = [
            service.estimate(self.requests(channel=channel), self.cutout_deg(recipe))
            for channel, service, recipe in self.image_services()
            if isinstance(service, FetchService)
        ]
        if not estimates:
            return None
        return Estimate(*(sum(values) for values in zip(*map(astuple, estimates), strict=True)))

    def cutout_deg(self, recipe: Recipe) -> float:
        """Return the side of the cutouts that are requested for one channel, deg."""
        return max(recipe.images.size_deg, self.stamp_deg)

    def image_services(self) -> list[tuple[ChannelInputs | None, ImageService, Recipe]]:
        """Return each service of the plan once, with its first channel and the recipe of that.

        The channel is None for the reference. Channels of the same images share one service.
        """
        services: list[tuple[ChannelInputs | None, ImageService, Recipe]]
        services = [(None, self.service, self.recipe.reference_recipe)]
        for channel in self.channels:
            if all(channel.service is not service for _, service, _ in services):
                services.append((channel, channel.service, channel.recipe))
        return services

    @cached_property
    def partitions(self) -> list[Ints]:
        """Return the catalogue rows of every part.

        With `in_catalogue_order` the sources keep the order of the catalogue. Otherwise they are
        sorted by their first image and by declination, and divided into bands: two workers on one
        mosaic then map different pages of its file. Within a band the sources of an image follow
        the HEALPix order, so that the pixels that one stamp needs are still in the cache for the
        next.
        """
        n, first_image, dec = self.sources, self.candidates.first_image, self.catalogue.dec
        length = min(_MAX_PART_SOURCES, max(_MIN_PART_SOURCES, math.ceil(n / _MIN_PARTS)))
        order = np.arange(n) if self.in_catalogue_order else np.lexsort((dec, first_image))
        bands = [order[start : start + length] for start in range(0, n, length)]
        if self.in_catalogue_order:
            return bands
        pixel = nested_pixels(self.catalogue.ra, dec, _NSIDE)
        return [band[np.lexsort((pixel[band], first_image[band]))] for band in bands]

    def task(self, index: int) -> Task:
        """Return one part as a worker needs it."""
        rows = self.partitions[index]
        catalogue = self.catalogue.take(rows)
        return Task(
            index=index,
            catalogue=catalogue,
            rows=rows,
            candidates=self.candidates.take(rows),
            batches=self.splits.batch_index[rows],
            batch_list=self.splits.batches,
            decisions=restrict(self.decisions, catalogue.names),
            recipe=self.recipe,
            service=self.service,
            out=self.out,
            search_errors=restrict(self.search_errors, catalogue.names)
            | restrict(self.reasons_without_image, catalogue.names),
            image_root=self.image_root,
            channels=tuple(channel.take(rows) for channel in self.channels),
            stamp_deg=self.stamp_deg,
            components=None if self.components is None else self.components.take(rows),
        )

    def describe_split(self) -> SplitResult:
        """Count the sources of each class and split, and the pairs that share pixels across splits.

        The size of the stamps is the expected one.
        """
        return self.splits.describe(
            split_sources(self.recipe, self.catalogue, self.candidates, self.service)
        )

    def table(self) -> pa.Table:
        """Return the candidates as a table with the columns of ``candidates.parquet``.

        Columns that only a build can fill are null.
        """
        reference = self.recipe.reference_channel
        if reference is None:
            return self._candidate_rows(self.candidates, self.image_root)
        tables = {reference.name: self._candidate_rows(self.candidates, self.image_root)}
        for channel in self.channels:
            tables[channel.name] = self._candidate_rows(channel.candidates, channel.image_root)
        in_order = [
            tables[one.name].append_column(
                CANDIDATE_CHANNEL, pa.array([one.name] * len(tables[one.name]), pa.string())
            )
            for one in self.recipe.channels
        ]
        # The rows of a source stand together; sorting keeps the order of its channels and fields.
        rows = pa.concat_tables(in_order)
        return rows.take(pa.array(np.argsort(rows["row"].to_numpy(), kind="stable")))

    def _candidate_rows(self, candidates: CandidateTable, image_root: str) -> pa.Table:
        """Return the candidates of one channel."""
        name = ImagePaths(image_root, str(self.out)).name
        images = [(field, name(image), name(rms)) for field, image, rms in candidates.images]
        rows = np.repeat(np.arange(self.sources), candidates.counts)
        columns = {field.name: pa.nulls(len(rows), field.type) for field in CANDIDATES}
        row = array_of(rows)
        columns |= {"row": row, "source": text_array(candidates.names).take(row)}
        image_columns = zip(*images, strict=True) if images else [(), (), ()]
        for column, values in zip(("field", "image", "rms"), image_columns, strict=True):
            columns[column] = text_array(values).take(array_of(candidates.image_index))
        return pa.table(columns, schema=CANDIDATES)


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
    out : Path, optional
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

    Raises
    ------
    InputError
        An argument is wrong or not recorded, `out` holds another build, the inputs at another place
        are not those that it was made from, or one is running there.
    ServiceError
        The service cannot be reached, or gave no image of any source.
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
) -> Plan:
    """Plan as `plan` does, for a caller that holds the lock on `out`."""
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
    candidates, search_errors = _search(inputs, stamps, reference, images, notify)
    channels = _plan_channels(inputs, stamps, candidates, search_errors, notify)
    all_images = [(images.service, candidates, reference)]
    all_images += [(channel.service, channel.candidates, channel.recipe) for channel in channels]
    beam = plan_common_beam(inputs.recipe.beam, _beam_images(inputs.catalogue, all_images))
    inputs = inputs.with_recipe(inputs.recipe.with_planned_beam(beam.settings))
    channels = tuple(
        replace(channel, recipe=channel.recipe.with_planned_beam(beam.settings))
        for channel in channels
    )
    _check_decisions(people.by_source, inputs.catalogue, candidates)
    candidates = candidates.without(stamps.is_impossible)  # no pixels are read for them
    masks = _plan_masks(inputs, candidates, reference)
    demands = check_images(reference, candidates, images.service)
    splits = plan_splits(inputs.recipe, inputs.catalogue, candidates, images.service, earlier)
    folder = BuildFolder(out)
    paths = ImagePaths(images.root, str(out))
    result = Plan(
        catalogue=inputs.catalogue,
        candidates=candidates,
        recipe=inputs.recipe,
        service=images.service,
        decisions=people.by_source,
        out=out,
        splits=splits,
        search_errors=search_errors,
        reasons_without_image=_reasons_without_image(images.service, candidates, search_errors),
        notices=(
            *map(paths.shorten, _notices(images.service)),
            *_channel_notices(inputs, out),
            *map(clean_text, inputs.catalogue.notices),
            *map(clean_text, people.notices),
            *_coarse_positions(inputs, candidates),
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
    _check_downloads(result)
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


def _plan_channels(
    inputs: ResolvedInputs,
    stamps: PlannedStamps,
    candidates: CandidateTable,
    search_errors: dict[str, str],
    notify: BuildProgress,
) -> tuple[ChannelInputs, ...]:
    """Return the further channels of a build with their candidates.

    Parameters
    ----------
    inputs : ResolvedInputs
    stamps : PlannedStamps
    candidates, search_errors
        Of the reference.
    notify : BuildProgress
    """
    searched = [(inputs.images, (candidates, search_errors))]
    channels = []
    for channel in inputs.recipe.further_channels:
        recipe, images = inputs.recipe.of_channel(channel), inputs.channels[channel.name]
        for other, shared in searched:  # channels of the same images share one service
            if other.service is images.service:
                answers = shared
                break
        else:
            answers = _search(inputs, stamps, recipe, images, notify, channel)
            searched.append((images, answers))
        reasons = _reasons_without_image(images.service, *answers)
        channels.append(
            ChannelInputs(
                channel.name, channel.missing, recipe, images.service, *answers, reasons,
                images.root,
            )
        )  # fmt: skip
    return tuple(channels)


def _search(
    inputs: ResolvedInputs,
    stamps: PlannedStamps,
    recipe: Recipe,
    images: ResolvedImages,
    notify: BuildProgress,
    channel: ChannelSettings | None = None,
) -> tuple[CandidateTable, dict[str, str]]:
    """Return the candidates of all sources, and the reason for each source whose search failed.

    Parameters
    ----------
    inputs : ResolvedInputs
    stamps : PlannedStamps
    recipe : Recipe
        Of one channel alone.
    images : ResolvedImages
        Of this channel.
    notify : BuildProgress
    channel : ChannelSettings, optional
        None for the reference, and without channels.
    """
    catalogue, names, total = inputs.catalogue, inputs.catalogue.names, len(inputs.catalogue)
    answers = search_all(
        images.service,
        catalogue,
        max(recipe.images.size_deg, stamps.stamp_deg),
        lambda done: notify(done, total, "searching"),
    )
    if isinstance(answers, CandidateTable):
        return answers, {}
    if isinstance(images.service, FetchService):
        _require_images(answers, inputs, images, channel)
    lists = [[] if isinstance(answer, ServiceError) else answer for answer in answers]
    search_errors = {
        name: str(answer)
        for name, answer in zip(names, answers, strict=True)
        if isinstance(answer, ServiceError)
    }
    return CandidateTable.from_lists(lists, names), search_errors


def _require_images(
    answers: Sequence[list[Candidate] | ServiceError],
    inputs: ResolvedInputs,
    images: ResolvedImages,
    channel: ChannelSettings | None,
) -> None:
    """Refuse to plan a dataset without images, where a remote service has none of any source.

    A channel that may be missing can have none.

    Raises
    ------
    ServiceError
        The message has the first error of the searches, if there was one.
    """
    errors = [answer for answer in answers if isinstance(answer, ServiceError)]
    if not answers or any(answer for answer in answers if not isinstance(answer, ServiceError)):
        return
    action = f"search {images.recorded.service} for {len(answers)} sources"
    if channel is not None:
        action = f"search the channel {channel.name}: {action}"
    if len(errors) == len(answers):
        message = f"{action}: no search succeeded; the first error: {errors[0]}"
        raise type(errors[0])(message, url=errors[0].url, status=errors[0].status)
    if channel is not None and channel.missing != "reject":
        return
    name, ra, dec = inputs.catalogue.names[0], inputs.catalogue.ra[0], inputs.catalogue.dec[0]
    message = (
        f"{action}: it has no image of any of them, for example of {name!r} at RA {ra:.5f}, Dec "
        f"{dec:+.5f}; check these positions, and whether the survey covers them"
    )
    if errors:
        message = f"{message}; {len(errors)} searches failed, the first with: {errors[0]}"
    raise ServiceAnswerError(message)


def _check_downloads(plan: Plan) -> None:
    """Refuse a plan in which two images would be downloaded to one file.

    Raises
    ------
    InputError
        The message names both.
    """
    for channel, service, _ in plan.image_services():
        if isinstance(service, FetchService):
            _check_download_names(plan, service, channel)


def _check_download_names(plan: Plan, service: FetchService, channel: ChannelInputs | None) -> None:
    """Do the work of `_check_downloads` for one service, whose downloads have a folder."""
    names, images = [], []
    for request in plan.requests(channel=channel):
        local = service.local_candidate(request)
        for path, content in ((local.image, "image"), (local.rms, "rms map")):
            if path:
                names.append(Path(path).name)
                images.append((content, request.source.name, request.candidate.field))
    if len({name.lower() for name in names}) == len(names):
        return
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
        pair = same_file(names, plan.out)
    except OSError as error:
        raise as_input_error(error, plan.out) from error
    if pair is not None:
        first, second = ("the {} of {} in field {!r}".format(*images[index]) for index in pair)
        raise InputError(
            f"plan the downloads: {first} and {second} would both be written to {names[pair[1]]}; "
            "change images.image and images.rms in the recipe so that the names of their files "
            "differ, e.g. with {source} and {field}"
        )


def _reasons_without_image(
    service: ImageService, candidates: CandidateTable, search_errors: Mapping[str, str]
) -> dict[str, str]:
    """Return what the service knows of sources that have no candidates, by their names."""
    if not isinstance(service, FileService):
        return {}
    names = (candidates.names[row] for row in np.flatnonzero(candidates.counts == 0).tolist())
    reasons = {
        name: service.reason_without_image(name) for name in names if name not in search_errors
    }
    return {name: clean_text(reason) for name, reason in reasons.items() if reason}


def _notices(service: ImageService) -> tuple[str, ...]:
    """Return the lines about files that the service does not use."""
    lines = service.notices() if isinstance(service, FileService) else ()
    return tuple(map(clean_text, lines))


def _channel_notices(inputs: ResolvedInputs, out: Path) -> Iterator[str]:
    """Yield the lines about files that the services of further channels do not use."""
    for name, images in inputs.channels.items():
        if images is not inputs.images:
            shorten = ImagePaths(images.root, str(out)).shorten
            yield from (f"channel {name}: {shorten(line)}" for line in _notices(images.service))


def _coarse_positions(inputs: ResolvedInputs, candidates: CandidateTable) -> tuple[str, ...]:
    """Return a line about positions whose text is coarser than a pixel of the stamps."""
    precision = inputs.catalogue.precision_arcsec
    if math.isnan(precision):
        return ()
    extents = planned_extents(inputs.recipe, inputs.catalogue, candidates, inputs.images.service)
    pixel = float(np.fmin.reduce(extents)) / stamp_extent(inputs.recipe).pixels
    if not precision > pixel:
        return ()
    line = (
        f"the positions hold {precision:.3g} arcsec (the last digit of their text), coarser than a "
        f"pixel of {pixel:.2g} arcsec: sources may be off the centre of their stamps"
    )
    return (line,)


def _check_decisions(
    decisions: Mapping[str, Decision],
    catalogue: Catalogue,
    candidates: Sequence[Sequence[Candidate]],
) -> None:
    """Refuse decisions that cannot be applied, before any pixel is read.

    Raises
    ------
    DecisionError
        A decision names a field that is not among the candidates of its source.
    """
    for decision in decisions.values():
        row = catalogue.row_of.get(decision.source)
        # A shared file may name sources of another catalogue. Only `accept` needs a field, which is
        # empty where the images have none.
        if row is None or (decision.verdict != "accept" and not decision.field):
            continue
        fields = [candidate.field for candidate in candidates[row]]
        if fields.count(decision.field) > 1:
            images = (c.image for c in candidates[row] if c.field == decision.field)
            raise DecisionError(
                f"apply decisions.csv to {decision.source}: the field {decision.field!r} has "
                f"several images, {' and '.join(images)}; the service must give them different "
                "fields"
            )
        if decision.field not in fields:
            missing = f"there is no image of field {decision.field!r}"
            raise DecisionError(
                f"apply decisions.csv to {decision.source}: "
                f"{missing if decision.field else 'it accepts without naming a field'}; on offer: "
                f"{', '.join(fields) or 'none'}"
            )
