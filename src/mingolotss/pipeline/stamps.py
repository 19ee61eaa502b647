"""Make the stamps of the chosen cutouts of a chunk, encode and hash them.

Stamps are made as stacks of one size and type. Where the recipe's steps are the standard ones and
the compiled kernel is available, it does all of them in one pass; its output is bit-identical to
that of the steps. Everywhere else the steps run one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.selection import SourcePixel, source_pixel
from mingolotss.errors import ImageError, PluginError, RecipeError, UnreadableFileError
from mingolotss.image.compiled import NOISE_STRIDE, KernelResult, grey_stamps, supports
from mingolotss.image.compiled_hashing import hash_images
from mingolotss.image.kernel_library import SIDES
from mingolotss.image.lost_pages import LostPages
from mingolotss.image.masks import Masks
from mingolotss.image.pixels import block_mean
from mingolotss.io.png import encode_png, encode_stack
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints, Objects
from mingolotss.pipeline.binned_noise import BinnedNoise, binned_noise
from mingolotss.pipeline.choice import Choices, Rejection
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.common_beam import convolved_noise_methods, with_common_beam
from mingolotss.pipeline.masks import MaskInputs, StampMasks, make_masks
from mingolotss.pipeline.measure import MeasuredCandidates
from mingolotss.pipeline.prepare import prepare_cutout
from mingolotss.pipeline.stamp_geometry import StampPlace, place_of_stamp
from mingolotss.pipeline.stamp_windows import (
    STAMPS_PER_STACK,
    Group,
    StampBoxes,
    estimate_noise,
    leaves_cutout,
    needed_windows,
    noise_methods,
    place_stamp,
    place_stamps,
    stack_windows,
    stamp_sides,
    stamp_windows,
)
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import Recipe, StampSettings
from mingolotss.recipe.steps import (
    Scaling,
    Stack,
    StampPixels,
    StandardSteps,
    as_standard_steps,
    finish,
    noise_of_blocks,
    run_steps,
)
from mingolotss.sky.stamp_grid import ImageGrids

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = [
    "Placement",
    "Stamps",
    "make_stamp",
    "make_stamps",
    "stamp_of_cutout",
]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the pixels of k stamps come from.

    Attributes
    ----------
    cutouts : CutoutArray
        Of all candidates.
    rows, chosen : int64 array, shape (k,)
        The source of each stamp, and its cutout.
    boxes : StampBoxes
        Where the stamps lie in their cutouts.
    estimates : dict of int to float array
        The noise of those cutouts that do not use their rms map, by the index of the cutout.
    noise : BinnedNoise
    has_gaps : bool array, shape (k,)
        Pixels of the stamp may have no data.
    """

    cutouts: CutoutArray
    rows: Ints
    chosen: Ints
    boxes: StampBoxes
    estimates: dict[int, FloatImage]
    noise: BinnedNoise
    has_gaps: Bools


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamps of n sources.

    `make_stamps` fills the arrays stack by stack; they do not change after it has returned.

    Attributes
    ----------
    encoded : object array of bytes or None, shape (n,)
        Each stamp as it is stored: PNG, or the bytes of its float32 pixels. None for a source
        without a stamp, as in the next column.
    pixels_sha256 : object array of str or None, shape (n,)
    recentred, blank : bool array, shape (n,)
        False for a source without a stamp.
    noise_jy : float64 array, shape (n,), unit of the image
        Median noise of the stamp's pixels, over every `NOISE_STRIDE`-th pixel on either axis. 0
        where it is unknown, NaN for a source without a stamp, as in all further columns of numbers.
    noise_method : object array of str or None, shape (n,)
        How that noise came about; see `mingolotss.pipeline.stamp_windows.noise_methods`.
    peak_jy : float64 array, shape (n,), unit of the image
        Brightest pixel of the stamp before clip, mask and scaling.
    percent_nan : float64 array, shape (n,), %
        The part of the stamp without data, before it is filled.
    x0, y0 : float64 array, shape (n,), px
        The first pixel of the stamp in the image of its cutout.
    factor : int64 array, shape (n,)
        Pixels of the image, along an axis, for each pixel of the stamp.
    scaling : object array of str or None, shape (n,)
        ``none``, or the kind of a `mingolotss.recipe.steps.Scaling`.
    scale_min, scale_max, scale_rms : float64 array, shape (n,), unit of the image
        Its numbers.
    rejections : dict of int to Rejection
        The sources whose chosen image cannot give a stamp, by their index among the n.
    plugin_errors : dict of int to PluginError
        Those among them for which the step of a plug-in failed.
    placement : Placement or None
        Of all stamps that were tried; None while they are made.
    masks : StampMasks or None
        Of the n stamps; None for a recipe without masks.
    """

    encoded: Objects
    pixels_sha256: Objects
    recentred: Bools
    blank: Bools
    noise_jy: Floats
    noise_method: Objects
    peak_jy: Floats
    percent_nan: Floats
    x0: Floats
    y0: Floats
    factor: Ints
    scaling: Objects
    scale_min: Floats
    scale_max: Floats
    scale_rms: Floats
    rejections: dict[int, Rejection]
    plugin_errors: dict[int, PluginError]
    placement: Placement | None = None
    masks: StampMasks | None = None


def make_stamps(
    chunk: Chunk,
    measured: MeasuredCandidates,
    choices: Choices,
    recipe: Recipe,
    *,
    places: StampBoxes | None = None,
    raw: bool = False,
    masks: MaskInputs | StampMasks | None = None,
) -> Stamps:
    """Make the stamps of the chosen cutouts.

    A cutout of which no stamp can be made, because a library or a plug-in raises an exception for
    its pixels, rejects its source and changes no other stamp.

    Parameters
    ----------
    chunk : Chunk
        n sources.
    measured : MeasuredCandidates
        Their m candidates.
    choices : Choices
        The choice among them.
    recipe : Recipe
    places : StampBoxes, optional
        Where the n stamps lie in their cutouts; by default in the middle, or on the source.
    raw : bool
        Keep the bytes of the pixels, as one channel of several, and do not encode them.
    masks : MaskInputs or StampMasks, optional
        Of the n sources, for a recipe with masks: what the masks are made from, or masks that
        exist, as those of the reference for a further channel.
    """
    cutouts, n = measured.cutouts, len(choices.chosen)
    sides, problems = stamp_sides(cutouts, recipe.stamp)
    has_choice = np.flatnonzero(choices.chosen >= 0)
    problem = cutouts.per_cutout(problems, "", object)[choices.chosen[has_choice]]
    stamps = Stamps(
        encoded=np.full(n, None),
        pixels_sha256=np.full(n, None),
        recentred=np.zeros(n, bool),
        blank=np.zeros(n, bool),
        noise_jy=np.full(n, np.nan),
        noise_method=np.full(n, None),
        peak_jy=np.full(n, np.nan),
        percent_nan=np.zeros(n),
        x0=np.full(n, np.nan),
        y0=np.full(n, np.nan),
        factor=np.ones(n, np.int64),
        scaling=np.full(n, None),
        scale_min=np.full(n, np.nan),
        scale_max=np.full(n, np.nan),
        scale_rms=np.full(n, np.nan),
        rejections={
            int(row): Rejection("stamp", text)
            for row, text in zip(has_choice, problem, strict=True) if text
        },
        plugin_errors={},
    )  # fmt: skip
    # From here on, the k sources that get a stamp: `rows` are their indices among the n sources,
    # `chosen` the indices of their cutouts among the m candidates.
    rows = has_choice[problem == ""]
    estimates, errors = estimate_noise(cutouts, choices.chosen[rows], recipe.noise)
    if errors:
        failed = np.isin(choices.chosen[rows], list(errors))
        for row in rows[failed].tolist():
            _reject(stamps, chunk, choices, row, errors[int(choices.chosen[row])])
        rows = rows[~failed]
    chosen = choices.chosen[rows]
    if places is None:
        positions = np.stack([measured.x, measured.y, measured.separation_arcsec])[:, chosen]
        side = cutouts.per_cutout(sides, 0)[chosen]
        boxes = place_stamps(cutouts, chosen, positions, side, recipe.recentre)
    else:
        boxes = StampBoxes(*(column[rows] for column in places))
    stamps.recentred[rows] = boxes.recentred
    _store_places(stamps, rows, cutouts, chosen, boxes, recipe.stamp)
    noise = _noise_after_bin(cutouts, chosen, boxes, stamps.factor[rows], estimates, recipe)
    stamps.noise_method[rows] = noise.methods
    if measured.noise_methods:
        stamps.noise_method[rows] = [measured.noise_methods[index] for index in chosen.tolist()]
    has_gaps = measured.has_gaps[chosen] | leaves_cutout(cutouts, chosen, boxes)
    if isinstance(masks, MaskInputs):
        grids = _grids(stamps, rows, cutouts, chosen, recipe.stamp)
        masks = make_masks(
            masks, cutouts, rows, chosen, boxes, estimates, noise.relative, grids, recipe
        )
    for group in stamp_windows(cutouts, chosen, boxes, estimates):
        members, start = group.indices, 0
        steps = _kernel_steps(group, recipe)
        bins, gaps = noise.relative[members], has_gaps[members]
        own_masks = None
        if steps is None and masks is not None:
            own_masks = masks.masks[rows[members]]
        stacks = (
            _by_steps(group, recipe, bins, gaps, own_masks, raw=raw)
            if steps is None
            else [_by_kernel(group, steps, gaps, raw=raw)]
        )
        for stack in stacks:
            if isinstance(stack, ImageError):
                _reject(stamps, chunk, choices, int(rows[members[start]]), stack)
                start += 1
                continue
            stop = start + len(stack.encoded)
            _store(stamps, rows[members[start:stop]], stack)
            start = stop
    _reject_empty(stamps, chunk, choices, recipe.stamp, is_further_channel=places is not None)
    placement = Placement(cutouts, rows, chosen, boxes, estimates, noise, has_gaps)
    return replace(stamps, placement=placement, masks=masks)


def _store_places(
    stamps: Stamps,
    rows: Ints,
    cutouts: CutoutArray,
    chosen: Ints,
    boxes: StampBoxes,
    settings: StampSettings,
) -> None:
    """Enter where the stamps lie in their images, and how many pixels become one of theirs."""
    origins = cutouts.per_cutout((plane.origin for plane in cutouts.planes), (0, 0), float)[chosen]
    stamps.x0[rows] = origins[:, 0] + cutouts.x0[chosen] + boxes.x0
    stamps.y0[rows] = origins[:, 1] + cutouts.y0[chosen] + boxes.y0
    stamps.factor[rows] = boxes.side // settings.pixels


def _grids(
    stamps: Stamps, rows: Ints, cutouts: CutoutArray, chosen: Ints, settings: StampSettings
) -> ImageGrids:
    """Return the grids of some stamps, on those of their images or of resampled cutouts."""
    skies = [plane.wcs for plane in cutouts.planes]
    return ImageGrids(
        skies, cutouts.plane_index[chosen], stamps.x0[rows], stamps.y0[rows], stamps.factor[rows],
        settings.pixels,
    )  # fmt: skip


def _noise_after_bin(
    cutouts: CutoutArray,
    chosen: Ints,
    boxes: StampBoxes,
    factors: Ints,
    estimates: Mapping[int, FloatImage],
    recipe: Recipe,
) -> BinnedNoise:
    """Return how the noise of the stamps comes about, and what the step ``bin`` makes of it."""
    common = recipe.beam.beam
    methods = noise_methods(cutouts, chosen, recipe.noise)
    if common is not None:
        methods = convolved_noise_methods(cutouts, chosen, methods, common)
    if all(name != "bin" for name, _ in recipe.step_list):
        return BinnedNoise(np.ones(len(chosen)), methods)
    return binned_noise(cutouts, chosen, boxes, factors, estimates, methods, recipe.noise, common)


def _reject_empty(
    stamps: Stamps,
    chunk: Chunk,
    choices: Choices,
    settings: StampSettings,
    *,
    is_further_channel: bool,
) -> None:
    """Reject the stamps with too little data, and planes of further channels with none at all."""
    for row in np.flatnonzero(stamps.percent_nan > settings.max_percent_nan).tolist():
        _reject(stamps, chunk, choices, row, _empty_error(stamps.percent_nan[row], settings))
    if is_further_channel:
        for row in np.flatnonzero(stamps.percent_nan >= 100).tolist():
            _reject(stamps, chunk, choices, row, ImageError("it has no data where the stamp is"))


def _empty_error(percent: float, settings: StampSettings) -> ImageError:
    return ImageError(
        f"{percent:.3g} % of the stamp have no data, and the recipe accepts up to "
        f"{settings.max_percent_nan:g} % (stamp.max_percent_nan)"
    )


def _reject(stamps: Stamps, chunk: Chunk, choices: Choices, row: int, error: ImageError) -> None:
    """Enter a source of which no stamp can be made."""
    image = chunk.image(int(choices.chosen[row]))
    reason = f"make the stamp from {image}: {error}"
    stamps.rejections[row] = Rejection("stamp", reason)
    stamps.recentred[row] = stamps.blank[row] = False
    stamps.encoded[row] = stamps.pixels_sha256[row] = None
    if isinstance(error, PluginError):
        stamps.plugin_errors[row] = PluginError(reason, path=image)


def make_stamp(
    cutout: Cutout,
    position: SkyCoord,
    recipe: str | Path | Recipe = "mingolotss",
    *,
    columns: Mapping[str, float] | None = None,
    channel: str | None = None,
    mask: npt.ArrayLike | None = None,
) -> StampPixels:
    """Make the stamp of one source from one cutout, exactly as a build makes it.

    Of a recipe with channels it is the stamp of one of them, as a build makes it of that channel
    alone: on the grid of its own image.

    Parameters
    ----------
    cutout : Cutout
        Pixels with their WCS and, if the recipe uses it, their rms map, as the method ``cutout``
        of a service returns them.
    position : SkyCoord
        Position of the source.
    recipe : str, Path or Recipe
        The name of a shipped recipe, a TOML file, or a recipe.
    columns : mapping of str to float, optional
        The values of the columns of the catalogue that the size or the orientation of the stamp
        depends on, by the name of the column: sizes in arcsec and angles in deg.
    channel : str, optional
        The channel that the cutout is of, for a recipe with channels.
    mask : uint8 array, shape (side, side), optional
        The mask of the stamp, as a dataset has it, for the steps ``keep-source`` and
        ``mask-others``.

    Returns
    -------
    uint8 or float32 array, shape (side, side)
        As the recipe says. Row 0 is the first row of the FITS image, the southern one.

    Raises
    ------
    ImageError
        The image cannot give a stamp of this recipe, or the position is not on it.
    RecipeError
        The recipe has channels and `channel` names none of them, or it has none. A step needs the
        mask, or the mask has another shape.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import SkyCoord
    >>> import mingolotss
    >>> source = mingolotss.read_catalogue("demo/sky/catalogue.fits").source(0)
    >>> position = SkyCoord(source.ra, source.dec, unit="deg")
    >>> service = mingolotss.open_service("simulated:demo/sky")
    >>> [candidate] = service.search(position, 6 * u.arcmin)
    >>> cutout = service.cutout(candidate, position, 6 * u.arcmin)
    >>> stamp = mingolotss.make_stamp(cutout, position)
    >>> stamp.shape, stamp.dtype
    ((150, 150), dtype('uint8'))
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    recipe = _recipe_of(recipe, channel)
    if cutout.rms is None and recipe.noise.method_for(has_rms_map=False) == "reject":
        raise ImageError("no rms map, which the recipe's noise needs")
    icrs = position.icrs
    pixel = source_pixel(cutout, float(icrs.ra.deg), float(icrs.dec.deg))
    ra, dec = float(icrs.ra.deg), float(icrs.dec.deg)
    place = place_of_stamp(recipe, ra, dec, columns)
    return stamp_of_cutout(cutout, pixel, recipe, place, _checked_mask(mask, recipe))


def _checked_mask(mask: npt.ArrayLike | None, recipe: Recipe) -> Masks | None:
    """Return the mask of one stamp as a stack of one.

    Raises
    ------
    RecipeError
        It has another shape than the stamp.
    """
    if mask is None:
        return None
    array, side = np.asarray(mask, np.uint8), recipe.stamp.pixels
    if array.shape != (side, side):
        raise RecipeError(
            f"make a stamp of the recipe {recipe.name}: the mask has the shape {array.shape}, and "
            f"the stamp {(side, side)}"
        )
    return array[None]


def _recipe_of(recipe: Recipe, channel: str | None) -> Recipe:
    """Return the recipe of one channel; the recipe itself, if it has no channels."""
    for one in recipe.channels:
        if one.name == channel:
            return recipe.of_channel(one)
    if not recipe.channels and channel is None:
        return recipe
    names = ", ".join(one.name for one in recipe.channels)
    has = f"it has the channels {names}: give channel=" if names else "it has no channels"
    raise RecipeError(
        f"make a stamp of the recipe {recipe.name}"
        f"{'' if channel is None else f' for the channel {channel!r}'}: {has}"
    )


def stamp_of_cutout(
    cutout: Cutout,
    pixel: SourcePixel,
    recipe: Recipe,
    place: StampPlace,
    mask: Masks | None = None,
) -> StampPixels:
    """Return the stamp that a build makes of one cutout.

    Parameters
    ----------
    cutout : Cutout
    pixel : SourcePixel
        Position of the source in the cutout.
    recipe : Recipe
    place : StampPlace
        Of the stamp, if it is resampled.
    mask : uint8 array, shape (1, side, side), optional
        For a recipe with a step that needs it.

    Returns
    -------
    uint8 or float32 array, shape (side, side)

    Raises
    ------
    ImageError
        The image cannot give a stamp of this recipe, or its file cannot be read now.
    """
    with LostPages() as lost:
        if recipe.stamp.resampling:
            cutout = prepare_cutout(cutout, place, recipe)
            middle = recipe.stamp.pixels // 2
            pixel = SourcePixel(middle, middle, 0.0)
        else:
            cutout = _at_common_beam(cutout, pixel, recipe)
        result = _make_one(cutout, pixel, recipe, mask)
    if lost.pages:
        raise UnreadableFileError(
            "make a stamp: the file of the cutout was cut short, or cannot be read now; get the "
            "cutout again"
        )
    percent = float(result.percent_nan[0])
    if percent > recipe.stamp.max_percent_nan:
        raise _empty_error(percent, recipe.stamp)
    side, kind = recipe.stamp.pixels, "u1" if recipe.stamp.kind == "uint8" else "<f4"
    return np.frombuffer(result.encoded[0], kind).reshape(side, side).copy()


def _at_common_beam(cutout: Cutout, pixel: SourcePixel, recipe: Recipe) -> Cutout:
    """Return a cutout at the common beam of a recipe, if it has one, as `prepare` makes it."""
    common = recipe.beam.beam
    if common is None:
        return cutout
    cutouts, boxes = place_stamp(cutout, pixel, recipe)
    (window,) = needed_windows(cutouts, np.array([0]), boxes, recipe.noise)
    return with_common_beam(cutout, common, window)


def _make_one(
    cutout: Cutout, pixel: SourcePixel, recipe: Recipe, mask: Masks | None
) -> _StackResult:
    """Return the stamp of one cutout, as `make_stamps` makes those of many.

    Raises
    ------
    ImageError
        The image cannot give a stamp of this recipe.
    """
    cutouts, boxes = place_stamp(cutout, pixel, recipe)
    only = np.array([0])
    estimates, errors = estimate_noise(cutouts, only, recipe.noise)
    if errors:
        raise errors[0]
    factors = boxes.side // recipe.stamp.pixels
    binned = _noise_after_bin(cutouts, only, boxes, factors, estimates, recipe)
    (group,) = stamp_windows(cutouts, only, boxes, estimates)
    gaps = np.ones(1, bool)
    return _run_stack(group, slice(0, 1), recipe, binned.relative, gaps, mask, raw=True)


@dataclass(frozen=True, slots=True)
class _StackResult:
    """k finished stamps.

    Attributes
    ----------
    encoded : list of bytes, length k
    pixels_sha256 : list of str, length k
    peaks, median_noise : float array, shape (k,), unit of the image
    blank : bool array, shape (k,)
    percent_nan : float array, shape (k,), %
    scaling : Scaling or None
    """

    encoded: list[bytes]
    pixels_sha256: list[str]
    peaks: FloatImage
    median_noise: FloatImage
    blank: Bools
    percent_nan: Floats
    scaling: Scaling | None


def _store(stamps: Stamps, rows: Ints, stack: _StackResult) -> None:
    """Enter stamps into the columns."""
    stamps.pixels_sha256[rows] = stack.pixels_sha256
    stamps.peak_jy[rows], stamps.noise_jy[rows] = stack.peaks, stack.median_noise
    stamps.blank[rows], stamps.encoded[rows] = stack.blank, stack.encoded
    stamps.percent_nan[rows] = stack.percent_nan
    stamps.scaling[rows] = "none" if stack.scaling is None else stack.scaling.kind
    if stack.scaling is not None:
        stamps.scale_min[rows] = stack.scaling.low + 0  # turns -0.0 into +0.0, as the kernel does
        stamps.scale_max[rows] = stack.scaling.high + 0
        if stack.scaling.kind == "asinh":
            stamps.scale_rms[rows] = stack.scaling.rms


def _kernel_steps(group: Group, recipe: Recipe) -> StandardSteps | None:
    """Return the steps in the kernel's form, or None if the kernel cannot do this group."""
    image, noise, side = group.images[0], group.noises[0], group.images.side
    one_type = noise.dtype.num == image.dtype.num
    if recipe.stamp.kind != "uint8" or side != recipe.stamp.pixels or side not in SIDES:
        return None
    return as_standard_steps(recipe.step_list) if supports(image) and one_type else None


def _by_kernel(group: Group, steps: StandardSteps, has_gaps: Bools, *, raw: bool) -> _StackResult:
    """Do the same as `_by_steps` in one pass over the pixels, by the compiled kernel."""
    # Few stamps have gaps, so their pixels are looked at apart, in a second pass.
    percentages = np.zeros(len(has_gaps))
    for index in np.flatnonzero(has_gaps).tolist():
        percentages[index] = _percent_missing(~np.isfinite(group.images[index]))
    encoded: list[bytes] = []
    digests: list[str] = []
    measured: list[KernelResult] = []
    for result in grey_stamps(
        group.images, group.noises,
        sigma=steps.sigma, radius=steps.radius, inside=steps.inside, stack=STAMPS_PER_STACK,
    ):  # fmt: skip
        encoded += map(_raw_bytes, result.pixels) if raw else encode_stack(result.rows)
        digests += hash_images(result.pixels)
        measured.append(result)
    peaks, noise, blank, lowest, highest = (
        np.concatenate([getattr(one, name) for one in measured])
        for name in ("peaks", "median_noise", "blank", "lowest", "highest")
    )
    scaling = Scaling("linear", lowest, highest, np.full(len(encoded), np.nan))
    return _StackResult(encoded, digests, peaks, noise, blank, percentages, scaling)


def _percent_missing(missing: Bools | FloatImage) -> Floats:
    """Return the mean of a map of missing pixels, in percent, of each image of a stack."""
    percent: Floats = np.mean(missing, axis=(-2, -1), dtype=float) * 100.0
    return percent


def _by_steps(
    group: Group,
    recipe: Recipe,
    bin_noise: Floats,
    has_gaps: Bools,
    masks: Masks | None = None,
    *,
    raw: bool,
) -> Iterator[_StackResult | ImageError]:
    """Run the recipe's steps, whichever they are, on one stack after another.

    Parameters
    ----------
    group : Group
        Of k stamps.
    recipe : Recipe
    bin_noise : float64 array, shape (k,)
        As `Stack.bin_noise`.
    has_gaps : bool array, shape (k,)
        Pixels of the stamp may have no data.
    masks : uint8 array, shape (k, side, side), optional
    raw : bool
        As for `make_stamps`.

    Yields
    ------
    _StackResult or ImageError
        The next stamps, or the reason why the next stamp cannot be made.
    """
    # One image can fail the whole stack. Each stamp of such a stack is then made alone: steps
    # treat each image of a stack alone, so the others are the same to the byte.
    for start in range(0, len(group.indices), STAMPS_PER_STACK):
        stop = min(start + STAMPS_PER_STACK, len(group.indices))
        stack = _try_stack(group, slice(start, stop), recipe, bin_noise, has_gaps, masks, raw=raw)
        if not isinstance(stack, ImageError) or stop - start == 1:
            yield stack
            continue
        for member in range(start, stop):
            one = slice(member, member + 1)
            yield _try_stack(group, one, recipe, bin_noise, has_gaps, masks, raw=raw)


def _try_stack(
    group: Group,
    members: slice,
    recipe: Recipe,
    bin_noise: Floats,
    has_gaps: Bools,
    masks: Masks | None,
    *,
    raw: bool,
) -> _StackResult | ImageError:
    try:
        return _run_stack(group, members, recipe, bin_noise, has_gaps, masks, raw=raw)
    except ImageError as error:
        return error


def _run_stack(
    group: Group,
    members: slice,
    recipe: Recipe,
    bin_noise: Floats,
    has_gaps: Bools,
    masks: Masks | None = None,
    *,
    raw: bool,
) -> _StackResult:
    """Run the recipe's steps on some stamps of a group.

    Raises
    ------
    ImageError
        A step cannot handle these pixels.
    """
    encode = encode_png if recipe.stamp.kind == "uint8" and not raw else _raw_bytes
    images, noise = stack_windows(group.images[members]), stack_windows(group.noises[members])
    relative = bin_noise[members].reshape(-1, 1, 1)
    factor = images.shape[-1] // recipe.stamp.pixels
    # NaN, infinite and very large pixels are data here, and not a reason for a warning of numpy.
    with np.errstate(all="ignore"):
        missing = (~np.isfinite(images)).astype(images.dtype) if has_gaps[members].any() else None
        before = Stack(
            images, noise, recipe.stamp.pixels, missing=missing, bin_noise=relative,
            source_mask=None if masks is None else masks[members],
        )  # fmt: skip
        stack = run_steps(before, recipe.step_list)
        pixels, blank = finish(stack, recipe.stamp.kind)
        pixels = pixels if pixels.dtype == np.uint8 else pixels.astype("<f4", copy=False)
        if factor > 1:  # both are of the pixels of the stamp
            images, noise = block_mean(images, factor), noise_of_blocks(noise, factor, relative)
        # + 0 turns -0.0 into +0.0, so that this and the kernel give equal bytes.
        peaks = np.fmax.reduce(images, axis=(-2, -1)) + 0
        median_noise = _median_noise(noise)
        percentages = np.zeros(len(pixels))
        if stack.missing is not None:
            percentages = _percent_missing(stack.missing)
    encoded = [encode(stamp) for stamp in pixels]
    digests = hash_images(np.ascontiguousarray(pixels))
    return _StackResult(encoded, digests, peaks, median_noise, blank, percentages, stack.scaling)


def _median_noise(noise: FloatImage) -> FloatImage:
    """Return the median noise of each stamp, over every `NOISE_STRIDE`-th pixel on either axis.

    Parameters
    ----------
    noise : float array, shape (k, side, side) or (k, 1, 1), Jy/beam

    Returns
    -------
    float array, shape (k,), Jy/beam
        0 where no pixel that counts is finite.
    """
    sparse = noise[:, ::NOISE_STRIDE, ::NOISE_STRIDE].reshape(len(noise), -1)
    finite = np.isfinite(sparse)
    if finite.all():
        median: FloatImage = np.median(sparse, 1)
    else:
        median = np.nanmedian(np.where(finite.any(1, keepdims=True), sparse, 0), 1)
    return median + 0  # turns -0.0 into +0.0, as in `_by_steps`


def _raw_bytes(pixels: StampPixels) -> bytes:
    """Return the pixels as a float32 stamp, or one channel of several, is stored."""
    return pixels.tobytes()
