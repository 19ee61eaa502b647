"""A dataset without labels: nothing that describes it speaks of classes."""

from __future__ import annotations

import re

import pytest

from builds import run
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.pipeline.run import build
from mingolotss.publish.export import export
from named_builds import make_recipe, write_mosaic

_CLASSES = re.compile(r"\b(class|classes|label|labels|classif\w+|macro-averaged)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Six stamps without labels."""
    folder = tmp_path_factory.mktemp("unlabelled")
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", 6)
    catalogue = Catalogue.from_columns([f"s{row}" for row in range(6)], sky.ra.deg, sky.dec.deg)
    recipe = make_recipe(classes={"from": "none"})
    service = f"mosaics:{folder / 'mosaics'}"
    return build(recipe, out=folder / "build", catalogue=catalogue, service=service).out


def words(card: str) -> list[str]:
    """Return what a card says about classes; that there are none is true.

    The header lists the columns of the files, which have these names.
    """
    body = card.rpartition("\n---\n")[2]
    return _CLASSES.findall(body.replace("there are no labels", ""))


@pytest.mark.slow
def test_the_card_of_a_build_and_of_an_export_speaks_of_no_classes(built, tmp_path):
    assert words((built / "README.md").read_text()) == []
    for format_name in ("parquet", "webdataset"):
        export(built, format_name, tmp_path / format_name)
        card = (tmp_path / format_name / "README.md").read_text()
        assert words(card) == []
        assert "| split | images |" in card
        assert "image-classification" not in card


@pytest.mark.slow
def test_the_terminal_speaks_of_no_classes(built):
    done = run("status", built)
    assert done.returncode == 0
    assert words(done.stdout) == []


@pytest.mark.slow
def test_sizes_that_no_catalogue_gives_are_not_counted(built):
    """Neither on the card nor in the terminal."""
    card = (built / "README.md").read_text()
    assert "larger than their image: not known (no size is known)" in card
    line = next(line for line in run("status", built).stdout.splitlines() if "exceeds" in line)
    assert "not known" in line
