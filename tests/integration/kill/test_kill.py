"""A build killed at any instant and run again ends as one that was not disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import numpy as np
import pytest

from builds import command, contents, run
from channel_skies import channel_sky
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


CHANNELS = """
name = "channels"
formats = ["csv", "parquet"]
classes.source = "none"
stamp.pixels = 64
images.size_arcmin = 2.5
steps = [{do = "clip"}, {do = "minmax"}]
channels = [
    {name = "coarse", images = {size_arcmin = 2.5}},
    {name = "six", reference = true},
    {name = "shifted", missing = "zero", images = {size_arcmin = 2.5}},
]
"""


@pytest.mark.slow
def test_a_build_of_channels_is_killed(tmp_path):
    """Three surveys, one of them resampled: byte-identical after each of several kills."""
    sky = channel_sky(tmp_path / "sky", per_field=150)
    recipe = tmp_path / "channels.toml"
    recipe.write_text(CHANNELS)
    services = [f"{name}={sky.service(name)}" for name in ("coarse", "six", "shifted")]

    def build_in(out):
        options = [word for service in services for word in ("--service", service)]
        return ("build", recipe, "--catalogue", sky.catalogue, "--out", out, "--workers", 2,
                *options)  # fmt: skip

    start = time.monotonic()
    assert run(*build_in(tmp_path / "whole")).returncode == 0
    took = time.monotonic() - start
    out = tmp_path / "out"
    for share in (0.4, 0.6, 0.8):
        with subprocess.Popen(command(*build_in(out)), stderr=subprocess.DEVNULL) as process:
            time.sleep(took * share)
            process.kill()
    done = run(*build_in(out))
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_build_is_killed_while_it_writes_its_collection(tmp_path):
    """The parts are there; each run is killed a little later, and the last one ends whole."""
    pytest.importorskip("hats.io", reason="needs pip install 'mingolotss[hats]'")
    sky = random_sky(tmp_path / "in", 60, seed=8, kinds=("float32",))
    collection = ("--formats", "parquet,hats", "--set", "hats.partition_rows=2")

    def build_in(out, *options):
        return (*arguments(sky, out), "--formats", "parquet", *options)

    start = time.monotonic()
    assert run(*build_in(tmp_path / "whole", *collection)).returncode == 0
    took = time.monotonic() - start
    whole = tmp_path / "whole"
    expected = {path.relative_to(whole) for path in whole.glob("hats/**/*") if path.is_file()}
    out = tmp_path / "out"
    assert run(*build_in(out)).returncode == 0
    for share in (0.5, 0.6, 0.7, 0.8, 0.9):
        with subprocess.Popen(
            command(*build_in(out, *collection)), stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(took * share)
            process.kill()
        files = {path.relative_to(out) for path in out.glob("hats/**/*") if path.is_file()}
        assert files in (set(), expected)
    assert run(*build_in(out, *collection)).returncode == 0
    assert contents(out) == contents(tmp_path / "whole")
