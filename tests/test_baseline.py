"""The example: its scores follow their definitions, it learns, and it is reproducible."""

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

from baseline import confusion_matrix, f1_scores  # noqa: E402


def test_scores_follow_their_definitions():
    """F1 equals the harmonic mean of precision and recall, counted class by class."""
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 200), rng.integers(0, 5, 200)
    scores = f1_scores(confusion_matrix(truth, predicted, 5))
    for label in range(4):
        correct = ((truth == label) & (predicted == label)).sum()
        precision = correct / (predicted == label).sum()
        recall = correct / (truth == label).sum()
        assert scores[label] == pytest.approx(2 * precision * recall / (precision + recall))
    assert np.isnan(scores[4])


def baseline(root: Path, out: Path, *options: str) -> str:
    """Run the example and return its output."""
    script = ROOT / "examples/baseline.py"
    command = [sys.executable, str(script), str(root), "--out", str(out), *options]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_it_learns_and_is_reproducible(tmp_path):
    """On a demo it beats the most frequent class, repeats its losses, and draws a plot."""
    run("demo", "--out", tmp_path / "demo")
    text = baseline(tmp_path / "demo", tmp_path)
    macro, accuracy, most_frequent = map(
        float, re.search(r"macro-F1 ([\d.]+), accuracy ([\d.]+) .*: ([\d.]+)\)", text).groups()
    )
    assert macro > 0.7
    assert accuracy > most_frequent
    with Image.open(tmp_path / "confusion-2.png") as picture:
        assert picture.size[0] > 300
    outputs = [baseline(tmp_path / "demo", tmp_path, "--epochs", "5") for _ in range(2)]
    losses = [re.findall(r"loss [\d.]+", output) for output in outputs]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 1
