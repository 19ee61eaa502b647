"""The project's own shape: an import goes up the table of layers, or left in its own row."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "mingolotss"

ROWS = (
    # 0 words
    """errors registry model""",
    # 1 maths
    """sky healpix wcs pixels columns boxes windows kernel cleanmap noise overlap""",
    # 2 outside world
    """files labels libraries pngs fitsfile catalogue
    transport.patience transport.hosts transport.judges transport.redirects transport.client
    transport offers services services.wanted services.base services.answers services.votables
    services.products services.browser services.remote services.mosaicfile services.mosaics
    services.folder services.simulated services.archived services.fetched services.downloads
    services.sia services.sia2 services.ranges services.urls services.form""",
    # 3 decisions
    """decisions recipes stamp recipe selection splits""",
    # 4 on disk
    """manifest settings records writers writers.png writers.table writers.batches writers.archive
    writers.batched writers.folders writers.hdf5 writers.huggingface writers.webdataset
    writers.zarr""",
    # 5 back in
    """readers readers.mapped readers.pickles readers.buffers readers.collate readers.stack
    readers.wanted readers.samples readers.lazy readers.unpack readers.batches readers.containers
    readers.parquet readers.arrays readers.download readers.keras readers.torch""",
    # 6 whole
    """simulate.model simulate.layout simulate.crowd simulate.edges simulate.population
    simulate.spines simulate.texture simulate.place simulate.shapes simulate.classes simulate.draw
    simulate.noise simulate.mosaic simulate.tables simulate.write simulate
    sources workers mappers task chunk measure gather stamps ledger partition facts croissant card
    pack build cluster status exported verify compare export
    report report.montage report.stamps report.contents report.panels report.cutouts
    report.words report.figures report.page demo""",
    # 7 doors
    """testing.services testing review review.guard review.selection review.state
    review.looks review.pages review.app review.server cli __main__""",
)
ROOT = "mingolotss"
PLACE = {name: (row, at) for row, names in enumerate(ROWS) for at, name in enumerate(names.split())}


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Return every module by its name without the package's, "" for the package itself."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imported(source: str, module: str, known: set[str]) -> set[str]:
    """Return the package's modules that a source text imports, wherever in it the import is.

    The package's own ``__version__`` is a word, not an import of everything.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = f"{ROOT}.{module}".split(".")[: -node.level]
                base = ".".join([*parents, *base.split(".")] if base else parents)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner != f"{ROOT}.__version__":
                    found.add(inner if inner.removeprefix(f"{ROOT}.") in known else base)
    inside = {name for name in found if name == ROOT or name.startswith(f"{ROOT}.")}
    return {name.removeprefix(ROOT).removeprefix(".") for name in inside} - {module}


def wrong(module: str, imports: set[str]) -> list[str]:
    """Return what is wrong with the imports of a module, one line each."""
    if module not in PLACE:
        rows = [PLACE[name][0] for name in imports if name in PLACE]
        lowest = max(rows, default=0)
        where = f"row {lowest} or below, to the right of what it imports"
        return [f"{module} is in no row: add it to ROWS in tests/test_layers.py, {where}"]
    found = []
    for name in sorted(imports):
        if name not in PLACE or PLACE[name] > PLACE[module]:
            row = f"row {PLACE[name][0]}" if name in PLACE else "the doors"
            found.append(
                f"{module} (row {PLACE[module][0]}) imports {name or ROOT} ({row}): an import "
                "goes to a row above or to the left"
            )
    return found


@pytest.mark.parametrize("module", sorted(set(modules()) - {""}))
def test_imports_go_up_or_left(module):
    """Every import counts, in functions and for types too."""
    known = modules()
    assert wrong(module, imported(known[module].read_text(), module, set(known))) == []


def test_the_table_has_no_file_that_is_gone():
    """Each entry of the table is a file."""
    assert sorted(set(PLACE) - set(modules())) == []
    assert len(PLACE) == sum(len(names.split()) for names in ROWS)


@pytest.mark.parametrize(
    ("module", "text", "words"),
    [
        ("pixels", "from mingolotss.recipe import Recipe", "pixels (row 1) imports recipe (row 3)"),
        ("sky", "import mingolotss.wcs", "sky (row 1) imports wcs"),
        ("sky", "def f():\n    from mingolotss import build", "imports build (row 6)"),
        ("sky", "if TYPE_CHECKING:\n    from .wcs import SkyWCS", "imports wcs"),
        ("services.base", "from . import folder", "imports services.folder"),
        ("services.base", "from ..cli import main", "imports cli (row 7)"),
        ("sky", "import mingolotss", "imports mingolotss (the doors)"),
        ("sky", "from mingolotss import load", "imports mingolotss (the doors)"),
        ("novelty", "from mingolotss.recipe import Recipe", "no row: add it to ROWS"),
    ],
)
def test_a_wrong_import_is_found(module, text, words):
    """The checker itself fails on an import that goes down or right, and on an unknown file."""
    assert words in " ".join(wrong(module, imported(text, module, set(modules()))))


def test_right_imports_pass():
    """Up, left, other packages and the version are all right."""
    text = "import numpy\nfrom mingolotss import __version__\nfrom mingolotss.errors import X"
    assert wrong("wcs", imported(text + "\nfrom mingolotss.sky import Y", "wcs", {"sky"})) == []


ALONE = {
    "torch": {"readers.torch", "readers.collate"},
    "keras": {"readers.keras"},
    "selenium": {"services.browser", "services.form"},
}


@pytest.mark.parametrize("library", ALONE)
def test_one_file_imports_a_framework(library):
    """PyTorch, Keras and Selenium are imported only by the files that are for them."""
    users = set()
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            if any(name.split(".")[0] == library for name in names):
                users.add(module)
    assert users <= ALONE[library]
