"""Every shipped step passes the conformance suite, which finds each promise that a step breaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mingolotss.recipe.steps import STEPS, Stack
from mingolotss.testing import check_step

NORMALISING = {"minmax", "asinh", "zscale"}
SETTINGS = {"clip": {"sigma": 3.0}, "mask": {"radius": 9.0}, "zscale": {"contrast": 0.3}}


def shipped():
    """Return the names of the steps of the package."""
    return [n for n in STEPS.names() if STEPS.get(n).__module__.startswith("mingolotss.")]


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("factor", [1, 3])
def test_a_shipped_step_conforms(name, factor):
    """Steps keep their promises on stamps of the final size, and of three times that size."""
    check_step(
        name, SETTINGS.get(name, {}), np.random.default_rng(3), factor=factor,
        normalises=name in NORMALISING,
    )  # fmt: skip


def in_place(stack):
    """Change the pixels that it was given."""
    image = stack.image
    image.flags.writeable = True
    image *= 2
    return stack


def assigns(stack):
    """Write into a read-only array."""
    stack.image[0] = 0
    return stack


def wider_type(stack):
    """Make float64 of float32."""
    return replace(stack, image=stack.image * np.float64(2) ** np.ones(1))


def together(stack):
    """Scale all images by the brightest of them."""
    return replace(stack, image=stack.image / stack.image.max())


def contiguous(stack):
    """Read the bytes of the images, which may be a view with strides."""
    pixels = np.frombuffer(stack.image, stack.image.dtype)
    return replace(stack, image=pixels.reshape(stack.image.shape))


def by_place(stack):
    """Treat the first image of a stack in another way."""
    image = stack.image.copy()
    if len(image) > 1:
        image[0] = 0
    return replace(stack, image=image)


def divides(stack):
    """Divide each image by its own brightest pixel, which may be 0."""
    return replace(stack, image=stack.image / stack.image.max(axis=(1, 2), keepdims=True))


def drops(stack):
    """Leave blank images out."""
    keep = stack.image.any(axis=(1, 2))
    return replace(stack, image=stack.image[keep], noise=stack.noise[keep])


def crops(stack):
    """Cut the edge off, so that no stamp of the right size is left."""
    return replace(stack, image=stack.image[:, 1:-1, 1:-1], noise=stack.noise[:, 1:-1, 1:-1])


def keeps_noise(stack):
    """Halve the size of the noise map alone."""
    return replace(stack, noise=stack.noise[:, ::2, ::2])


def resizes(stack):
    """Say that the stamp has another size."""
    return replace(stack, side=stack.side + 2)


def pixels_only(stack):
    """Return an array."""
    return stack.image


def random(stack):
    """Add noise that nobody can repeat."""
    noise = np.random.default_rng().normal(size=stack.image.shape)
    return replace(stack, image=stack.image + noise.astype(stack.image.dtype))


def needs_map(stack):
    """Compare with the first row of the noise map."""
    return replace(stack, image=stack.image * np.float32(stack.noise.shape[-1]))


def undescribed(stack):
    return stack


def positional(stack, factor=2.0):
    """Take a setting that is not keyword-only."""
    return stack


def ends_above_one(stack):
    """Scale to the range from 0 to 2."""
    return Stack(np.clip(stack.image, 0, 2), stack.noise, stack.side)


BROKEN = {
    in_place: "it changes the image",
    assigns: r"raised ValueError \(assignment destination is read-only\)",
    wider_type: "it turns float32 images into float64",
    together: "alone gives another result than in the stack",
    contiguous: r"raised ValueError \(ndarray is not C-contiguous\)",
    by_place: "alone gives another result than in the stack",
    divides: "raised RuntimeWarning",
    drops: "it turns images of shape",
    crops: "it turns images of shape",
    keeps_noise: "its noise has the shape",
    resizes: "it changes the side of the stamp from 24 to 26",
    pixels_only: "it returns a ndarray, not a Stack",
    random: "it gives another result for the same stack",
    needs_map: "one noise for an image gives another result",
    undescribed: "it has no docstring",
    ends_above_one: "to the range 0 to 2",
}


@pytest.fixture
def register():
    """Register a function as a step until the test ends."""
    yield lambda function: STEPS.add("test-broken", function)
    STEPS._known.pop("test-broken")


@pytest.mark.parametrize("function", BROKEN, ids=lambda function: function.__name__)
def test_a_broken_promise_is_one_line(register, function):
    """Each broken step fails with a line that names its fault."""
    register(function)
    with pytest.raises(AssertionError, match=BROKEN[function]) as caught:
        check_step(
            "test-broken", {}, np.random.default_rng(1), normalises=function is ends_above_one
        )
    assert "\n" not in str(caught.value)


def test_a_step_that_a_recipe_cannot_use_is_found(register):
    """A setting that is not keyword-only, and a name that is not registered."""
    register(positional)
    with pytest.raises(AssertionError, match="no setting 'factor'"):
        check_step("test-broken", {"factor": 3.0}, np.random.default_rng(1))
    with pytest.raises(AssertionError, match="did you mean 'clip'"):
        check_step("clp", {}, np.random.default_rng(1))
