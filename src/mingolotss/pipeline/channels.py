"""Make the further channels of the stamps of a chunk, and put all channels together.

The reference channel goes through the usual stages, and its stamps give the grid. Each further
channel fetches, measures and chooses its own images, and makes its plane on that grid: a window of
whole pixels where its image has them, and resampled pixels otherwise. Noise and steps are those of
the channel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import encode_stamp
from mingolotss.model import Bools, Ints, Objects
from mingolotss.pipeline.aligned_windows import aligned_windows
from mingolotss.pipeline.channel_inputs import ChannelInputs
from mingolotss.pipeline.choice import Choices, Rejection, choose_candidates
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.measure import Failures, MeasuredCandidates, fetch_and_measure
from mingolotss.pipeline.prepare import Prepared, convolve_chosen, prepare_on
from mingolotss.pipeline.stamp_planes import StampPlane, stamp_planes
from mingolotss.pipeline.stamp_windows import StampBoxes
from mingolotss.pipeline.stamps import Stamps, make_stamps
from mingolotss.recipe.model import Recipe
from mingolotss.sky.stamp_grid import ImageGrids, StampGrids

__all__ = ["Channel", "ChannelStamps", "add_channels"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the stamps of a chunk of n sources.

    Attributes
    ----------
    name : str
    chunk : Chunk
        Its k sources: those with a stamp of the reference, for a further channel.
    rows : int64 array, shape (k,)
        Their indices among the n.
    measured : MeasuredCandidates
        Their m candidates.
    choices : Choices
    recipe : Recipe
        Of this channel alone.
    stamps : Stamps
        The planes of the k sources; ``encoded`` holds the bytes of their pixels.
    resampled : Prepared or None
        The cutouts of the resampled planes; None if there are none.
    is_resampled : bool array, shape (k,)
    planes : dict of int to StampPlane
        Brightness and noise of the planes of a further channel, by their index among the k; empty
        unless they were asked for.
    """

    name: str
    chunk: Chunk
    rows: Ints
    measured: MeasuredCandidates
    choices: Choices
    recipe: Recipe
    stamps: Stamps
    resampled: Prepared | None
    is_resampled: Bools
    planes: dict[int, StampPlane] = field(default_factory=dict)

    @property
    def rejections(self) -> dict[int, Rejection]:
        """Return why sources have no plane of this channel, by their index among the n."""
        rejections = {**self.choices.rejections, **self.stamps.rejections}
        return {int(self.rows[index]): rejection for index, rejection in rejections.items()}


@dataclass(frozen=True, slots=True)
class ChannelStamps:
    """The stamps of n sources with all their channels.

    Attributes
    ----------
    stamps : Stamps
        Those of the reference, with the pixels of all channels in ``encoded`` and
        ``pixels_sha256``. A source without an image in a channel that needs one is rejected.
    channels : tuple of Channel
        In the order of the recipe.
    missing : object array of str, shape (n,)
        The names of the channels that each stamp lacks, separated by commas.
    filler_sha256 : dict of str to str
        The SHA-256 of the plane of each channel that may be missing, by its name.
    """

    stamps: Stamps
    channels: tuple[Channel, ...]
    missing: Objects
    filler_sha256: dict[str, str]


def add_channels(
    chunk: Chunk,
    measured: MeasuredCandidates,
    prepared: Prepared,
    stamps: Stamps,
    failures: Failures,
    *,
    with_planes: bool = False,
) -> ChannelStamps:
    """Make the further channels of the stamps of a chunk, and put all channels together.

    Parameters
    ----------
    chunk : Chunk
        n sources.
    measured : MeasuredCandidates
        The candidates of the reference.
    prepared : Prepared
        The choice among them, and the cutouts that its planes were made from.
    stamps : Stamps
        The planes of the reference; ``encoded`` holds the bytes of their pixels.
    failures : mapping
        As for `fetch_and_measure`.
    with_planes : bool
        Whether to return brightness and noise of the further channels.
    """
    task, recipe = chunk.task, chunk.task.recipe
    grids: StampGrids = prepared.grids or _image_grids(prepared, stamps, recipe)
    reference = recipe.reference_channel
    made: list[Channel] = []
    rules: dict[str, str] = {}
    for settings in recipe.channels:
        if settings is reference:
            resampled = None if prepared.grids is None else prepared
            is_resampled = np.full(len(chunk), resampled is not None)
            made.append(
                Channel(
                    settings.name, chunk, np.arange(len(chunk)), measured, prepared.choices,
                    task.stamp_recipe, stamps, resampled, is_resampled,
                )
            )  # fmt: skip
            continue
        [inputs] = [inputs for inputs in task.channels if inputs.name == settings.name]
        made.append(_make_channel(chunk, inputs, stamps, grids, failures, with_planes=with_planes))
        rules[settings.name] = settings.missing
    return _join(made, rules, stamps, recipe)


def _image_grids(prepared: Prepared, stamps: Stamps, recipe: Recipe) -> ImageGrids:
    """Return the grids of stamps of whole pixels of their images."""
    cutouts, chosen = prepared.measured.cutouts, prepared.choices.chosen
    has_stamp = np.array([encoded is not None for encoded in stamps.encoded], bool)
    skies = [plane.wcs for plane in cutouts.planes]
    index = np.full(len(chosen), -1)
    index[has_stamp] = cutouts.plane_index[chosen[has_stamp]]
    # Mosaics share a plane; images of one source each may share a WCS, whose first index counts.
    first: dict[int, int] = {}
    same = [first.setdefault(id(sky), number) for number, sky in enumerate(skies)]
    index = np.array([*same, -1])[index]
    return ImageGrids(skies, index, stamps.x0, stamps.y0, stamps.factor, recipe.stamp.pixels)


def _make_channel(
    chunk: Chunk,
    inputs: ChannelInputs,
    reference: Stamps,
    grids: StampGrids,
    failures: Failures,
    *,
    with_planes: bool,
) -> Channel:
    """Make the planes of one further channel, for the sources that have one of the reference."""
    recipe = inputs.recipe
    rows = np.flatnonzero([encoded is not None for encoded in reference.encoded])
    own_task = chunk.task.channel_tasks[inputs.name]
    if len(rows) == len(chunk):
        own = Chunk(own_task, chunk.start, chunk.stop)
    else:
        own = Chunk(own_task.take(chunk.start + rows), 0, len(rows))
    measured = fetch_and_measure(
        own.requests,
        inputs.service,
        own_task.cutout_deg,
        recipe.noise,
        failures,
        recipe.beam.beam,
    )
    choices = choose_candidates(own, measured, {}, own.task.search_errors, recipe.choose)
    own_grids = grids.take(rows)
    windows = aligned_windows(own_grids, reference.factor[rows], measured.cutouts, choices.chosen)
    native = _only(choices, windows.is_aligned)
    masks = None if reference.masks is None else reference.masks.take(rows)
    stamps = make_stamps(
        own,
        convolve_chosen(measured, native, recipe, windows.boxes),
        native,
        recipe,
        places=windows.boxes,
        raw=True,
        masks=masks,
    )
    planes = stamp_planes(stamps, recipe) if with_planes else {}
    others = ~windows.is_aligned & (choices.chosen >= 0)
    if not others.any():
        return Channel(
            inputs.name, own, rows, measured, choices, recipe, stamps, None, others, planes
        )
    prepared = prepare_on(own_grids, measured, _only(choices, others), recipe)
    side = np.full(len(rows), recipe.stamp.pixels)
    corner = np.zeros(len(rows), np.int64)
    places = StampBoxes(corner, corner, side, np.zeros(len(rows), bool))
    resampled = make_stamps(
        own, prepared.measured, prepared.choices, recipe, places=places, raw=True, masks=masks
    )
    rejections = {**choices.rejections, **prepared.choices.rejections}
    choices = replace(choices, rejections=rejections)
    stamps = _merge(stamps, resampled, np.flatnonzero(others))
    if with_planes:
        planes |= stamp_planes(resampled, recipe)
    return Channel(
        inputs.name, own, rows, measured, choices, recipe, stamps, prepared, others, planes
    )


def _only(choices: Choices, rows: Bools) -> Choices:
    """Return the choices of some sources; the others have none, and no rejection."""
    return replace(choices, chosen=np.where(rows, choices.chosen, -1), rejections={})


def _merge(stamps: Stamps, others: Stamps, rows: Ints) -> Stamps:
    """Enter some rows of other stamps into the first, and return these."""
    for one in fields(Stamps):
        values, new = getattr(stamps, one.name), getattr(others, one.name)
        if isinstance(values, dict):
            values.update(new)
        elif isinstance(values, np.ndarray):
            values[rows] = new[rows]
    return stamps


def _join(
    channels: Sequence[Channel], rules: dict[str, str], reference: Stamps, recipe: Recipe
) -> ChannelStamps:
    """Put the planes of all channels together, by the rules for those that are missing."""
    n, shape = len(reference.encoded), StampShape.of_recipe(recipe)
    filler = _fillers(shape)
    planes: list[list[bytes | None]] = []
    missing: list[list[str]] = [[] for _ in range(n)]
    rejections = dict(reference.rejections)
    plugin_errors = dict(reference.plugin_errors)
    has_stamp = np.array([encoded is not None for encoded in reference.encoded], bool)
    for channel in channels:
        plane: list[bytes | None] = [None] * n
        for row, encoded in zip(channel.rows.tolist(), channel.stamps.encoded, strict=True):
            plane[row] = encoded
        rule = rules.get(channel.name)
        if rule is not None:
            for row, (stage, reason) in channel.rejections.items():
                if rule == "reject":
                    text = f"channel {channel.name}: {reason}"
                    rejections.setdefault(row, Rejection(stage, text))
                    has_stamp[row] = False
                else:
                    missing[row].append(channel.name)
                    plane[row] = filler[rule]
            for index, error in channel.stamps.plugin_errors.items():
                plugin_errors[int(channel.rows[index])] = error
        planes.append(plane)
    encoded, digests = np.full(n, None), np.full(n, None)
    for row in np.flatnonzero(has_stamp).tolist():
        pixels = b"".join(plane[row] or b"" for plane in planes)
        digests[row] = hashlib.sha256(pixels).hexdigest()
        if shape.is_png:
            pixels = encode_stamp(np.frombuffer(pixels, np.uint8).reshape(shape.axes))
        encoded[row] = pixels
    names = np.array([",".join(one) for one in missing], object)
    stamps = replace(
        reference,
        encoded=encoded,
        pixels_sha256=digests,
        recentred=reference.recentred & has_stamp,
        blank=reference.blank & has_stamp,
        rejections=rejections,
        plugin_errors=plugin_errors,
    )
    digest_of = {
        name: hashlib.sha256(filler[rule]).hexdigest()
        for name, rule in rules.items()
        if rule in filler
    }
    return ChannelStamps(stamps, tuple(channels), names, digest_of)


def _fillers(shape: StampShape) -> dict[str, bytes]:
    """Return the bytes of a missing plane, by the rule."""
    zero = np.zeros((shape.side, shape.side), np.dtype(shape.dtype).newbyteorder("<"))
    fillers = {"zero": zero.tobytes()}
    if shape.is_float:
        fillers["nan"] = np.full_like(zero, np.nan).tobytes()
    return fillers
