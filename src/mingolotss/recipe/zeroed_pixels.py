"""Which pixels the steps of a recipe set to 0, and why.

The map of a stamp has a bit for each reason. It is found by looking at the images between the
steps, so that it is true for every order of them.

>>> image = np.array([[[np.nan, 1.0], [5.0, 9.0]]], np.float32)
>>> stack = Stack(image, noise=np.ones((1, 1, 1), np.float32), side=2)
>>> run_and_mark(stack, [("zero-nan", {}), ("clip", {"sigma": 3.0})])[1].tolist()
[[[1, 2], [0, 0]]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mingolotss.recipe.steps import Stack, run_steps

__all__ = ["CLIPPED", "MASKED", "MISSING", "OTHER_STEP", "run_and_mark"]

MISSING, CLIPPED, MASKED, OTHER_STEP = 1, 2, 4, 8
"""No data; at or below the level of ``clip``; outside of ``mask``; by another step."""

Marks = npt.NDArray[np.uint8]


def run_and_mark(
    stack: Stack, steps: Sequence[tuple[str, Mapping[str, object]]]
) -> tuple[Stack, Marks]:
    """Run steps as `run_steps` does, and return which pixels they set to 0.

    Parameters
    ----------
    stack : Stack
        n images before the first step.
    steps : sequence of (name, settings)

    Returns
    -------
    Stack
        The result of the steps.
    uint8 array, shape (n, side, side)
        The sum of `MISSING`, `CLIPPED`, `MASKED` and `OTHER_STEP`, as far as they are true of a
        pixel. A pixel without data is marked also if no step sets it to 0. A mean of several pixels
        is marked if all of them are.

    Raises
    ------
    ImageError
        As `run_steps`.
    """
    marks = np.where(np.isfinite(stack.image), 0, MISSING).astype(np.uint8)
    for name, settings in steps:
        before, stack = stack, run_steps(stack, [(name, settings)])
        if stack.image.shape != before.image.shape:
            marks = _reduce(marks, stack.image.shape[-1])
        elif name == "mask" and stack.inside is not None:
            marks[:, ~stack.inside] |= MASKED
        elif name == "clip":
            marks[(stack.image == 0) & (marks == 0)] |= CLIPPED
        elif name != "zero-nan" and stack.scaling is before.scaling:
            marks[(stack.image == 0) & (before.image != 0)] |= OTHER_STEP
    return stack, marks


def _reduce(marks: Marks, side: int) -> Marks:
    """Return the marks of means of blocks of pixels."""
    n, size, _ = marks.shape
    if size % side:
        return np.zeros((n, side, side), np.uint8)  # a step of another package, which moved pixels
    blocks = marks.reshape(n, side, size // side, side, size // side)
    all_marked = np.asarray(blocks.all(axis=(-3, -1)))
    united: Marks = np.bitwise_or.reduce(blocks, axis=(-3, -1))
    return np.where(all_marked, united, 0).astype(np.uint8)
