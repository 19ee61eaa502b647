"""What short commands, builds and `load` import: only what they use.

Times depend on the machine. Which libraries are imported does not, and they are most of the time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

import mingolotss
from imported_modules import imported_modules
from readers_build import write_sky

OF_OTHER_COMMANDS = {
    "PIL", "cleanlab", "contourpy", "dask", "distributed", "fsspec", "h11", "hats", "jinja2",
    "keras", "matplotlib", "photutils", "pycocotools", "pyvo", "radio_beam", "scipy", "selenium",
    "sklearn", "starlette", "torch", "upath", "urllib3", "uvicorn", "zarr",
}  # fmt: skip
"""Libraries of other commands, and of images elsewhere."""
OF_OTHER_STAGES = {
    "mingolotss.catalogue.columns", "mingolotss.dataset.splits.assign", "mingolotss.sky.celestial",
}  # fmt: skip
"""Reading catalogues, choosing splits, and world coordinates."""
ASTROPY = {"astropy.units", "astropy.coordinates", "astropy.io", "astropy.table", "astropy.time"}
"""All of astropy but wcslib, and what it imports itself."""
_UNUSED = OF_OTHER_COMMANDS | ASTROPY | {"astropy.wcs", "astropy_healpix.core", "rich.console"}
LARGE = _UNUSED - imported_modules("import typer")  # early versions of typer import rich

_COMMAND = "import mingolotss.cli\nmingolotss.cli.main()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder with images, their catalogue as Parquet, and a build of it."""
    folder = tmp_path_factory.mktemp("start-up")
    catalogue, _ = write_sky(folder, 20)
    table = pyarrow.csv.read_csv(catalogue)
    pyarrow.parquet.write_table(table, folder / "catalogue.parquet")
    assert build(folder, "demo")
    return folder


def build(folder, out, *workers, formats="batches,parquet"):
    return imported_modules(
        _COMMAND, "build", "lotss", "--catalogue", "catalogue.parquet", "--service", "folder:fits",
        "--out", out, "--formats", formats, "--max-rejected", 1,
        *(workers or ("--threads", "-j", 1)), cwd=folder,
    )  # fmt: skip


def test_a_build_imports_what_its_formats_and_images_need(folder):
    """Neither astropy beside wcslib, nor the libraries of other formats and services."""
    assert build(folder, "again") & LARGE == set()


def test_the_caller_of_worker_processes_imports_no_pandas(folder):
    """It plans and assembles; only the workers convert values that pyarrow asks pandas about."""
    modules = build(folder, "by-processes", "-j", 2, formats="png,batches,csv,parquet")
    assert modules & (LARGE | {"pandas"}) == set()


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (["status", "demo"], {"pandas", "yaml", "mingolotss.image.compiled"} | OF_OTHER_STAGES),
        (["verify", "demo"], {"yaml"}),
        (["recipes"], {"pandas", "yaml", "numpy", "pyarrow", "mingolotss.recipe.model"}),
        (["--version"], {"pandas", "yaml", "pyarrow", "numpy", "pydantic"}),
        (["--help"], {"pandas", "yaml", "pydantic", "pyarrow", "numpy", "importlib.metadata"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_short_command_imports_little(folder, command, absent):
    assert imported_modules(_COMMAND, *command, cwd=folder) & (LARGE | absent) == set()


def test_status_imports_of_arrow_and_numpy_what_reads_a_table(folder):
    """Neither the documentation of all functions of Arrow, nor numpy's masked arrays."""
    libraries = "numpy, pyarrow.parquet, pyarrow._compute, typer"
    of_libraries = imported_modules(f"import {libraries}")
    modules = imported_modules(_COMMAND, "status", "demo", cwd=folder)
    absent = {"pyarrow.compute", "pyarrow.dataset", "numpy.ma", "concurrent.futures.thread", "html"}
    assert modules & (absent - of_libraries) == set()


def test_a_command_looks_for_no_plug_ins_of_pydantic(folder):
    """That would read a file of each installed package."""
    code = f"import importlib.metadata as m\nm.entry_points = None\n{_COMMAND}"
    assert "pydantic" in imported_modules(code, "status", "demo", cwd=folder)


@pytest.mark.parametrize("place", ["demo", "demo/mingo-batches-py"])
def test_loading_batches_imports_little(folder, place):
    """Neither recipes, which need pydantic, nor tables, which need pyarrow."""
    code = f"import mingolotss; mingolotss.load({place!r}).images[0]"
    absent = LARGE | {"pandas", "pyarrow", "yaml", "typer", "pydantic", "importlib.metadata"}
    assert imported_modules(code, cwd=folder) & absent == set()


FORMATS = ("fits", "hats", "parquet", "webdataset", "zarr")
MODULES = {name: f"mingolotss.formats.{name}" for name in (*FORMATS, "coco", "hdf5", "png_folders")}
"""Of each format but that of batches, which `load` always imports."""


@pytest.mark.parametrize("name", FORMATS)
def test_loading_imports_no_other_format(name, folder):
    """Nor the libraries that read recipes and tables of other programs."""
    out = folder / f"as-{name}"
    mingolotss.export(folder / "demo", name, out)
    code = f"import mingolotss; mingolotss.load({out.name!r})[0]"
    others = {module for other, module in MODULES.items() if other != name}
    others |= {"pandas", "pydantic", "astropy", "yaml", "typer"}
    assert imported_modules(code, cwd=folder) & (LARGE | others) == set()


def test_loading_a_build_of_parquet_imports_no_recipe(folder):
    """Its classes stand in its recipe, which is read as a table."""
    assert build(folder, "tables", formats="parquet")
    modules = imported_modules("import mingolotss; mingolotss.load('tables')[0]", cwd=folder)
    assert modules & (LARGE | {"pandas", "pydantic"}) == set()


_TRAINING = """
import sys, mingolotss

def note(image):
    import numpy
    return numpy.array(image)

class Noted(mingolotss.MingoLoTSS):
    def __getitem__(self, index):
        print("WORKER", *sys.modules, file=sys.stderr)
        return super().__getitem__(index)

    __getitems__ = None

if __name__ == "__main__":
    from torch.utils.data import DataLoader
    dataset = mingolotss.MingoLoTSS("demo")
    dataset[0], dataset.__getitems__([0, 1])
    noted = Noted("demo", transform=note)
    workers = DataLoader(noted, 4, num_workers=1, multiprocessing_context="spawn")
    assert len(next(iter(workers))[0]) == 4
    next(iter(dataset.to("cpu", batch_size=4)))
    print("IMPORTED", *sys.modules, file=sys.stderr)
"""


@pytest.mark.slow  # PyTorch is imported in two new processes
def test_training_imports_neither_astropy_nor_what_draws(folder):
    """Items, batches, a data loader with a worker of its own, and batches on a device."""
    pytest.importorskip("torch")
    script = folder / "training.py"
    script.write_text(_TRAINING, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], check=True, capture_output=True, text=True, timeout=120,
        cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(mingolotss.__file__).parents[1])},
    )  # fmt: skip
    lines = [line.split() for line in done.stderr.splitlines()]
    own = {name for line in lines if line[:1] == ["IMPORTED"] for name in line}
    of_worker = {name for line in lines if line[:1] == ["WORKER"] for name in line}
    absent = (LARGE | {"pandas", "astropy", "typer"}) - {"torch", "PIL"}
    assert {"mingolotss.loaders.torch", "torch"} <= own & of_worker
    assert own & absent == set()
    assert of_worker & absent == set()


def test_a_worker_process_imports_no_command_line(folder):
    """It imports the script of its caller, which imports the command line and runs no command."""
    code = "import mingolotss.__main__"
    assert imported_modules(code, cwd=folder) & {"typer", "numpy", "pydantic"} == set()
