"""The plan of a build as an object: the sources with their images, and the parts they are made in.

`mingolotss.pipeline.plan` makes it, and `mingolotss.pipeline.run` carries it out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.candidates.decisions import Decision
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.components import NearComponents
from mingolotss.dataset.label_origins import count_origins
from mingolotss.dataset.manifest import CANDIDATE_CHANNEL, CANDIDATES
from mingolotss.dataset.recorded_inputs import RecordedInputs
from mingolotss.dataset.splits import SplitResult
from mingolotss.errors import hide_credentials
from mingolotss.io.arrow_values import array_of, text_array
from mingolotss.io.summaries import Shown, Summary, Table, count_text
from mingolotss.model import Ints
from mingolotss.pipeline.channel_inputs import ChannelInputs, restrict
from mingolotss.pipeline.image_paths import ImagePaths
from mingolotss.pipeline.pending_splits import PendingSplits
from mingolotss.pipeline.planned_splits import PlannedSplits, split_sources
from mingolotss.pipeline.task import Task
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import (
    CutoutRequest,
    Estimate,
    FetchService,
    ImageService,
    reads_ahead,
)
from mingolotss.sky.healpix_index import nested_pixels

__all__ = ["Plan"]

_NSIDE = 4096  # HEALPix pixels of 52 arcsec; 3 ms for 20,000 positions (2 cores, median)
# A small catalogue is divided into 8 parts, which is enough for the workers to share. A part has at
# least 64 sources, since each has two files, and at most 4096, so that an interrupted build loses
# little and a worker holds few rows.
_MIN_PARTS, _MIN_PART_SOURCES, _MAX_PART_SOURCES = 8, 64, 4096
# From an address, the sources of a part are read together: more of them need fewer bytes and far
# fewer requests, and processors have little to do.
_MIN_REMOTE_SOURCES = 1024


@dataclass(frozen=True, repr=False)
class Plan(Shown):
    """Every source of a build with its candidates, before any pixel is read.

    Attributes
    ----------
    catalogue : Catalogue
        The sources.
    candidates : CandidateTable
        The candidates of each source, sorted by field.
    recipe : Recipe
        The settings.
    service : ImageService
        Where the images come from.
    decisions : mapping of str to Decision
        By the name of the source.
    out : Path
        The build's folder.
    splits : PlannedSplits
        The split and the batch of every source.
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
    channels : tuple of ChannelInputs
        The further channels of the recipe; `candidates` and `service` are those of the reference.
    stamp_deg : float, deg
        Side of the cutouts that the stamps need at least; 0 if those of the recipe are right.
    components : NearComponents or None
        The components near each source, for a recipe with masks.
    judgements : tuple of Decision
        Of each person on each source, where the recipe makes labels of them.

    Examples
    --------
    >>> import mingolotss
    >>> plan = mingolotss.plan(out="demo")
    >>> plan.field_counts()  # one source has no image, and 11 have two
    {0: 1, 1: 108, 2: 11}
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
        """Return how many sources have 0, 1, 2, ... images.

        Returns
        -------
        dict of int to int
            The number of sources, by the number of images.
        """
        numbers, counts = np.unique(self.candidates.counts, return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def requests(
        self, parts: Iterable[int] | None = None, channel: ChannelInputs | None = None
    ) -> Iterator[CutoutRequest]:
        """Yield a request for every cutout of some parts, by default of all, part by part.

        Parameters
        ----------
        parts : iterable of int, optional
            Their numbers, from 0.
        channel : ChannelInputs, optional
            One of `channels`; by default the reference. A source without an image of the reference
            is rejected, and needs none of another channel.

        Yields
        ------
        CutoutRequest
            A source with one of its candidates.
        """
        candidates = self.candidates if channel is None else channel.candidates
        for part in range(len(self.partitions)) if parts is None else parts:
            for row in self.partitions[part]:
                if channel is not None and not self.candidates[row]:
                    continue
                source = self.catalogue.source(int(row))
                yield from (CutoutRequest(candidate, source) for candidate in candidates[row])

    def estimate(self) -> Estimate | None:
        """Estimate the remaining downloads.

        Returns
        -------
        Estimate or None
            Requests, bytes and seconds; None if the services read local files.
        """
        estimates = [
            service.estimate(self.requests(channel=channel), self.cutout_deg(recipe))
            for channel, service, recipe in self.image_services()
            if isinstance(service, FetchService)
        ]
        if not estimates:
            return None
        return Estimate(*(sum(values) for values in zip(*map(astuple, estimates), strict=True)))

    def cutout_deg(self, recipe: Recipe) -> float:
        """Return the side of the cutouts that are requested for one channel, deg.

        Parameters
        ----------
        recipe : Recipe
            That of the channel, see `Recipe.of_channel`.

        Returns
        -------
        float, deg
            At least what the stamps need.
        """
        return max(recipe.images.size_deg, self.stamp_deg)

    def image_services(self) -> list[tuple[ChannelInputs | None, ImageService, Recipe]]:
        """Return each service of the plan once, with its first channel and the recipe of that.

        The channel is None for the reference. Channels of the same images share one service.

        Returns
        -------
        list of tuple
            The channel, its service and its recipe.
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
        fewest = _MIN_REMOTE_SOURCES if reads_ahead(self.service) else _MIN_PART_SOURCES
        length = min(_MAX_PART_SOURCES, max(fewest, math.ceil(n / _MIN_PARTS)))
        order = np.arange(n) if self.in_catalogue_order else np.lexsort((dec, first_image))
        bands = [order[start : start + length] for start in range(0, n, length)]
        if self.in_catalogue_order:
            return bands
        pixel = nested_pixels(self.catalogue.ra, dec, _NSIDE)
        return [band[np.lexsort((pixel[band], first_image[band]))] for band in bands]

    def task(self, index: int, pending: PendingSplits | None = None) -> Task:
        """Return one part as a worker needs it.

        Parameters
        ----------
        index : int
            The number of the part, from 0.
        pending : PendingSplits, optional
            What gives the splits to the worker if the plan has none yet.

        Returns
        -------
        Task
            The sources, their candidates and all settings; it can be pickled.
        """
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
            pending=pending,
        )

    def describe_split(self) -> SplitResult:
        """Count the sources of each class and split, and the pairs that share pixels across splits.

        The size of the stamps is the expected one.

        Returns
        -------
        SplitResult
            It is a table where it is printed.
        """
        return self.splits.describe(
            split_sources(self.recipe, self.catalogue, self.candidates, self.service)
        )

    def table(self) -> pa.Table:
        """Return the candidates as a table with the columns of ``candidates.parquet``.

        Columns that only a build can fill are null.

        Returns
        -------
        pyarrow.Table
            A row for each source and field, and for each channel.
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
