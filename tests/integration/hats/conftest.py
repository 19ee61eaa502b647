"""The tests in this folder need the environment of LSDB and Hyrax (make test-readers)."""

from __future__ import annotations

import pytest

import mingolotss
from torchvision_operators import declare_operators


@pytest.fixture(scope="session")
def hyrax():
    """Give Hyrax, whose import needs torchvision."""
    pytest.importorskip("lsdb", reason="needs the group hats")
    declare_operators()
    import hyrax

    return hyrax


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Return the folder of the demo."""
    folder = tmp_path_factory.mktemp("home")
    mingolotss.demo(folder / "demo", sources=120)
    return folder / "demo"
