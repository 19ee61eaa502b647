"""What the package says is public is there, and importing it costs nothing."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest

import mingolotss
from imported_modules import HEAVY, imported_modules

PACKAGE = Path(mingolotss.__file__).parent
REGISTERS = {"step", "app.command", "app.callback"}


@cache
def modules():
    """Return the path of every module by its name without the package's, "" for the package."""
    paths = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        paths[".".join(part for part in parts if part != "__init__")] = path
    return paths


def public(tree):
    """Return the public functions and classes that a module defines itself.

    What a decorator with arguments registers (a step, a command) goes by that name instead.
    """
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            registers = [
                one
                for one in node.decorator_list
                if isinstance(one, ast.Call) and ast.unparse(one.func) in REGISTERS
            ]
            if not registers:
                found.add(node.name)
    return {name for name in found if not name.startswith("_")}


def listed(tree):
    """Return ``__all__`` as written, None if there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


@pytest.mark.parametrize("module", sorted(set(modules()) - {""}))
def test_a_module_lists_its_names_and_imports_rooms_of_the_package(module):
    """What is public is in ``__all__``, once, and exists; the front door is for users."""
    tree = ast.parse(modules()[module].read_text())
    bound, of_package = public(tree) | {"__version__"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            bound |= {alias.asname or alias.name for alias in node.names}
            names = {alias.name for alias in node.names}
            if isinstance(node, ast.Import):
                assert "mingolotss" not in {name.partition(".")[0] for name in names}
            else:
                assert not node.level, "a relative import"
                of_package |= names if node.module == "mingolotss" else set()
    assert of_package <= {"__version__"}
    listing = listed(tree)
    if listing is None:
        assert not public(tree), "public names and no __all__"
        return
    assert sorted(listing) == sorted(set(listing))
    assert public(tree) <= set(listing) <= bound


def test_no_module_has_the_name_of_a_public_name():
    """The import system would bind the module to the package in the place of the function."""
    first = {name.split(".")[0] for name in modules()} | {"__main__"}
    assert first.isdisjoint(mingolotss.__all__)


def test_the_package_gives_what_it_lists():
    """Each public name of the package is there, and nothing else is promised."""
    for name in mingolotss.__all__:
        assert getattr(mingolotss, name) is not None
        assert name in dir(mingolotss)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mingolotss.nothing


@pytest.mark.parametrize(
    "name", sorted(set(mingolotss.__all__) - {"ImageService", "MingoError"})
)  # a protocol and an exception: nobody calls them
def test_public_arguments_are_named_and_typed(name):
    """No public function or class takes ``**options``, and every argument has a type."""
    for parameter in inspect.signature(getattr(mingolotss, name)).parameters.values():
        assert parameter.kind is not parameter.VAR_KEYWORD, parameter
        assert parameter.annotation is not parameter.empty, parameter


HELP = """
sys.argv = ["mingolotss", "--help"]
from mingolotss.cli import main
main()
"""


@pytest.mark.parametrize(
    ("code", "absent"),
    [("import mingolotss", ()), ("import mingolotss.errors, mingolotss.registry", ()),
     (HELP, {"numpy"})],
)  # fmt: skip
def test_importing_and_asking_for_help_bring_nothing_heavy(code, absent):
    """Neither needs torch, keras, matplotlib, dask, astropy, pyarrow or pydantic."""
    modules = imported_modules(code)
    assert modules & (HEAVY | {"astropy", "pyarrow", "pydantic"}).union(absent) == set()
