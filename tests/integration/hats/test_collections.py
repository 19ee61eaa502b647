"""Collections are valid for the library `hats`, and hold the pixels and rows of their builds."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy_healpix import healpix_to_lonlat
from PIL import Image

import mingolotss
from hats_builds import NAME, make_collection
from hats_skies import edge_positions, special_positions
from manifest_rows import sha256

lsdb = pytest.importorskip("lsdb", reason="needs the group hats")

from hats.catalog import CatalogType  # noqa: E402
from hats.io.validation import is_valid_catalog  # noqa: E402
from hats.loaders import read_hats  # noqa: E402

pytestmark = [pytest.mark.readers, pytest.mark.filterwarnings("ignore:The inplace keyword")]


def all_sky(count):
    """Draw positions on the whole sky, with a dense field at RA 0 and one at each pole."""
    rng = np.random.default_rng(14)
    ra, dec = rng.uniform(0, 360, count), np.rad2deg(np.arcsin(rng.uniform(-1, 1, count)))
    part = np.arange(count) % 8
    field, south, north = part < 2, part == 2, part == 3
    ra[field] = rng.normal(0, 0.5, field.sum()) % 360
    dec[field] = rng.normal(20, 0.5, field.sum())
    dec[south] = -90 + np.abs(rng.normal(0, 0.5, south.sum()))
    dec[north] = 90 - np.abs(rng.normal(0, 0.5, north.sum()))
    return ra, dec


def test_a_margin_without_rows(tmp_path):
    """It says so: LSDB finds the margin that it asks for, and no more pairs than there are."""
    lon, lat = healpix_to_lonlat([5_000_000], 1 << 12, order="nested")  # the centre of a pixel
    ra, dec = lon.deg, lat.deg
    collection, _ = make_collection(tmp_path, ra, dec, margin_arcsec=1)
    assert len(is_whole(collection, 1)) == 1
    radio = lsdb.open_catalog(collection)
    assert radio.margin.npartitions == 0
    table = pd.DataFrame({"id": [0, 1], "ra": [ra[0]] * 2, "dec": [dec[0] + 0.0001, dec[0] + 0.1]})
    optical = lsdb.from_dataframe(table, catalog_name="optical", margin_threshold=1)
    for left, right in ((radio, optical), (optical, radio)):
        matches = left.crossmatch(
            right, radius_arcsec=1, require_right_margin=True, suffix_method="overlapping_columns"
        )
        assert matches.compute(progress_bar=False)["id"].tolist() == [0]


def poles_and_edges():
    """Return positions at the poles, at RA 0, and on edges and corners of pixels of each order."""
    ra, dec = special_positions()
    more_ra, more_dec = edge_positions(range(30), 4)
    return np.append(ra, more_ra), np.append(dec, more_dec)


def is_whole(collection, count):
    """Check the collection and each catalogue in it; return the rows of the catalogue."""
    assert is_valid_catalog(collection, strict=True)
    names = sorted(path.name for path in collection.iterdir() if path.is_dir())
    assert len(names) == 3
    kinds = {}
    for name in names:
        assert is_valid_catalog(collection / name, strict=True)
        catalogue = read_hats(collection / name)
        kinds[catalogue.catalog_info.catalog_type] = catalogue
    assert set(kinds) == {CatalogType.OBJECT, CatalogType.MARGIN, CatalogType.INDEX}
    for catalogue in kinds.values():
        files = sorted((catalogue.catalog_base_dir / "dataset").rglob("*.parquet"))
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        assert rows == catalogue.catalog_info.total_rows
    assert kinds[CatalogType.OBJECT].catalog_info.total_rows == count
    assert kinds[CatalogType.INDEX].catalog_info.total_rows == count
    assert mingolotss.verify(collection).good
    return lsdb.open_catalog(collection).compute(progress_bar=False)


def written(build):
    """Return the checksum of the pixels of each written source of a build."""
    table = pq.read_table(build / "manifest.parquet", filters=[("status", "=", "written")])
    return dict(zip(table["source"].to_pylist(), table["pixels_sha256"].to_pylist(), strict=True))


def test_the_collection_of_the_demo(demo, tmp_path):
    """It has every written source once, with the pixels of the build."""
    collection = mingolotss.export(demo, "hats", tmp_path / "hats").out
    expected = written(demo)
    table = is_whole(collection, len(expected))
    assert dict(zip(table["object_id"], table["pixels_sha256"], strict=True)) == expected
    for stamp, digest in zip(table["stamp"], table["pixels_sha256"], strict=True):
        assert sha256(np.asarray(Image.open(io.BytesIO(stamp["bytes"])))) == digest


@pytest.mark.parametrize(
    ("sky", "rows", "kind"),
    [
        pytest.param(lambda: all_sky(20_000), 500, "uint8", id="20,000 sources"),
        pytest.param(poles_and_edges, 3, "float32", id="poles and edges"),
    ],
)
def test_collections_of_any_sky(tmp_path, sky, rows, kind):
    """Every source is there once with its pixels, in partitions of at most so many rows."""
    ra, dec = sky()
    collection, images = make_collection(tmp_path, ra, dec, kind=kind, partition_rows=rows)
    table = is_whole(collection, len(ra)).sort_values("row")
    assert table["row"].tolist() == list(range(len(ra)))
    np.testing.assert_array_equal(table["ra"].to_numpy(), ra)
    np.testing.assert_array_equal(table["dec"].to_numpy(), dec)
    assert table["pixels_sha256"].tolist() == [sha256(image) for image in images]
    if kind == "uint8":
        stored = [np.asarray(Image.open(io.BytesIO(stamp["bytes"]))) for stamp in table["stamp"]]
    else:
        stored = [np.stack(pixels) for pixels in table["pixels"]]
    np.testing.assert_array_equal(np.stack(stored), images)
    counts = [
        pq.read_metadata(file).num_rows for file in (collection / NAME / "dataset").rglob("Npix*")
    ]
    assert max(counts) <= rows
    np.testing.assert_array_equal(mingolotss.load(collection).images, images)
