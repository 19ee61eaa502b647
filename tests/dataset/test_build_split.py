"""What a build records about its splits."""

from __future__ import annotations

import pytest

from mingolotss.dataset.build_split import BuildSplit, read_build_split


@pytest.mark.parametrize("pairs", [None, 0, 12])
def test_a_record_is_read_as_it_was_written(pairs):
    split = BuildSplit("random:train=0.5,test=0.5", "why", ("a", "b"), "12", "34", pairs)
    assert read_build_split(split.to_dict()) == split


@pytest.mark.parametrize("pairs", [-1, True, 1.0, "3"])
def test_a_number_of_pairs_that_is_none_is_refused(pairs):
    with pytest.raises(TypeError, match="pairs_across"):
        read_build_split({"plan": "x", "pairs_across": pairs})
