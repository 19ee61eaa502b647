"""Masks in every format: written, read back, verified, compared, exported again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mask_builds import write_build
from mingolotss.dataset.records import read_records
from mingolotss.formats import FORMATS
from mingolotss.loaders.arrays import load
from mingolotss.publish.export import export

NAMES = [name for name in FORMATS if name != "fits"]  # FITS files need the images of a build
CASES = [
    pytest.param(name, marks=[pytest.mark.readers] if name in ("hdf5", "zarr") else [], id=name)
    for name in NAMES
]


@pytest.fixture(scope="session")
def masked(tmp_path_factory):
    """A build with its images and masks."""
    folder = tmp_path_factory.mktemp("masked") / "build"
    return folder, *write_build(folder)


class Exports(dict):
    """The exports of the build, made when first asked for."""

    def __init__(self, build: Path, root: Path) -> None:
        super().__init__()
        self.build, self.root = build, root

    def __missing__(self, name):
        self[name] = export(self.build, name, self.root / name).out
        return self[name]


@pytest.fixture(scope="session")
def exports(masked, tmp_path_factory):
    return Exports(masked[0], tmp_path_factory.mktemp("masked-exports"))


def test_the_records_of_a_build_have_its_masks(masked):
    """In the order of the catalogue, whatever the order of the parts."""
    folder, images, masks = masked
    records = read_records(folder)
    np.testing.assert_array_equal(records.masks(), masks)
    np.testing.assert_array_equal(records.images(), images)
    np.testing.assert_array_equal(load(folder).masks, masks)


@pytest.mark.parametrize("name", CASES)
def test_every_format_gives_the_same_masks(masked, exports, name):
    """To the pixel, for all splits and for one, beside the same images."""
    _, images, masks = masked
    got = load(exports[name])
    rows = [int(source[1:4]) for source in got.sources]
    assert sorted(rows) == list(range(len(masks)))
    assert got.masks.dtype == np.uint8
    np.testing.assert_array_equal(got.masks, masks[rows])
    np.testing.assert_array_equal(got.images, images[rows])
    np.testing.assert_array_equal(load(exports[name], "test").masks, masks[3::4])
    merged = load(exports[name], merge={"all": ["Bent", "FRI"]})
    rows = [int(source[1:4]) for source in merged.sources]
    np.testing.assert_array_equal(merged.masks, masks[rows])


@pytest.mark.parametrize("name", CASES)
def test_an_export_is_exported_again_with_its_masks(masked, exports, tmp_path, name):
    """As Parquet, whose stamps are those of the build."""
    _, _, masks = masked
    again = export(exports[name], "parquet", tmp_path / "again").out
    np.testing.assert_array_equal(read_records(again).masks(), masks)
