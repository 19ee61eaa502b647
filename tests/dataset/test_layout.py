"""The layout names every file that a build writes, wherever the build is."""

from __future__ import annotations

from inspect import getmembers
from pathlib import Path

import pytest

from mingolotss.dataset.layout import BatchFolder, BuildFolder, ExportFolder, stamp_files
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import RecipeError
from mingolotss.io.files import locate
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import RESERVED_NAMES
from readers_build import make_build


def test_every_file_of_a_build_has_a_name_in_the_layout(tmp_path):
    """The files on disk are exactly those whose paths the classes give."""
    build = BuildFolder(make_build(tmp_path))
    batches = BatchFolder(build.path / "mingo-batches-py")
    images = read_manifest(build.path, ["image_file"])["image_file"].to_pylist()
    parts = range(len(build.parts()))
    named = {
        build.manifest, build.candidates, build.csv, build.recipe, build.card, build.croissant,
        build.checksums, build.batch_archive("mingo-batches-python.tar.gz"),
        *(build.part(index) for index in parts), *(build.part_stamps(index) for index in parts),
        *(build.stamp(name) for name in images if name), *batches.files(train=5),
    }  # fmt: skip
    assert {path for path in build.path.rglob("*") if path.is_file()} == named
    assert build.batch_folders() == [batches]
    assert [*batches.training_files(), batches.test] == batches.files(train=5)[:6]
    assert stamp_files(build.path) == stamp_files(build.stamps) == build.all_stamps()


def test_a_recipe_cannot_call_its_batches_like_another_file():
    """The names that the recipe model reserves are those of the layout."""
    build = BuildFolder(Path("build"))
    paths = [
        *(value for _, value in getmembers(build)),
        *(v for _, v in getmembers(build.workspace)),
    ]
    names = {path.relative_to("build").parts[0] for path in paths if isinstance(path, Path)
             if path != build.path}  # fmt: skip
    assert {name.partition(".")[0] for name in names} == RESERVED_NAMES
    for name in names:
        with pytest.raises(RecipeError, match="is what the build calls something else"):
            load_recipe("mingolotss").changed({"batches.folder": name})


def test_files_at_an_address():
    """In an object store the names are the same."""
    build = BuildFolder(locate("memory://layout/build"))
    assert str(build.part(2)) == "memory://layout/build/ledger/part-00002.parquet"
    build.stamps.mkdir(parents=True)
    build.part_stamps(1).write_bytes(b"")
    build.part_stamps(0).write_bytes(b"")
    assert stamp_files(build.path) == [build.part_stamps(0), build.part_stamps(1)]
    assert build.name_of(build.part_stamps(0)) == "stamps/part-00000.parquet"


def test_files_of_an_export():
    """Names from outside stay inside the folder of the export."""
    export = ExportFolder(Path("out"))
    assert export.archive == Path("out.tar.gz")
    path = export.image("../x", 4, "a/b", "/etc/passwd")
    assert path.as_posix() == "out/..%2Fx/04 a%2Fb/%2Fetc%2Fpasswd"
