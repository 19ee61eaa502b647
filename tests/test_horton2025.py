"""The table of Horton et al. 2025 with its recipe: tags, positions and splits, against the file."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from mingolotss.catalogue.reading import read_catalogue
from mingolotss.dataset.splits import SplitPlan, SplitSources
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.recipe.load import load_recipe

SHARED = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[2] / "shared"))
RECIPE = load_recipe("lotss-horton2025")
TAGS = RECIPE.class_names


@pytest.fixture(scope="module")
def path():
    """Return the table, which does not belong in the repository."""
    place = SHARED / "data/horton2025/classifications.csv"
    if not place.is_file():
        pytest.skip(f"needs the table of Horton et al. 2025, which is not here: {place}")
    return place


@pytest.fixture(scope="module")
def rows(path):
    """Return the rows as the module csv reads them."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def catalogue(path):
    """Return the catalogue of the recipe."""
    return read_catalogue(path, RECIPE.catalogue.columns, RECIPE.rules)


def test_tags_are_those_of_the_table(rows, catalogue):
    """7,607 rows, twenty tags and 523 combinations of them."""
    combinations = [tuple(tag for tag in TAGS if row[tag] == "True") for row in rows]
    assert (len(rows), len(TAGS), len(set(combinations))) == (7607, 20, 523)
    values = catalogue.vectors.values
    read = [tuple(TAGS[label] for label in np.flatnonzero(row)) for row in values]
    assert read == combinations
    counts = Counter(tag for one in combinations for tag in one)
    assert dict(zip(TAGS, catalogue.vectors.counts().tolist(), strict=True)) == counts
    assert catalogue.names == [row["Source_Name"] for row in rows]


@pytest.mark.slow
def test_positions_are_those_of_the_names(rows, catalogue):
    """As astropy reads them, hours and degrees with blanks between the parts."""
    texts = [
        f"{n[4:6]} {n[6:8]} {n[8:13]} {n[13:16]} {n[16:18]} {n[18:]}"
        for n in (row["Source_Name"] for row in rows)
    ]
    expected = SkyCoord(texts, unit=("hourangle", "deg"))
    here = SkyCoord(catalogue.ra, catalogue.dec, unit="deg")
    assert here.separation(expected).arcsec.max() < 1e-6
    assert catalogue.precision_arcsec == pytest.approx(0.15, abs=0.01)


def test_every_tag_has_a_note(rows):
    """The recipe names the columns of the table between flag_mass and featurecount."""
    columns = list(rows[0])
    begin, end = columns.index("flag_mass") + 1, columns.index("featurecount")
    assert list(RECIPE.classes.columns) == columns[begin:end]
    assert all(row.note for row in RECIPE.classes.table)


SIDE_ARCSEC = RECIPE.stamp.pixels * 1.5  # a disc of this diameter is not masked


@pytest.mark.parametrize(
    "text",
    [
        "stratified",
        "stratified:train=0.7,val=0.1,test=0.2,seed=5",
        "k-fold:folds=5,seed=1",
        "k-fold:folds=10,seed=2",
    ],
)
def test_each_tag_keeps_its_share_within_a_percent(rows, catalogue, text):
    """Where it has 100 sources, counted in the rows of the file; no two stamps share pixels."""
    plan, result = split(catalogue, text)
    assert (result.plan, result.pairs_across) == (plan, 0)
    assert not result.is_left_out.any()
    for tag in TAGS:
        names = result.names[[row[tag] == "True" for row in rows]]
        if len(names) >= 100:
            for name, share in plan.targets.items():
                assert abs((names == name).mean() - share) < 0.01, (tag, name)


@pytest.mark.parametrize("text", ["blocks:train=0.8,test=0.2", "blocks:folds=5,seed=1"])
def test_regions_of_sky_keep_the_shares_of_common_tags(rows, catalogue, text):
    """Regions are chosen by their tags, and cannot do better than the sky: a few percent."""
    plan, result = split(catalogue, text)
    assert (result.plan.kind, result.pairs_across) == ("blocks", 0)
    assert result.is_left_out.mean() < 0.01
    for tag in TAGS:
        names = result.names[[row[tag] == "True" for row in rows]]
        names = names[names != ""]
        if len(names) >= 1000:
            for name, share in plan.targets.items():
                assert abs((names == name).mean() - share) < 0.05, (tag, name)


def split(catalogue, text):
    """Split the sources by the extent of the stamps of the recipe."""
    sources = SplitSources(
        tuple(catalogue.names), catalogue.labels.astype(np.int64), catalogue.ra, catalogue.dec,
        np.full(len(catalogue), SIDE_ARCSEC), classes=catalogue.classes, vectors=catalogue.vectors,
    )  # fmt: skip
    plan = SplitPlan.parse(text)
    return plan, assign_splits(plan, sources)
