"""Batches in every layout that a recipe can describe."""

from __future__ import annotations

import itertools
import tarfile

import numpy as np
import pytest

from mingolotss.dataset.layout import BatchFolder
from mingolotss.formats.batch_layout import BatchContent, BatchLayout
from mingolotss.formats.batches import finish_batches, read_batch
from mingolotss.formats.pickle_protocol3 import Protocol3Pickler
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.pipeline.inputs import write_simulated_sky
from mingolotss.pipeline.run import build
from mingolotss.publish.export import export
from mingolotss.qa.verify import verify
from mingolotss.recipe.batch_settings import BatchSettings, PickleSettings
from mingolotss.recipe.load import load_recipe

PIXELS = np.random.default_rng(3).integers(0, 256, (3, 16)).astype(np.uint8)
CONTENT = BatchContent(
    "a", PIXELS, [0, 1, -1], ["A.png", "B.png", "C.png"], ["A", "B", "C"], [""] * 3
)
CHOICES = {
    "protocol": (3, 4), "images": ("array", "flat", "square"), "text": ("str", "numpy"),
}  # fmt: skip


@pytest.mark.parametrize("values", list(itertools.product(*CHOICES.values())), ids=str)
def test_every_layout_is_read_again(tmp_path, values):
    """The same images, labels and names, whatever the protocol and the types are."""
    settings = PickleSettings(
        **dict(zip(CHOICES, values, strict=True)), filenames="./x/{image_file}"
    )
    layout = BatchLayout(BatchSettings(pickle=settings))
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        layout.write_batch(folder / "test_batch", CONTENT)
        layout.write_meta(folder / "batches.meta", ["FRI", "FRII"], side=4, size=3)
    assert (tmp_path / "one/test_batch").read_bytes() == (tmp_path / "two/test_batch").read_bytes()
    batch = read_batch(tmp_path / "one" / "test_batch")
    np.testing.assert_array_equal(batch.images.reshape(3, 16), PIXELS)
    assert batch.labels.tolist() == [0, 1, -1]
    assert batch.filenames == ("./x/A.png", "./x/B.png", "./x/C.png")
    assert batch.sources == ("A", "B", "C")
    assert batch.classes == ("FRI", "FRII")
    stored = load_pickle(tmp_path / "one" / "test_batch")
    kind = {"array": np.ndarray, "flat": list, "square": list}[settings.images]
    shape = {"array": (16,), "flat": (16,), "square": (4, 4)}[settings.images]
    assert isinstance(stored["data"], kind)
    assert stored["data"][0].shape == shape
    assert type(stored["filenames"][0]) is (np.str_ if settings.text == "numpy" else str)


def test_an_empty_batch_is_written_in_every_layout(tmp_path):
    for images in CHOICES["images"]:
        settings = BatchSettings(pickle=PickleSettings(protocol=3, images=images))
        content = BatchContent("a", PIXELS[:0], [], [], [], [])
        BatchLayout(settings).write_batch(tmp_path / images, content)
        assert len(load_pickle(tmp_path / images)["data"]) == 0


def test_archive_has_the_files_where_the_recipe_says(tmp_path):
    """In a folder or at the root; the list of checksums is in no archive of a published dataset."""
    folder = BatchFolder(tmp_path / "F")
    folder.path.mkdir()
    BatchLayout().write_batch(folder.test, CONTENT)
    names = {"frdeep-first": "", "mirabest": "F/", "lotss": "F/"}
    for name, prefix in names.items():
        layout, archive = BatchLayout.of(load_recipe(name)), tmp_path / f"{name}.tar.gz"
        finish_batches(folder, [folder.test], ["a", "b"], archive, layout, side=4, size=3)
        files = ["test_batch", "batches.meta", *(["checksums"] if name == "lotss" else [])]
        with tarfile.open(archive) as tar:
            assert tar.getnames() == [f"{prefix}{file}" for file in files]


def label_names(folder, recipe, classes):
    BatchLayout.of(recipe).write_meta(folder / "batches.meta", classes, side=4, size=3)
    return load_pickle(folder / "batches.meta")["label_names"]


def test_meta_of_mirabest_has_the_published_names(tmp_path):
    """The three digits of each class, in a dataset of the ten classes."""
    recipe = load_recipe("mirabest")
    codes = ["100", "102", "104", "110", "112", "200", "201", "210", "300", "310"]
    assert label_names(tmp_path, recipe, recipe.class_names) == codes
    assert BatchLayout.of(load_recipe("mingolotss")).published_names == {}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (
            "merge = { A = [0, 1, 2, 3, 4], B = [5, 6, 7] }",
            ["A", "B", "Hybrid confident", "Hybrid uncertain"],
        ),
        (
            "merge = { FRI = [0, 1, 2, 3, 4] }\ndrop = [6, 7, 8, 9]",
            ["FRI", "FRII confident standard"],
        ),
        (
            "drop = [2, 3, 4, 5, 6, 7, 8, 9]",
            ["FRI confident standard", "FRI confident wide-angle tail"],
        ),
    ],
)
def test_merged_and_dropped_classes_leave_the_others_the_names_of_the_recipe(
    tmp_path, change, names
):
    """A dataset has either the published names or its own, never some of both."""
    own = tmp_path / "own.toml"
    own.write_text(f'extends = "mirabest"\nname = "own"\n[classes]\n{change}\n')
    for recipe in (load_recipe(own), load_recipe("mirabest")):  # a build's, and that of an export
        assert label_names(tmp_path, recipe, names) == names
    assert list(load_recipe(own).class_names) == names


def test_a_build_in_another_layout_verifies(tmp_path):
    """Builds and exports of a recipe of one's own, and a batch that was changed is named."""
    recipe = tmp_path / "own.toml"
    recipe.write_text(
        'extends = "mingolotss"\nname = "own"\n[batches]\ntrain = 2\nfolder = "B"\n'
        'in_archive = "root"\n[batches.pickle]\nprotocol = 3\nimages = "square"\ntext = "numpy"\n'
        'keys = ["labels", "data", "filenames"]\nfilenames = "P/{image_file}"\n'
        'meta = ["num_cases_per_batch", "label_names", "num_vis"]\n'
    )
    out, copy = tmp_path / "out", tmp_path / "copy"
    catalogue, service = write_simulated_sky(tmp_path, sources=24)
    build(recipe, catalogue=catalogue, service=service, out=out)
    export(out, "batches", copy)
    export(out, "batches", tmp_path / "folds", split="k-fold:folds=3,seed=1")
    for place in (out, copy, tmp_path / "folds", out / "mingo-batches-python.tar.gz"):
        assert verify(place).good, verify(place).problems
    sizes = [len(load_pickle(path)["labels"]) for path in (out / "B").glob("*_batch*")]
    meta = load_pickle(out / "B" / "batches.meta")
    assert meta["num_cases_per_batch"] == max(sizes)
    assert meta["num_vis"] == 22500
    first = load_pickle(out / "B" / "test_batch")
    assert list(first) == ["labels", "data", "filenames"]
    with (out / "B" / "test_batch").open("wb") as stream:
        Protocol3Pickler(stream).dump(first | {"filenames": first["filenames"][::-1]})
    assert "test_batch: its file names differ from the manifest" in verify(out).problems
