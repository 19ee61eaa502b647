"""The canary of every hostile test, and the counts of the fuzz targets in the summary."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from harness import Canary

from misbehave import Reply, Server, running

_CANARY = Canary()


@pytest.fixture(scope="session")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    # Temporary files of the program go into the folder of the tests, so that the rest of the
    # system's folder for them counts as outside.
    base, before = tmp_path_factory.getbasetemp(), tempfile.tempdir
    tempfile.tempdir = str(tmp_path_factory.mktemp("temporary"))
    _CANARY.folders.append(str(base))
    _CANARY.install()
    yield _CANARY
    tempfile.tempdir = before


@pytest.fixture
def secret(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Path:
    """Give a file that no input may have opened."""
    path = tmp_path_factory.mktemp("secret") / "secret.txt"
    path.write_text("https://example.org/SECRET\n" * 8)
    canary.watch(path)
    return path


@pytest.fixture(autouse=True)
def canary(_installed: Canary) -> Iterator[Canary]:
    """Fail a test in which something is reached that no input may reach."""
    _installed.addresses.clear()
    with _installed.watching():
        yield _installed


@pytest.fixture
def serve(canary: Canary) -> Callable[[dict[str, Reply]], AbstractContextManager[Server]]:
    """Give a function that runs a server, which may be connected to."""

    @contextmanager
    def start(script: dict[str, Reply]) -> Iterator[Server]:
        with running(script) as server:
            canary.allow(*server.server_address)
            yield server

    return start


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts of each fuzz target."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, ())]
    lines = [text for r in reports for key, text in r.user_properties if key == "fuzz"]
    if lines:
        terminalreporter.section("fuzz targets")
    for line in sorted(lines):
        terminalreporter.write_line(line)
