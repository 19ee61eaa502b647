"""The notebooks in docs/tutorials are stored as their readers need them; `make docs` runs them."""

from __future__ import annotations

import ast
import builtins
import json
import re

import pytest

import mingolotss
from test_docs import ROOT, anchors_of, public_names

FOLDER = ROOT / "docs/tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
OPEN_MODULES = {"mingolotss", "mingolotss.errors", "mingolotss.simulate", "mingolotss.testing"}

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    """Return the text of the cells of one kind, in order."""
    book = json.loads(path.read_text())
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == kind]


def test_a_notebook_is_stored_without_outputs(path):
    """It has no outputs, no counts and no metadata of a machine, and every cell has its own id."""
    book = json.loads(path.read_text())
    assert book.keys() == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"].keys() == {"kernelspec", "language_info"}
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert "version" not in book["metadata"]["language_info"]
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in book["cells"]:
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"])
        assert cell["metadata"].keys() <= {"tags", "mystnb"}
        assert all(isinstance(line, str) for line in cell["source"])
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            keys |= {"execution_count", "outputs"}
            assert cell["execution_count"] is None
            assert cell["outputs"] == []
        else:
            assert cell["cell_type"] == "markdown"
        assert cell.keys() == keys


def test_the_figures_of_a_notebook_have_a_text(path):
    """Each cell that draws says in words what is to be seen, for readers who do not see it."""
    for cell in json.loads(path.read_text())["cells"]:
        if re.search(r"\.plot\(|plt\.subplots|plt\.figure|Image\(\"", "".join(cell["source"])):
            text = cell["metadata"]["mystnb"]["image"]["alt"]
            assert len(text.split()) > 5


def test_a_notebook_says_what_it_gives_and_needs(path):
    """Its first cell has the title, the result, the time and what to install."""
    first, last = cells(path, "markdown")[0], cells(path, "markdown")[-1]
    assert re.match(r"# \w.*\n\n", first)
    assert "you have" in first.lower()
    for words in ("**Time:**", "**Install:**", "pip install"):
        assert words in first
    assert "## Where to go next" in last
    assert f"({path.name})" in (FOLDER / "index.md").read_text()
    assert re.search(rf"^{path.stem}$", (FOLDER / "index.md").read_text(), re.MULTILINE)


def test_a_notebook_uses_only_the_public_interface(path):
    """What it imports from the package, and what it takes from `mingolotss`, is public."""
    for code in cells(path, "code"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("mingolotss"):
                assert node.module in OPEN_MODULES
                assert {alias.name for alias in node.names} <= public_names(node.module)
            elif isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
                assert {name for name in names if name.startswith("mingolotss.")} <= OPEN_MODULES
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "mingolotss":
                assert node.attr in mingolotss.__all__


def test_a_notebook_runs_from_top_to_bottom(path):
    """Every name that a cell uses is one of an earlier line, or is built into Python."""
    known = {*vars(builtins)}
    for code in cells(path, "code"):
        nodes = [*ast.walk(ast.parse(code))]
        names = [node for node in nodes if isinstance(node, ast.Name)]
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        known |= {
            node.asname or node.name.split(".")[0] for node in nodes if isinstance(node, ast.alias)
        }
        known |= {
            node.name
            for node in nodes
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler)
        }
        assert {node.id for node in names} <= known


def test_the_links_of_a_notebook_resolve(path):
    """Each relative link is a file of the repository, and each anchor a heading in it."""
    for text in cells(path, "markdown"):
        for link in re.findall(r"\]\((?!https?://)([^)]+)\)", text):
            target, _, anchor = link.partition("#")
            page = (path.parent / target).resolve() if target else path
            assert page.exists(), link
            if anchor:
                text_of_page = (
                    "\n".join(cells(page, "markdown")) if page == path else page.read_text()
                )
                assert anchor in anchors_of(text_of_page), link


def test_a_notebook_works_in_a_folder_of_its_own(path):
    """It leaves nothing beside it: its first code changes to a temporary folder."""
    first = cells(path, "code")[0]
    assert "folder = tempfile.TemporaryDirectory()" in first
    assert "os.chdir(folder.name)" in first
    assert "os.chdir" not in "\n".join(cells(path, "code")[1:])
