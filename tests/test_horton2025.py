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
