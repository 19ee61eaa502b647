"""The FITS files of the stamps of a chunk.

A build with the format ``fits`` writes them from the arrays that the stamps are made of; an export
takes a build's sources through the same stages again (`mingolotss.pipeline.export_fits`). Both give
the same bytes for the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.calibration import unit_beam
from mingolotss.dataset.channel_table import CHANNELS_COLUMN
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.manifest import MANIFEST, recipe_columns
from mingolotss.formats.fits_file import ONLY_CHANNEL, FitsPlane, Row, fits_file, made_by
from mingolotss.io.file_identity import quick_checksum
from mingolotss.io.files import write_files
from mingolotss.pipeline.channels import Channel, ChannelStamps
from mingolotss.pipeline.stamp_history import stamp_history
from mingolotss.pipeline.stamp_planes import StampPlane
from mingolotss.pipeline.stamps import Stamps
from mingolotss.pipeline.task import Task
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.zeroed_pixels import MISSING

__all__ = ["chunk_files", "write_fits_stamps"]

_OF_IMAGE = ("image", "rms", "image_sha256", "rms_sha256")


def write_fits_stamps(folder: Path, files: Iterable[tuple[Row, bytes]]) -> None:
    """Write files of stamps into one folder, each complete or not at all."""
    name = ExportFolder.fits_name
    write_files(folder, ((name(str(row["image_file"])), data) for row, data in files))


def chunk_files(
    task: Task,
    table: pa.Table,
    stamps: Stamps,
    planes: Mapping[int, StampPlane],
    channels: ChannelStamps | None,
    changes: Mapping[int, Row] | None = None,
) -> Iterator[tuple[Row, bytes]]:
    """Yield the row and the file of each stamp of a chunk.

    Parameters
    ----------
    task : Task
    table : pyarrow.Table
        The rows of the chunk, as `mingolotss.pipeline.part_table.PartTable` has them.
    stamps : Stamps
    planes : mapping of int to StampPlane
        Of the reference, by the index of the source in the chunk.
    channels : ChannelStamps or None
        None for a recipe without channels.
    changes : mapping of int to mapping, optional
        Other values of columns, by the row of the catalogue: the label and the split of an export,
        and why channels are missing. Only these sources get a file.
    """
    program = made_by(task.recipe)
    indices = pc.indices_nonzero(pc.equal(table["status"], "written")).to_pylist()
    written = table.take(pa.array(indices, pa.int64()))
    rows = written.select([*MANIFEST.names, *recipe_columns(task.recipe)]).to_pylist()
    only = None if channels is not None else _OnlyChannel(task, written, stamps, planes)
    several = None if channels is None else _SeveralChannels(task, written, channels, planes)
    for place, (index, of_build) in enumerate(zip(indices, rows, strict=True)):
        if changes is not None and of_build["row"] not in changes:
            continue
        row = {**of_build, **(changes or {}).get(of_build["row"], {})}
        if only is not None:
            of_stamp = [only.plane(place, index, row)]
        elif several is not None:
            of_stamp = several.planes(place, index, row)
        mask = None if stamps.masks is None else stamps.masks.masks[index]
        yield row, fits_file(row, of_stamp, program, mask)


class _OnlyChannel:
    """The planes of stamps without channels."""

    def __init__(
        self, task: Task, written: pa.Table, stamps: Stamps, planes: Mapping[int, StampPlane]
    ) -> None:
        self._task, self._stamps, self._planes = task, stamps, planes
        self._offers = written["offers"].to_pylist()
        self._checksums = _Checksums(task)

    def plane(self, place: int, index: int, row: Row) -> FitsPlane:
        """Return the plane of a stamp: the one at `place` among the written ones."""
        offer = next(one for one in self._offers[place] if one["verdict"] == "chosen")
        image = {name: offer[name] for name in _OF_IMAGE}
        of_plane = {**row, **image, **self._checksums.of(image)}
        recipe = self._task.recipe
        return _plane(ONLY_CHANNEL, of_plane, recipe, self._stamps, index, self._planes[index])


class _SeveralChannels:
    """The planes of stamps with channels, the reference first."""

    def __init__(
        self,
        task: Task,
        written: pa.Table,
        channels: ChannelStamps,
        planes: Mapping[int, StampPlane],
    ) -> None:
        self._rows = [
            {one["channel"]: one for one in several}
            for several in written[CHANNELS_COLUMN.name].to_pylist()
        ]
        reference = task.channel_in_tables
        ordered = sorted(channels.channels, key=lambda channel: channel.name != reference)
        self._channels = [
            (
                channel,
                {row: index for index, row in enumerate(channel.rows.tolist())},
                planes if channel.name == reference else channel.planes,
                _Checksums(channel.chunk.task),
            )
            for channel in ordered
        ]

    def planes(self, place: int, index: int, row: Row) -> list[FitsPlane]:
        """Return the planes of a stamp: the one at `place` among the written ones."""
        return [
            self._plane(place, row, channel, places[index], planes, checksums)
            for channel, places, planes, checksums in self._channels
        ]

    def _plane(
        self,
        place: int,
        row: Row,
        channel: Channel,
        index: int,
        planes: Mapping[int, StampPlane],
        checksums: _Checksums,
    ) -> FitsPlane:
        of_plane = self._rows[place][channel.name]
        if of_plane["status"] == "missing":
            recorded = row.get(CHANNELS_COLUMN.name)
            if isinstance(recorded, list):
                of_plane = next(one for one in recorded if one["channel"] == channel.name)
            side = channel.recipe.stamp.pixels
            empty = np.full((side, side), np.nan, np.float32)
            marks = np.full((side, side), MISSING, np.uint8)
            history = (f"There is no image of this channel: {of_plane['reason']}",)
            beam = unit_beam(of_plane, channel.recipe)
            return FitsPlane(channel.name, empty, None, marks, of_plane, history, False, beam)
        named = {name: row.get(name) for name in ("rotation_deg", "recentred")}
        if of_plane["status"] == "resampled":
            named["resampling"] = channel.recipe.stamp.resampling or "adaptive"
        of_plane = {**named, **of_plane, **checksums.of(of_plane)}
        stamps, recipe = channel.stamps, channel.recipe
        return _plane(channel.name, of_plane, recipe, stamps, index, planes[index])


def _plane(
    channel: str, row: Row, recipe: Recipe, stamps: Stamps, index: int, plane: StampPlane
) -> FitsPlane:
    """Return a plane with its history."""
    history = stamp_history(
        row, recipe, x0=float(stamps.x0[index]), y0=float(stamps.y0[index]),
        factor=int(stamps.factor[index]),
    )  # fmt: skip
    return FitsPlane(
        channel,
        plane.brightness,
        plane.rms,
        plane.marks,
        row,
        tuple(history),
        plane.repeatable,
        unit_beam(row, recipe),
    )


class _Checksums:
    """The checksums of those local images of a task that were read in pieces."""

    def __init__(self, task: Task) -> None:
        self._paths = {
            task.paths.name(path): path for _, *pair in task.candidates.images for path in pair
        }

    def of(self, row: Row) -> dict[str, object]:
        """Return the checksums of image and rms map that the row does not have."""
        checksums: dict[str, object] = {}
        for kind in ("image", "rms"):
            if not row[f"{kind}_sha256"]:
                checksums[f"{kind}_checksum"] = self._checksum(str(row[kind] or ""))
        return checksums

    def _checksum(self, name: str) -> str | None:
        path = self._paths.get(name, "")
        if not path or "://" in path:
            return None
        try:
            return quick_checksum(path)
        except (OSError, ValueError):
            return None
