"""`verify --published`: files by MD5, images by the SHA-256 of the published list."""

from __future__ import annotations

import shutil
import tarfile
import tempfile

import numpy as np
import pytest

import mingolotss
from builds import run
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.pickle_protocol3 import Protocol3Pickler
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.publish.export import export
from mingolotss.qa.verify_published import verify_published
from mingolotss.recipe.load import load_recipe

ARCHIVES = {
    "frdeep-first": "frdeep/FIRST.tar.gz",
    "mirabest": "mirabest/MiraBest_F_batches.tar.gz",
}


@pytest.fixture(scope="module")
def published(shared, tmp_path_factory):
    """Return the folders of the published batches, by recipe."""
    folders = {}
    for name, archive in ARCHIVES.items():
        folder = tmp_path_factory.mktemp(name)
        with tarfile.open(shared / "data" / archive) as tar:
            tar.extractall(folder, filter="data")
        folders[name] = folder
    return folders


@pytest.mark.parametrize("name", ARCHIVES)
def test_published_archives_are_the_published_ones(shared, published, name):
    """All files and all 658 and 1,256 images, in a folder and in the archive."""
    for place in (published[name], shared / "data" / ARCHIVES[name]):
        result = verify_published(place)
        assert result.good
        assert result.recipe == name
        assert result.files == result.equal_files == {"frdeep-first": 3, "mirabest": 9}[name]
        assert result.images == result.equal_images == {"frdeep-first": 658, "mirabest": 1256}[name]


def changed(path, change):
    """Write a batch again after `change` of its content."""
    content = load_pickle(path)
    change(content)
    with path.open("wb") as stream:
        Protocol3Pickler(stream).dump(content)


def swap(content):
    for key in ("labels", "data", "filenames"):
        values = content[key]
        values[0], values[5] = values[5], values[0]


def brighten(content):
    content["data"][3] = content["data"][3] | np.uint8(1)


def leave_out(content):
    for key in ("labels", "data", "filenames"):
        del content[key][:2]


def repeat(content):
    for key in ("labels", "data", "filenames"):
        content[key].append(content[key][0])


def relabel(content):
    content["labels"][7] = 1 - content["labels"][7]


def rename(content):
    content["batch_label"] = "test"


CHANGES = {
    swap: ("its images have another order", {}),
    brighten: ("1 of 198 images with other pixels ('WB 1504+1618_II')", {"different": 1}),
    leave_out: (
        "2 of 198 images absent ('SDSS J082603.81+471910.3_I', 'SDSS J170543.99+583001.2_I')",
        {"absent": 2},
    ),
    repeat: ("1 extra ('SDSS J082603.81+471910.3_I')", {"extra": 1}),
    relabel: ("1 of 198 images with another label ('TXS 1508+205_II')", {"relabelled": 1}),
    rename: ("its bytes are not the published ones; its images and labels are", {}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_batch_is_named(published, tmp_path, change):
    """What differs in a file, how many images, and the first names."""
    folder = tmp_path / "FIRST"
    shutil.copytree(published["frdeep-first"], folder)
    changed(folder / "test_batch", change)
    result = verify_published(folder)
    line, counts = CHANGES[change]
    assert result.differences == (f"test_batch: {line}",)
    assert (result.files, result.equal_files) == (3, 2)
    kinds = ("different", "absent", "extra", "relabelled")
    assert {kind: getattr(result, kind) for kind in kinds} == dict.fromkeys(kinds, 0) | counts
    assert result.equal_images == 658 - result.different - result.absent


@pytest.mark.slow
def test_absent_damaged_and_extra_files_are_named(published, tmp_path):
    """A file that is gone, cut short, or too much."""
    folder = tmp_path / "F_batches"
    shutil.copytree(published["mirabest"] / "F_batches", folder)
    (folder / "data_batch_4").unlink()
    (folder / "test_batch").write_bytes((folder / "test_batch").read_bytes()[:5000])
    shutil.copyfile(folder / "data_batch_1", folder / "data_batch_8")
    (folder / "batches.meta").write_bytes((folder / "batches.meta").read_bytes() + b" ")
    done = run("verify", folder, "--published")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "data_batch_4: it is absent, with 157 images"
    assert lines[1].startswith("test_batch: not a complete pickle")
    assert lines[2:] == [
        "batches.meta: its bytes are not the published ones",
        "data_batch_8: no file of this name is published",
        "6 of 9 files are the published ones, byte for byte",
        "942 of 1256 images are the published ones, pixel for pixel; 314 absent, 157 extra",
    ]


@pytest.mark.slow
def test_command_says_what_is_proven(shared):
    done = run("verify", shared / "data" / ARCHIVES["frdeep-first"], "--published")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "3 of 3 files are the published ones, byte for byte",
        "658 of 658 images are the published ones, pixel for pixel",
    ]


@pytest.mark.slow
def test_recipe_is_recognised_or_asked_for(published, tmp_path):
    """By the checksums of a file, else by class names, else by images; or it is an error."""
    folder = tmp_path / "mine"
    shutil.copytree(published["mirabest"] / "F_batches", folder)
    for path in folder.glob("*_batch*"):
        path.write_bytes(path.read_bytes() + b" ")
    assert verify_published(folder).recipe == "mirabest"
    # FR-DEEP from FIRST and from NVSS have the same classes: its images tell.
    shutil.rmtree(folder)
    shutil.copytree(published["frdeep-first"], folder)
    for path in folder.glob("*_batch*"):
        path.write_bytes(path.read_bytes() + b" ")
    assert verify_published(folder).recipe == "frdeep-first"
    for path in folder.glob("*_batch*"):
        path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(InputError, match="give --recipe NAME, one of frdeep-first, frdeep-nvss"):
        verify_published(folder)
    # The batches of FIRST have the names and labels of those of NVSS, but not the pixels.
    result = verify_published(published["frdeep-first"], "frdeep-nvss")
    assert [line.partition(": ")[2] for line in result.differences] == [
        "its bytes are not the published ones; its names and labels are"
    ] * 2
    assert (result.files, result.equal_files, result.images) == (2, 0, 0)
    assert (
        result.summary[1] == "of the published images, only the checksums of their files are known"
    )


@pytest.mark.slow
def test_a_recipe_without_checksums_is_one_line(shared):
    """Exit code 2, and the recipes that have some."""
    done = run("verify", shared / "data" / ARCHIVES["mirabest"], "--published", "--recipe", "lotss")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "the recipe lotss has no checksums of a published dataset" in line
    assert "frdeep-first, frdeep-nvss, mingolotss, mirabest" in line
    done = run("verify", shared, "--recipe", "mirabest")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--recipe goes with --published" in done.stderr


def test_the_seven_checksums_of_mingolotss(shared, published):
    """They are the ones of the published archive; no image of it is known."""
    recipe = load_recipe("mingolotss")
    assert len(recipe.published.files) == 7
    result = verify_published(published["frdeep-first"], "mingolotss")
    assert (result.files, result.equal_files, result.images, result.good) == (7, 0, 0, False)


def test_a_folder_without_a_dataset_is_one_line(tmp_path):
    with pytest.raises(DatasetError, match="there is no dataset in it"):
        verify_published(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(DatasetError, match="neither a folder nor a tar archive"):
        verify_published(tmp_path / "a.txt")


def without_names(content):
    del content["filenames"]


@pytest.mark.slow
def test_images_in_other_batches_are_not_absent(published, tmp_path):
    """In batches of other names, in another published batch, and beside an equal file."""
    folder = tmp_path / "FIRST"
    shutil.copytree(published["frdeep-first"], folder)
    (folder / "test_batch").rename(folder / "fold-0_batch")
    result = verify_published(folder)
    assert result.differences == (
        "test_batch: it is absent, with 198 images, of which 198 are in another batch",
        "fold-0_batch: no file of this name is published",
    )
    assert (result.files, result.equal_files) == (3, 2)
    assert result.summary[1] == "658 of 658 images are the published ones, pixel for pixel"
    (folder / "fold-0_batch").rename(folder / "test_batch")
    # The first two images of the test batch become training images; one of them is changed.
    moved = {key: value[:2] for key, value in load_pickle(folder / "test_batch").items()}
    moved["data"][0] = moved["data"][0] | np.uint8(1)
    changed(folder / "test_batch", leave_out)
    names = "'SDSS J082603.81+471910.3_I', 'SDSS J170543.99+583001.2_I'"
    equal = verify_published(folder)
    assert equal.differences == (f"test_batch: 2 of 198 images absent ({names})",)
    changed(
        folder / "train_batch",
        lambda content: [
            content[key].extend(moved[key]) for key in ("labels", "data", "filenames")
        ],
    )
    result = verify_published(folder)
    assert result.differences == (
        f"train_batch: 2 published in another batch ({names})",
        f"test_batch: 2 of 198 images in another batch ({names})",
    )
    assert (result.equal_images, result.different, result.absent, result.extra) == (657, 1, 0, 0)
    # The same images a second time are extra, in a file of whatever name.
    shutil.copyfile(folder / "test_batch", folder / "val_batch")
    result = verify_published(folder)
    assert (result.equal_images, result.absent, result.extra) == (657, 0, 196)


@pytest.mark.slow
def test_an_export_in_folds_has_the_images_of_its_build(shared, tmp_path):
    """As many as an export of the same folds in Parquet has."""
    fits = shared / "data" / "frdeep" / "fits"
    run("build", "frdeep-first", "--service", f"folder:{fits}", "--out", tmp_path / "b")
    counts = {}
    for kind in ("batches", "parquet"):
        export(tmp_path / "b", kind, tmp_path / kind, split="k-fold:folds=3,seed=1")
        result = verify_published(tmp_path / kind)
        counts[kind] = (result.equal_images, result.absent, result.extra)
    assert counts["batches"] == counts["parquet"]
    assert counts["batches"] == (47, 611, 0)


def test_a_batch_without_names_is_said(published, tmp_path):
    """Its images are neither absent nor extra."""
    folder = tmp_path / "FIRST"
    shutil.copytree(published["frdeep-first"], folder)
    changed(folder / "test_batch", without_names)
    result = verify_published(folder)
    assert result.differences == ("test_batch: its images have no names",)
    assert (result.equal_images, result.absent, result.extra, result.unnamed) == (460, 0, 0, 198)
    assert result.summary[1] == (
        "460 of 658 images are the published ones, pixel for pixel; 198 without a name"
    )
    (folder / "train_batch").unlink()
    assert verify_published(folder).absent == 460


def test_a_wrong_label_is_said_as_it_is(published, tmp_path):
    """And so is a damaged list of class names, in the lines of the batches that need it."""
    folder = tmp_path / "FIRST"
    shutil.copytree(published["frdeep-first"], folder)
    changed(folder / "test_batch", lambda content: content["labels"].__setitem__(0, 99))
    [line] = verify_published(folder).differences
    assert line.startswith("test_batch: labels from 0 to 99 for 2 class names; ")
    (folder / "batches.meta").write_bytes(b"no pickle")
    lines = verify_published(folder).differences
    assert [line[:50] for line in lines if line.startswith("test_batch: ")] == [
        "test_batch: read batches.meta: not a complete pickle"[:50]
    ]


def archive_of(folder, path):
    with tarfile.open(path, "w") as tar:
        tar.add(folder, ".")
    return path


def test_errors_in_an_archive_name_the_archive(published, tmp_path):
    """Not the temporary folder, which is gone."""
    folder = tmp_path / "both"
    shutil.copytree(published["frdeep-first"], folder / "FIRST")
    shutil.copytree(published["mirabest"], folder, dirs_exist_ok=True)
    archive = archive_of(folder, tmp_path / "both.tar")
    with pytest.raises(DatasetError) as caught:
        verify_published(archive)
    assert str(caught.value) == (
        f"verify {archive} --published: it contains several datasets, FIRST, F_batches; extract it "
        "and give the folder of one"
    )
    shutil.rmtree(folder / "F_batches")
    for path in (folder / "FIRST").iterdir():
        path.write_bytes(path.read_bytes()[:3000] if path.name != "batches.meta" else b"no pickle")
    archive = archive_of(folder, tmp_path / "damaged.tar")
    with pytest.raises(DatasetError) as caught:
        verify_published(archive)
    start = f"verify {archive} --published: read FIRST/batches.meta: not a complete pickle"
    assert str(caught.value).startswith(start)
    assert tempfile.gettempdir() not in str(caught.value).removeprefix(start)


def test_it_is_a_public_function():
    assert mingolotss.verify_published is verify_published
