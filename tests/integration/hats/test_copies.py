"""What LSDB writes of a collection is read again: rows in another order, without our metadata."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss import export, load
from mingolotss.qa.compare import compare
from named_builds import build_named

lsdb = pytest.importorskip("lsdb", reason="needs the group hats")

pytestmark = [
    pytest.mark.readers,
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    hats = {"partition_rows": 8, "arrays": True, "flux": True}
    names = [f"S{row:02d}" for row in range(30)]
    build = build_named(folder, names, ("A", "B; c", "D + e"), hats=hats)
    return export(build, "hats", folder / "hats").out


def test_a_selection_that_lsdb_wrote(collection, tmp_path):
    """Images, labels, names of classes and splits are those of the collection."""
    catalogue = lsdb.open_catalog(collection, columns="all")
    catalogue.query("row < 20").write_catalog(
        tmp_path / "copy", catalog_name="copy", progress_bar=False
    )
    whole, copy = load(collection), load(tmp_path / "copy")
    assert copy.classes == whole.classes
    assert copy.sources == whole.sources[:20]
    assert copy.splits == whole.splits[:20]
    np.testing.assert_array_equal(copy.images, whole.images[:20], strict=True)
    np.testing.assert_array_equal(copy.labels, whole.labels[:20], strict=True)
    kinds = {row.kind for row in compare(collection, tmp_path / "copy").rows}
    assert len(kinds) == 1  # sources that only the collection has
