"""Labels that are wrong on purpose are in front of the queue."""

from __future__ import annotations

import pytest

import mingolotss
from flipped_labels import flip_catalogue, part_in_front
from mingolotss.pipeline.inputs import write_simulated_sky

pytestmark = pytest.mark.slow  # it builds datasets of 600 sources


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sky")
    return write_simulated_sky(folder, sources=600, seed=1)


@pytest.mark.parametrize("seed", [31, 32])
def test_most_wrong_labels_of_the_demo_are_in_the_first_tenth(sky, tmp_path, seed):
    """5 % of the catalogue have another of ten classes: at least 60 % of them are there."""
    catalogue, service = sky
    wrong = flip_catalogue(catalogue, tmp_path / "c.fits", seed=seed)
    mingolotss.build(
        "mingolotss", out=tmp_path / "b", catalogue=tmp_path / "c.fits", service=service,
        settings={"formats": ["parquet"]},
    )  # fmt: skip
    queue = mingolotss.suspects(tmp_path / "b")
    written = mingolotss.load(tmp_path / "b").sources
    assert part_in_front(queue, wrong, written) >= 0.6
    assert queue.accuracy > queue.majority + 0.3
