"""LSDB searches a collection, reads its nested columns, streams it, and computes on workers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from PIL import Image

import mingolotss
from hats_builds import make_collection
from hats_skies import edge_positions, special_positions
from http_files import serve_files
from manifest_rows import sha256

lsdb = pytest.importorskip("lsdb", reason="needs the group hats")
torch = pytest.importorskip("torch", reason="needs the group hats")

pytestmark = [pytest.mark.readers, pytest.mark.filterwarnings("ignore:The inplace keyword")]


def positions():
    """Return positions over the whole sky, and a field around each of some."""
    rng = np.random.default_rng(15)
    ra, dec = (
        np.append(a, b)
        for a, b in zip(special_positions(), edge_positions(range(9), 4), strict=True)
    )
    place = SkyCoord(np.repeat(ra, 4), np.repeat(dec, 4), unit="deg")
    directions, distances = rng.uniform(0, 360, len(place)), rng.uniform(0, 600, len(place))
    return place.directional_offset_by(directions * units.deg, distances * units.arcsec)


SKY = positions()


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lsdb")
    return make_collection(folder, SKY.ra.deg, SKY.dec.deg, partition_rows=15)[0]


def compute(catalogue):
    return catalogue.compute(progress_bar=False)


def check_pixels(table):
    """Each stamp has the pixels of its source."""
    for stamp, digest in zip(table["stamp"], table["pixels_sha256"], strict=True):
        assert sha256(np.asarray(Image.open(io.BytesIO(stamp["bytes"])))) == digest


@pytest.mark.parametrize("centre", [(0, 90), (10, -90), (0, 0), (359.999, 41), (45, 41.8103)])
def test_a_search_in_a_cone(collection, centre):
    """At poles, RA 0 and corners of pixels it gives the sources that astropy has there."""
    ra, dec = centre
    place = SkyCoord(ra, dec, unit="deg")
    table = compute(lsdb.open_catalog(collection).cone_search(ra, dec, radius_arcsec=400))
    expected = np.flatnonzero(place.separation(SKY).arcsec < 400)
    assert len(expected) > 1
    assert sorted(table["row"]) == expected.tolist()
    check_pixels(table)


def test_a_search_for_names(collection):
    """The index finds the partition of each name; a name that is not there gives no row."""
    catalogue = lsdb.open_catalog(collection)
    for row in (0, 17, len(SKY) - 1):
        found = catalogue.id_search(values={"object_id": f"J{row:03d}.5+1"})
        assert found.npartitions == 1
        table = compute(found)
        assert table["row"].tolist() == [row]
        check_pixels(table)
    names = [f"J{row:03d}.5+1" for row in (3, 30, 60)]
    assert sorted(compute(catalogue.id_search(values={"object_id": names}))["row"]) == [3, 30, 60]


def test_a_query_of_columns(collection):
    """Rows are chosen by the columns of the manifest; only named columns are read."""
    catalogue = lsdb.open_catalog(collection, columns=["row", "class", "split", "ra", "dec"])
    table = compute(catalogue.query("`class` == 'FRII' and split == 'test'"))
    expected = [row for row in range(len(SKY)) if row % 3 == 1 and row % 4 == 3]
    assert sorted(table["row"]) == expected
    assert set(table.columns) == {"row", "class", "split", "ra", "dec"}


def test_workers_of_dask_give_the_rows_of_one_process(collection):
    """A cluster of two processes computes a cross-match, stamps included."""
    from dask.distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with cluster, Client(cluster):
        radio = lsdb.open_catalog(collection)
        columns = lsdb.open_catalog(collection, columns=["row", "ra", "dec"])
        matched = columns.crossmatch(
            radio, radius_arcsec=1, suffixes=("_left", ""), log_changes=False,
            suffix_method="overlapping_columns",
        )  # fmt: skip
        table = compute(matched)
    assert sorted(table["row"]) == list(range(len(SKY)))
    assert (table["row"] == table["row_left"]).all()
    check_pixels(table)


def test_a_catalogue_that_lsdb_writes_again(collection, tmp_path):
    """A part of a collection, written by LSDB, is read by both."""
    part = lsdb.open_catalog(collection).query("split == 'train'")
    part.write_catalog(tmp_path / "part", progress_bar=False)
    table = compute(lsdb.open_catalog(tmp_path / "part"))
    assert sorted(table["row"]) == [row for row in range(len(SKY)) if row % 4 != 3]
    check_pixels(table)


def test_a_collection_on_a_web_server(collection):
    """A server of plain files is enough: the page says that any will do."""
    with serve_files(collection) as server:
        catalogue = lsdb.open_catalog(server.url, columns=["row", "ra", "dec", "stamp"])
        table = compute(catalogue.cone_search(0, 90, radius_arcsec=400))
    place = SkyCoord(0, 90, unit="deg")
    assert sorted(table["row"]) == np.flatnonzero(place.separation(SKY).arcsec < 400).tolist()


def test_a_network_learns_from_a_stream_of_lsdb(demo, tmp_path):
    """Tiles come in random order; each source once a pass; the classes of the demo are learnt."""
    from lsdb.streams import CatalogStream

    collection = mingolotss.export(demo, "hats", tmp_path / "hats", hats={"partition_rows": 20}).out
    catalogue = lsdb.open_catalog(collection, columns=["object_id", "label", "stamp"])
    torch.manual_seed(1)
    layers = torch.nn.AvgPool2d(10), torch.nn.Flatten(), torch.nn.Linear(225, 32), torch.nn.ReLU()
    network = torch.nn.Sequential(*layers, torch.nn.Linear(32, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses, orders = [], []
    for epoch in range(12):
        names, total = [], 0.0
        for table in CatalogStream(catalogue, partitions_per_chunk=2, seed=epoch):
            decoded = [np.asarray(Image.open(io.BytesIO(one["bytes"]))) for one in table["stamp"]]
            images = torch.from_numpy(np.stack(decoded))[:, None] / 255
            labels = torch.tensor(table["label"].to_numpy(np.int64))
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(table)
            names += table["object_id"].tolist()
        losses.append(total / len(names))
        orders.append(names)
    expected = sorted(mingolotss.load(collection).sources)
    assert all(sorted(names) == expected for names in orders)
    assert orders[0] != orders[1]
    assert losses[-1] < 0.85 * losses[0], losses
