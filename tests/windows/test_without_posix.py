"""Loading, checking, exporting and building where Python lacks what Windows lacks.

The processes begin with `without_posix.apply`: no fork, no modules and signals of POSIX,
no way to replace or remove a file that is open or mapped, and no compiled kernel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mingolotss
from readers_build import write_sky

HERE, SOURCES = Path(__file__).parent, Path(mingolotss.__file__).parents[1]
START = "import without_posix; without_posix.apply()"


def python(folder: Path, *arguments: object, windows: bool) -> str:
    """Run Python in a folder, with or without what only POSIX has; return what it prints."""
    (folder / "start").mkdir(exist_ok=True)
    (folder / "start" / "sitecustomize.py").write_text(START, encoding="utf-8")
    places = [*([folder / "start", HERE] if windows else []), SOURCES]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True,
        timeout=300, encoding="utf-8", check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def command(folder: Path, *arguments: object, windows: bool) -> str:
    return python(folder, "-m", "mingolotss", *arguments, windows=windows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder with images, their catalogue, and a build of them on this system."""
    folder = tmp_path_factory.mktemp("windows")
    write_sky(folder, 24)
    build(folder, "here", windows=False)
    return folder


def build(folder, out, *, windows):
    command(
        folder, "build", "mingolotss", "--catalogue", "catalogue.csv", "--service", "folder:fits",
        "--out", out, "--formats", "png,csv,batches,parquet", "--max-rejected", 2, "-j", 2,
        windows=windows,
    )  # fmt: skip


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a dataset but the inputs, which have their own paths."""
    lines = (folder / "checksums.sha256").read_text("utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def test_the_processes_lack_what_windows_lacks(tmp_path):
    """The other tests would prove nothing if they did not."""
    code = """
import mmap, multiprocessing, os, pathlib, signal
assert not hasattr(os, "fork") and not hasattr(os, "pread")
assert not hasattr(signal, "SIGKILL") and not hasattr(mmap, "MAP_SHARED")
for name in ("fcntl", "resource", "termios", "pwd"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        print("no", name)
try:
    from multiprocessing.context import ForkServerContext
except ImportError:
    print("no server")
path = pathlib.Path("file")
path.write_bytes(b"data")
with path.open("rb") as stream:
    view = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
for change in (path.unlink, lambda: pathlib.Path("other").write_bytes(b"") or
               pathlib.Path("other").replace(path)):
    try:
        change()
    except PermissionError:
        print("in use")
view.close()
path.unlink()
"""
    printed = python(tmp_path, "-c", code, windows=True).split("\n")
    nothing = ["no fcntl", "no resource", "no termios", "no pwd", "no server"]
    assert printed == [*nothing, "in use", "in use", ""]


def test_datasets_load(folder):
    """The arrays are those that are loaded here, to the bit."""
    code = """
import hashlib, mingolotss
for place in ("here", "here/mingo-batches-py", "here/png"):
    data = mingolotss.load(place)
    print(place, data.images.shape, data.classes, data.sources, data.labels.tolist(),
          hashlib.sha256(data.images.tobytes()).hexdigest())
""".replace(', "here/png"', "")
    printed = python(folder, "-c", code, windows=True)
    assert printed == python(folder, "-c", code, windows=False)
    assert printed.count("150, 150") == 2


@pytest.mark.slow  # ten processes, each of which imports all that it needs
def test_a_build_has_the_same_bytes(folder):
    """It runs in spawned workers, from the command line; resuming finds it finished."""
    build(folder, "there", windows=True)
    assert checksums(folder / "there") == checksums(folder / "here")
    build(folder, "there", windows=True)
    build(folder, "there/again", windows=True)
    for arguments in (["verify", "there"], ["compare", "there", "here"]):
        command(folder, *arguments, windows=True)
    shown = command(folder, "status", "there", windows=True)
    assert shown == command(folder, "status", "there", windows=False)
    assert "finished" in shown


@pytest.mark.slow  # as above
@pytest.mark.parametrize("name", ["png", "webdataset", "fits"])
def test_an_export_has_the_same_bytes(folder, name):
    for system in (False, True):
        out = f"{name}-{system}"
        command(folder, "export", "here", "--format", name, "--out", out, windows=system)
    same = checksums(folder / f"{name}-True")
    assert same == checksums(folder / f"{name}-False")
    command(folder, "verify", f"{name}-True", windows=True)
    assert all("\\" not in path for path in same)


@pytest.mark.slow  # it simulates a sky
def test_the_demo_is_made_and_loads(folder):
    command(folder, "demo", "--out", "demo", "--sources", 12, windows=True)
    code = "import mingolotss; print(len(mingolotss.load('demo')))"
    assert int(python(folder, "-c", code, windows=True)) > 0
