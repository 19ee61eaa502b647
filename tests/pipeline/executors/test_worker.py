"""What a worker process has before its first task."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys

import pytest

from mingolotss.pipeline.executors.worker import PRELOADED
from mingolotss.pipeline.plan import plan
from skies import random_sky

FIRST_PARTS = """
import gc, pickle, sys
from importlib import import_module
from pathlib import Path

modules, paths = sys.argv[1].split(), sys.argv[2:]
for module in modules:
    import_module(module)
from mingolotss.pipeline.part import make_part

imported = set(sys.modules)
summaries = [make_part(pickle.loads(Path(path).read_bytes())) for path in paths]
assert all(summary.written for summary in summaries), summaries
assert gc.isenabled()
print(sorted(set(sys.modules) - imported))
"""


RESERVING = """
import resource, sys
from pathlib import Path
from mingolotss.pipeline.executors.worker import reserve_descriptors

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
before = sorted(Path("/proc/self/fd").iterdir())
reserve_descriptors()
assert sorted(Path("/proc/self/fd").iterdir()) == before
[line] = [line for line in Path("/proc/self/status").read_text().splitlines() if "FDSize" in line]
print(line.split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the size of the table")
@pytest.mark.parametrize(("allowed", "is_large"), [(1024, True), (256, False)])
def test_the_table_of_open_files_is_large_from_the_start(allowed, is_large):
    """No file stays open; where fewer are allowed, the table grows when it must."""
    line = [sys.executable, "-c", RESERVING, str(allowed)]
    size = int(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    assert (size >= 1024) == is_large


@pytest.mark.slow  # each imports everything in a new process
def test_the_first_part_of_a_worker_imports_nothing(tmp_path):
    """The server of the workers imports all that it needs, else each worker would, and no more."""
    others = [name for name in PRELOADED if not name.startswith("mingolotss")]
    server = "mingolotss.pipeline.executors.server"
    assert imported_by_first_parts([server], tmp_path / "all") == []
    needed = imported_by_first_parts([*set(PRELOADED) - {*others}], tmp_path / "own")
    assert set(others) <= {*needed}


def imported_by_first_parts(modules, folder) -> list[str]:
    """Make a part from a folder of cutouts and one from mosaics; return what that imports.

    `modules` are imported before.
    """
    paths = []
    for service in ("folder", "mosaics"):
        sky = random_sky(folder / service, 12, seed=5, kinds=("float32",))
        build = plan("mingolotss", catalogue=sky.catalogue, service=f"{service}:{sky.folder}",
                     out=folder / f"{service}-out")  # fmt: skip
        paths.append(folder / f"{service}.task")
        paths[-1].write_bytes(pickle.dumps(build.task(0)))
    line = [sys.executable, "-c", FIRST_PARTS, " ".join(modules), *map(str, paths)]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    names: list[str] = ast.literal_eval(said)
    return names
