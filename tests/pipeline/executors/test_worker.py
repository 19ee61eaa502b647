"""What a worker process has before its first task."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys

import pytest

from mingolotss.pipeline.plan import plan
from skies import random_sky

FIRST_PARTS = """
import pickle, sys
from pathlib import Path
from mingolotss.pipeline.executors.worker import prepare_worker

prepare_worker()
from mingolotss.pipeline.part import make_part

imported = set(sys.modules)
summaries = [make_part(pickle.loads(Path(path).read_bytes())) for path in sys.argv[1:]]
print((min(summary.written for summary in summaries), sorted(set(sys.modules) - imported)))
"""


@pytest.mark.slow  # it imports everything in a new process
def test_the_first_part_of_a_worker_imports_nothing(tmp_path):
    """Else every worker would import it, while the caller waits: the server does so before."""
    paths = []
    for service in ("folder", "mosaics"):
        sky = random_sky(tmp_path / service, 12, seed=5, kinds=("float32",))
        build = plan("mingolotss", catalogue=sky.catalogue, service=f"{service}:{sky.folder}",
                     out=tmp_path / f"{service}-out")  # fmt: skip
        paths.append(tmp_path / f"{service}.task")
        paths[-1].write_bytes(pickle.dumps(build.task(0)))
    line = [sys.executable, "-c", FIRST_PARTS, *map(str, paths)]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    written, modules = ast.literal_eval(said)
    assert written > 0
    assert modules == []
