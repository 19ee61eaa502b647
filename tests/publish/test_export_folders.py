"""PNG folders give one label to a class in every split, whoever numbers the folders."""

from __future__ import annotations

import re
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image

from format_names import PLAIN_FORMATS
from mask_builds import write_build
from mingolotss.formats.png_folders import find_png_folders
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.exporting import export
from mingolotss.qa.verify import verify
from named_builds import build_named

# Sources, classes and labels: a class with one source, classes without any, and as many classes as
# need one, two and three digits.
DATASETS = {
    "one source": (12, ("a", "b", "c"), [0, 2] * 5 + [1, 0]),
    "no source": (6, ("a", "b", "c", "d"), [1, 1, 1, 3, 3, 3]),
    "one class": (5, ("only",), [0] * 5),
    "ten classes": (40, tuple("jihgfedcba"), [*range(10)] * 4),
    "eleven classes": (24, tuple(f"k{n}" for n in range(11)), [10, 2] * 12),
    "101 classes": (130, tuple(f"{n} kind" for n in range(101)), [*range(101), *range(29)]),
}
PLANS = (None, "stratified:train=0.7,val=0.1,test=0.2,seed=1,reach=0", "k-fold:folds=3,reach=0")


def folders_by_split(out):
    """Return the class folders of each split, in the order in which ImageFolder numbers them."""
    return {
        split.name: sorted(folder.name for folder in split.iterdir() if folder.is_dir())
        for split in out.iterdir()
        if split.is_dir()
    }


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_order_of_the_folders_is_that_of_the_labels(tmp_path, dataset, plan):
    """Every split has a folder for each class, and sorting their names sorts their numbers."""
    count, classes, labels = DATASETS[dataset]
    built = build_named(tmp_path, [f"S{n}" for n in range(count)], classes, labels)
    out = export(built, "png", tmp_path / "png", split=plan).out
    digits = 3 if len(classes) > 100 else 2
    expected = [f"{label:0{digits}d} {name}" for label, name in enumerate(classes)]
    splits = folders_by_split(out)
    assert len(splits) > 1
    assert all(folders == expected for folders in splits.values())
    assert verify(out).problems == []
    arrays = load(out)
    assert arrays.classes == classes
    by_source = {f"S{row}": label for row, label in enumerate(labels)}
    assert dict(zip(arrays.sources, arrays.labels.tolist(), strict=True)) == by_source


def test_folders_without_images_survive_archives_and_git(tmp_path):
    """A placeholder that is no image keeps them in a tar file and in a commit."""
    built = build_named(tmp_path, ["A", "B", "C", "D"], ("x", "y"), [0, 0, 0, 1])
    done = export(built, "png", tmp_path / "png", split="k-fold:folds=2,reach=0", archive=True)
    empty = {path.parent for path in done.out.rglob(".gitkeep")}
    folders = {folder for split in done.out.glob("fold-*") for folder in split.iterdir()}
    assert len(folders) == 4
    assert empty == {folder for folder in folders if not list(folder.glob("*.png"))} != set()
    (tmp_path / "other").mkdir()
    with tarfile.open(done.archive) as archive:
        archive.extractall(tmp_path / "other", filter="data")
    assert folders_by_split(tmp_path / "other") == folders_by_split(done.out)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=done.out, check=True)
    subprocess.run([*git, "clone", "-q", done.out, tmp_path / "clone"], check=True)
    cloned = {k: v for k, v in folders_by_split(tmp_path / "clone").items() if k != ".git"}
    assert cloned == folders_by_split(tmp_path / "other")
    assert load(tmp_path / "clone").classes == ("x", "y")


def test_only_images_are_read(tmp_path):
    """Hidden files that systems and Git leave behind are no images of the dataset."""
    built = build_named(tmp_path, ["A", "B"], ("x", "y"))
    out = export(built, "png", tmp_path / "png", split="k-fold:folds=2,reach=0").out
    folder = next(out.glob("fold-0/00*"))
    for name in (".DS_Store", "._A.png", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    assert sorted(load(out).sources) == ["A", "B"]
    assert any(re.search(r"\._A\.png: not listed", line) for line in verify(out).problems)
    for path in out.rglob("*.png"):
        path.unlink()
    assert find_png_folders(out) == []


def test_a_folder_of_its_own_without_a_manifest(tmp_path):
    """Folders that are moved away from their manifest are read with the names that they have."""
    built = build_named(tmp_path, ["A", "B C"], ("x", "y"))
    out = export(built, "png", tmp_path / "png", split="stratified:a b=0.5,c=0.5,reach=0").out
    (out / "manifest.parquet").unlink()
    arrays = load(out)
    assert sorted(arrays.sources) == ["A", "B C"]
    assert set(arrays.splits) <= {"a b", "c"}


@pytest.mark.readers
@pytest.mark.parametrize("name", PLAIN_FORMATS)
def test_thousands_of_classes(tmp_path, name):
    """A column with an identifier instead of a class gives as many; every format holds them."""
    classes = tuple(f"class {n}" for n in range(6000))
    built = build_named(tmp_path, ["A", "B", "C"], classes, [0, 1000, 5999])
    out = export(built, name, tmp_path / name).out
    assert verify(out).problems == []
    arrays = load(out)
    assert arrays.classes == classes
    assert dict(zip(arrays.sources, arrays.labels.tolist(), strict=True)) == {
        "A": 0, "B": 1000, "C": 5999,
    }  # fmt: skip


@pytest.mark.readers
@pytest.mark.parametrize("dataset", DATASETS)
def test_torchvision_numbers_classes_as_the_manifest(tmp_path, dataset):
    """``ImageFolder(DIR/SPLIT, allow_empty=True)`` gives the labels and pixels of every split."""
    torchvision = pytest.importorskip("torchvision", reason="needs torchvision")
    count, classes, labels = DATASETS[dataset]
    built = build_named(tmp_path, [f"S{n}" for n in range(count)], classes, labels)
    out = export(built, "png", tmp_path / "png", split=PLANS[1]).out
    pixels = dict(zip(load(built).sources, load(built).images, strict=True))
    seen = {}
    for split in folders_by_split(out):
        folder = torchvision.datasets.ImageFolder(str(out / split), allow_empty=True)
        assert len(folder.classes) == len(classes)
        for path, label in folder.samples:
            source = path.rpartition("/")[2].removesuffix("_F+1.png")
            np.testing.assert_array_equal(np.asarray(Image.open(path)), pixels[source])
            seen[source] = label
    assert seen == {f"S{row}": label for row, label in enumerate(labels)}


@pytest.mark.readers
def test_hugging_face_takes_no_mask_for_an_image(tmp_path, monkeypatch):
    """The card names the files of each split: masks lie in folders that are called like splits."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    write_build(tmp_path / "build")
    out = export(tmp_path / "build", "png", tmp_path / "png").out
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    splits = load(out).splits
    assert {name: len(part) for name, part in loaded.items()} == {
        name: splits.count(name) for name in set(splits)
    }
