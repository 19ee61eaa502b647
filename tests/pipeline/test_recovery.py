"""A source that ends its worker is rejected, and the build goes on with all others."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from builds import contents
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import InputError
from mingolotss.io.parquet import read_table
from mingolotss.model import Candidate, Cutout
from mingolotss.pipeline.executors.base import WorkerDiedError
from mingolotss.pipeline.executors.exit_codes import OUT_OF_MEMORY, describe_exit
from mingolotss.pipeline.executors.local import processes
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import SkyWCS, simple_header

N, SIDE = 12, 48
NAMES = [f"J{index}" for index in range(N)]
RA = 180 + 0.1 * np.arange(N)
RECIPE = load_recipe("lotss").changed({
    "formats": ["parquet"], "stamp.pixels": 32, "noise.method": "sigma-clipped",
    "images.size_arcmin": 1.2,
})  # fmt: skip


def read_from_nowhere(folder):
    """Read the address 0, as a library with an error does."""
    ctypes.string_at(0)


ENDS = {
    "segmentation fault": (read_from_nowhere, "was ended by signal 11 (SIGSEGV)"),
    "bus error": (lambda _: os.kill(os.getpid(), 7), "was ended by signal 7 (SIGBUS)"),
    "abort": (lambda _: os.abort(), "was ended by signal 6 (SIGABRT)"),
    "kill": (lambda _: os.kill(os.getpid(), 9), "was ended by signal 9 (SIGKILL)"),
    "exit": (lambda _: os._exit(3), "ended itself with exit code 3"),
}


class Deadly:
    """A service that ends the process for some sources; once only, if `once` is true."""

    def __init__(self, folder, kind="", bad=(), *, once=False):
        self.folder, self.kind, self.bad, self.once = folder, kind, bad, once

    def __repr__(self):
        return "Deadly"

    def search(self, position, size):
        """Offer the image of the nearest source."""
        index = int(np.argmin(abs(RA - position.icrs.ra.deg)))
        return [Candidate("P1", f"{NAMES[index]}.fits", "", NAMES[index])]

    def cutout(self, candidate, position, size):
        """Return pixels, or end."""
        if candidate.source in self.bad:
            mark = self.folder / f"died-{candidate.source}"
            if not (self.once and mark.exists()):
                mark.touch()
                ENDS[self.kind][0](self.folder)
        index = NAMES.index(candidate.source)
        pixels = np.random.default_rng(index).normal(0, 1, (SIDE, SIDE)).astype("f4")
        header = simple_header(RA[index], 50.0, shape=pixels.shape, scale_arcsec=1.5)
        return Cutout(pixels, None, SkyWCS.from_header(header))


def make(out, service, mapper=map):
    """Build and return the rows of the manifest by source."""
    ones = np.ones(N)
    catalogue = Catalogue.from_columns(NAMES, RA, 50 * ones, size_arcsec=ones, flux_mjy=ones)
    build(RECIPE, catalogue=catalogue, service=service, out=out, mapper=mapper)
    return {row["source"]: row for row in read_manifest(out).to_pylist()}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Give the rows of a build in which nothing died."""
    folder = tmp_path_factory.mktemp("good")
    return make(folder / "out", Deadly(folder))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENDS)
def test_a_source_that_ends_its_worker_is_rejected(tmp_path, good, kind):
    """The reason names its file and how the worker ended; all other rows are as ever."""
    bad = ["J3", "J8"] if kind == "segmentation fault" else ["J3"]
    with pytest.warns(UserWarning, match="part 0; its 12 sources"), processes(2) as mapper:
        rows = make(tmp_path / "out", Deadly(tmp_path, kind, bad), mapper)
    assert [name for name in rows if rows[name]["status"] == "rejected"] == bad
    for name in bad:
        assert rows[name]["stage"] == "validate"
        assert rows[name]["reason"] == (
            f"P1: make the stamp of {name} from {name}.fits: the worker {ENDS[kind][1]}, and did "
            "so again when this source was tried alone"
        )
    assert {name: rows[name] for name in rows if name not in bad} == {
        name: good[name] for name in rows if name not in bad
    }
    verdicts = read_table(tmp_path / "out" / "candidates.parquet").to_pylist()
    assert [row["verdict"] == "chosen" for row in verdicts] == [name not in bad for name in NAMES]
    assert not list((tmp_path / "out").rglob(".part-*"))


@pytest.mark.slow
def test_a_worker_that_dies_once_leaves_no_trace(tmp_path, good):
    """The part is made again, and every file is the same."""
    with processes(2) as mapper:
        rows = make(tmp_path / "1" / "out", Deadly(tmp_path, "kill", ["J3"], once=True), mapper)
    assert rows == good
    make(tmp_path / "2" / "out", Deadly(tmp_path))
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.slow
def test_workers_that_die_of_every_source_stop_the_build(tmp_path):
    """That is no bad file: one line says after how many."""
    with (
        pytest.warns(UserWarning, match="part 0"),
        pytest.raises(InputError, match=r"make the stamp of J7 from J7\.fits.*SIGABRT.*7 sources"),
        processes(2) as mapper,
    ):
        make(tmp_path / "out", Deadly(tmp_path, "abort", NAMES), mapper)


def test_want_of_memory_is_said_only_if_the_kernel_counted_it():
    """SIGKILL alone may come from anybody, and another signal has another reason."""
    assert describe_exit(-signal.SIGKILL, 1) == OUT_OF_MEMORY
    assert describe_exit(-signal.SIGKILL) == "was ended by signal 9 (SIGKILL)"
    assert describe_exit(-signal.SIGSEGV, 1) == "was ended by signal 11 (SIGSEGV)"
    assert describe_exit(-signal.SIGTERM) == "was ended by signal 15 (SIGTERM)"
    assert describe_exit(-63) == "was ended by signal 63"
    assert describe_exit(1) == "ended itself with exit code 1"


def test_a_worker_that_dies_before_it_tries_a_source_stops_the_build(tmp_path):
    """There is no source to reject."""

    def mapper(function, tasks):
        tasks = list(tasks)
        if not tasks:
            return
        yield from ()
        raise WorkerDiedError("died", end="was ended by signal 4 (SIGILL)", tasks=tasks)

    with (
        pytest.warns(UserWarning, match="SIGILL"),
        pytest.raises(WorkerDiedError, match="died"),
    ):
        make(tmp_path / "out", Deadly(tmp_path), mapper)


SCRIPT = """
import mingolotss
with mingolotss.processes(2) as mapper:
    mingolotss.build("lotss", catalogue=r"{catalogue}", service=r"folder:{folder}", out=r"{out}",
                     mapper=mapper)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_script_without_a_main_guard_is_told_so(tmp_path, method):
    """One error with one clear line, no traceback of a worker, and no endless loop."""
    from skies import random_sky

    sky = random_sky(tmp_path / "in", 6, seed=2, kinds=("float32",))
    script = tmp_path / "script.py"
    other = "import platform\nplatform.system = lambda: 'Other'\n" if method == "spawn" else ""
    script.write_text(
        other + SCRIPT.format(catalogue=sky.catalogue, folder=sky.folder, out=tmp_path / "out")
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=120
    )
    lines = done.stderr.strip().splitlines()
    assert lines[-1].endswith('put the build under: if __name__ == "__main__":'), done.stderr
    assert "bootstrapping" not in done.stderr
    assert "begins a build when it is imported" in lines[-1]
    guarded = textwrap.indent(SCRIPT, "    ").strip("\n")
    script.write_text(
        f"{other}if __name__ == '__main__':\n"
        + guarded.format(catalogue=sky.catalogue, folder=sky.folder, out=tmp_path / "out")
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (Path(tmp_path) / "out" / "manifest.parquet").exists()
