"""A build killed at any instant and run again ends as one that was not disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import numpy as np
import pytest

from builds import command, contents, run
from skies import random_sky


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Give a sky, the contents of an undisturbed build of it, and how long that took."""
    folder = tmp_path_factory.mktemp("kill")
    sky = random_sky(folder / "in", 120, seed=8, kinds=("float32",))
    start = time.monotonic()
    done = run(*arguments(sky, folder / "out"))
    took = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    return sky, contents(folder / "out"), took


def arguments(sky, out):
    return (
        "build", "--catalogue", sky.catalogue, "--service", f"folder:{sky.folder}", "--out", out,
        "--max-rejected", 1000, "--workers", 2,
    )  # fmt: skip


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))]


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_run_again(undisturbed, tmp_path, seed):
    """SIGKILL at a random instant, then the same command: byte-identical."""
    sky, expected, took = undisturbed
    out = tmp_path / "out"
    delay = np.random.default_rng(seed).uniform(0.2, 1.0) * took
    with subprocess.Popen(command(*arguments(sky, out)), stderr=subprocess.DEVNULL) as process:
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
    done = run(*arguments(sky, out))
    assert done.returncode == 0, done.stderr
    assert contents(out) == expected


@pytest.mark.slow
def test_killed_again_and_again(undisturbed, tmp_path):
    """Killed a little later each time until it is done: still byte-identical."""
    sky, expected, took = undisturbed
    out = tmp_path / "out"
    for step in range(5):
        with subprocess.Popen(command(*arguments(sky, out)), stderr=subprocess.DEVNULL) as process:
            time.sleep(took * (0.3 + 0.1 * step))
            process.kill()
    assert run(*arguments(sky, out)).returncode == 0
    assert contents(out) == expected
