"""The conformance suite for steps, for the shipped ones and for a user's own.

`check_step` runs a registered step on random stacks of stamps. The author of a plug-in calls it
from a test::

    def test_my_step():
        check_step("my-step", {"factor": 2.0}, np.random.default_rng(1))

The first promise that the step breaks is an AssertionError whose message is one line. A step that
passes

- is registered with a one-line description, and takes keyword-only settings that a recipe may set;
- returns a new `Stack` and does not change the arrays that it was given;
- keeps the number of images, their floating-point type and the side of the finished stamp;
- treats each image alone: the result of one does not depend on the others in the stack;
- gives the same result every time, and for a noise map that is constant the same as for one number;
- handles blank and constant images without a warning, such as a division by zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError, RecipeError
from mingolotss.recipe.steps import STEPS, Stack
from mingolotss.recipe.steps import check_step as check_settings

__all__ = ["check_step"]

_COUNT = 6  # images in a stack
_ARRAYS = ("image", "noise", "inside")


def check_step(
    name: str,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    side: int = 24,
    factor: int = 1,
    normalises: bool = False,
) -> None:
    """Check that a registered step does what every step promises, on random stacks.

    Parameters
    ----------
    name : str
        The name under which the step is registered.
    settings : mapping
        Its settings, as a recipe would give them.
    rng : numpy.random.Generator
        The source of the pixels.
    side : int
        Pixels on a side of a finished stamp.
    factor : int
        Pixels of the image, along one axis, for each pixel of the finished stamp; more than 1
        for a step that averages or samples pixels.
    normalises : bool
        The step scales images to the range from 0 to 1, from which bytes are made.

    Raises
    ------
    AssertionError
        The step breaks a promise; the message says which.

    Examples
    --------
    >>> import numpy as np
    >>> from mingolotss.testing import check_step
    >>> check_step("clip", {"sigma": 3.0}, np.random.default_rng(1))
    """
    try:
        check_settings(name, settings)
    except (InputError, RecipeError) as error:
        raise AssertionError(f"step {name!r}: a recipe cannot use it: {error}") from error
    if not (STEPS.get(name).__doc__ or "").strip():
        _fail(name, "it has no docstring, whose first line describes it to users")
    for dtype in (np.float32, np.float64):
        stack = _random_stack(rng, side, factor, np.dtype(dtype))
        result = _run(name, settings, stack)
        _check_result(name, stack, result)
        if normalises:
            _check_range(name, result)
        _check_repeatable(name, settings, stack, result)
        _check_images_alone(name, settings, stack, result)
        _check_constant_noise(name, settings, stack)


def _random_stack(
    rng: np.random.Generator, side: int, factor: int, dtype: np.dtype[np.floating[Any]]
) -> Stack:
    """Return images with a source, one that is 0 and one that is constant, in read-only arrays."""
    shape = (_COUNT, side * factor, side * factor)
    image = rng.normal(0, 1, shape).astype(dtype)
    middle = side * factor // 2
    image[:, middle - factor : middle + factor, middle - factor : middle + factor] += 20
    image[-2], image[-1] = 0, -1
    noise = rng.uniform(0.3, 0.5, shape).astype(dtype)
    for array in (image, noise):
        array.flags.writeable = False
    source_mask = rng.integers(0, 3, (_COUNT, side, side)).astype(np.uint8)
    source_mask.flags.writeable = False
    return Stack(image, noise, side, source_mask=source_mask)


def _run(name: str, settings: Mapping[str, Any], stack: Stack) -> Stack:
    """Run the step; an exception or a warning becomes one line, as does a changed input."""
    before = [_copy(getattr(stack, array)) for array in _ARRAYS]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = STEPS.get(name)(stack, **settings)
    except Exception as error:
        message = f"step {name!r} raised {type(error).__name__} ({error})"
        raise AssertionError(" ".join(message.split())) from error
    for array, old in zip(_ARRAYS, before, strict=True):
        if not _equal(getattr(stack, array), old):
            _fail(name, f"it changes the {array} that it is given")
    return result


def _check_result(name: str, stack: Stack, result: Stack) -> None:
    """Check the type and the shapes of a result."""
    if not isinstance(result, Stack):
        _fail(name, f"it returns a {type(result).__name__}, not a Stack")
    if result.side != stack.side:
        _fail(name, f"it changes the side of the stamp from {stack.side} to {result.side}")
    if result.image.dtype != stack.image.dtype:
        _fail(name, f"it turns {stack.image.dtype} images into {result.image.dtype}")
    sizes = {stack.image.shape[-2:], (stack.side, stack.side)}
    if result.image.shape[:-2] != (_COUNT,) or result.image.shape[-2:] not in sizes:
        _fail(name, f"it turns images of shape {stack.image.shape} into {result.image.shape}")
    if result.noise.shape not in {result.image.shape, (_COUNT, 1, 1)}:
        _fail(name, f"its noise has the shape {result.noise.shape}, its image {result.image.shape}")
    if not np.isfinite(result.image).all():
        _fail(name, "it makes pixels that are not finite out of finite ones")


def _check_range(name: str, result: Stack) -> None:
    low, high = float(result.image.min()), float(result.image.max())
    if not 0 <= low <= high <= 1:
        _fail(name, f"it scales images to the range {low:g} to {high:g}, not 0 to 1")


def _check_repeatable(name: str, settings: Mapping[str, Any], stack: Stack, result: Stack) -> None:
    repeated = _run(name, settings, stack)
    if not all(_equal(getattr(repeated, one), getattr(result, one)) for one in _ARRAYS):
        _fail(name, "it gives another result for the same stack")


def _check_images_alone(
    name: str, settings: Mapping[str, Any], stack: Stack, result: Stack
) -> None:
    """Check that a stack of one image, and one in reverse order, give what the whole stack gives.

    The stack in reverse order is a view with negative strides.
    """
    for index in range(_COUNT):
        one = slice(index, index + 1)
        alone = _run(name, settings, _take(stack, one))
        if not _equal(alone.image, result.image[one]):
            _fail(name, f"image {index} of {_COUNT} alone gives another result than in the stack")
    turned = _run(name, settings, _take(stack, slice(None, None, -1)))
    if not _equal(turned.image[::-1], result.image):
        _fail(name, "images in reverse order give another result")


def _take(stack: Stack, images: slice) -> Stack:
    """Return some images of a stack with their noise and masks."""
    masks = None if stack.source_mask is None else stack.source_mask[images]
    return replace(stack, image=stack.image[images], noise=stack.noise[images], source_mask=masks)


def _check_constant_noise(name: str, settings: Mapping[str, Any], stack: Stack) -> None:
    """Check that one noise for an image, shape (n, 1, 1), is a map that is constant."""
    single = np.linspace(0.3, 0.5, _COUNT, dtype=stack.image.dtype).reshape(_COUNT, 1, 1)
    one = _run(name, settings, replace(stack, noise=single))
    maps = np.broadcast_to(single, stack.image.shape)
    many = _run(name, settings, replace(stack, noise=maps))
    if not _equal(one.image, many.image):
        _fail(name, "one noise for an image gives another result than a constant noise map")


def _copy(array: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    return None if array is None else array.copy()


def _equal(one: npt.NDArray[Any] | None, two: npt.NDArray[Any] | None) -> bool:
    """Tell whether two arrays have the same type, shape and values, or are both None."""
    if one is None or two is None:
        return one is two
    return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=True)


def _fail(name: str, message: str) -> NoReturn:
    raise AssertionError(f"step {name!r}: {message}")
