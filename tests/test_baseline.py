"""The example: its arithmetic against definitions, and that it learns and repeats itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builds import run

pytest.importorskip("torch", reason="needs mingolotss[torch]")

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from baseline import confusion, f1_scores  # noqa: E402


def test_scores_are_those_of_the_definitions():
    """F1 from precision and recall, counted one by one."""
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 4, 200), rng.integers(0, 5, 200)
    scores = f1_scores(confusion(truth, found, 5))
    for label in range(4):
        right = ((truth == label) & (found == label)).sum()
        precision, recall = right / (found == label).sum(), right / (truth == label).sum()
        assert scores[label] == pytest.approx(2 * precision * recall / (precision + recall))
    assert np.isnan(scores[4])


def baseline(root: Path, out: Path, *options: str) -> str:
    """Run the example; return what it printed."""
    script = ROOT / "examples/baseline.py"
    command = [sys.executable, str(script), str(root), "--out", str(out), *options]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_it_learns_and_repeats_itself(tmp_path):
    """On a demo: better than the commonest answer, the same when run again, and a picture."""
    run("demo", "--out", tmp_path / "demo")
    text = baseline(tmp_path / "demo", tmp_path)
    macro, accuracy, usual = map(
        float, re.search(r"macro-F1 ([\d.]+), accuracy ([\d.]+) .*: ([\d.]+)\)", text).groups()
    )
    assert macro > 0.7
    assert accuracy > usual
    assert Image.open(tmp_path / "confusion-2.png").size[0] > 300
    twice = [baseline(tmp_path / "demo", tmp_path, "--epochs", "5") for _ in range(2)]
    losses = [re.findall(r"loss [\d.]+", text) for text in twice]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 1
