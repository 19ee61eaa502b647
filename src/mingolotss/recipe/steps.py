"""The steps of a recipe: small functions that turn cutouts into stamps, a stack at a time.

A step takes a `Stack` and returns a new one; its keyword arguments are the keys that a recipe
can set. Other packages add steps through the entry points ``mingolotss.steps``.

>>> image = np.zeros((1, 4, 4), np.float32); image[0, 2, 2] = 5
>>> stack = Stack(image, noise=np.ones((1, 1, 1), np.float32), side=4)
>>> pixels, blank = finish(run_steps(stack, [("clip", {"sigma": 3.0}), ("minmax", {})]), "uint8")
>>> pixels.max(), blank.tolist()
(np.uint8(255), [False])
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError, PluginError, RecipeError
from mingolotss.foreign import is_own, mute_warnings, translate_errors
from mingolotss.image.masks import OTHER, OWN, Masks
from mingolotss.image.pixels import (
    asinh_stretch,
    block_mean,
    clip_below,
    disc,
    extremes,
    fill_nan,
    scale_between,
    to_uint8,
    zero_where,
)
from mingolotss.model import Bools, FloatImage
from mingolotss.registry import Registry, nearest

__all__ = [
    "CLIP_SIGMA",
    "MASK_FILLS",
    "MASK_RADIUS",
    "MASK_STEPS",
    "STEPS",
    "Scaling",
    "Stack",
    "StampPixels",
    "StandardSteps",
    "as_standard_steps",
    "check_mask_steps",
    "check_step",
    "finish",
    "noise_of_blocks",
    "run_steps",
    "step",
]


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a step turned the brightness of n images into numbers from 0 to 1.

    Attributes
    ----------
    kind : {"linear", "asinh", "unknown"}
        ``linear`` is ``(v - low) / (high - low)``, and ``asinh`` is
        ``asinh(v / rms) / asinh(high / rms)``. After ``unknown`` the brightness is lost.
    low, high : float array, shape (n,), in the unit of the image
        What became 0, and what became 1; NaN where no limits could be found.
    rms : float array, shape (n,), in the unit of the image
        Of ``asinh``; NaN elsewhere, and where an image is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from mingolotss import Scaling
    >>> low, high, rms = np.zeros(1), np.full(1, 0.02), np.full(1, np.nan)
    >>> Scaling("linear", low, high, rms).kind
    'linear'
    """

    kind: Literal["linear", "asinh", "unknown"]
    low: FloatImage
    high: FloatImage
    rms: FloatImage


@dataclass(frozen=True, slots=True)
class Stack:
    """Images of one size, between two steps.

    Attributes
    ----------
    image : float array, shape (n, ny, nx), Jy/beam until a normalisation
        The pixels.
    noise : float array, shape (n, ny, nx) or (n, 1, 1), Jy/beam
        Of each pixel, or of each image.
    side : int
        Pixels on a side of the finished stamp.
    inside : bool array, shape (side, side), or None
        The mask, once a step has applied one.
    missing : float array, shape (n, ny, nx), or None
        The part of each pixel that has no data, from 0 to 1; None if that is 0 everywhere.
    bin_noise : float array, shape (n, 1, 1), or None
        The noise of the mean of a block of pixels that become one pixel of the stamp, relative to
        the mean noise of these pixels. None takes it for 1, as if all pixels of a block had the
        same noise.
    scaling : Scaling or None
        How the brightness was scaled; None before a step does that. A step of another package that
        changes the brightness can say how; otherwise the scaling is unknown.
    source_mask : uint8 array, shape (n, side, side), or None
        Which pixels of the finished stamps are emission of their sources, and which of others, as
        `mingolotss.image.masks` has them. None for a recipe without masks.

    Examples
    --------
    >>> import numpy as np
    >>> from mingolotss import Stack
    >>> stack = Stack(np.zeros((2, 150, 150)), np.full((2, 1, 1), 1e-4), side=150)
    >>> stack.image.shape, stack.scaling is None
    ((2, 150, 150), True)
    """

    image: FloatImage
    noise: FloatImage
    side: int
    inside: npt.NDArray[np.bool_] | None = None
    missing: FloatImage | None = None
    bin_noise: FloatImage | None = None
    scaling: Scaling | None = None
    source_mask: Masks | None = None


StampPixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Step = Callable[..., Stack]
_S = TypeVar("_S", bound=Step)
CLIP_SIGMA = 3.0  # of the step `clip`, unless the recipe says another
MASK_RADIUS = 75.0  # pixels, of the step `mask`, unless the recipe says another
MASK_STEPS = frozenset({"keep-source", "mask-others"})  # they need the mask of the stamp
MASK_FILLS = ("zero", "noise")  # of the step `mask-others`
_SCALING_STEPS = frozenset({"minmax", "asinh", "zscale"})
STEPS: Registry[Step] = Registry("step", group="mingolotss.steps")


def step(name: str) -> Callable[[_S], _S]:
    """Register a function as the step `name`; its docstring's first line describes it.

    Parameters
    ----------
    name : str
        How recipes call the step.

    Returns
    -------
    callable
        A decorator of a function that takes a `Stack`, and as keyword-only arguments the settings
        of the step, and returns a new `Stack`. The function stays as it is.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import mingolotss
    >>> @mingolotss.step("example-square-root")
    ... def square_root(stack: mingolotss.Stack) -> mingolotss.Stack:
    ...     "Take the square root of the brightness, 0 where it is negative."
    ...     return replace(stack, image=stack.image.clip(0) ** 0.5)
    >>> recipe = mingolotss.load_recipe("mingolotss")
    >>> recipe.changed({"steps": [{"do": "example-square-root"}]}).steps[0].do
    'example-square-root'
    """

    def register(function: _S) -> _S:
        STEPS.add(name, function, (function.__doc__ or "").strip().split("\n")[0])
        return function

    return register


@step("zero-nan")
def zero_nan(stack: Stack) -> Stack:
    """Set NaN to 0, in image and noise; an infinite pixel of the image too."""
    image, known = stack.image, np.isfinite(stack.image)
    if not known.all():
        image = zero_where(image, ~known)
    return replace(stack, image=image, noise=fill_nan(stack.noise))


@step("clip")
def clip(stack: Stack, *, sigma: float = CLIP_SIGMA) -> Stack:
    """Set pixels at or below `sigma` times the noise to 0."""
    return replace(stack, image=clip_below(stack.image, stack.noise, sigma))


@step("bin")
def bin_pixels(stack: Stack) -> Stack:
    """Average blocks of pixels down to the size of the stamp; the noise is that of the averages."""
    factor = stack.image.shape[-1] // stack.side
    inside, missing, scaling = stack.inside, stack.missing, stack.scaling
    noise = noise_of_blocks(stack.noise, factor, stack.bin_noise)
    image = block_mean(stack.image, factor)
    # A pixel of the stamp is inside the mask only if all its pixels were; the mean of ones is
    # exactly 1 in float32, so it can be compared.
    if inside is not None:
        inside = block_mean(inside.astype(np.float32), factor) == 1
    if missing is not None:
        missing = block_mean(missing, factor)
        missing[~np.isfinite(image)] = 1
    if scaling is not None and scaling.kind != "linear":  # the mean of a curve is not on the curve
        scaling = replace(scaling, kind="unknown")
    return replace(stack, image=image, noise=noise, inside=inside, missing=missing, scaling=scaling)


def noise_of_blocks(noise: FloatImage, factor: int, relative: FloatImage | None) -> FloatImage:
    """Return the noise of the means of blocks of `factor` x `factor` pixels.

    Parameters
    ----------
    noise : float array, shape (n, ny, nx) or (n, 1, 1)
    factor : int
    relative : float array, shape (n, 1, 1), or None
        As `Stack.bin_noise`.
    """
    if noise.shape[-1] > 1:
        noise = block_mean(noise, factor)
    if factor == 1 or relative is None:
        return noise
    scaled: FloatImage = noise * relative.astype(noise.dtype)
    return scaled


@step("mask")
def mask(stack: Stack, *, radius: float = MASK_RADIUS) -> Stack:
    """Set pixels farther than `radius` pixels from the centre to 0."""
    inside = disc(stack.image.shape[-1], float(radius))
    return replace(stack, image=zero_where(stack.image, ~inside), inside=inside)


@step("keep-source")
def keep_source(stack: Stack) -> Stack:
    """Set every pixel to 0 that is no emission of the source, by the mask of the stamp."""
    own = _pixels_of(stack, OWN, "keep-source")
    return replace(stack, image=zero_where(stack.image, ~own))


@step("mask-others")
def mask_others(stack: Stack, *, fill: str = "zero") -> Stack:
    """Set pixels of other sources to 0, or to noise, by the mask of the stamp."""
    other = _pixels_of(stack, OTHER, "mask-others")
    image = zero_where(stack.image, other)
    if fill == "noise":
        noise = np.broadcast_to(stack.noise, image.shape)
        for index in np.flatnonzero(other.any(axis=(1, 2))).tolist():
            # The pixels themselves are the seed, so that a stamp is the same in every stack.
            digest = hashlib.sha256(np.ascontiguousarray(stack.image[index]).data).digest()
            values = np.random.default_rng(list(digest)).standard_normal(image.shape[1:])
            filled = (values * noise[index]).astype(image.dtype)
            image[index] = np.where(other[index], filled, image[index])
    return replace(stack, image=image)


def _pixels_of(stack: Stack, kind: int, name: str) -> Bools:
    """Return which pixels of the images belong to a kind of the mask, shape (n, ny, nx)."""
    if stack.source_mask is None:
        raise RecipeError(
            f"step {name!r}: the stamp has no mask; set mask.from in the recipe, and give the "
            "components"
        )
    factor = stack.image.shape[-1] // stack.side
    pixels = stack.source_mask == kind
    if factor > 1:
        pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    return np.asarray(pixels)


@step("minmax")
def scale_minmax(stack: Stack, *, inside: bool = False) -> Stack:
    """Scale from smallest to largest pixel, of the whole stamp or inside the mask."""
    mask = stack.inside if inside else None
    low, high = extremes(stack.image, mask)
    return _scaled(stack, "linear", scale_between(stack.image, low, high, mask), low, high)


@step("asinh")
def scale_asinh(stack: Stack) -> Stack:
    """Scale linearly in the noise and logarithmically above it, the brightest pixel to 1."""
    image = np.zeros_like(stack.image)
    low, high, rms = _limits(stack), _limits(stack), _limits(stack)
    for index, one in enumerate(stack.image):
        noise, top = float(np.median(stack.noise[index])), float(one.max())
        if 0 < noise < top:
            image[index] = asinh_stretch(one, noise, top)
            low[index], high[index], rms[index] = 0.0, top, noise
        elif one.min() == top:
            low[index] = high[index] = top
    return _scaled(stack, "asinh", image, low, high, rms)


@step("zscale")
def scale_zscale(stack: Stack, *, contrast: float = 0.25) -> Stack:
    """Scale between the limits of IRAF's zscale."""
    from astropy.visualization import ZScaleInterval

    image, interval = np.zeros_like(stack.image), ZScaleInterval(contrast=contrast)
    lows, highs = _limits(stack), _limits(stack)
    for index, one in enumerate(stack.image):
        if not np.isfinite(one).any():
            continue  # astropy finds no limits without pixels
        with translate_errors("step 'zscale'"), mute_warnings():
            low, high = interval.get_limits(one)
        if high > low:
            image[index] = ((one - low) / (high - low)).clip(0, 1)
        if high > low or one.min() == one.max():
            lows[index], highs[index] = low, high
    return _scaled(stack, "linear", image, lows, highs)


def _limits(stack: Stack) -> FloatImage:
    """Return limits that are not known, one for each image."""
    return np.full(len(stack.image), np.nan)


def _scaled(
    stack: Stack,
    kind: Literal["linear", "asinh"],
    image: FloatImage,
    low: FloatImage,
    high: FloatImage,
    rms: FloatImage | None = None,
) -> Stack:
    """Return a stack with scaled images. A second scaling of an image cannot be turned back."""
    low, high = low.reshape(-1), high.reshape(-1)
    rms = _limits(stack) if rms is None else rms
    return replace(
        stack,
        image=image,
        scaling=Scaling(kind if stack.scaling is None else "unknown", low, high, rms),
    )


def check_step(name: str, settings: Mapping[str, object]) -> None:
    """Raise RecipeError unless a step has that name and takes those settings."""
    try:
        function = STEPS.get(name)
    except InputError as error:
        raise RecipeError(str(error)) from error
    parameters = inspect.signature(function).parameters
    allowed = {key: value for key, value in parameters.items() if value.kind is value.KEYWORD_ONLY}
    for key, value in settings.items():
        if key not in allowed:
            known = ", ".join(allowed) or "none"
            raise RecipeError(
                f"step {name!r} has no setting {key!r}:{nearest(key, allowed)} it takes {known}"
            )
        # The default value of a setting gives its type. The comparison is of exact types, since a
        # bool is also an int in Python; only an integer in the place of a float is accepted,
        # because TOML users write 3 for 3.0.
        default = allowed[key].default
        kind = type(default)
        if default is None or default is inspect.Parameter.empty:
            continue  # a plug-in's setting without a default may be anything
        good = type(value) is kind
        if kind is float:
            good = type(value) is not bool and isinstance(value, int | float)
            good = good and math.isfinite(cast("float", value))
        if not good:
            raise RecipeError(
                f"step {name!r}: {key} = {value!r} is no {kind.__name__}, as {key} must be"
            )
    if name == "mask-others" and settings.get("fill", "zero") not in MASK_FILLS:
        raise RecipeError(
            f"step {name!r}: fill = {settings['fill']!r} is none of {', '.join(MASK_FILLS)}"
        )
    for key, parameter in allowed.items():
        if parameter.default is inspect.Parameter.empty and key not in settings:
            raise RecipeError(f"step {name!r} needs the setting {key!r}")


def check_mask_steps(steps: Sequence[tuple[str, Mapping[str, object]]], *, has_masks: bool) -> None:
    """Raise RecipeError unless the steps that need masks have them, in units of the image."""
    names = [name for name, _ in steps]
    for index, (name, settings) in enumerate(steps):
        if name not in MASK_STEPS:
            continue
        if not has_masks:
            raise RecipeError(
                f"step {name!r} needs the mask of the stamp: set mask.from = 'components' or "
                "'shapes' in the recipe"
            )
        scaled = [one for one in names[:index] if one in _SCALING_STEPS]
        if settings.get("fill") == "noise" and scaled:
            raise RecipeError(
                f"step {name!r} with fill = 'noise' must come before {scaled[0]!r}, which scales "
                "the brightness"
            )


def run_steps(stack: Stack, steps: Sequence[tuple[str, Mapping[str, object]]]) -> Stack:
    """Run steps in order; each is a name and its settings.

    Raises
    ------
    PluginError
        A step of another package raised an exception, or returned something else than a stack of
        these images.
    ImageError
        A library that a step uses cannot handle these images.
    """
    for name, settings in steps:
        function = STEPS.get(name)
        if is_own(function):
            stack = function(stack, **settings)
            continue
        with translate_errors(f"step {name!r}", PluginError):
            result = function(stack, **settings)
        _check_result(name, stack, result)
        stack = _after_plugin(stack, result)
    return stack


def _after_plugin(before: Stack, result: Stack) -> Stack:
    """Return the result of a plug-in's step without claims that its images may not keep."""
    scaling, missing = result.scaling, result.missing
    if result.image is not before.image and scaling is before.scaling:
        nothing = _limits(result)
        scaling = Scaling("unknown", nothing, nothing, nothing)
    if missing is None:
        missing = before.missing
    source_mask = before.source_mask if result.source_mask is None else result.source_mask
    if missing is not None and missing.shape != result.image.shape:
        parts = missing.mean(axis=(-2, -1), keepdims=True)
        missing = np.broadcast_to(parts, result.image.shape).copy()
    return replace(result, missing=missing, scaling=scaling, source_mask=source_mask)


def _check_result(name: str, stack: Stack, result: object) -> None:
    """Raise PluginError unless the result of a plug-in's step is a stack of the same images."""
    if not isinstance(result, Stack):
        raise PluginError(f"step {name!r} returned {type(result).__name__}, not a Stack")
    for attribute in ("image", "noise"):
        array = getattr(result, attribute)
        kind = getattr(array, "dtype", type(array))
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise PluginError(f"step {name!r} returned {attribute} of {kind}, not floats")
    n, image, noise = len(stack.image), result.image.shape, result.noise.shape
    if image[:-2] != (n,) or image[-1] != image[-2] or noise not in {image, (n, 1, 1)}:
        raise PluginError(
            f"step {name!r} turned images of shape {stack.image.shape} into images of shape "
            f"{image} with noise of shape {noise}"
        )
    limits = [] if result.scaling is None else [result.scaling.low, result.scaling.high]
    if any(np.shape(limit) != (n,) for limit in limits):
        raise PluginError(f"step {name!r} returned limits of a scaling that are not {n} numbers")
    if result.side != stack.side:
        raise PluginError(
            f"step {name!r} changed the side of the stamp from {stack.side} to {result.side}"
        )


@dataclass(frozen=True, slots=True)
class StandardSteps:
    """The settings of the standard steps, which the compiled kernel does in one pass.

    Attributes
    ----------
    sigma : float or None
        Of ``clip``; None if it is not a step.
    radius : float or None, px
        Of ``mask``; None if it is not a step.
    inside : bool
        Whether ``minmax`` uses only the pixels inside the mask.
    """

    sigma: float | None
    radius: float | None
    inside: bool


def as_standard_steps(steps: Sequence[tuple[str, Mapping[str, object]]]) -> StandardSteps | None:
    """Return the settings of the standard steps, or None if the recipe has others.

    The standard steps are ``zero-nan``, then ``clip`` and ``mask`` at most once each, then
    ``minmax``. The order of ``clip`` and ``mask`` does not matter: both only set pixels to 0.
    """
    names = [name for name, _ in steps]
    shipped = all(STEPS.get(name) is _STANDARD.get(name) for name in names)  # not a plug-in's
    once = len(set(names)) == len(names)
    if not shipped or not once or names[:1] != ["zero-nan"] or names[-1:] != ["minmax"]:
        return None
    arguments = {
        name: {**(_STANDARD[name].__kwdefaults__ or {}), **settings} for name, settings in steps
    }
    clipped, masked = arguments.get("clip"), arguments.get("mask")
    return StandardSteps(
        float(cast("float", clipped["sigma"])) if clipped is not None else None,
        float(cast("float", masked["radius"])) if masked is not None else None,
        bool(arguments["minmax"]["inside"]) and masked is not None,
    )


_STANDARD: dict[str, FunctionType] = {
    "zero-nan": cast("FunctionType", zero_nan),
    "clip": cast("FunctionType", clip),
    "mask": cast("FunctionType", mask),
    "minmax": cast("FunctionType", scale_minmax),
}


def finish(stack: Stack, kind: str) -> tuple[StampPixels, npt.NDArray[np.bool_]]:
    """Return the finished pixels, and which stamps are blank.

    Parameters
    ----------
    stack : Stack
        Scaled to [0, 1] for ``uint8``, in Jy/beam for ``float32``.
    kind : str
        ``uint8`` or ``float32``.

    Returns
    -------
    pixels : uint8 or float32 array, shape (n, side, side)
    blank : bool array, shape (n,)
        No pixel is finite and not 0.

    Raises
    ------
    RecipeError
        The steps leave images of another size.
    """
    if stack.image.shape[-2:] != (stack.side, stack.side):
        raise RecipeError(
            f"the steps leave images of {stack.image.shape[-1]} pixels where the stamp has "
            f"{stack.side}: a recipe with pixel_arcsec needs the step 'bin'"
        )
    pixels: StampPixels
    pixels = to_uint8(stack.image) if kind == "uint8" else stack.image.astype(np.float32)
    signal = pixels != 0
    if kind != "uint8":
        signal &= np.isfinite(pixels)
    return pixels, np.asarray(~signal.any(axis=(-2, -1)))
