"""The builder of a part's table: a row for every source, written or rejected, with its candidates.

Everything is columns: those of the catalogue are complete from the start, those of the stages come
chunk by chunk. `mingolotss.pipeline.part_tables` reads the tables of all parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.status import to_verdicts
from mingolotss.catalogue.labels import UNLABELLED
from mingolotss.dataset.channel_table import CHANNELS, CHANNELS_COLUMN
from mingolotss.dataset.label_columns import (
    TAGS,
    VOTES,
    class_texts,
    vector_columns,
    with_class_names,
)
from mingolotss.dataset.label_origins import LABEL_FROM
from mingolotss.dataset.manifest import (
    INCOMPLETE_PERCENT,
    MANIFEST,
    RECIPE_COLUMNS,
    STAMP_BEAM_COLUMNS,
    candidate_schema,
    name_kept_columns,
    recipe_columns,
)
from mingolotss.dataset.masks import MASK_SHA256, encode_masks
from mingolotss.errors import PluginError
from mingolotss.io.arrow_values import numpy_dtype
from mingolotss.io.file_names import format_file_name, safe_name
from mingolotss.model import Bools, Floats, Ints, Objects
from mingolotss.pipeline.channel_columns import channel_columns
from mingolotss.pipeline.channels import Channel, ChannelStamps
from mingolotss.pipeline.choice import Choices
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.image_columns import image_columns
from mingolotss.pipeline.measure import MeasuredCandidates
from mingolotss.pipeline.prepare import Prepared
from mingolotss.pipeline.prepared_columns import prepared_columns
from mingolotss.pipeline.stamps import Stamps
from mingolotss.pipeline.task import Task
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.published_list import pixels_sha256

__all__ = [
    "PartTable",
    "candidate_columns",
    "channel_candidates",
    "part_schema",
    "source_columns",
]

Columns = dict[str, npt.NDArray[np.generic]]
# Columns that are null for a rejected source.
_WRITTEN_ONLY = (
    "field", "map_file", "image_file", "case", "separation_arcsec", "percent_nan", "recentred",
    "blank", "undecided", "exceeds_stamp", "incomplete", "decided_by", "noise_jy", "peak_jy",
    "pixel_scale_arcsec", "pixels_sha256", "percent_nan_cutout", "noise_method", "mask_pixels",
    "other_pixels", "mask_from", MASK_SHA256.name,
)  # fmt: skip
# Columns of numbers that are null where the number is not known, and not NaN.
_NULL_FOR_NAN = (
    "frequency_mhz", "beam_major_arcsec", "beam_minor_arcsec", "beam_pa_deg", "crpix1", "crpix2",
    "wcs_error_arcsec", "scale_min", "scale_max", "scale_rms", *STAMP_BEAM_COLUMNS,
    "stamp_size_arcsec", "rotation_deg", "las_arcsec", "mask_flux_mjy", "core_distance_arcsec",
)  # fmt: skip
_NAMING = (TAGS.name, VOTES.name)  # columns whose metadata name the classes
_NOT_IF_MISSING = ("case", "blank")  # columns of channels that are null for a missing one
# Columns that are null for a candidate without a cutout.
_CUTOUT_ONLY = ("ny", "nx", "pixel_scale_arcsec", "separation_arcsec", "percent_nan")


class PartTable:
    """Builds the table of a part from the results of the stages, chunk by chunk.

    Only columns and encoded stamps are kept, so that the pixels of a chunk can be freed.

    Attributes
    ----------
    encoded : list of bytes
        The stamps of the written sources, as they are stored.
    encoded_masks : list of bytes
        Their masks; empty for a recipe without masks.
    retryable : bool
        The service may be able to deliver a missing cutout another time.
    plugin_errors : dict of str to PluginError
        The sources for which the code of a plug-in failed, by name.
    """

    def __init__(self, task: Task) -> None:
        self.encoded: list[bytes] = []
        self.encoded_masks: list[bytes] = []
        self.retryable = False
        self.plugin_errors: dict[str, PluginError] = {}
        self._task = task
        self._image_names = task.image_table
        self._source_chunks: list[Columns] = []
        self._candidate_chunks: list[Columns] = []
        self._channel_chunks: list[Columns] = []

    def add(
        self,
        chunk: Chunk,
        measured: MeasuredCandidates,
        prepared: Prepared,
        stamps: Stamps,
        channels: ChannelStamps | None = None,
    ) -> None:
        """Add the next sources of the task."""
        self.retryable |= measured.retryable
        for index, error in measured.cutouts.errors.items():
            if isinstance(error, PluginError):
                self.plugin_errors[chunk.names[chunk.source_index[index]]] = error
        for row, error in stamps.plugin_errors.items():
            self.plugin_errors[chunk.names[row]] = error
        self.encoded += [encoded for encoded in stamps.encoded if encoded is not None]
        if stamps.masks is not None:
            written = [encoded is not None for encoded in stamps.encoded]
            self.encoded_masks += encode_masks(stamps.masks.masks[written])
        names = self._image_names
        self._source_chunks.append(source_columns(chunk, measured, prepared, stamps, names))
        candidates = candidate_columns(chunk, measured, prepared.choices, stamps, names)
        if channels is not None:
            candidates = self._add_channels(chunk, stamps, channels, candidates)
        self._candidate_chunks.append(candidates)

    def _add_channels(
        self, chunk: Chunk, stamps: Stamps, channels: ChannelStamps, candidates: Columns
    ) -> Columns:
        """Add the channels of the next sources; return the candidates of all channels."""
        written = np.array([encoded is not None for encoded in stamps.encoded], bool)
        self._channel_chunks.append(channel_columns(chunk, channels, written))
        sources = self._source_chunks[-1]
        missing = channels.missing.copy()
        missing[~written] = None
        sources["missing_channels"] = missing
        own_names = [channel.name for channel in self._task.channels]
        tables = []
        for channel in channels.channels:
            if channel.name in own_names:
                self.retryable |= channel.measured.retryable
                for index, error in channel.measured.cutouts.errors.items():
                    if isinstance(error, PluginError):
                        name = channel.chunk.names[channel.chunk.source_index[index]]
                        self.plugin_errors[name] = error
                tables.append(channel_candidates(chunk, channel))
            else:
                names = np.full(len(chunk.source_index), channel.name, object)
                tables.append(candidates | {"channel": names, "index": chunk.source_index})
        joined = _concatenate(tables)
        order = np.argsort(joined.pop("index"), kind="stable")
        sources["offers"] = np.sum(
            [np.bincount(table["index"], minlength=len(chunk)) for table in tables], axis=0
        )
        return {name: column[order] for name, column in joined.items()}

    def table(self, task: Task) -> pa.Table:
        """Return the whole table, a row for each source of the task.

        Its columns are those of `part_schema`, then those that are kept from the catalogue.

        Parameters
        ----------
        task : Task
            The one of the chunks that were added, with its splits.
        """
        sources = _concatenate(self._source_chunks)
        candidates = _concatenate(self._candidate_chunks)
        channels = _concatenate(self._channel_chunks) if self._channel_chunks else {}
        return _rows(task, sources, candidates, channels, slice(0, len(task)))

    def chunk_table(self, chunk: Chunk) -> pa.Table:
        """Return the rows of the chunk that was added last, with the columns of `table`."""
        channels = self._channel_chunks[-1] if self._channel_chunks else {}
        sources, candidates = self._source_chunks[-1], self._candidate_chunks[-1]
        return _rows(chunk.task, sources, candidates, channels, chunk.task_slice)


def _rows(
    task: Task, sources: Columns, candidates: Columns, channels: Columns, rows: slice
) -> pa.Table:
    """Return rows of the table from the columns of the stages."""
    rejected = sources["rejected"].astype(bool)
    columns: dict[str, npt.NDArray[np.generic] | pa.Array | list[str]] = {
        **_catalogue_columns(task, rows),
        **_batch_columns(rejected, task, rows),
        **sources,
    }
    status = pa.array(["written", "rejected"])
    columns["status"] = status.take(pa.array(rejected.astype(np.int8)))
    schema = part_schema(task.recipe, task.catalogue.classes)
    counts = sources.get("offers", sources["candidates"])
    columns["offers"] = _candidate_lists(counts, candidates, schema.field("offers").type)
    if channels:
        columns["channels"] = _channel_lists(rejected, channels, len(task.channels) + 1)
    nulls = dict.fromkeys(_WRITTEN_ONLY, rejected)
    nulls |= {name: np.isnan(sources[name]) for name in _NULL_FOR_NAN if name in sources}
    arrays = [_to_arrow(columns[field.name], field.type, nulls.get(field.name)) for field in schema]
    kept = task.catalogue.kept
    if kept is None:
        return pa.Table.from_arrays(arrays, schema=schema)
    kept = kept.slice(rows.start, rows.stop - rows.start)
    kept = name_kept_columns(kept, recipe_columns(task.recipe))
    return pa.Table.from_arrays(
        [*arrays, *(column.combine_chunks() for column in kept.columns)],
        schema=pa.schema([*schema, *kept.schema]),
    )


def part_schema(recipe: Recipe, classes: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of the table of a part.

    Those of the manifest, in ``offers`` the rows of the candidates table for each source, and in
    ``channels`` those of the table of channels, where the recipe has some.
    """
    further = [
        with_class_names(field, classes) if field.name in _NAMING else field
        for field in map(RECIPE_COLUMNS.field, recipe_columns(recipe))
    ]
    candidates = candidate_schema(has_channels=bool(recipe.channels))
    offers = pa.field("offers", pa.list_(pa.struct(list(candidates))))
    channels = [CHANNELS_COLUMN] if recipe.channels else []
    return pa.schema([*MANIFEST, *further, offers, *channels])


def source_columns(
    chunk: Chunk,
    measured: MeasuredCandidates,
    prepared: Prepared,
    stamps: Stamps,
    image_names: Objects,
) -> Columns:
    """Return the columns of a chunk's sources, except those of catalogue and batches.

    Parameters
    ----------
    chunk : Chunk
        Its n sources.
    measured, prepared, stamps
        The results of the stages.
    image_names : object array of str, shape (k + 1, 4)
        Field, image, rms map and file name of each image of the task; None in the last row.

    Returns
    -------
    dict of str to array, shape (n,)
        For a rejected source only ``rejected``, ``stage``, ``reason`` and ``candidates`` have
        meaningful values.

    Raises
    ------
    RuntimeError
        The stages disagree: a source has neither a choice nor a rejection, or both.
    """
    choices, cutouts = prepared.choices, prepared.measured.cutouts
    rejections = {**choices.rejections, **stamps.rejections}
    chosen = choices.chosen.copy()
    chosen[list(stamps.rejections)] = -1
    rejected = chosen < 0
    if np.flatnonzero(rejected).tolist() != sorted(rejections):
        raise RuntimeError("a source has neither a choice nor a rejection, or both")
    shorten = chunk.task.paths.shorten
    reasons = {row: shorten(reason) for row, (_, reason) in rejections.items()}
    stages = {row: stage for row, (stage, _) in rejections.items()}
    return {
        "rejected": rejected,
        "stage": _object_array(map(stages.get, range(len(chunk)))),
        "reason": _object_array(map(reasons.get, range(len(chunk)))),
        "candidates": np.diff(chunk.starts),
        "case": choices.case,
        "undecided": choices.undecided,
        "decided_by": choices.decided_by,
        "separation_arcsec": _take_or(measured.separation_arcsec, chosen, 0),
        "percent_nan": stamps.percent_nan,
        "percent_nan_cutout": _take_or(measured.percent_nan, chosen, 0),
        "recentred": stamps.recentred,
        "blank": stamps.blank,
        "noise_method": stamps.noise_method,
        "pixels_sha256": stamps.pixels_sha256,
        "incomplete": stamps.percent_nan > INCOMPLETE_PERCENT,
        **_name_columns(chunk, measured, chosen, image_names),
        **_scale_columns(chunk, cutouts, chosen),
        **image_columns(cutouts, chosen, stamps, chunk.task.recipe.stamp.pixels),
        **prepared_columns(prepared, chosen, chunk.task.recipe),
        **_mask_columns(stamps, rejected),
    }


def _mask_columns(stamps: Stamps, rejected: Bools) -> Columns:
    """Return what was measured in the masks; nothing for a recipe without masks."""
    masks = stamps.masks
    if masks is None:
        return {}
    return {
        "mask_pixels": masks.pixels,
        "other_pixels": masks.other_pixels,
        "las_arcsec": np.where(rejected, np.nan, masks.las_arcsec),
        "mask_flux_mjy": np.where(rejected, np.nan, masks.flux_mjy),
        "core_distance_arcsec": np.where(rejected, np.nan, masks.core_distance_arcsec),
        "mask_from": masks.origin,
        MASK_SHA256.name: _object_array(pixels_sha256(mask) for mask in masks.masks),
    }


def _name_columns(
    chunk: Chunk, measured: MeasuredCandidates, chosen: Ints, image_names: Objects
) -> Columns:
    """Return field, image and stamp file of each source; `chosen` is -1 for a rejected one."""
    cutouts = measured.cutouts
    fields, _, _, map_files = image_names[_take_or(chunk.image_index, chosen, -1)].T
    files = cutouts.per_cutout((plane.file for plane in cutouts.planes), "", object)
    local_files = _take_or(files, chosen, "")
    map_files = np.where(local_files == "", map_files, local_files)
    image_files = _object_array(_image_files(chunk, fields, map_files))
    return {"field": fields, "map_file": map_files, "image_file": image_files}


def _scale_columns(chunk: Chunk, cutouts: CutoutArray, chosen: Ints) -> Columns:
    """Return the pixel scale of each stamp, and whether the source is larger than the stamp."""
    settings = chunk.task.recipe.stamp
    scale: Floats = _take_or(_pixel_scales(cutouts), chosen, 0).astype(float, copy=False)
    if settings.pixel_arcsec:
        scale = np.full(len(chunk), settings.pixel_arcsec)
    size_arcsec = chunk.task.catalogue.size_arcsec[chunk.task_slice]
    return {"pixel_scale_arcsec": scale, "exceeds_stamp": size_arcsec > settings.pixels * scale}


def candidate_columns(
    chunk: Chunk,
    measured: MeasuredCandidates,
    choices: Choices,
    stamps: Stamps,
    image_names: Objects,
) -> Columns:
    """Return the columns of the candidates table for a chunk's m candidates, and ``no_cutout``.

    The arguments are those of `source_columns`, and the choice among the candidates.
    """
    cutouts, planes = measured.cutouts, measured.cutouts.planes
    fields, images, rms, _ = image_names[chunk.image_index].T
    reasons = measured.reasons | {
        int(choices.chosen[row]): rejection.reason for row, rejection in stamps.rejections.items()
    }
    reasons = {index: chunk.task.paths.shorten(reason) for index, reason in reasons.items()}
    return {
        "no_cutout": cutouts.plane_index < 0,
        "row": chunk.task.rows[chunk.task_slice][chunk.source_index],
        "source": _object_array(chunk.names)[chunk.source_index],
        "field": fields,
        "image": images,
        "rms": rms,
        "image_sha256": cutouts.per_cutout((plane.sha256 for plane in planes), None, object),
        "rms_sha256": cutouts.per_cutout((plane.rms_sha256 for plane in planes), None, object),
        "ny": cutouts.ny,
        "nx": cutouts.nx,
        "pixel_scale_arcsec": _pixel_scales(cutouts),
        "separation_arcsec": measured.separation_arcsec,
        "percent_nan": measured.percent_nan,
        "verdict": to_verdicts(choices.status, reasons),
    }


def _pixel_scales(cutouts: CutoutArray) -> Floats:
    """Return the pixel scale of each cutout, shape (m,), arcsec; NaN where there is no cutout."""
    scales = (plane.wcs.pixel_scale_arcsec for plane in cutouts.planes)
    return cutouts.per_cutout(scales, np.nan)


def _take_or(
    values: npt.NDArray[np.generic], index: Ints, missing: object
) -> npt.NDArray[np.generic]:
    """Return ``values[index]``, and `missing` where the index is -1."""
    # Index -1 takes the appended value, also where `values` is empty.
    return np.append(values, np.array([missing], values.dtype))[index]


def _image_files(chunk: Chunk, fields: Objects, map_files: Objects) -> Iterator[str | None]:
    """Yield the name of each stamp's file, None for a rejected source."""
    template = chunk.task.recipe.stamp.name
    for name, field, map_file in zip(chunk.names, fields, map_files, strict=True):
        if field is None:
            yield None
            continue
        spelling = _field_spelling(name, field, map_file)
        yield format_file_name(template, source=name, field=spelling)


def _field_spelling(source: str, field: str, map_file: str) -> str:
    """Return the field as the image's own file name spells it (``P164_55`` stays)."""
    with_underscore = field.replace("+", "_")
    if with_underscore == field or with_underscore not in map_file:
        return field
    beginnings = tuple(f"{name}_{with_underscore}" for name in (source, safe_name(source)))
    return with_underscore if map_file.startswith(beginnings) else field


def channel_candidates(chunk: Chunk, channel: Channel) -> Columns:
    """Return the columns of the candidates table for a further channel, and ``index``.

    It has the candidates of all sources of the chunk, also of those without a stamp of the
    reference, for which no cutout of this channel was requested. ``index`` is the source of each
    candidate in the chunk.
    """
    whole = Chunk(chunk.task.channel_tasks[channel.name], chunk.start, chunk.stop)
    count = len(whole.source_index)
    fields, images, rms, _ = whole.task.image_table[whole.image_index].T
    unknown = np.full(count, np.nan)
    columns: Columns = {
        "no_cutout": np.ones(count, bool),
        "row": whole.task.rows[whole.task_slice][whole.source_index],
        "source": _object_array(whole.names)[whole.source_index],
        "field": fields,
        "image": images,
        "rms": rms,
        "image_sha256": np.full(count, None),
        "rms_sha256": np.full(count, None),
        "ny": np.zeros(count, np.int64),
        "nx": np.zeros(count, np.int64),
        "pixel_scale_arcsec": unknown,
        "separation_arcsec": unknown.copy(),
        "percent_nan": unknown.copy(),
        "verdict": np.full(count, ""),
        "channel": np.full(count, channel.name, object),
        "index": whole.source_index,
    }
    requested = np.isin(whole.source_index, channel.rows)
    stages = channel.measured, channel.choices, channel.stamps, channel.chunk.task.image_table
    for name, values in candidate_columns(channel.chunk, *stages).items():
        column = columns[name].astype(object) if values.dtype == object else columns[name]
        column[requested] = values
        columns[name] = column
    return columns


def _candidate_lists(
    counts: npt.NDArray[np.generic], candidates: Columns, kind: pa.DataType
) -> pa.Array:
    """Return the rows of the candidates table as a list for each source."""
    no_cutout = candidates["no_cutout"].astype(bool)
    fields = list(kind.value_type)
    arrays = [
        _to_arrow(
            candidates[field.name], field.type, no_cutout if field.name in _CUTOUT_ONLY else None
        )
        for field in fields
    ]
    structs = pa.StructArray.from_arrays(arrays, fields=fields)
    starts = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return pa.ListArray.from_arrays(starts, structs, type=kind)


def _channel_lists(rejected: Bools, rows: Columns, n_channels: int) -> pa.Array:
    """Return the rows of the table of channels as a list for each source, null if rejected."""
    is_missing = rows["status"] == "missing"
    arrays = []
    for field in CHANNELS:
        column, null = rows[field.name], None
        if pa.types.is_floating(field.type):
            null = np.isnan(column.astype(float))
        elif field.name in _NOT_IF_MISSING:
            null = is_missing
        arrays.append(_to_arrow(column, field.type, null))
    structs = pa.StructArray.from_arrays(arrays, fields=list(CHANNELS))
    counts = np.where(rejected, 0, n_channels)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(starts), structs, type=CHANNELS_COLUMN.type)
    return pc.if_else(pa.array(~rejected), lists, pa.scalar(None, CHANNELS_COLUMN.type))


def _catalogue_columns(
    task: Task, rows: slice
) -> dict[str, npt.NDArray[np.generic] | pa.Array | list[str]]:
    """Return the columns of the manifest that the catalogue gives."""
    catalogue = task.catalogue
    labels = pa.array(catalogue.labels[rows], mask=catalogue.labels[rows] == UNLABELLED)
    vectors = None if catalogue.vectors is None else catalogue.vectors.take(rows)
    further: dict[str, pa.Array | list[str]] = {}
    if vectors is not None:
        further |= vector_columns(vectors)
    if catalogue.label_from is not None:
        further[LABEL_FROM.name] = catalogue.label_from[rows]
    return {
        "row": task.rows[rows],
        "source": catalogue.names[rows],
        "ra": catalogue.ra[rows],
        "dec": catalogue.dec[rows],
        "label": labels,
        "class": class_texts(catalogue.labels[rows], vectors, catalogue.classes),
        "size_arcsec": catalogue.size_arcsec[rows],
        "flux_mjy": catalogue.flux_mjy[rows],
        **further,
    }


def _batch_columns(rejected: Bools, task: Task, rows: slice) -> dict[str, pa.Array]:
    """Return the names of batch and split, null for a source that is rejected or left out."""
    names = pa.array([batch.name for batch in task.batch_list], pa.string())
    splits = pa.array([batch.split for batch in task.batch_list], pa.string())
    batches = pa.array(task.batches[rows], mask=rejected | (task.batches[rows] < 0))
    return {"batch": names.take(batches), "split": splits.take(batches)}


def _to_arrow(
    column: npt.NDArray[np.generic] | pa.Array | list[str],
    arrow_type: pa.DataType,
    null: Bools | None = None,
) -> pa.Array:
    """Return a column for the table, null where `null` is true; NaN stays NaN, not null."""
    if isinstance(column, pa.Array):
        return column
    if isinstance(column, np.ndarray) and column.dtype != object:
        column = column.astype(numpy_dtype(arrow_type), copy=False)
    return pa.array(column, arrow_type, mask=null, from_pandas=False)


def _concatenate(chunks: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _object_array(values: Iterable[object]) -> Objects:
    return np.array(list(values), object)
