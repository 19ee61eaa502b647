"""The rows of the table of channels, and of the candidates of all channels, for one chunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mingolotss.dataset.channel_table import CHANNELS
from mingolotss.model import Bools, Ints, Objects
from mingolotss.pipeline.channels import Channel, ChannelStamps
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.image_columns import brightness_columns
from mingolotss.pipeline.prepared_columns import stamp_beams

__all__ = ["channel_columns"]

Columns = dict[str, npt.NDArray[np.generic]]
_BEAM = ("beam_major_arcsec", "beam_minor_arcsec", "beam_pa_deg")
_MISSING_PERCENT = 100.0


def channel_columns(chunk: Chunk, channel_stamps: ChannelStamps, written: Bools) -> Columns:
    """Return the rows of the table of channels for the written sources of a chunk.

    Parameters
    ----------
    chunk : Chunk
        n sources.
    channel_stamps : ChannelStamps
        With c channels.
    written : bool array, shape (n,)
        The w sources with a stamp.

    Returns
    -------
    dict of str to array, shape (w * c,)
        The columns of `CHANNELS`: the channels of the first source, of the second, and so on. None
        and NaN where a value is not known.
    """
    channels, fillers = channel_stamps.channels, channel_stamps.filler_sha256
    columns = [
        _one_channel(channel, np.flatnonzero(written), fillers.get(channel.name))
        for channel in channels
    ]
    rows = {
        name: np.stack([one[name] for one in columns], axis=1).ravel()
        for name in CHANNELS.names
        if name not in ("row", "source")
    }
    repeated = np.repeat(np.flatnonzero(written), len(channels))
    rows["row"] = chunk.task.rows[chunk.task_slice][repeated]
    rows["source"] = np.array(chunk.names, object)[repeated]
    return rows


def _one_channel(channel: Channel, written: Ints, filler_sha256: str | None) -> Columns:
    """Return the columns of one channel, but ``row`` and ``source``, for the written sources."""
    own, measured, stamps = channel.chunk, channel.measured, channel.stamps
    index = np.searchsorted(channel.rows, written)  # of the written sources in the channel
    has_plane = np.array([encoded is not None for encoded in stamps.encoded], bool)
    chosen = np.where(has_plane, channel.choices.chosen, -1)
    cutouts = measured.cutouts
    images = own.task.image_table[_take_or(own.image_index, chosen, -1)].T
    columns: Columns = dict(zip(("field", "image", "rms"), images, strict=False))
    for name in ("sha256", "rms_sha256"):
        checksums = cutouts.per_cutout((getattr(one, name) for one in cutouts.planes), "", object)
        column = name if name == "rms_sha256" else "image_sha256"
        columns[column] = _take_or(checksums, chosen, None)
    filler = np.full(len(own), filler_sha256, object)
    scales = (plane.wcs.pixel_scale_arcsec for plane in cutouts.planes)
    reasons = {row: rejection.reason for row, rejection in channel.rejections.items()}
    shorten = own.task.paths.shorten
    texts = (reasons.get(row) for row in channel.rows.tolist())
    columns |= {
        "status": np.where(
            has_plane, np.where(channel.is_resampled, "resampled", "native"), "missing"
        ).astype(object),
        "reason": _objects([None if text is None else shorten(text) for text in texts]),
        "channel": np.full(len(own), channel.name, object),
        "candidates": np.diff(own.starts),
        "case": channel.choices.case,
        "separation_arcsec": _take_or(measured.separation_arcsec, chosen, np.nan),
        "pixel_scale_arcsec": _take_or(cutouts.per_cutout(scales, np.nan), chosen, np.nan),
        "percent_nan": np.where(has_plane, stamps.percent_nan, _MISSING_PERCENT),
        "blank": stamps.blank,
        "noise_method": stamps.noise_method,
        "pixels_sha256": np.where(has_plane, stamps.pixels_sha256, filler),
    }
    columns |= brightness_columns(cutouts, chosen, stamps)
    columns |= _stamp_beams(channel, chosen, columns)
    return {name: column[index] for name, column in columns.items()}


def _stamp_beams(channel: Channel, chosen: Ints, columns: Columns) -> Columns:
    """Return the beam of each plane; `columns` has that of each image."""
    beams = np.stack([columns[name].astype(float) for name in _BEAM], axis=1)
    if (common := channel.recipe.beam.beam) is not None:
        beams[chosen >= 0] = common
    if channel.resampled is not None:
        of_resampled = np.where(channel.is_resampled, chosen, -1)
        resampled = stamp_beams(channel.resampled, of_resampled, channel.recipe)
        beams[of_resampled >= 0] = resampled[of_resampled >= 0]
    return {f"stamp_{name}": column for name, column in zip(_BEAM, beams.T, strict=True)}


def _take_or(
    values: npt.NDArray[np.generic], index: Ints, missing: object
) -> npt.NDArray[np.generic]:
    """Return ``values[index]``, and `missing` where the index is -1."""
    return np.append(values, np.array([missing], values.dtype))[index]


def _objects(values: Sequence[object]) -> Objects:
    return np.array([*values, None], object)[:-1]
