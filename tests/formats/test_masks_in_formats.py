"""Masks in every format: written, read back, verified, compared, exported again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from format_names import PLAIN_FORMATS
from mask_builds import write_build, write_dataset
from mingolotss.dataset.layout import BuildFolder, DatasetFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.records import read_records
from mingolotss.loaders.arrays import load
from mingolotss.publish.export import export
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify
from mingolotss.qa.verify_build import build_layout

# FITS files need the images of a build.
NAMES = [name for name in (*PLAIN_FORMATS, "coco") if name != "fits"]
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


def build_checks(folder: Path):
    """Return the first check of a build, that of its stamps."""
    return build_layout(folder, read_provenance(folder)).checks[:1]


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
def test_an_export_is_verified_with_its_masks(masked, exports, name):
    """Nothing is wrong with it, and nothing differs from the build."""
    assert verify(exports[name]).problems == []
    assert compare(masked[0], exports[name]).same


@pytest.mark.parametrize("name", CASES)
def test_a_changed_mask_is_found(masked, tmp_path, name):
    """By verify, whatever the list of checksums says, and by compare, which counts the pixels."""
    folder = tmp_path / "build"
    images, masks = masked[1:]
    changed = masks.copy()
    changed[4, :2, :2] = (changed[4, :2, :2] + 1) % 3
    write_dataset(folder, images, changed)
    out = export(folder, name, tmp_path / "out").out
    manifest = DatasetFolder(out).manifest
    manifest.write_bytes(DatasetFolder(masked[0]).manifest.read_bytes())
    table = pq.read_table(manifest)
    notes = export(masked[0], "parquet", tmp_path / "notes").out
    metadata = pq.read_schema(DatasetFolder(notes).manifest).metadata
    pq.write_table(table.replace_schema_metadata(metadata), manifest)
    problems = [line for line in verify(out).problems if "manifest.parquet" not in line]
    assert len(problems) == 1
    assert "mask" in problems[0]
    assert "J004.5+1" in problems[0] or name == "batches"
    comparison = compare(masked[0], out)
    assert not comparison.same
    assert comparison.masks == ["J004.5+1: 4 pixels"]
    assert comparison.identical == len(masks)


def test_a_changed_mask_of_a_build_is_found(masked, tmp_path):
    """The manifest has the checksum of each mask."""
    folder, changed = tmp_path / "build", masked[2].copy()
    changed[4, 0, 0] = (changed[4, 0, 0] + 1) % 3
    write_dataset(folder, masked[1], changed)
    build, original = BuildFolder(folder), BuildFolder(masked[0])
    build.manifest.write_bytes(original.manifest.read_bytes())
    written = read_manifest(folder)
    (problem,) = [line for check in build_checks(folder) for line in check(written)]
    assert problem == "stamps/part-00001.parquet, mask of row 4: not the mask of the manifest"


def test_a_dataset_without_masks_differs_from_one_with_masks(masked, tmp_path):
    """In one line, and not in one for each source."""
    plain = tmp_path / "plain"
    write_dataset(plain, masked[1], None)
    assert load(plain).masks is None
    assert compare(masked[0], plain).masks == ["all sources: only A has masks"]
    assert compare(plain, masked[0]).masks == ["all sources: only B has masks"]


@pytest.mark.parametrize("name", CASES)
def test_an_export_is_exported_again_with_its_masks(masked, exports, tmp_path, name):
    """As Parquet, whose stamps are those of the build."""
    _, _, masks = masked
    again = export(exports[name], "parquet", tmp_path / "again").out
    np.testing.assert_array_equal(read_records(again).masks(), masks)


def test_a_file_without_rows_keeps_its_masks(masked, exports, tmp_path):
    """As another program may write it: the order of the file is that of the dataset."""
    (path,) = (exports["parquet"] / "data").glob("test*")
    table = pq.read_table(path)
    names = [name for name in table.column_names if name != "row"]
    pq.write_table(table.select(names), tmp_path / "x.parquet")
    np.testing.assert_array_equal(load(tmp_path / "x.parquet").masks, masked[2][3::4])
