"""Keep every core busy while something is measured, as other users of a machine do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def busy_cores(count: int | None = None) -> Iterator[None]:
    """Run a process that never waits for each core, or `count` of them."""
    number = len(os.sched_getaffinity(0)) if count is None else count
    processes = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
