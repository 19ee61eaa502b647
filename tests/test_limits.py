"""Every command where files may not grow or the disk is full: one line, nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from builds import command
from mingolotss.formats import FORMATS
from named_builds import build_named

pytestmark = pytest.mark.slow

LARGEST = 3000  # bytes of a file


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build, and its recipe and mosaics."""
    return build_named(tmp_path_factory.mktemp("limits"), [f"S{i}" for i in range(24)])


def limited(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that may write no file of more than `LARGEST` bytes."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"MPLCONFIGDIR": str(folder.parent)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST)),
    )


def is_one_line(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 2, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("mingolotss: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert lines[0].startswith("mingolotss: write "), lines


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.readers) if name in ("hdf5", "zarr") else name
    for name in FORMATS
])  # fmt: skip
def test_an_export_that_cannot_be_written(built, tmp_path, name):
    """Also where the library of the format writes."""
    if name in ("hdf5", "zarr"):
        pytest.importorskip(
            {"hdf5": "h5py", "zarr": "zarr"}[name], reason="needs the group readers"
        )
    done = limited("export", built, "--format", name, "-o", "out", "--archive", folder=tmp_path)
    is_one_line(done)
    assert not list(tmp_path.iterdir())


def test_the_other_commands(built, tmp_path):
    """Simulation, plan and report; a build in processes is in ``test_bad_input.py``."""
    for arguments in (
        ["demo", "-o", "demo", "--sources", "20", "-j", "1"],
        ["plan", "mingolotss", "--service", "simulated", "-o", "plan"],
        ["report", built],
    ):
        is_one_line(limited(*arguments, folder=tmp_path))
        assert not list(tmp_path.rglob(".*"))
    assert not list(built.rglob(".part-*"))
    for reading in (["status", built], ["verify", built], ["compare", built, built]):
        assert limited(*reading, folder=tmp_path).returncode == 0


def test_an_export_on_a_full_disk(built, tmp_path):
    """A real file system of 20 kB; with space again the same command succeeds."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        for name in ("png", "parquet", "batches", "webdataset"):
            export = command("export", built, "--format", name, "-o", small / "out")
            is_one_line(subprocess.run(export, capture_output=True, text=True, check=False))
            assert not list(small.iterdir())
        subprocess.run(["mount", "-o", "remount,size=5m", small], check=True)
        assert subprocess.run(export, capture_output=True, check=False).returncode == 0
    finally:
        subprocess.run(["umount", small], check=True)
