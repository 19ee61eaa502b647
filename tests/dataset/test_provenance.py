"""``recipe.toml`` of a build: what it records, and that of earlier versions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from builds import contents
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.errors import DatasetError
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from readers_build import write_sky


@pytest.fixture
def inputs(tmp_path):
    catalogue, images = write_sky(tmp_path, count=12)
    return {"catalogue": catalogue, "service": f"folder:{images}", "out": tmp_path / "out"}


def test_the_day_on_which_a_build_began_is_recorded_once(inputs):
    """In UTC; a later run keeps it."""
    build("mingolotss", **inputs)
    path = inputs["out"] / "recipe.toml"
    now = datetime.now(UTC)
    days = {(now - timedelta(hours=hours)).date().isoformat() for hours in (0, 1)}
    assert read_provenance(inputs["out"]).date in days
    path.write_text(
        re.sub(r'\ndate = "[\d-]+"', '\ndate = "2020-02-29"', path.read_text(), count=1)
    )
    build("mingolotss", **inputs)
    assert read_provenance(inputs["out"]).date == "2020-02-29"


def test_a_recipe_toml_of_an_earlier_version_is_read(inputs):
    """It has neither a day nor a note on simulated images."""
    build("mingolotss", **inputs)
    path = inputs["out"] / "recipe.toml"
    old = re.sub(r'\n(date = "[\d-]+"|simulated = false)', "", path.read_text(), count=2)
    path.write_text(old)
    assert (read_provenance(inputs["out"]).date, read_provenance(inputs["out"]).simulated) == (
        "", False,
    )  # fmt: skip
    path.write_text(re.sub(r'service = "[^"]+"', 'service = "simulated:sky"', old, count=1))
    assert read_provenance(inputs["out"]).simulated


@pytest.mark.parametrize("line", ["date = 3", 'simulated = "no"', "date = 2026-11-26"])
def test_values_of_other_types_are_one_line(inputs, line):
    """A person may have changed the file."""
    build("mingolotss", **inputs)
    path = inputs["out"] / "recipe.toml"
    key = line.split(" = ", 1)[0]
    path.write_text(re.sub(rf"\n{key} = .*", f"\n{line}", path.read_text(), count=1))
    with pytest.raises(DatasetError, match=rf"damaged \(build\.{key} = ") as caught:
        read_provenance(inputs["out"])
    assert "\n" not in str(caught.value)


def test_new_statements_of_a_recipe_leave_the_stamps_as_they_are(inputs):
    """A licence or a DOI that is known later needs no --fresh, and no stamp is made again."""
    recipe = load_recipe("mingolotss")
    build(recipe, **inputs)
    before, versions = contents(inputs["out"]), read_package_versions(inputs["out"])
    times = {path: path.stat().st_mtime_ns for path in inputs["out"].glob("stamps/*")}
    changed = recipe.changed({"licence": "CC-BY-4.0", "doi": "doi:10.5281/zenodo.12", "title": "A"})
    assert changed.digest == recipe.digest
    build(changed, **inputs)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    after = contents(inputs["out"])
    assert "# A\n" in (inputs["out"] / "README.md").read_text()
    assert "license: cc-by-4.0" in (inputs["out"] / "README.md").read_text()
    assert read_package_versions(inputs["out"]) == versions
    for name in ("manifest.parquet", "candidates.parquet", "MingoML.csv"):
        assert after[name] == before[name]
    build(recipe, **inputs)
    assert contents(inputs["out"]) == before
