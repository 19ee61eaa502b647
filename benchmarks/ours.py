"""One build, timed: ``ours.py CATALOGUE SERVICE RECIPE WORKERS OUT``; prints one JSON line.

RECIPE is a recipe, with settings after it: ``lotss,formats=parquet``. SERVICE is "" for that of the
recipe. WORKERS is a number of threads, or a kind and a number: ``processes2``, ``dask2``,
``numpy1``, which is threads without the compiled kernel. Planning, stamps and assembly are timed;
the interpreter's start and its imports are not, as with the peers.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from mingolotss.pipeline.executors import local as executors


def mapper(workers: str) -> AbstractContextManager[Any]:
    """Return the mapper that `workers` describes."""
    if workers.startswith("dask"):
        from mingolotss.pipeline.executors.dask import cluster

        return cluster("local", workers=int(workers[4:]))
    if workers.startswith("numpy"):
        from mingolotss.image import kernel_library

        kernel_library.LIBRARY = Path("nowhere.so")
        return executors.threads(int(workers[5:]))
    if workers.startswith("processes"):
        return executors.processes(int(workers[9:]))
    return executors.threads(int(workers))


def main(catalogue: str, service: str, recipe: str, workers: str, out: str) -> None:
    """Build into a fresh folder beside `out`.

    A new one each time: to make files where many were just removed takes ext4 five times as long.
    """
    out = tempfile.mkdtemp(prefix="out-", dir=Path(out).parent)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # both as the command does
    gc.set_threshold(500_000)
    with mapper(workers) as spread:
        # While the workers start, as the command does it.
        from mingolotss.pipeline.run import build
        from mingolotss.recipe.load import load_recipe

        with suppress(ImportError):
            import_module("pandas")  # pyarrow brings it in with its first array: an import, too
        name, *changes = recipe.split(",")
        settings = dict(change.split("=") for change in changes)
        wanted = load_recipe(name).changed(
            {key: value.split("+") for key, value in settings.items()}
        )
        start = time.perf_counter()
        built = build(wanted, catalogue=catalogue, service=service or None, out=out, mapper=spread)
        seconds = time.perf_counter() - start
    print(json.dumps({"sources": built.sources, "seconds": seconds, "written": built.written}))


if __name__ == "__main__":
    main(*sys.argv[1:])
