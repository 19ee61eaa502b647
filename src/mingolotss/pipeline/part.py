"""Make one part of a build: the function that every worker runs, here or on a cluster.

A part is two files: the stamps of its written sources, and a table with a row for every source,
written or rejected. The table is written last: a part exists when its table does. An existing part
is not made again, so a worker that died after writing it costs nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import (
    REPEATED_COLUMNS,
    UNCOMPRESSED_COLUMNS,
    further_fields,
    written_rows,
)
from mingolotss.dataset.masks import MASK, mask_column
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import image_column, stamp_bytes, stamp_schema
from mingolotss.errors import (
    DatasetError,
    ImageError,
    InputError,
    MingoError,
    UnreadableFileError,
)
from mingolotss.foreign import describe_error
from mingolotss.image.lost_pages import LostPages
from mingolotss.io.files import write_bytes
from mingolotss.io.parquet import leaf_paths, parquet_bytes, read_schema
from mingolotss.io.png import write_pngs
from mingolotss.io.system_faults import describe_fault
from mingolotss.pipeline.channels import ChannelStamps, add_channels
from mingolotss.pipeline.choice import choose_candidates
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.fits_stamps import chunk_files, write_fits_stamps
from mingolotss.pipeline.input_files import Times, describe_images, image_times, images_unchanged
from mingolotss.pipeline.masks import MaskInputs, StampMasks
from mingolotss.pipeline.measure import Failures, MeasuredCandidates, fetch_and_measure
from mingolotss.pipeline.part_table import PartTable
from mingolotss.pipeline.prepare import Prepared, prepare
from mingolotss.pipeline.stamp_planes import StampPlane, stamp_planes
from mingolotss.pipeline.stamps import Stamps, make_stamps
from mingolotss.pipeline.task import RETRY_SUFFIX, PartSummary, Task
from mingolotss.service.base import reads_ahead
from mingolotss.service.local.mosaic_file import forget_mosaics

__all__ = [
    "CHUNK_BYTES",
    "StageResults",
    "make_part",
    "read_finished",
    "run_stages",
    "try_chunk",
]

# Of cutouts at a time: 194 sources with 1.5 images of 240 x 240 float32 pixels and rms maps.
CHUNK_BYTES = 128 << 20
FIRST_CHUNK_SOURCES, MAX_CHUNK_SOURCES = 8, 4096
_GROWTH, _GROWTH_OF_WINDOWS = 2, 32  # how many times as long as the last one a chunk may be
_LOST_PAGES = (
    "the system cannot read all of it now; look at its disk or server, and run the same command "
    "again"
)
# Of the last part that this process made, by the folder and the recipe of the build.
_chunk_sources: dict[tuple[Path, str], int] = {}
_DICTIONARIES = ["wcs", *(name for name in UNCOMPRESSED_COLUMNS if name in REPEATED_COLUMNS)]


class StageResults(NamedTuple):
    """What the stages make of a chunk.

    Attributes
    ----------
    measured : MeasuredCandidates
    prepared : Prepared
    stamps : Stamps
    planes : dict of int to StampPlane
        Of the reference, by the index of the source; empty unless they were asked for.
    channels : ChannelStamps or None
        All channels; None for a recipe without channels.
    """

    measured: MeasuredCandidates
    prepared: Prepared
    stamps: Stamps
    planes: dict[int, StampPlane]
    channels: ChannelStamps | None

    @property
    def nbytes(self) -> int:
        """Return how many bytes of pixels the stages had in memory.

        Stamps of whole pixels are made where the pixels are. Every other product has copies of
        about the size of the cutouts: convolved or resampled ones, masks, planes and channels.
        """
        if self.channels is not None:
            return sum(channel.measured.cutouts.nbytes for channel in self.channels.channels)
        cutouts, placement = self.measured.cutouts, self.stamps.placement
        is_copied = self.prepared.measured.cutouts is not cutouts or self.planes
        if is_copied or placement is None or self.stamps.masks is not None:
            return cutouts.nbytes
        return cutouts.held_bytes + sum(noise.nbytes for noise in placement.estimates.values())

    def next_length(self, length: int) -> int:
        """Return how many sources the next chunk may have, given the length of this one."""
        # How many bytes a source takes is known only after its cutouts were read. The first chunk
        # is therefore small. Each further one fills CHUNK_BYTES if its cutouts are like those of
        # this one, but is at most twice as long, since these may have been small or missing.
        # Windows of mapped mosaics take no memory, and the calls for a chunk are paid the less
        # often the longer it is: they soon are all that is left of a part.
        if not self.nbytes and self.measured.cutouts.planes:
            return _GROWTH_OF_WINDOWS * length
        return min(max(1, CHUNK_BYTES * length // max(1, self.nbytes)), _GROWTH * length)


def make_part(task: Task) -> PartSummary:
    """Make one part unless it exists; about `CHUNK_BYTES` of images are in memory at a time.

    Raises
    ------
    RuntimeError
        The service or a stage broke its contract.
    InputError
        The part's files cannot be written, memory ran out, or a plug-in failed for every source.
    """
    summary = None if task.pending is not None else read_finished(task)
    if summary is not None:
        return summary
    # The next part of the same build goes on with chunks of the length that this one ends with,
    # which saves small ones: 2 ms each. A last chunk that is cut short by the end tells nothing.
    # After the death of a worker, the sources stay alone, as they were when they were tried.
    max_sources = MAX_CHUNK_SOURCES if task.crashes is None else 1
    build = task.out, task.recipe.digest
    n_sources = min(_chunk_sources.get(build, FIRST_CHUNK_SOURCES), max_sources)
    part_table, start, times = PartTable(task), 0, image_times(task)
    fetched = 0 if task.crashes is None else len(task)  # the first row that was not fetched ahead
    while start < len(task):
        if start >= fetched:
            fetched = _read_ahead(task, start)
        chunk = Chunk(task, start, min(start + n_sources, fetched))
        next_length = _run_chunk(chunk, part_table)
        if len(chunk) == n_sources:
            n_sources = min(next_length, max_sources)
        start = chunk.stop
    if task.crashes is None:
        _chunk_sources.clear()  # of other builds
        _chunk_sources[build] = n_sources
    _check_plugins(task, part_table)
    return _write(task.with_splits(), part_table, times)


def _read_ahead(task: Task, start: int) -> int:
    """Fetch what the next sources need from an address; return the first row after them."""
    stops = [len(task)]
    for one in (task, *task.channel_tasks.values()):
        if reads_ahead(one.service):
            chunk = Chunk(one, start, len(one))
            count = one.service.read_ahead(chunk.requests, one.cutout_deg)
            if count < len(chunk.requests):
                stops.append(start + max(1, int(chunk.source_index[count])))
    return min(stops)


def try_chunk(chunk: Chunk) -> int:
    """Take a chunk through all stages without keeping the result; return the number of stamps."""
    part_table = PartTable(chunk.task)
    _run_stages(chunk, part_table, with_files=False)
    return len(part_table.encoded)


def _run_chunk(chunk: Chunk, part_table: PartTable) -> int:
    """Do the same as `_run_stages`; name the source if a bug stops the build."""
    try:
        return _run_stages(chunk, part_table)
    except MingoError:
        raise
    except MemoryError as error:
        raise InputError(
            f"make part {chunk.task.index}: {describe_error(error)}; memory ran out, use fewer "
            "--workers and run the same command again: finished parts are kept"
        ) from error
    except Exception as error:
        error.add_note(f"make the stamp of {_culprit(chunk)}: {describe_error(error)}")
        raise


def _culprit(chunk: Chunk) -> str:
    """Return the first source of a chunk that raises an exception alone, with its images."""
    for row in range(chunk.start, chunk.stop):
        one = Chunk(chunk.task, row, row + 1)
        try:
            try_chunk(one)
        except Exception:  # noqa: BLE001 - the caller raises the exception of the whole chunk
            return f"{one.names[0]} from {', '.join(one.images())}"
    return f"one of the sources {chunk.names[0]} to {chunk.names[-1]}"


def _check_plugins(task: Task, part_table: PartTable) -> None:
    """Raise InputError if a plug-in failed for several sources and no source got a stamp."""
    errors = part_table.plugin_errors
    if len(errors) > 1 and not part_table.encoded:
        name, error = next(iter(errors.items()))
        raise InputError(
            f"source {name}: {error}; the plug-in failed for all of {len(errors)} "
            f"sources of part {task.index}, correct it or leave it out of the recipe"
        )


def _run_stages(chunk: Chunk, part_table: PartTable, *, with_files: bool = True) -> int:
    """Take a chunk through all stages; return how many sources the next chunk may have.

    `with_files` says whether to write the files of single stamps.
    """
    task, with_fits = chunk.task, with_files and "fits" in chunk.task.recipe.formats
    results = run_stages(chunk, with_planes=with_fits)
    part_table.add(chunk, results.measured, results.prepared, results.stamps, results.channels)
    if with_fits:
        table = part_table.chunk_table(chunk)
        files = chunk_files(task, table, results.stamps, results.planes, results.channels)
        write_fits_stamps(BuildFolder(task.out).fits, files)
    return results.next_length(len(chunk))


def run_stages(chunk: Chunk, *, with_planes: bool) -> StageResults:
    """Take a chunk through all stages.

    Parameters
    ----------
    chunk : Chunk
    with_planes : bool
        Whether to return also brightness and noise of the stamps.

    Raises
    ------
    InputError
        Pages of an image cannot be read.
    """
    # Images are mapped, and their pages are read when they are needed. A file that is cut short
    # before that is noticed when it is opened again. If its pages cannot be read for another
    # reason, the sources on them are rejected in this run.
    failures = {
        name: (ImageError, f"the worker {end}, and did so again when this source was tried alone")
        for name, end in (chunk.task.crashes or {}).items()
    }
    results = _make(chunk, failures, with_planes) or _make(chunk, failures, with_planes)
    if results is None:
        failures |= _unreadable_sources(chunk, failures)
        results = _make(chunk, failures, with_planes)
    if results is None:
        names = f"{chunk.names[0]} to {chunk.names[-1]}"
        raise InputError(f"make the stamps of {names} from their images: {_LOST_PAGES}")
    return results


def _make(chunk: Chunk, failures: Failures, with_planes: bool = False) -> StageResults | None:
    """Return the results of all stages, or None if pages of an image could not be read."""
    task, recipe = chunk.task, chunk.task.stamp_recipe
    channels, has_channels = None, bool(task.recipe.channels)
    with LostPages() as lost:
        measured = fetch_and_measure(
            chunk.requests,
            task.service,
            task.cutout_deg,
            recipe.noise,
            failures,
            recipe.beam.beam,
        )
        choices = choose_candidates(
            chunk, measured, task.decisions, task.search_errors, recipe.choose
        )
        prepared = prepare(chunk, measured, choices, recipe)
        stamps = make_stamps(
            chunk, prepared.measured, prepared.choices, recipe, raw=has_channels,
            masks=_mask_inputs(chunk, prepared),
        )  # fmt: skip
        planes = stamp_planes(stamps, recipe) if with_planes else {}
        if has_channels:
            channels = add_channels(
                chunk, measured, prepared, stamps, failures, with_planes=with_planes
            )
            stamps = channels.stamps
    if lost.pages:
        forget_mosaics()
        return None
    return StageResults(measured, prepared, stamps, planes, channels)


def _mask_inputs(chunk: Chunk, prepared: Prepared) -> MaskInputs | StampMasks | None:
    """Return what the masks of a chunk are made from, None for a recipe without masks."""
    components, catalogue = chunk.task.components, chunk.task.catalogue
    if chunk.task.masks is not None:
        return StampMasks.stored(chunk.task.masks[chunk.task_slice])
    if components is None:
        return None
    near = components.take(np.arange(chunk.start, chunk.stop))
    ra, dec = catalogue.ra[chunk.task_slice], catalogue.dec[chunk.task_slice]
    return MaskInputs(near, ra, dec, prepared.broadening)


def _unreadable_sources(
    chunk: Chunk, failures: Failures
) -> dict[str, tuple[type[ImageError], str]]:
    """Return an error for each source whose pages cannot be read."""
    rows = (Chunk(chunk.task, row, row + 1) for row in range(chunk.start, chunk.stop))
    return {
        one.names[0]: (UnreadableFileError, _LOST_PAGES) for one in rows if not _make(one, failures)
    }


def read_finished(task: Task) -> PartSummary | None:
    """Return the summary of an existing part, or None if the part must be made.

    It must be made unless its key matches, and the local images and the downloads that it was made
    from are unchanged.
    """
    folder = BuildFolder(task.out)
    path = folder.part(task.index)
    try:
        metadata = read_schema(path).metadata or {}
        if metadata.get(b"key", b"").decode() != task.key:
            return None
        if not folder.part_stamps(task.index).exists():
            return None
        if not images_unchanged(task, path):
            return None
        written = int(metadata[b"written"])
    except (OSError, DatasetError, KeyError, TypeError, ValueError) as error:
        # A part that cannot be read now is not thrown away: its images may be gone. A damaged one
        # may ask for any amount of memory.
        fault = None if isinstance(error.__cause__, MemoryError) else describe_fault(error)
        if fault is not None:
            raise DatasetError(f"read {path}: {fault}") from error
        return None
    return PartSummary(task.index, written, len(task) - written)


def _write(task: Task, part_table: PartTable, times: Times) -> PartSummary:
    """Write the part's files, the table last."""
    recipe, folder = task.recipe, BuildFolder(task.out)
    table, encoded = part_table.table(task), part_table.encoded
    written = written_rows(table.drop_columns(["offers"]))
    if "png" in recipe.formats:
        write_pngs(folder.png, written["image_file"].to_pylist(), encoded)
    stamps = stamp_bytes(_stamps_table(StampShape.of_recipe(recipe), part_table, written))
    write_bytes(folder.part_stamps(task.index), stamps)
    metadata = {
        "key": task.key + (RETRY_SUFFIX if part_table.retryable else ""),
        **describe_images(task, times, table),
        "written": str(len(encoded)),
        "stamps_sha256": hashlib.sha256(stamps).hexdigest(),
    }
    # Whole columns are read back at a time, never single rows: no statistics, and dictionaries only
    # in the place of compression, and for the long texts of positions.
    data = parquet_bytes(
        table.replace_schema_metadata(metadata),
        compression=_compression(table),
        use_dictionary=_DICTIONARIES,
        write_statistics=False,
    )
    write_bytes(folder.part(task.index), data)
    return PartSummary(task.index, len(encoded), len(task) - len(encoded))


def _compression(table: pa.Table) -> dict[str, str]:
    """Return the codec of each column, by its path in Parquet."""
    return {
        leaf: "none" if leaf in UNCOMPRESSED_COLUMNS else "zstd"
        for field in table.schema
        for leaf in leaf_paths(field)
    }


def _stamps_table(shape: StampShape, part_table: PartTable, written: pa.Table) -> pa.Table:
    """Return the published table of the part: the image, its mask, then the manifest's columns."""
    schema = stamp_schema(shape, further_fields(written.schema))
    stored = [image_column(shape, part_table.encoded, written["image_file"])]
    if MASK.name in schema.names:
        stored.append(mask_column(part_table.encoded_masks, written["image_file"]))
    columns = [written[name].combine_chunks() for name in schema.names[len(stored) :]]
    return pa.Table.from_arrays([*stored, *columns], schema=schema)
