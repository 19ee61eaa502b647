"""The recipe of Radio Galaxy Zoo DR1 reads a table with the published columns."""

from __future__ import annotations

import numpy as np

from mingolotss.catalogue.reading import read_catalogue
from mingolotss.recipe.load import load_recipe

HEADER = "CatID,RGZID,ZooniverseID,RA,Dec,N_votes,N_total,CL,N_comp,N_peaks,LAE,TSA,OL,TF,TF_err,DC"
ROWS = (
    "75764,RGZ_J000130.2+014816,ARG0003q6j,0.37578,1.80451,22,26,0.85,1,1,12.5,80,0.4,3.1,0.1,-99",
    "75781,RGZ_J000130.1+014816,ARG0003q6r,0.37578,1.80451,18,25,0.72,1,1,12.5,80,0.4,3.1,0.1,-99",
    "12,RGZ_J137.2+10,ARG1,137.2,10.25,9,10,0.9,2,3,61.0,80,0.4,30.1,0.1,-99",
    "13,RGZ_J138.2+10,ARG2,138.2,-1.25,9,10,0.95,11,12,161.0,80,0.4,30.1,0.1,-99",
)


def test_a_table_with_the_published_columns_is_read(tmp_path):
    """The name is the one that no row repeats; the class is the number of components."""
    path = tmp_path / "DR1_FIRST_radio_classifications.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    recipe = load_recipe("rgz-dr1")
    catalogue = read_catalogue(path, recipe.catalogue.columns, recipe.rules)
    assert catalogue.names == ["75764", "75781", "12", "13"]
    assert catalogue.classes == ("1", "2", "11")
    assert catalogue.labels.tolist() == [0, 0, 1, 2]
    assert catalogue.ra.tolist() == [0.37578, 0.37578, 137.2, 138.2]
    np.testing.assert_array_equal(catalogue.size_arcsec, [12.5, 12.5, 61.0, 161.0])
    assert catalogue.kept["N_votes"].to_pylist() == [22, 18, 9, 9]
    assert catalogue.kept["RGZID"].to_pylist()[0] == "RGZ_J000130.2+014816"
    assert catalogue.vectors is None
    agreed = recipe.changed({"catalogue.where": "CL >= 0.8"})
    assert read_catalogue(path, agreed.catalogue.columns, agreed.rules).names == [
        "75764",
        "12",
        "13",
    ]
