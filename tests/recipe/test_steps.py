"""The steps of a recipe on stacks, against plain numpy, one image at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mingolotss.errors import RecipeError
from mingolotss.recipe.model import parse_recipe
from mingolotss.recipe.steps import STEPS, Stack, check_step, finish, run_steps

RNG = np.random.default_rng(9)
MINGO = [("zero-nan", {}), ("clip", {"sigma": 3.0}), ("mask", {"radius": 5.0}), ("minmax", {})]


def stack(dtype="f4", n=5, side=12):
    image = RNG.normal(0, 1, (n, side, side)).astype(dtype)
    image[:, side // 2, side // 2] = 20
    image[0, :2], image[1, 3, 3] = np.nan, np.inf
    image[n - 1] = -1
    noise = RNG.uniform(0.3, 0.5, image.shape).astype(dtype)
    noise[0, :2] = np.nan
    return Stack(image, noise, side)


def one_by_one(image, noise, radius, sigma=3.0):
    """Make one stamp as the method's text says, in plain numpy."""
    image = np.where(np.isfinite(image), image, image.dtype.type(0))
    noise = np.nan_to_num(noise)
    image = np.where(image <= image.dtype.type(sigma) * noise, image.dtype.type(0), image)
    side = image.shape[0]
    y, x = np.mgrid[:side, :side]
    image[(y - side // 2) ** 2 + (x - side // 2) ** 2 > radius**2] = 0
    low, high = image.min(), image.max()
    if high > low:
        image = (image - low) / (high - low)
    return (image * 255).astype("f4").astype("u1")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_stack_gives_what_its_images_give(dtype):
    """Steps on the whole stack are the method's text on each image; the empty one is blank."""
    made = stack(dtype)
    pixels, blank = finish(run_steps(made, MINGO), "uint8")
    for index in range(len(pixels)):
        expected = one_by_one(made.image[index], made.noise[index], 5.0)
        np.testing.assert_array_equal(pixels[index], expected)
    assert blank.tolist() == [False] * 4 + [True]


def test_steps_change_nothing_that_they_were_given():
    """A step returns something new."""
    made = stack()
    masks = np.random.default_rng(3).integers(0, 3, made.image.shape).astype(np.uint8)
    made = replace(made, source_mask=masks)
    before = made.image.copy(), made.noise.copy()
    for name in STEPS.names():
        run_steps(made, [("zero-nan", {}), (name, {})])
    np.testing.assert_array_equal(made.image, before[0])
    np.testing.assert_array_equal(made.noise, before[1])


def test_only_the_source_stays_or_only_others_go():
    """`keep-source` zeroes all but 1 in the mask, `mask-others` what is 2, also before `bin`."""
    rng = np.random.default_rng(4)
    image = rng.normal(5, 1, (3, 12, 12)).astype(np.float32)
    noise = np.full((3, 1, 1), 0.5, np.float32)
    for side in (12, 4):
        masks = rng.integers(0, 3, (3, side, side)).astype(np.uint8)
        made = Stack(image, noise, side, source_mask=masks)
        large = np.kron(masks, np.ones((1, 12 // side, 12 // side), np.uint8))
        kept = run_steps(made, [("keep-source", {})]).image
        np.testing.assert_array_equal(kept, np.where(large == 1, image, 0))
        others = run_steps(made, [("mask-others", {})]).image
        np.testing.assert_array_equal(others, np.where(large == 2, 0, image))
        noisy = run_steps(made, [("mask-others", {"fill": "noise"})]).image
        np.testing.assert_array_equal(noisy[large != 2], image[large != 2])
        assert abs(noisy[large == 2].mean()) < 0.2
        assert 0.35 < noisy[large == 2].std() < 0.65


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"steps": [{"do": "keep-source"}]}, "needs the mask of the stamp: set mask.from"),
        (
            {
                "mask": {"from": "components"},
                "steps": [{"do": "minmax"}, {"do": "mask-others", "fill": "noise"}],
            },
            "must come before 'minmax'",
        ),
        (
            {"mask": {"from": "shapes"}, "steps": [{"do": "mask-others", "fill": "grey"}]},
            "fill = 'grey' is none of zero, noise",
        ),
        (
            {"channels": [{"name": "a", "steps": [{"do": "mask-others"}]}]},
            "'mask-others' needs the mask",
        ),
    ],
)
def test_steps_by_masks_need_masks(recipe, words):
    """A recipe without masks, or with noise after a scaling, is refused in one line."""
    with pytest.raises(RecipeError, match=words) as caught:
        parse_recipe({"name": "mine", **recipe}, "mine.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["asinh", "zscale", "minmax"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_scaling_ends_within_0_and_1(name, dtype):
    """Every normalisation keeps the type and the range that bytes are made of."""
    scaled = run_steps(stack(dtype), [("zero-nan", {}), (name, {})])
    assert scaled.image.dtype == np.dtype(dtype)
    assert scaled.image.min() >= 0
    assert scaled.image.max() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("order", [("clip", "bin", "mask"), ("bin", "clip"), ("mask", "bin")])
def test_binning_goes_anywhere(order):
    """Noise and mask are binned with the image, so steps may follow in any order."""
    made = stack(side=12)
    made = Stack(made.image, made.noise, side=4)
    steps = [("zero-nan", {}), *((name, {}) for name in order), ("minmax", {"inside": True})]
    pixels, _ = finish(run_steps(made, steps), "uint8")
    assert pixels.shape == (5, 4, 4)


def test_one_noise_for_an_image_works_like_a_map():
    """A noise of shape (n, 1, 1) is the same as a map that is constant."""
    made = stack()
    flat = np.full((5, 1, 1), 0.4, "f4")
    one = Stack(made.image, flat, 12)
    many = Stack(made.image, np.broadcast_to(flat, made.image.shape), 12)
    np.testing.assert_array_equal(run_steps(one, MINGO).image, run_steps(many, MINGO).image)


def test_float_stamps_stay_in_jy():
    """Without a normalisation a float32 stamp is the clipped brightness itself."""
    made = stack("f8")
    pixels, _ = finish(run_steps(made, MINGO[:2]), "float32")
    assert pixels.dtype == np.float32
    assert pixels.max() == 20


def test_a_size_that_does_not_fit_says_what_is_missing():
    """A recipe that averages pixels needs the step for it."""
    with pytest.raises(RecipeError, match="'bin'"):
        finish(Stack(np.zeros((1, 8, 8), "f4"), np.ones((1, 1, 1), "f4"), side=4), "uint8")


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("clp", {}, "did you mean 'clip'"), ("clip", {"sgma": 3.0}, "did you mean 'sigma'"),
        ("zero-nan", {"x": 1}, "it takes none"), ("clip", {"sigma": "3"}, "no float"),
        ("clip", {"sigma": True}, "no float"), ("clip", {"sigma": float("inf")}, "no float"),
        ("minmax", {"inside": 1}, "no bool"),
    ],
)  # fmt: skip
def test_settings_of_steps_are_checked(name, settings, words):
    """An unknown step or setting, or a wrong type, is a RecipeError of one line."""
    with pytest.raises(RecipeError, match=words) as caught:
        check_step(name, settings)
    assert "\n" not in str(caught.value)


def test_whole_numbers_are_fine_where_floats_are_expected():
    """``sigma = 3`` is ``3.0``."""
    check_step("clip", {"sigma": 3})


def test_a_plug_ins_step_may_need_settings():
    """A step of someone's own: a setting without a default must be given, None takes anything."""

    def double(stack, *, factor, mode=None):
        """Multiply."""
        return Stack(stack.image * factor, stack.noise, stack.side)

    STEPS.add("test-double", double)
    try:
        check_step("test-double", {"factor": 2, "mode": "x"})
        with pytest.raises(RecipeError, match="needs the setting 'factor'"):
            check_step("test-double", {"mode": 1})
        made = Stack(np.ones((1, 2, 2), "f4"), np.ones((1, 1, 1), "f4"), 2)
        assert run_steps(made, [("test-double", {"factor": 2})]).image.max() == 2
    finally:
        STEPS._known.pop("test-double")
