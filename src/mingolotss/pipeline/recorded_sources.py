"""The sources of a finished build with the images that were chosen for them.

The images may be gone, or others than they were; `RecordedSources.changed` says it before pixels
are read. A `RecordedPart` goes to a worker, which takes its sources through the stages of a build
again (``repeated_chunks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.labels import UNLABELLED
from mingolotss.dataset.label_origins import LABEL_FROM
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import (
    CANDIDATE_CHANNEL,
    candidates_of_channel,
    catalogue_columns,
    read_manifest,
)
from mingolotss.dataset.recorded_inputs import image_folder, locate_image
from mingolotss.dataset.records import Records
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.fits_file import Row
from mingolotss.io.parquet import read_table
from mingolotss.model import Candidate, Ints
from mingolotss.pipeline.channel_inputs import ChannelInputs
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.planned_stamps import recorded_stamp_deg
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.pipeline.rebuild import recorded_service
from mingolotss.pipeline.recorded_images import differing_images
from mingolotss.pipeline.task import Task
from mingolotss.recipe.model import ImageSettings, Recipe
from mingolotss.service.base import (
    CutoutRequest,
    FetchService,
    ImageService,
    Naming,
    open_service,
)

__all__ = [
    "Problems",
    "RecordedPart",
    "RecordedSources",
    "file_checksums",
    "images_problem",
    "refuse",
]

Problems = list[tuple[str, str]]
"""Sources whose brightness cannot be computed again, and the reasons."""
_TASK_SOURCES = 512  # whose downloads are requested at a time
_OF_IMAGE = ("image", "rms", "image_sha256", "rms_sha256")
_MOST_SHOWN = 3


@dataclass(frozen=True)
class RecordedPart:
    """Some sources of a build, with what the build recorded of their stamps.

    Attributes
    ----------
    build : Path
    task : Task
    digests : dict of int to str
        The SHA-256 of the pixels of each stamp, by the row of its source in the catalogue.
    images : dict of int to dict of str to str
        The SHA-256 of the files that it was made from, by their names in the table of candidates;
        of those that were read whole.
    """

    build: Path
    task: Task
    digests: Mapping[int, str]
    images: Mapping[int, Mapping[str, str]]


def images_problem(build: Path) -> str:
    """Return why the images of a build without channels cannot be read again; "" if they can."""
    try:
        recorded_service(build)
    except InputError as error:
        return str(error)
    root = image_folder(build)
    names = (
        []
        if root is None
        else differing_images(BuildFolder(build).parts(), root, only_touched=True)
    )
    return f"{names[0]} is gone, or was changed since the build" if names else ""


@dataclass(frozen=True)
class _Images:
    """The images of one channel, or of a recipe without channels.

    Attributes
    ----------
    channel : str
        The name of a further channel; "" for the reference, or without channels.
    recipe : Recipe
        Of this channel alone.
    chosen : pyarrow.Table
        For each record the row of the table of candidates; nulls if it has no image.
    root : Path or None
        The folder of the images.
    service : ImageService or None
        None until it is opened.
    """

    channel: str
    recipe: Recipe
    chosen: pa.Table
    root: Path | None
    service: ImageService | None = None

    def candidates(self, rows: Ints, names: list[str]) -> CandidateTable:
        """Return the chosen candidates of some records."""
        pairs = zip(self.rows(rows), names, strict=True)
        return CandidateTable.from_lists([self._candidates(*pair) for pair in pairs], names)

    def rows(self, records: Ints) -> list[Row | None]:
        """Return the rows of the table of candidates of some records."""
        rows = self.chosen.take(pa.array(records)).to_pylist()
        return [None if row["row"] is None else row for row in rows]

    def _candidates(self, row: Row | None, name: str) -> list[Candidate]:
        if row is None:
            return []
        image, rms = (locate_image(str(row[kind] or ""), self.root) for kind in ("image", "rms"))
        return [Candidate(str(row["field"] or ""), image, rms, name)]

    def open(self, build: BuildFolder) -> ImageService:
        """Open the recorded service.

        Raises
        ------
        InputError
            It is not recorded, or its folder is not where it was.
        """
        images, folder, name = self.recipe.images, build.path, self.channel
        naming = Naming(images.image, images.rms, images.ignore, images.checksums)
        workspace = build.channel_workspace(name).path if name else folder
        address = recorded_service(folder, name)
        return open_service(address, naming=naming, workspace=workspace)


@dataclass(frozen=True)
class RecordedSources:
    """Some records of a build with the images that were chosen for them.

    Attributes
    ----------
    build : BuildFolder
    recipe : Recipe
    records : Records
    images : tuple of _Images
        Of each channel, the reference first.
    """

    build: BuildFolder
    recipe: Recipe
    records: Records
    images: tuple[_Images, ...]

    @classmethod
    def read(cls, folder: Path, recipe: Recipe, records: Records) -> RecordedSources:
        """Read the table of candidates.

        Raises
        ------
        DatasetError
            It is damaged, or does not name the image of a record.
        """
        build, reference = BuildFolder(folder), recipe.reference_channel
        columns = ["row", "field", "verdict", *_OF_IMAGE]
        if reference is not None:
            columns.append(CANDIDATE_CHANNEL.name)
        table = read_table(build.candidates, columns)
        table = table.filter(pc.equal(table["verdict"], "chosen"))
        alone = [("", recipe.reference_recipe, "" if reference is None else reference.name)]
        alone += [(one.name, recipe.of_channel(one), one.name) for one in recipe.further_channels]
        rows, images = records.table["row"].to_numpy(), []
        for channel, own, name in alone:
            of_channel = candidates_of_channel(table, name or None)
            chosen = _of_records(of_channel, rows)
            images.append(_Images(channel, own, chosen, image_folder(folder, channel)))
        if absent := images[0].chosen["row"].null_count:
            raise DatasetError(
                f"read {build.candidates}: it names no image for {absent} sources of the manifest; "
                "build again"
            )
        return cls(build, recipe, records, tuple(images))

    def changed(self) -> Problems:
        """Return the sources whose images are gone, or others than in the build."""
        problems, sources = [], self.records.table["source"]
        for images in self.images:
            if images.root is None:
                continue
            names = differing_images(
                self.build.parts(), images.root, only_touched=True, channel=images.channel
            )
            differing = pa.array(names, pa.string())
            is_other = [pc.is_in(images.chosen[kind], differing) for kind in ("image", "rms")]
            affected = np.flatnonzero(pc.or_(*is_other))
            for record, row in zip(affected.tolist(), images.rows(affected), strict=True):
                [name, *_] = [row[kind] for kind in ("image", "rms") if row and row[kind] in names]
                reason = f"{name} is gone, or was changed since the build"
                problems.append((sources[record].as_py(), reason))
        return problems

    def opened(self, progress: BuildProgress) -> RecordedSources:
        """Return the sources with open services; what these download is on disk then.

        Raises
        ------
        InputError
            A service is not recorded, or its folder is not where it was.
        """
        # Channels of the same images share one service, and so its downloads, as in the build.
        opened: list[tuple[ImageSettings, str, ImageService]] = []
        images = []
        for one in self.images:
            settings, address = one.recipe.images, recorded_service(self.build.path, one.channel)
            known = [other for *key, other in opened if key == [settings, address]]
            service = known[0] if known else self._downloaded(one, one.open(self.build), progress)
            opened.append((settings, address, service))
            images.append(replace(one, service=service))
        return replace(self, images=tuple(images))

    def _downloaded(
        self, images: _Images, service: ImageService, progress: BuildProgress
    ) -> ImageService:
        """Return a service that reads from disk what another one downloads."""
        if not isinstance(service, FetchService):
            return service
        only = replace(images, service=service)
        tasks = [self._task(0, rows, (only,)) for rows in self.split(_TASK_SOURCES)]
        requests = [
            CutoutRequest(*pair) for task in tasks for pair in Chunk(task, 0, len(task)).requests
        ]
        return service.fetch(
            requests,
            max(images.recipe.images.size_deg, self._stamp_deg),
            lambda done: progress(done, len(requests), "fetching"),
        )

    @cached_property
    def _stamp_deg(self) -> float:
        """The side of the cutouts that the stamps of the build need, as its plan computed it."""
        return recorded_stamp_deg(self.recipe.reference_recipe, read_manifest(self.build.path))

    def split(self, size: int) -> list[Ints]:
        """Return the records in lists of about `size`; neighbours in one image come together."""
        return np.array_split(self._order, -(-len(self.records) // size))

    @cached_property
    def _order(self) -> Ints:
        """The order in which neighbours on the sky, and in one image, come together."""
        names = pc.rank(self.images[0].chosen["image"], tiebreaker="min").to_numpy()
        order: Ints = np.lexsort((self.records.numbers("dec"), names))
        return order

    def part(self, index: int, rows: Ints, *, has_masks: bool = True) -> RecordedPart:
        """Return what a worker needs to make the stamps of some records again.

        Parameters
        ----------
        index : int
            The number of the part.
        rows : int64 array
            Indices of the records. The services must be open (`opened`).
        has_masks : bool
            Whether it has the masks of the stamps, too, if the dataset has masks.
        """
        task = self._task(index, rows, self.images, has_masks=has_masks)
        digests = self.records.table["pixels_sha256"].take(pa.array(rows)).to_pylist()
        of_channels = zip(*(images.rows(rows) for images in self.images), strict=True)
        checksums = (file_checksums([row for row in several if row]) for several in of_channels)
        numbers = task.rows.tolist()
        return RecordedPart(
            self.build.path,
            task,
            dict(zip(numbers, digests, strict=True)),
            dict(zip(numbers, checksums, strict=True)),
        )

    def _task(
        self, index: int, rows: Ints, images: Sequence[_Images], *, has_masks: bool = False
    ) -> Task:
        """Return the part of a build that has only these sources and their chosen images."""
        records, (reference, *further) = self.records.take(rows), images
        names = list(records.texts("source"))
        rules = {channel.name: channel.missing for channel in self.recipe.channels}
        return Task(
            index=index,
            catalogue=Catalogue.from_columns(
                names, records.numbers("ra"), records.numbers("dec"),
                labels=np.where(records.labels < 0, UNLABELLED, records.labels),
                classes=records.classes, vectors=records.vectors,
                label_from=(
                    records.texts(LABEL_FROM.name) if self.recipe.judgements.are_used else None
                ),
                size_arcsec=records.numbers("size_arcsec"),
                flux_mjy=records.numbers("flux_mjy"),
                kept=catalogue_columns(records.table) if self.recipe.stamp.columns else None,
            ),
            rows=records.table["row"].to_numpy(),
            candidates=reference.candidates(rows, names),
            batches=np.full(len(names), -1),
            decisions={},
            recipe=self.recipe,
            service=_opened(reference),
            out=self.build.path,
            image_root="" if reference.root is None else str(reference.root),
            stamp_deg=self._stamp_deg,
            masks=records.masks() if has_masks else None,
            channels=tuple(
                ChannelInputs(
                    one.channel, rules[one.channel], one.recipe, _opened(one),
                    one.candidates(rows, names),
                    image_root="" if one.root is None else str(one.root),
                )
                for one in further
            ),
        )  # fmt: skip


def _opened(images: _Images) -> ImageService:
    if images.service is None:
        raise RuntimeError("the service of these images is not open")
    return images.service


def _of_records(table: pa.Table, rows: Ints) -> pa.Table:
    """Return the row of a table of candidates of each record; nulls for a record without one.

    Parameters
    ----------
    table : pyarrow.Table
        Chosen candidates, with the catalogue row of each in the column ``row``.
    rows : int64 array, shape (n,)
        The catalogue row of each record.
    """
    numbers = table["row"].to_numpy()
    order = np.argsort(numbers, kind="stable")
    place = np.searchsorted(numbers[order], rows, side="right") - 1
    order, numbers = np.append(order, 0), np.append(numbers, -1)  # also if there are none
    is_absent = (place < 0) | (numbers[order[place]] != rows)
    return table.take(pa.array(order[place], mask=is_absent))


def file_checksums(rows: Sequence[Row]) -> dict[str, str]:
    """Return the SHA-256 of images and rms maps that were read whole, by their names."""
    return {
        str(row[kind]): str(row[f"{kind}_sha256"])
        for row in rows
        for kind in ("image", "rms")
        if row[f"{kind}_sha256"]
    }


def refuse(build: Path, kind: str, problems: Problems, total: str) -> None:
    """Raise an error that names the first sources, if there are any.

    Parameters
    ----------
    build : Path
    kind : str
        The format of the export.
    problems : list of tuple of str
    total : str
        How many sources there are, and of what.

    Raises
    ------
    DatasetError
        Always, unless `problems` is empty.
    """
    if not problems:
        return
    shown = "; ".join(f"{source}: {reason}" for source, reason in sorted(problems)[:_MOST_SHOWN])
    more = f"; and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
    raise DatasetError(
        f"export {build} as {kind}: the brightness of {len(problems)} of {total} cannot be "
        f"computed again ({shown}{more}); put the images back, or build again"
    )
