"""The examples in docstrings run beside a demo, as those of the pages do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def folder_with_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with ``demo``, what ``mingolotss demo`` builds, without its pictures.

    One process of the tests builds it, and each has a copy.
    """
    folder, root = tmp_path_factory.mktemp("examples"), tmp_path_factory.getbasetemp()
    shared = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "demo-of-examples"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            _build_demo(shared)
    shutil.copytree(shared / "demo", folder / "demo")
    return folder


def _build_demo(folder: Path) -> None:
    from mingolotss.pipeline.inputs import write_simulated_sky
    from mingolotss.pipeline.run import build

    unfinished = folder.with_name(f"{folder.name}-unfinished")
    unfinished.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(unfinished)
        catalogue, service = write_simulated_sky(Path("demo"), sources=120, seed=1)
        build("mingolotss", out="demo", catalogue=catalogue, service=service)
    unfinished.rename(folder)


@pytest.fixture(autouse=True)
def _beside_the_demo(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an example for users in the folder of the demo, and forget the steps that it adds."""
    example = getattr(request.node, "dtest", None)
    if example is not None and any("import mingolotss" in one.source for one in example.examples):
        from mingolotss.recipe.steps import STEPS

        monkeypatch.chdir(request.getfixturevalue("folder_with_demo"))
        monkeypatch.setattr(STEPS, "_known", dict(STEPS._known))  # noqa: SLF001
