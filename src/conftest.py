"""The examples in docstrings run beside a demo, as those of the pages do."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder_with_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with ``demo``, what ``mingolotss demo`` builds, without its pictures."""
    from mingolotss.pipeline.inputs import write_simulated_sky
    from mingolotss.pipeline.run import build

    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        catalogue, service = write_simulated_sky(Path("demo"), sources=120, seed=1)
        build("mingolotss", out="demo", catalogue=catalogue, service=service)
    return folder


@pytest.fixture(autouse=True)
def _beside_the_demo(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an example for users in the folder of the demo, and forget the steps that it adds."""
    example = getattr(request.node, "dtest", None)
    if example is not None and any("import mingolotss" in one.source for one in example.examples):
        from mingolotss.recipe.steps import STEPS

        monkeypatch.chdir(request.getfixturevalue("folder_with_demo"))
        monkeypatch.setattr(STEPS, "_known", dict(STEPS._known))  # noqa: SLF001
