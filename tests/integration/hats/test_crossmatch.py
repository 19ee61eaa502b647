"""LSDB joins a collection with an optical table: all pairs, and no others."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hats_builds import make_collection
from hats_skies import draw_pairs, pairs_within
from manifest_rows import sha256
from mingolotss.formats.hats.partitions import Partition, PartitionPlan, healpix_index

lsdb = pytest.importorskip("lsdb", reason="needs the group hats")

pytestmark = [pytest.mark.readers, pytest.mark.filterwarnings("ignore:The inplace keyword")]

SKY = draw_pairs()
RADIUS = 10.0
MOST = 8  # neighbours; more than any source has


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Write the radio sources with a few rows a partition, so that there are many edges."""
    folder = tmp_path_factory.mktemp("pairs")
    return make_collection(folder, SKY.radio.ra.deg, SKY.radio.dec.deg, partition_rows=2)[0]


def open_optical(order):
    """Return the optical table in partitions of one order."""
    table = pd.DataFrame(
        {"id": np.arange(len(SKY.optical)), "ra": SKY.optical.ra.deg, "dec": SKY.optical.dec.deg}
    )
    return lsdb.from_dataframe(
        table, catalog_name="optical", lowest_order=order, highest_order=order,
        margin_threshold=RADIUS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def optical():
    return open_optical(0)


def radio(collection, *columns):
    """Open the collection with the number of each source and some columns."""
    return lsdb.open_catalog(collection, columns=["row", "ra", "dec", *columns])


def match(left, right, **options):
    """Cross-match and return the table."""
    names = {"suffixes": ("", "_right"), "suffix_method": "overlapping_columns"}
    options = {"radius_arcsec": RADIUS, "n_neighbors": MOST, "require_right_margin": True} | options
    return left.crossmatch(right, **names, log_changes=False, **options).compute(progress_bar=False)


def pairs(table, first="row", second="id"):
    """Return the pairs of a table, each of which must be there once."""
    found = list(zip(table[first].tolist(), table[second].tolist(), strict=True))
    assert len(found) == len(set(found))
    return set(found)


def test_the_pairs_are_divided_by_the_edges_of_partitions(collection):
    """The test is worth something: pairs lie in two partitions, or in one and in a gap."""
    pixels = lsdb.open_catalog(collection).get_healpix_pixels()
    plan = PartitionPlan(tuple(Partition(pixel.order, pixel.pixel) for pixel in pixels))
    sky = plan.with_gaps()
    i, j = np.array(sorted(SKY.pairs(RADIUS))).T
    of_radio = sky.find(healpix_index(SKY.radio.ra.deg, SKY.radio.dec.deg))
    of_optical = sky.find(healpix_index(SKY.optical.ra.deg, SKY.optical.dec.deg))
    apart = of_radio[i] != of_optical[j]
    in_gap = np.array([partition not in set(plan) for partition in sky])
    assert len(plan) > 30
    assert (apart & ~in_gap[of_optical[j]]).sum() > 10
    assert (apart & in_gap[of_optical[j]]).sum() > 10


@pytest.mark.parametrize("order", [0, 5])
def test_all_pairs_and_no_others(collection, order):
    """With the collection on the right, its margin is used, and also where it has no partition."""
    optical = open_optical(order)
    assert pairs(match(radio(collection), optical)) == SKY.pairs(RADIUS)
    assert pairs(match(optical, radio(collection))) == SKY.pairs(RADIUS)


def test_the_nearest_of_several_neighbours(collection, optical):
    """With one neighbour each, it is the one that astropy calls the nearest."""
    nearest, separation, _ = SKY.radio.match_to_catalog_sky(SKY.optical)
    close = np.flatnonzero(separation.arcsec < RADIUS)
    table = match(radio(collection), optical, n_neighbors=1)
    assert pairs(table) == set(zip(close.tolist(), nearest[close].tolist(), strict=True))
    np.testing.assert_allclose(
        table.sort_values("row")["_dist_arcsec"].to_numpy(), separation.arcsec[close], atol=1e-4
    )


def test_sources_without_a_pair_stay_in_left_and_outer_joins(collection, optical):
    """For an outer join LSDB needs a margin of twice the radius: 10 arcsec are enough for 5."""
    table = match(radio(collection), optical, how="left")
    assert set(table["row"]) == set(range(len(SKY.radio)))
    assert pairs(table.dropna(subset="id")) == SKY.pairs(RADIUS)
    table = match(optical, radio(collection), how="outer", radius_arcsec=RADIUS / 2)
    assert set(table["row"].dropna()) == set(range(len(SKY.radio)))
    assert set(table["id"].dropna()) == set(range(len(SKY.optical)))
    assert pairs(table.dropna(subset=["row", "id"])) == SKY.pairs(RADIUS / 2)


def test_each_source_finds_its_neighbours_in_the_collection(tmp_path):
    """Nearest neighbours through the margin, against astropy: dense skies at edges of pixels."""
    rng = np.random.default_rng(13)
    centre = SKY.radio[:90:8]
    n = 30
    ra, dec = np.repeat(centre.ra.deg, n), np.repeat(centre.dec.deg, n)
    offset = np.deg2rad(rng.normal(0, 12 / 3600, (2, len(ra))))
    xyz = np.stack([np.cos(dec := np.deg2rad(dec)) * np.cos(ra := np.deg2rad(ra)),
                    np.cos(dec) * np.sin(ra), np.sin(dec)])  # fmt: skip
    east = np.stack([-np.sin(ra), np.cos(ra), 0 * ra])
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    xyz = xyz + offset[0] * east + offset[1] * north
    ra = np.rad2deg(np.arctan2(xyz[1], xyz[0])) % 360
    dec = np.rad2deg(np.arctan2(xyz[2], np.hypot(xyz[0], xyz[1])))
    out, _ = make_collection(tmp_path, ra, dec, partition_rows=10)
    catalogue = radio(out)
    table = match(catalogue, catalogue, n_neighbors=n)
    place = type(SKY.radio)(ra, dec, unit="deg")
    assert pairs(table, "row", "row_right") == pairs_within(place, place, RADIUS)


def test_the_matched_rows_have_their_images(collection, optical):
    """A stamp in a joined table is that of its source, also where it comes from the margin."""
    table = match(optical, radio(collection, "stamp", "pixels_sha256"))
    assert len(table) == len(SKY.pairs(RADIUS))
    for stamp, digest in zip(table["stamp"], table["pixels_sha256"], strict=True):
        assert sha256(np.asarray(Image.open(io.BytesIO(stamp["bytes"])))) == digest
