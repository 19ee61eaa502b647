"""What a new process has imported after some lines of code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mingolotss

HEAVY = frozenset({
    "dask", "distributed", "keras", "matplotlib", "selenium", "starlette", "torch",
})  # fmt: skip
"""Libraries that only some commands use."""
_AT_THE_END = """
import atexit, sys
atexit.register(lambda: print("IMPORTED", *sys.modules, file=sys.stderr))
"""


def imported_modules(code: str, *arguments: object, cwd: Path | None = None) -> set[str]:
    """Run a script in a new process; return the modules that it has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", _AT_THE_END + code, *map(str, arguments)],
        check=True, capture_output=True, text=True, timeout=120, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(mingolotss.__file__).parents[1])},
    )  # fmt: skip
    return set(done.stderr.rpartition("IMPORTED ")[2].split())
