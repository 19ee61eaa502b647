"""The settings of an exported HATS collection: those of the recipe, or others that are given."""

from __future__ import annotations

import pytest

from builds import run
from mingolotss.dataset.provenance import read_provenance
from mingolotss.errors import InputError, RecipeError
from mingolotss.pipeline.exporting import export
from mingolotss.recipe.hats_settings import HatsSettings
from named_builds import build_named

pytest.importorskip("hats.io", reason="needs pip install 'mingolotss[hats]'")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build whose recipe has settings of a collection."""
    folder = tmp_path_factory.mktemp("settings")
    changes = {"formats": ["parquet"], "hats.partition_rows": 2, "hats.margin_arcsec": 5.0}
    return build_named(folder, [f"s{number}" for number in range(6)], **changes)


def partitions(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("Npix=*.parquet"))


def test_settings_that_are_given_replace_those_of_the_recipe(built, tmp_path):
    """Some of them or all; the export records those that it was written with."""
    cases = {
        "as": (None, HatsSettings(partition_rows=2, margin_arcsec=5.0)),
        "some": ({"margin_arcsec": 0}, HatsSettings(partition_rows=2, margin_arcsec=0.0)),
        "all": (HatsSettings(arrays=True), HatsSettings(arrays=True)),
    }
    for name, (given, expected) in cases.items():
        export(built, "hats", tmp_path / name, hats=given)
        provenance = read_provenance(tmp_path / name)
        assert provenance is not None
        assert provenance.recipe.hats == expected
    catalogues = {name: partitions(tmp_path / name / "named") for name in cases}
    assert len(catalogues["as"]) >= 3
    assert catalogues["as"] == catalogues["some"]
    assert len(catalogues["all"]) == 1
    assert not list((tmp_path / "some").glob("*arcs"))
    assert (tmp_path / "as" / "recipe.toml").read_bytes() == (built / "recipe.toml").read_bytes()


@pytest.mark.slow
def test_the_options_are_the_settings(built, tmp_path):
    options = ["--partition-rows", "3", "--margin", "0", "--arrays", "--no-flux"]
    assert run("export", built, "--format", "hats", "--out", tmp_path / "cli", *options).stdout
    given = {"partition_rows": 3, "margin_arcsec": 0, "arrays": True}
    export(built, "hats", tmp_path / "python", hats=given)
    files = partitions(tmp_path / "cli")
    assert files == partitions(tmp_path / "python")
    for name in (*files, "recipe.toml"):
        assert (tmp_path / "cli" / name).read_bytes() == (tmp_path / "python" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--format parquet --margin 5", "as parquet: rows of a partition, margin, flux and arrays"),
        ("--format png --no-flux", "as png: rows of a partition, margin, flux and arrays are"),
        ("--format hats --margin 3601", "hats.margin_arcsec = 3601.0: a margin is at most 3600"),
        ("--format parquet --dask local", "as parquet: only fits and hats are written on a clus"),
        ("--format hats --margin nan", "hats.margin_arcsec = nan: "),
        ("--format hats --partition-rows 0", "hats.partition_rows = 0: Input should be greater"),
    ],
)
def test_what_is_refused_is_one_line(built, tmp_path, options, message):
    done = run("export", built, "--out", tmp_path / "out", *options.split())
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unknown_setting_names_the_nearest(built, tmp_path):
    with pytest.raises(RecipeError, match=r"no key 'hats\.margin': did you mean 'margin_arcsec'"):
        export(built, "hats", tmp_path / "out", hats={"margin": 5})
    with pytest.raises(InputError, match="as parquet: rows of a partition"):
        export(built, "parquet", tmp_path / "out", hats=HatsSettings())
