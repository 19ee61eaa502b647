"""Compressed run lengths against pycocotools, and damaged ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mingolotss.formats.coco_rle import decode_rle, encode_rles

coco_mask = pytest.importorskip("pycocotools.mask", reason="needs mingolotss[coco]")
SIDES = st.tuples(st.integers(1, 30), st.integers(1, 30))


@given(SIDES.flatmap(lambda sides: arrays.arrays(bool, (2, *sides))))
def test_any_mask_comes_back(masks):
    """Also when all pixels are set, or none; and the library reads the same."""
    rles = encode_rles(coco_mask, masks)
    json.dumps(rles)
    for rle, mask in zip(rles, masks, strict=True):
        np.testing.assert_array_equal(decode_rle(rle, mask.shape), mask)
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)


@pytest.mark.slow
@pytest.mark.parametrize("side", [150, 4096])
def test_large_masks_come_back(side):
    """Runs of many characters, at the largest size of an image."""
    masks = np.zeros((3, side, side), bool)
    masks[1, side // 2 :] = True
    masks[2, :, side // 3 :] = True
    for rle, mask in zip(encode_rles(coco_mask, masks), masks, strict=True):
        assert (decode_rle(rle, mask.shape) == mask).all()


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda b: b.decode("latin1"))))
def test_damaged_text_is_an_error_and_no_crash(text):
    """Each text is refused, or is a mask of the right size."""
    try:
        mask = decode_rle({"size": [5, 7], "counts": text}, (5, 7))
    except ValueError:
        return
    assert mask.shape == (5, 7)
    assert mask.max() <= 1


@pytest.mark.parametrize(
    "rle",
    [
        None, [], [[1, 2, 3, 4, 5, 6]], {"size": [5, 7]}, {"size": [7, 5], "counts": "S1"},
        {"size": [5, 7], "counts": [35]}, {"size": [5, 7], "counts": "P"},
        {"size": [5, 7], "counts": "PPPPPPPPP1"}, {"size": [5, 7], "counts": "S2"},
        {"size": [5, 7], "counts": ""}, {"size": [5, 7], "counts": "\u0133"},
        {"size": [5, 7], "counts": "oooooooooo0"},
    ],
)  # fmt: skip
def test_another_segmentation_is_refused(rle):
    """A polygon, uncompressed counts, another size, or counts of more or fewer pixels."""
    with pytest.raises(ValueError, match="a segmentation"):
        decode_rle(rle, (5, 7))
