"""The catalogue of a recipe with a published list, for whole folders, samples and other images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builds import run
from mingolotss.errors import CatalogueError
from mingolotss.pipeline.inputs import resolve_catalogue
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import parse_recipe
from mingolotss.service.base import Naming, open_service

MIRABEST = load_recipe("mirabest")
IMAGES = MIRABEST.published.read_list()


def folder_service(folder: Path, names, recipe=MIRABEST):
    """Return the service of a folder with empty files of these names."""
    folder.mkdir()
    for name in names:
        (folder / f"{name}.fits").touch()
    images = recipe.images
    return open_service(f"folder:{folder}", naming=Naming(images.image, images.rms))


def catalogue_of(tmp_path, names, recipe=MIRABEST):
    service = folder_service(tmp_path / "fits", names, recipe)
    return resolve_catalogue(recipe, None, service, tmp_path)


def test_a_whole_folder_gives_the_whole_list(tmp_path):
    """One source without an image is a row like the others, and becomes a rejection."""
    catalogue = catalogue_of(tmp_path, IMAGES.names[1:])
    assert catalogue.names == IMAGES.names
    assert np.array_equal(catalogue.labels, IMAGES.labels)
    assert np.array_equal(catalogue.ra, IMAGES.ra)
    assert catalogue.sha256 == IMAGES.sha256
    assert not catalogue.left_out
    assert catalogue.classes == MIRABEST.class_names


@pytest.mark.parametrize(("count", "rows"), [(628, 1256), (627, 627), (1, 1)])
def test_fewer_than_half_of_the_images_are_a_sample(tmp_path, count, rows):
    """The others are counted, in the order of the list and not in that of the names."""
    names = IMAGES.names[::-1][:count]
    catalogue = catalogue_of(tmp_path, names)
    assert len(catalogue) == rows
    if rows < 1256:
        assert catalogue.names == names[::-1]
        assert catalogue.left_out == (("the absence of their image in the folder", 1256 - rows),)
        assert f"{1256 - rows} of the 1256 sources" in catalogue.notices[0]


def test_images_that_are_not_listed_are_named(tmp_path):
    others = [f"100_{number}.5+43.5_0.1_30" for number in range(5)]
    catalogue = catalogue_of(tmp_path, [*others, *IMAGES.names[:2]])
    assert catalogue.names == IMAGES.names[:2]
    assert catalogue.notices[0] == (
        "5 images are not in the published list of mirabest: '100_0.5+43.5_0.1_30', "
        "'100_1.5+43.5_0.1_30', '100_2.5+43.5_0.1_30' and 2 more"
    )


def test_other_images_make_their_own_catalogue(tmp_path):
    """As before there was a list, and in a recipe that extends the published one."""
    names = ["200_010.5+43.5_0.1_30", "300_011.5-03.5_0.1_30"]
    assert catalogue_of(tmp_path, names).names == names


def test_frdeep_has_its_list_whatever_is_there(tmp_path):
    """Its names hold no position, so a sample has all sources too."""
    recipe = load_recipe("frdeep-first")
    names = recipe.published.read_list().names
    assert catalogue_of(tmp_path, names[5:7], recipe).names == names


def test_merged_and_dropped_classes_follow_the_list(tmp_path):
    recipe = MIRABEST.changed({"classes.drop": [8, 9], "classes.binary": {}})
    catalogue = catalogue_of(tmp_path, IMAGES.names, recipe)
    assert len(catalogue) == np.count_nonzero(IMAGES.labels < 8)
    assert dict(catalogue.left_out)["classes.drop: Hybrid confident"] == np.count_nonzero(
        IMAGES.labels == 8
    )


def test_labels_that_the_names_contradict_are_one_line(tmp_path):
    """The class in the name of a source must be the label in the list."""
    settings = MIRABEST.to_dict()
    table = settings["classes"]["table"]
    table[0]["value"], table[1]["value"] = table[1]["value"], table[0]["value"]
    with pytest.raises(CatalogueError, match=r"the label in the list is not the class in the name"):
        catalogue_of(tmp_path, IMAGES.names, parse_recipe(settings, "mine"))
    settings["classes"]["table"] = table[:2]
    settings["classes"]["binary"] = {}
    with pytest.raises(CatalogueError, match="its labels 0 to 9 are the classes of the published"):
        resolve_catalogue(parse_recipe(settings, "mine"), None, None, tmp_path)


@pytest.mark.slow
def test_a_build_records_the_list(tmp_path, shared):
    """The recipe of a build repeats it, and a build with more images goes on."""
    out, folder = tmp_path / "out", tmp_path / "fits"
    folder.mkdir()
    originals = sorted((shared / "data/frdeep/fits").iterdir())[:3]
    for path in originals[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    first = ("build", "frdeep-first", "--service", f"folder:{folder}", "--out", out)
    assert run(*first, "--max-rejected", 656).returncode == 0
    (folder / originals[2].name).write_bytes(originals[2].read_bytes())
    done = run("build", "--out", out, "--max-rejected", 655)
    assert done.returncode == 0, done.stderr
    again = run("build", out / "recipe.toml", "--out", tmp_path / "again", "--max-rejected", 655)
    assert again.returncode == 0, again.stderr
    for name in ("FIRST/train_batch", "FIRST/test_batch", "manifest.parquet"):
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
