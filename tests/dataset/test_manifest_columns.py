"""A manifest without one of its columns is refused, whoever reads it."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from mingolotss.dataset.manifest import LATER_COLUMNS, MANIFEST, read_manifest
from mingolotss.errors import DatasetError
from mingolotss.qa.verify import verify
from named_builds import build_named


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_named(tmp_path_factory.mktemp("columns"), ["A", "B", "C"])


@pytest.mark.parametrize("name", sorted(set(MANIFEST.names) - LATER_COLUMNS))
def test_a_column_that_is_missing(built, tmp_path, name):
    path = tmp_path / "manifest.parquet"
    pq.write_table(pq.read_table(built / path.name).drop_columns([name]), path)
    with pytest.raises(DatasetError, match=f"no column {name}"):
        read_manifest(tmp_path)


def test_verify_says_so(built):
    path = built / "manifest.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["image_file"]), path)
    assert any("no column image_file" in problem for problem in verify(built).problems)
