"""Every command where files may not grow or the disk is full: one line, nothing half-written."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from builds import command
from format_names import PLAIN_FORMATS
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import InputError
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
    for name in PLAIN_FORMATS
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


def mounted(folder: Path, options: str) -> None:
    """Mount a small tmpfs, or skip."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")


def commands(built: Path, out: object) -> dict[str, list[object]]:
    source = ["--service", f"mosaics:{built.parent / 'mosaics'}", "-o", out]
    return {
        "demo": ["demo", "-o", out, "--sources", "20", "-j", "1"],
        "plan": ["plan", "lotss", "--catalogue", built.parent / "a.csv", *source],
        "fetch": ["fetch", "lotss", "--catalogue", built.parent / "a.csv", *source],
        "build": ["build", "lotss", "--catalogue", built.parent / "a.csv", *source, "-j", "2"],
        "threads": [
            "build", "lotss", "--catalogue", built.parent / "a.csv", *source, "-j", "1", "--threads"
        ],
        "export": ["export", built, "--format", "parquet", "-o", out],
        "report": ["report", built],
        "status": ["status", built], "verify": ["verify", built],
        "compare": ["compare", built, built], "recipes": ["recipes"],
    }  # fmt: skip


WRITING = ("demo", "plan", "fetch", "build", "threads", "export", "report")


@pytest.fixture(scope="module")
def with_catalogue(built):
    rows = read_manifest(built, ["source", "ra", "dec"]).to_pylist()
    lines = [f"{row['source']},{row['ra']},{row['dec']}\n" for row in rows]
    (built.parent / "a.csv").write_text("".join(["Source_Name,RA,DEC\n", *lines]))
    return built


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("options", ["size=8m,ro", "size=4k"])
def test_a_disk_that_is_read_only_or_has_one_page(with_catalogue, tmp_path, name, options):
    """The copy of the build, for its report, is on such a disk, too."""
    small = tmp_path / "small"
    mounted(small, "size=8m")
    try:
        if name == "report":
            shutil.copytree(with_catalogue, small / "build")
        used = sum(-(-p.stat().st_size // 4096) for p in small.rglob("*") if p.is_file())
        size = f"size={4 * max(used, 1)}k" + (",ro" if "ro" in options else "")
        subprocess.run(["mount", "-o", f"remount,{size}", small], check=True)
        before = sorted(small.rglob("*"))
        arguments = commands(with_catalogue, small / "out")[name]
        if name == "report":
            arguments = ["report", small / "build"]
        done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
        is_one_line(done)
        after = sorted(small.rglob("*"))
        unfinished = [path for path in after if path.name.startswith(".")]
        empty = [path for path in after if path.is_dir() and not list(path.iterdir())]
        assert not [path for path in unfinished + empty if path not in before]
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("name", [*WRITING, "status", "verify", "compare", "recipes"])
@pytest.mark.parametrize("limit", [6, 9, 14])
def test_too_few_open_files(with_catalogue, tmp_path, name, limit):
    """With ever fewer: done, or one line that names the limit; no file is called damaged."""
    if limit == 14 and name not in ("build", "demo"):
        pytest.skip("enough for the other commands")
    done = subprocess.run(
        command(*commands(with_catalogue, tmp_path / "out")[name]),
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 2
        lines = [line for line in done.stderr.splitlines() if line.startswith("mingolotss: ")]
        assert len(lines) == 1, done.stderr
        assert "Too many open files" in lines[0]
        assert "damaged" not in lines[0]


@pytest.mark.parametrize("options", ["size=4k", "ro"])
def test_shared_memory_of_one_page(with_catalogue, tmp_path, options):
    """Where /dev/shm is tiny (containers), processes cannot start, and threads can."""
    inner = f'mount -t tmpfs -o {options} tmpfs /dev/shm || exit 77; exec "$@"'
    wrap = ["unshare", "--mount", "sh", "-c", inner, "sh"]
    if shutil.which("unshare") is None or os.geteuid():
        pytest.skip("needs the right to mount")
    arguments = commands(with_catalogue, tmp_path / "out")
    done = subprocess.run(
        [*wrap, *command(*arguments["build"])], capture_output=True, text=True, check=False
    )
    if done.returncode in (1, 77) and "mingolotss: " not in done.stderr:
        pytest.skip("needs the right to mount")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("mingolotss: start worker processes: ")
    assert done.stderr.count("\n") == 1
    assert "--threads" in done.stderr
    threads = [*wrap, *command(*arguments["threads"])]
    assert subprocess.run(threads, capture_output=True, check=False).returncode == 0


def test_decisions_on_a_full_disk(with_catalogue, tmp_path):
    """The message says that nothing was written; what was confirmed before is still there."""
    small = tmp_path / "small"
    mounted(small, "size=40k")
    try:
        log = DecisionLog(small / "decisions.csv")
        first = Decision("S1", "", "reject", "ann", "2026-01-02", "")
        log.add(first)
        with contextlib.suppress(OSError), (small / "fill").open("wb", buffering=0) as fill:
            while True:
                fill.write(b"x" * 4096)
        for source in ("S2", "S3"):
            with pytest.raises(InputError, match=rf"decision (on '{source}' )?was not written: "):
                log.add(Decision(source, "", "reject", "ann", "2026-01-02", "n" * 5000))
        assert log.rows()[0] == first
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(InputError, match=r"was not written: .*Read-only"):
            log.add(first)
    finally:
        subprocess.run(["umount", small], check=True)
