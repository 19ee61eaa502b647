"""Builds of versions that did not record noise, header and position of the stamps."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import mingolotss
from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import LATER_COLUMNS, read_manifest
from mingolotss.dataset.products import products
from mingolotss.errors import InputError
from mingolotss.qa.status import status
from mingolotss.recipe.load import load_recipe
from review_data import make_build_of_scales


def make_older(out: Path) -> None:
    """Take the later columns out of every file of a build."""
    folder = BuildFolder(out)
    for path in [folder.manifest, *folder.parts(), *folder.all_stamps()]:
        table = pq.read_table(path)
        pq.write_table(table.drop_columns([*LATER_COLUMNS.intersection(table.column_names)]), path)
    files = products(out, load_recipe(folder.recipe))
    write_checksums(folder.checksums, digest_files(out, files))


@pytest.fixture(scope="module")
def builds(tmp_path_factory) -> tuple[Path, Path]:
    """Return an older build and a new one of the same images."""
    made = []
    for name in ("older", "newer"):
        folder = tmp_path_factory.mktemp(name)
        made.append(make_build_of_scales(folder))
    make_older(made[0])
    return made[0], made[1]


def test_it_is_read_checked_and_compared(builds, tmp_path):
    """All that was recorded is there, and the rest is null."""
    older, newer = builds
    assert not mingolotss.verify(older).problems
    assert mingolotss.compare(older, newer).same
    table = read_manifest(older)
    for name in LATER_COLUMNS:
        assert table[name].null_count == len(table), name
    assert mingolotss.load(older).images.shape == mingolotss.load(newer).images.shape
    assert not status(older).counts["incomplete"].is_known
    mingolotss.export(older, "parquet", tmp_path / "out")
    assert not mingolotss.verify(tmp_path / "out").problems


def test_an_unfinished_one_has_a_status(builds, tmp_path):
    """It is read from the tables of its parts."""
    BuildFolder(builds[0]).manifest.rename(tmp_path / "manifest.parquet")
    try:
        assert status(builds[0]).written == 3
    finally:
        (tmp_path / "manifest.parquet").rename(BuildFolder(builds[0]).manifest)


def test_its_stamps_cannot_be_turned_back(builds):
    """The errors say why."""
    row = read_manifest(builds[0]).to_pylist()[0]
    for call in (mingolotss.stamp_wcs, lambda of: mingolotss.stamp_flux([0.0], of)):
        with pytest.raises(InputError, match="older version"):
            call(row)
