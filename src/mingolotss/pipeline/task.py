"""The interface between a plan and its workers: the `Task` of a part, and its `PartSummary`.

A `Task` is pickled for the worker, on this machine or on a cluster. It holds columns, so the tasks
of a plan of millions of sources stay small.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.candidates.decisions import Decision
from mingolotss.candidates.table import CandidateTable, Image
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.components import NearComponents
from mingolotss.formats.batches import Batch
from mingolotss.image.masks import Masks
from mingolotss.model import Ints, Objects
from mingolotss.pipeline.channel_inputs import ChannelInputs, restrict
from mingolotss.pipeline.image_paths import ImagePaths
from mingolotss.pipeline.pending_splits import PendingSplits
from mingolotss.recipe.judgement_settings import JudgementSettings
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService

__all__ = ["RETRY_SUFFIX", "PartSummary", "Task"]

RETRY_SUFFIX = "-again"  # ends the key of a part with cutouts that a later run may get
_PART_VERSION = 3  # version of a part's content; raise it to invalidate older parts


@dataclass(frozen=True)
class Task:
    """All that a worker needs to make one part: self-contained and picklable.

    Attributes
    ----------
    index : int
        Number of the part.
    catalogue : Catalogue
        The rows of this part only.
    rows : int64 array, shape (n,)
        Their indices in the whole catalogue.
    candidates : CandidateTable
        Their candidates.
    batches : int64 array, shape (n,)
        The batch that each row belongs to, an index into `batch_list`; -1 if it is in none.
    decisions : mapping of str to Decision
        The decisions on these sources.
    recipe : Recipe
    service : ImageService
    out : Path
        The build's folder.
    search_errors : mapping of str to str
        The reason for each source whose search failed, by its name.
    crashes : mapping of str to str, or None
        The sources that end the process that makes their stamps, by their name, and how it ends.
        None unless a worker has died.
    image_root : str
        The folder that all images lie in; "" if they are addresses.
    batch_list : sequence of Batch
        The batches of the dataset, with their splits.
    channels : tuple of ChannelInputs
        The further channels of these rows; `candidates` and `service` are those of the reference.
    channel : str
        The name of the further channel that this is the task of (`of_channel`); "" for the
        reference, and without channels.
    stamp_deg : float, deg
        Side of the cutouts that the stamps need at least; 0 if that of the recipe is right.
    components : NearComponents or None
        The components near these sources; None for a recipe without masks.
    masks : uint8 array, shape (n, side, side), or None
        The masks of the stamps, where they exist already and are not made.
    pending : PendingSplits or None
        What gives `batches` and `batch_list`, which are empty until then: `with_splits` waits.
    """

    index: int
    catalogue: Catalogue
    rows: Ints
    candidates: CandidateTable
    batches: Ints
    decisions: Mapping[str, Decision]
    recipe: Recipe
    service: ImageService
    out: Path
    search_errors: Mapping[str, str] = field(default_factory=dict)
    crashes: Mapping[str, str] | None = None
    image_root: str = ""
    batch_list: Sequence[Batch] = ()
    channels: tuple[ChannelInputs, ...] = ()
    channel: str = ""
    stamp_deg: float = 0.0
    components: NearComponents | None = None
    masks: Masks | None = None
    pending: PendingSplits | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def stamp_recipe(self) -> Recipe:
        """Return the recipe of one channel: of the reference, or of `channel`."""
        return self.recipe.reference_recipe

    @property
    def cutout_deg(self) -> float:
        """Return the side of the cutouts that are requested, deg."""
        return max(self.stamp_recipe.images.size_deg, self.stamp_deg)

    @property
    def channel_in_tables(self) -> str | None:
        """Return the name of the channel in tables, None for a recipe without channels."""
        reference = self.recipe.reference_channel
        return self.channel or (None if reference is None else reference.name)

    @cached_property
    def channel_tasks(self) -> dict[str, Task]:
        """Return the task of each further channel, by its name."""
        return {channel.name: self.of_channel(channel) for channel in self.channels}

    def of_channel(self, channel: ChannelInputs) -> Task:
        """Return the task of a further channel: the same rows, with its recipe and its images."""
        return replace(
            self,
            candidates=channel.candidates,
            decisions={},
            recipe=channel.recipe,
            service=channel.service,
            search_errors={**channel.search_errors, **channel.reasons_without_image},
            image_root=channel.image_root,
            channels=(),
            channel=channel.name,
            components=None,
            masks=None,
        )

    def with_splits(self) -> Task:
        """Return the task with its batches; wait for them if they are still being planned.

        Raises
        ------
        InputError
            Planning has failed.
        """
        if self.pending is None:
            return self
        index, batches = self.pending.wait()
        return replace(self, batches=index[self.rows], batch_list=batches, pending=None)

    def take(self, rows: Ints) -> Task:
        """Return the task of some of the rows, by their indices in this one."""
        catalogue = self.catalogue.take(rows)
        return replace(
            self,
            catalogue=catalogue,
            rows=self.rows[rows],
            candidates=self.candidates.take(rows),
            batches=self.batches[rows],
            decisions=restrict(self.decisions, catalogue.names),
            search_errors=restrict(self.search_errors, catalogue.names),
            channels=tuple(channel.take(rows) for channel in self.channels),
            components=None if self.components is None else self.components.take(rows),
            masks=None if self.masks is None else self.masks[rows],
        )

    @cached_property
    def paths(self) -> ImagePaths:
        """Return how tables name the images."""
        return ImagePaths(self.image_root, str(self.out))

    @cached_property
    def images(self) -> list[Image]:
        """Return field, image and rms map of each image, as tables name them."""
        name = self.paths.name
        return [(field, name(image), name(rms)) for field, image, rms in self.candidates.images]

    @cached_property
    def image_table(self) -> Objects:
        """Return `images` with the name of the file, shape (k + 1, 4); None in the last row."""
        rows = [(field, image, rms, image.rpartition("/")[2]) for field, image, rms in self.images]
        return np.array([*rows, (None,) * 4], object)  # index -1: no image

    @cached_property
    def key(self) -> str:
        """Return the SHA-256 of the inputs of the part: recipe, rows, candidates and decisions.

        The service and the pixels of its images are not included; `images_unchanged` compares the
        identity of local images instead.
        """
        catalogue, candidates = self.catalogue, self.candidates
        decisions = [decision.about_image for decision in self.decisions.values()]
        # The rules for judgements are not among them: what they give is in the labels.
        recipe = self.recipe.with_judgements(JudgementSettings())
        values = [_PART_VERSION, recipe.digest, catalogue.classes, catalogue.names,
                  self.images, decisions, sorted(self.search_errors.items()),
                  self.batch_list]  # fmt: skip
        digest = hashlib.sha256(json.dumps(values).encode())
        for column in (
            self.rows, catalogue.ra, catalogue.dec, catalogue.labels, catalogue.size_arcsec,
            catalogue.flux_mjy, candidates.starts, candidates.image_index, self.batches,
        ):  # fmt: skip
            digest.update(np.ascontiguousarray(column).data)
        if catalogue.vectors is not None:
            digest.update(catalogue.vectors.kind.encode())
            digest.update(np.ascontiguousarray(catalogue.vectors.values).data)
            digest.update(np.ascontiguousarray(catalogue.vectors.totals).data)
        if catalogue.label_from is not None:
            digest.update(json.dumps(catalogue.label_from).encode())
        if catalogue.kept is not None:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, catalogue.kept.schema) as writer:
                writer.write_table(catalogue.kept.combine_chunks())
            digest.update(sink.getvalue())
        if self.components is not None:
            digest.update(self.components.digest.encode())
        for task in self.channel_tasks.values():
            text = json.dumps([task.channel, task.images, sorted(task.search_errors.items())])
            digest.update(text.encode())
            digest.update(np.ascontiguousarray(task.candidates.starts).data)
            digest.update(np.ascontiguousarray(task.candidates.image_index).data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class PartSummary:
    """The result of a part: its number, and how many sources were written and rejected."""

    index: int
    written: int
    rejected: int
