"""Names to plug-ins: from entry points too, nothing imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mingolotss.errors import InputError
from mingolotss.recipe.steps import STEPS
from mingolotss.registry import Registry, nearest
from mingolotss.service import SERVICES


def test_the_nearest_word():
    """A near miss is suggested, nothing where nothing is like it."""
    assert nearest("sgma", ["sigma", "radius"]) == " did you mean 'sigma'?"
    assert nearest("xyzzy", ["sigma"]) == ""
    assert nearest("a", []) == ""


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


def test_an_installed_package_adds_its_own(tmp_path: Path):
    """A service and a step come in through entry points, as an installed package has them."""
    (tmp_path / "plugin_of_mine.py").write_text(
        "class Mine:\n    pass\ndef twice(stack):\n    'Double.'\n    return stack\n"
    )
    info = tmp_path / "plugin_of_mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mingolotss.services]\nmine = plugin_of_mine:Mine\n"
        "[mingolotss.steps]\ntwice = plugin_of_mine:twice\n"
    )
    code = (
        "import sys\nfrom mingolotss.service import SERVICES\n"
        "from mingolotss.recipe.steps import STEPS\n"
        "assert 'mine' in SERVICES.names() and 'twice' in STEPS.names()\n"
        "assert 'plugin_of_mine' not in sys.modules\n"
        "print(SERVICES.get('mine').__name__, STEPS.get('twice').__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert done.stdout.split() == ["Mine", "twice"]
