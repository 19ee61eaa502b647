"""Names to plug-ins: from entry points too, nothing imported before it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mingolotss.errors import InputError
from mingolotss.formats import FORMATS
from mingolotss.formats.base import Format
from mingolotss.formats.finding import datasets_at
from mingolotss.formats.places import FINDERS
from mingolotss.recipe.steps import STEPS
from mingolotss.registry import Registry, nearest
from mingolotss.service import SERVICES
from readers_build import make_build


def test_the_nearest_word():
    """A near miss is suggested, nothing where nothing is like it."""
    assert nearest("sgma", ["sigma", "radius"]) == " did you mean 'sigma'?"
    assert nearest("xyzzy", ["sigma"]) == ""
    assert nearest("a", []) == ""
    assert nearest("las", ["RA", "LAS", "lag"]) == " did you mean 'LAS'?"


def test_things_and_addresses_of_things():
    """A target is the thing itself or where it is; an unknown name lists those that exist."""
    registry = Registry("colour", group="mingolotss.none")
    registry.add("red", 7, "warm")
    registry.add("blue", "math:pi")
    assert registry.get("red") == 7
    assert registry.get("blue") == pytest.approx(3.14159, abs=1e-4)
    assert (registry.names(), registry.summary("red")) == (("red", "blue"), "warm")
    with pytest.raises(InputError, match=r"no colour is called 'bleu'.*'blue'.*Known: red, blue"):
        registry.get("bleu")


@pytest.mark.parametrize("registry", [SERVICES, STEPS], ids=["services", "steps"])
def test_everything_shipped_is_there_with_a_line(registry):
    """Each name has one line for people and something behind it."""
    for name in registry.names():
        assert registry.summary(name)
        assert "\n" not in registry.summary(name)
        assert callable(registry.get(name))


def test_every_shipped_format_is_complete():
    """Each name has one line for people, and a format with lines for the dataset card."""
    for name in FORMATS.names():
        assert FORMATS.summary(name).count("\n") == 0 < len(FORMATS.summary(name))
        assert isinstance(FORMATS.get(name), Format)
        assert FORMATS.get(name).examples


def test_the_place_of_each_shipped_format_is_known_without_it():
    """By the function that the format itself has."""
    shipped = [name for name in FORMATS if FORMATS.is_shipped(name)]
    assert {name: FORMATS.get(name).find for name in shipped} == FINDERS


def test_a_format_of_a_program_takes_the_place_of_a_shipped_one(tmp_path, monkeypatch):
    """It is asked where its datasets are; the shipped one is not."""
    monkeypatch.setattr(FORMATS, "_known", dict(FORMATS._known))
    own = replace(FORMATS.get("hdf5"), find=lambda place: [place / "own"])
    FORMATS.add("hdf5", own)
    assert not FORMATS.is_shipped("hdf5")
    (tmp_path / "a.h5").touch()
    assert next(datasets_at(tmp_path)) == (own, tmp_path / "own")


PLUGIN = """
from pathlib import Path

import numpy as np

from mingolotss.dataset.samples import Arrays
from mingolotss.formats.base import Format

class Mine:
    pass

def twice(stack):
    'Double.'
    return stack

def write(records, folder, header):
    texts = {name: records.texts(name) for name in ("source", "image_file", "split")}
    images, labels = records.images(), records.labels
    np.savez(folder / "mine.npz", images=images, labels=labels, classes=records.classes, **texts)

def find(place):
    return list(Path(place).glob("mine.npz"))

def read(path, split):
    with np.load(path) as file:
        texts = [tuple(file[name].tolist()) for name in ("source", "image_file", "split")]
        return Arrays(file["images"], file["labels"], tuple(file["classes"].tolist()), *texts)

NPZ = Format(write, find, read, ('numpy.load("FOLDER/mine.npz")["images"]',))
"""


def install_plugin(folder: Path) -> dict[str, str]:
    """Write a package as an installed one is; return the environment that has it."""
    (folder / "plugin_of_mine.py").write_text(PLUGIN)
    info = folder / "plugin_of_mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mingolotss.services]\nmine = plugin_of_mine:Mine\n"
        "[mingolotss.steps]\ntwice = plugin_of_mine:twice\n"
        "[mingolotss.formats]\nnpz = plugin_of_mine:NPZ\n"
    )
    return os.environ | {"PYTHONPATH": ":".join([str(folder), *sys.path])}


@pytest.mark.slow
def test_an_installed_package_adds_its_own(tmp_path: Path):
    """A service and a step come in through entry points, and are imported on first use."""
    environment = install_plugin(tmp_path)
    code = (
        "import sys\nfrom mingolotss.service import SERVICES\n"
        "from mingolotss.recipe.steps import STEPS\n"
        "assert 'mine' in SERVICES.names() and 'twice' in STEPS.names()\n"
        "assert 'plugin_of_mine' not in sys.modules\n"
        "print(SERVICES.get('mine').__name__, STEPS.get('twice').__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment,
    )  # fmt: skip
    assert done.stdout.split() == ["Mine", "twice"]


@pytest.mark.slow
def test_an_installed_format_is_written_loaded_and_verified(tmp_path: Path):
    """Export, load, verify and the card take a format of another package from the table."""
    environment = install_plugin(tmp_path)
    built, out = make_build(tmp_path / "sky"), tmp_path / "out"
    code = (
        "import sys\nimport numpy as np\nfrom mingolotss import compare, export, load, verify\n"
        "built, out = sys.argv[1:]\n"
        "assert export(built, 'npz', out).images == len(load(built)) == 59\n"
        "assert compare(built, out).same and verify(out).problems == []\n"
    )
    subprocess.run([sys.executable, "-c", code, built, out], check=True, env=environment)
    assert 'numpy.load("FOLDER/mine.npz")["images"]' in (out / "README.md").read_text()
    command = [sys.executable, "-m", "mingolotss", "export", "--help"]
    shown = subprocess.run(
        command, env=environment | {"COLUMNS": "200"}, check=True, capture_output=True, text=True
    )
    assert "coco, parquet, hats, npz." in " ".join(shown.stdout.split())
