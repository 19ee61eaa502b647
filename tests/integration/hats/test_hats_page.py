"""The page about HATS is correct: its commands and its code run as pasted, on the simulated sky."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

from builds import run
from test_docs import ROOT, blocks, save_recipes

pytest.importorskip("lsdb", reason="needs the group hats")

pytestmark = pytest.mark.readers

PAGE = ROOT / "docs" / "howto" / "hats.md"
BEFORE = "import torchvision_operators; torchvision_operators.declare_operators()\n"


@pytest.fixture(scope="module")
def output(demo):
    """Run the page beside the demo; return what it prints, line by line."""
    home = demo.parent
    save_recipes(PAGE, home)
    commands = [
        line
        for block in blocks(PAGE, "console", runs=True)
        for line in re.findall(r"^\$ mingolotss (.*)$", block, re.MULTILINE)
    ]
    assert len(commands) == 5
    for line in commands:
        done = run(*shlex.split(line), cwd=home)
        assert done.returncode == 0, (line, done.stderr)
    code = BEFORE + "\n".join(blocks(PAGE, "python", runs=True))
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "HF_DATASETS_CACHE": str(home / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning:lsdb", "-c", code],
        cwd=home, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, (code, done.stderr)
    return done.stdout.splitlines()


def test_the_library_hats_finds_the_collection_valid(output):
    assert "True" in output


def test_every_radio_source_has_its_galaxy(output):
    """The galaxies of the page are at most some arcseconds from the sources."""
    [line] = [line for line in output if "radio sources have a galaxy" in line]
    pairs, sources = map(int, re.findall(r"\d+", line)[:2])
    assert 0.95 * sources <= pairs <= sources
    assert sources > 100


def test_the_network_learns(output):
    [line] = [line for line in output if line.startswith("loss:")]
    first, last = map(float, re.findall(r"\d+\.\d+", line))
    assert last < 0.8 * first


def test_each_reader_gives_stamps_of_150_pixels(output):
    assert output.count("(150, 150) uint8") == 1
    assert sum(line.startswith("(150, 150)") for line in output) == 3
