"""What the README and the docs show is true: code runs as pasted, links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from builds import run
from mingolotss.manifest import CANDIDATES, MANIFEST

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Give a folder as after the README's first command: with a demo in it."""
    folder = tmp_path_factory.mktemp("home")
    assert run("demo", "--sources", 40, cwd=folder).returncode == 0
    return folder


def test_the_readmes_code_runs_as_pasted(home):
    """Each Python block, in order, in the folder that the demo was made in."""
    for code in blocks(ROOT / "README.md", "python"):
        done = subprocess.run(
            [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", code],
            cwd=home, capture_output=True, text=True, check=False, env=os.environ,
        )  # fmt: skip
        assert done.returncode == 0, (code, done.stderr)


def test_using_a_dataset_takes_three_lines():
    """The README's first example is three statements."""
    code = blocks(ROOT / "README.md", "python")[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Every relative link and picture is a file of the repository."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_column_is_documented():
    """Every column of the manifest and the candidates has its row in the docs."""
    text = (ROOT / "docs" / "reference" / "manifest.md").read_text()
    for name in {*MANIFEST.names, *CANDIDATES.names}:
        assert re.search(rf"^\| [^|]*`{name}`", text, re.MULTILINE), name


def test_every_option_shown_exists():
    """Every option in a command that the pages show is one of the program's."""
    for page in PAGES:
        for block in blocks(page, "console"):
            for line in re.findall(r"^\$ (?:\S*/)?mingolotss (.*)$", block, re.MULTILINE):
                command, *words = line.split("#")[0].split()
                known = run(command, "--help").stdout
                for word in words:
                    if word.startswith("--"):
                        assert word.split("=")[0] in known, (page.name, line)
