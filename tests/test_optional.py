"""Without the optional libraries every import works; using the thing names what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest

from mingolotss.errors import InputError
from mingolotss.io.optional import MissingLibraryError, import_optional, optional_class

pytestmark = pytest.mark.slow  # together they take long

OPTIONAL = (
    "torch", "torchvision", "keras", "distributed", "dask", "s3fs", "upath", "selenium",
    "starlette", "uvicorn", "contourpy", "photutils", "h5py", "zarr", "radio_beam",
    "pycocotools", "cleanlab", "sklearn", "hats",
)  # fmt: skip

WITHOUT = f"""
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec

def without(name, path=None, target=None):
    return None if name.partition(".")[0] in {OPTIONAL!r} else find_spec(name, path, target)

PathFinder.find_spec = without
"""


def run_without(code: str) -> str:
    """Run code in a process in which no optional library can be imported."""
    command = [sys.executable, "-c", WITHOUT + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_is_there_without_optional_libraries():
    """A star import, help() and inspect work; a dataset class shows its documentation."""
    code = """
import inspect, pydoc
import mingolotss
from mingolotss import *
members = dict(inspect.getmembers(mingolotss))
print(sorted(set(mingolotss.__all__) - set(members)))
print("MingoLoTSS" in pydoc.render_doc(mingolotss))
print(MingoLoTSS.__doc__.splitlines()[0])
print(MingoLoTSS.base_folder, "root" in inspect.signature(MingoLoTSS.__init__).parameters)
print(issubclass(MLFR, MingoLoTSS))
"""
    assert run_without(code).splitlines() == [
        "[]",
        "True",
        "Radio galaxies of Mingo et al. 2019 (MNRAS 488, 2701), or any dataset made by mingolotss.",
        "mingo-batches-py True",
        "True",
    ]


def test_every_module_can_be_imported_without_optional_libraries():
    """The modules for PyTorch, Keras, HDF5, Zarr, Selenium, Dask and Starlette too."""
    code = """
import pkgutil
from importlib import import_module
import mingolotss
for module in pkgutil.walk_packages(mingolotss.__path__, "mingolotss."):
    if module.name != "mingolotss.__main__":
        import_module(module.name)
        print(module.name)
"""
    assert len(run_without(code).splitlines()) > 100


def test_a_browser_is_needed_only_when_its_service_is_opened():
    """The line names the library and the command."""
    code = """
from mingolotss.errors import InputError
from mingolotss.service.base import open_service
try:
    open_service("lotss-dr1-form")
except InputError as error:
    print(error)
"""
    expected = (
        "open the service lotss-dr1-form: this needs selenium; pip install 'mingolotss[browser]'"
    )
    assert run_without(code) == expected + "\n"


def test_a_common_beam_needs_radio_beam():
    """The line comes when a build is planned; a recipe without a common beam needs nothing."""
    code = """
from mingolotss.errors import InputError
from mingolotss.pipeline.planned_beams import BeamImages, plan_common_beam
from mingolotss.recipe.beam_settings import BeamSettings
plan_common_beam(BeamSettings(), [])
try:
    nine = BeamSettings(common="9 arcsec")
    plan_common_beam(nine, [BeamImages(None, None, None, nine)])
except InputError as error:
    print(error)
"""
    expected = (
        "convolve images to a common beam: this needs radio_beam; pip install 'mingolotss[beams]'"
    )
    assert run_without(code) == expected + "\n"


def test_coco_needs_pycocotools():
    """The line comes before anything is written; reading an export needs nothing."""
    code = """
from pathlib import Path
from mask_builds import draw_images, draw_masks, make_records
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.formats.coco import write_coco
masks = draw_masks(3)
header = ExportHeader("n", "T", "l", "c", "f", "a", "p", "coco", BatchLayout())
try:
    write_coco(make_records(draw_images(masks), masks), Path("nowhere"), header)
except InputError as error:
    print(error, Path("nowhere").exists())
"""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})" + code
    expected = "write nowhere: this needs pycocotools; pip install 'mingolotss[coco]' False"
    assert run_without(code) == expected + "\n"


@pytest.mark.parametrize(
    ("library", "use", "name"),
    [
        ("torch", "MingoLoTSS('demo')", "MingoLoTSS"),
        ("torch", "MLFR('demo', train=False)", "MLFR"),
        ("keras", "MingoSequence('demo')", "MingoSequence"),
    ],
)
def test_use_without_the_library_is_one_line(library, use, name):
    """The line names the library and the command; it is an ImportError and an InputError."""
    code = f"""
from mingolotss.errors import InputError
from mingolotss.loaders.{library} import *
for kind in (InputError, ImportError):
    try:
        {use}
    except kind as error:
        print(error)
"""
    message = f"use {name}: this needs {library}; pip install 'mingolotss[{library}]'"
    assert run_without(code).splitlines() == [message] * 2


def test_classes_of_published_datasets_without_torch():
    """They have their attributes, and the line names the class that is used."""
    code = """
from mingolotss import FRDEEPF, MBFRFull
from mingolotss.errors import InputError
for kind in (MBFRFull, FRDEEPF):
    try:
        kind(kind.base_folder)
    except InputError as error:
        print(kind.base_folder, error)
"""
    line = "{} use {}: this needs torch; pip install 'mingolotss[torch]'"
    expected = [line.format("F_batches", "MBFRFull"), line.format("FIRST", "FRDEEPF")]
    assert run_without(code).splitlines() == expected


def test_a_broken_library_is_told_from_an_absent_one(tmp_path, monkeypatch):
    """The reason is in the line: keras without a backend, torch without its libraries."""
    (tmp_path / "broken_library.py").write_text("raise ImportError('libx.so.1: not found\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    reason = (
        r"write x: this needs broken_library, which cannot be imported \(libx.so.1: not found\)"
    )
    with pytest.raises(MissingLibraryError, match=f"^{reason}; pip install broken_library$"):
        import_optional("broken_library", "write x")
    base = optional_class("broken_library", "Dataset", extra="torch")
    with pytest.raises(
        MissingLibraryError, match=r"libx.so.1.*; pip install 'mingolotss\[torch\]'$"
    ):
        type("Images", (base,), {})("demo")


KERAS = """
import os
if os.environ["KERAS_BACKEND"] == "nonsense":
    raise ValueError("Unable to import backend : nonsense")
import the_missing_backend
"""


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ("jax", "No module named 'the_missing_backend'"),
        ("nonsense", "Unable to import backend : nonsense"),
    ],
)
def test_keras_without_its_backend_says_what_it_needs(tmp_path, backend, reason):
    """``mingolotss[keras]`` installs no backend: the line names what is missing, and the choice."""
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras/__init__.py").write_text(KERAS)
    code = """
import mingolotss
try:
    mingolotss.MingoSequence("demo")
except mingolotss.MingoError as error:
    print(error)
"""
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True,
        env=os.environ | {"PYTHONPATH": path, "KERAS_BACKEND": backend},
    )  # fmt: skip
    assert done.stdout == (
        f"use MingoSequence: this needs keras, which cannot be imported ({reason}); it needs a "
        "backend: install torch, jax or tensorflow, and set the environment variable "
        "KERAS_BACKEND to its name\n"
    )


def test_an_installed_library_is_used_as_it_is():
    """The class itself is returned, not a copy or a wrapper."""
    assert optional_class("collections", "OrderedDict", extra="x") is OrderedDict
    assert import_optional("json", "x") is sys.modules["json"]
    assert issubclass(MissingLibraryError, InputError)
