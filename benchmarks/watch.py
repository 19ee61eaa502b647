"""Run a command, and watch the memory of it and all its children."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any


def tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [one for child in children.read_text().split() for one in tree(int(child))]
        except OSError:
            continue
    return found


def memory(pids: list[int]) -> int:
    """Return the bytes that processes hold apart from the page cache (Linux)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(
            int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem"))
        )
    return total * 1024


def watch(command: list[str], **options: Any) -> dict[str, Any]:
    """Run a command that prints a JSON line; add ``peak``, bytes, and ``wall``, seconds."""
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        while process.poll() is None:
            peak = max(peak, memory(tree(process.pid)))
            time.sleep(0.1)
        printed = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    wall = time.perf_counter() - start
    last = [line for line in printed.splitlines() if line.startswith("{")][-1]
    return json.loads(last) | {"peak": peak, "wall": wall}
