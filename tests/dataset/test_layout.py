"""The layout names every file that a build writes, wherever the build is."""

from __future__ import annotations

import ast
from inspect import getmembers
from pathlib import Path

import pytest

import mingolotss
from mingolotss.dataset.layout import (
    BatchFolder,
    BuildFolder,
    ExportFolder,
    batch_name,
)
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.errors import RecipeError
from mingolotss.io.files import locate
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.names import RESERVED_NAMES
from mingolotss.service.remote.workspace import Workspace
from readers_build import make_build


def test_every_file_of_a_build_has_a_name_in_the_layout(tmp_path):
    """The files on disk are exactly those whose paths the classes give."""
    build = BuildFolder(make_build(tmp_path))
    batches = BatchFolder(build.path / "mingo-batches-py")
    images = read_manifest(build.path, ["image_file"])["image_file"].to_pylist()
    parts = range(len(build.parts()))
    names = [batch_name(index, 5) for index in range(6)]
    named = {
        build.manifest, build.candidates, build.csv, build.recipe, build.card, build.croissant,
        build.licence, build.citation, build.zenodo, build.inputs,
            build.checksums, build.batch_archive("mingo-batches-python.tar.gz"),
        *(build.part(index) for index in parts), *(build.part_stamps(index) for index in parts),
        *(build.stamp(name) for name in images if name), *batches.files(names),
    }  # fmt: skip
    assert {path for path in build.path.rglob("*") if path.is_file()} == named
    assert build.batch_folders() == [batches]
    assert [*batches.training_files(), batches.test] == batches.files(names)[:6]
    assert stamp_files(build.path) == stamp_files(build.stamps) == build.all_stamps()


def paths_of(folder):
    """Return the paths that the properties of a folder give."""
    own = folder.path
    return [path for _, path in getmembers(folder) if isinstance(path, Path) and path != own]


def test_a_recipe_cannot_call_its_batches_like_another_file():
    """The names that the recipe model reserves are those of the layout."""
    build = BuildFolder(Path("build"))
    paths = [*paths_of(build), *paths_of(build.workspace)]
    names = {path.relative_to("build").parts[0] for path in paths}
    names = {name for name in names if not name.startswith(".")}  # refused in any case
    assert {name.partition(".")[0] for name in names} == RESERVED_NAMES
    for name in names:
        with pytest.raises(RecipeError, match="is the name of another file of the build"):
            load_recipe("mingolotss").changed({"batches.folder": name})


@pytest.mark.slow
def test_each_name_on_disk_stands_in_one_module():
    """No other module of the package spells the name of a file or joins the name of a folder."""
    folder = Path("x")
    classes = (BuildFolder, ExportFolder, BatchFolder, Workspace)
    names = {path.name for kind in classes for path in paths_of(kind(folder))}
    assert {"manifest.parquet", "README.md", "batches.meta", "stamps", "cutouts"} <= names
    modules = {}
    for module in Path(mingolotss.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            is_join = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            constant = node.right if is_join else node
            name = constant.value if isinstance(constant, ast.Constant) else None
            if isinstance(name, str) and name in names and (is_join or "." in name):
                modules.setdefault(name, set()).add(module.name)
    assert {name: where for name, where in modules.items() if len(where) > 1} == {}


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
    folder = export.class_folders("../x", ["", "", "", "", "a/b"])[4]
    path = folder / export.png_name("/etc/passwd")
    assert path.as_posix() == "out/%2E.%2Fx/04 a%2Fb/%2Fetc%2Fpasswd.png"
