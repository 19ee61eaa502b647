"""How large the cutouts of a build are: the same when it is planned, continued and read again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mingolotss import load_recipe
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.typed_columns import kept_field
from mingolotss.pipeline.planned_stamps import least_cutout_deg, plan_stamps, recorded_stamp_deg
from mingolotss.recipe.beam_settings import LARGEST, BeamSettings
from mingolotss.recipe.model import Recipe

WIDTH = [40.0, None, 150.0]


def recipe(**changes: object) -> Recipe:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return load_recipe("lotss").changed({"stamp.pixels": 40, **named})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stamp__pixel_arcsec": 3.0},
        {"stamp__centre": "exact", "stamp__pixel_arcsec": 4.0},
        {"stamp__size": "90 arcsec"},
        {"stamp__size": "2 * Width"},
        {"stamp__size": "2 * Width", "stamp__rotate": "PA"},
        {"stamp__size": "2 * Width", "beam__common": "9 arcsec"},
    ],
)
def test_a_manifest_gives_the_size_that_the_catalogue_gave(changes):
    ra, dec = np.array([10.0, 20.0, 30.0]), np.zeros(3)
    kept = pa.table({"Width": pa.array(WIDTH), "PA": pa.array([0.0, 45.0, 90.0])})
    catalogue = Catalogue.from_columns(["a", "b", "c"], ra, dec, kept=kept)
    manifest = pa.table({"source": ["a", "b", "c"], "ra": ra, "dec": dec})
    for name in kept.column_names:
        manifest = manifest.append_column(kept_field(name, kept[name].type, ""), kept[name])
    used = recipe(**changes)
    planned = plan_stamps(used, catalogue).stamp_deg
    assert recorded_stamp_deg(used, manifest) == planned
    assert (planned > 0) == bool(used.stamp.resampling)
    if "2 * Width" in changes.values():
        assert planned * 3600 > 2 * 150 * np.sqrt(2)


def test_a_planned_beam_leaves_the_cutouts_as_they_were_planned():
    """A build that is continued, or read again, knows the largest beam; the first plan did not."""
    first = recipe(stamp__size="90 arcsec", beam__common=LARGEST)
    recorded = first.with_planned_beam(BeamSettings(common=LARGEST, largest="20 arcsec"))
    assert recorded.beam.beam is not None
    assert least_cutout_deg(recorded) == least_cutout_deg(first)
    assert least_cutout_deg(recipe(stamp__size="90 arcsec", beam__common="20 arcsec")) > (
        least_cutout_deg(first)
    )
