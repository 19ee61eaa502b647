"""One build for all tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="needs the extra browser")

from browsing import Serve, Server
from mingolotss.qa.report.page import report
from review_data import make_build, make_build_of_scales


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, and end them with the test."""
    running: list[Server] = []

    def start(out: Path, *options: str, by: str = "ann") -> Server:
        running.append(Server(out, *options, by=by))
        return running[-1]

    yield start
    for server in running:
        server.kill()


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_build(tmp_path_factory.mktemp("review")).parent


@pytest.fixture
def out(_built: Path, tmp_path: Path) -> Path:
    """A build of its own, with its catalogue and images beside it."""
    return shutil.copytree(_built, tmp_path / "copy") / "out"


@pytest.fixture(scope="session")
def site(_built: Path) -> Iterator[Server]:
    """The page of a build that the tests share which decide nothing, and its report."""
    report(_built / "out")
    server = Server(_built / "out")
    yield server
    server.kill()
    assert not (_built / "out/decisions.csv").exists()


@pytest.fixture(scope="session")
def scales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page of a build of images with other pixels, peaks and gaps; the tests share it."""
    out = make_build_of_scales(tmp_path_factory.mktemp("scales"))
    server = Server(out)
    yield server
    server.kill()
    assert not (out / "decisions.csv").exists()
