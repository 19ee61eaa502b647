"""Run a command; measure its time, the processor and the memory of it and all its children."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Watched", "watch"]

_INTERVAL = 0.05  # seconds between two looks at the memory
_PATIENCE = 10.0  # seconds for orphans to end
_PR_SET_CHILD_SUBREAPER = 36


class Watched(NamedTuple):
    """What a command used.

    Attributes
    ----------
    wall, processor : float, s
        From its start to its end; used by all its processes.
    peak : int
        Bytes of all its processes together, without the page cache.
    report : dict
        The last JSON object that it printed on a line of its own; empty if there is none.
    """

    wall: float
    processor: float
    peak: int
    report: dict[str, Any]


def watch(command: list[str], environment: dict[str, str] | None = None) -> Watched:
    """Run a command to its end.

    Raises
    ------
    SystemExit
        It failed; the message has the end of what it printed.
    """
    with (
        _adopted_orphans(),
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        before, start = set(_children()), time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        sampler = _Sampler(process.pid)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
        processor = usage.ru_utime + usage.ru_stime + _reap(before)
        if process.returncode:
            raise SystemExit(
                f"{' '.join(command)} ended with {process.returncode}:\n{_content(errors)[-2000:]}"
            )
        lines = [line for line in _content(output).splitlines() if line.startswith("{")]
    return Watched(wall, processor, sampler.peak, json.loads(lines[-1]) if lines else {})


class _Sampler(threading.Thread):
    """Looks at the memory of a process and its children until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak, self._pid, self._is_over = 0, pid, threading.Event()

    def run(self) -> None:
        while not self._is_over.wait(_INTERVAL):
            self.peak = max(self.peak, _memory(_tree(self._pid)))

    def stop(self) -> None:
        self._is_over.set()
        self.join()


@contextmanager
def _adopted_orphans() -> Iterator[None]:
    """Be the parent of processes whose own parent ends, so that their time is counted (Linux).

    The server that forks the workers of a build outlives the command by some milliseconds.
    """
    set_option = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *_: 0
    set_option(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        set_option(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _reap(before: set[int]) -> float:
    """Wait for the orphans of a command; return the seconds of processor that they used."""
    seconds, end = 0.0, time.monotonic() + _PATIENCE
    while (orphans := set(_children()) - before) and time.monotonic() < end:
        for pid in orphans:
            with suppress(ChildProcessError):
                ended, _, usage = os.wait4(pid, os.WNOHANG)
                seconds += (usage.ru_utime + usage.ru_stime) if ended else 0.0
        time.sleep(0.005)
    return seconds


def _children(pid: int | str = "self") -> list[int]:
    """Return the processes that a process has started (Linux)."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, children.read_text().split())
    return found


def _tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    return [pid, *(one for child in _children(pid) for one in _tree(child))]


def _memory(pids: list[int]) -> int:
    """Return the bytes that processes hold apart from the page cache (Linux)."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            held = [line for line in lines if line.startswith(("RssAnon", "RssShmem"))]
            total += sum(int(line.split()[1]) for line in held)
    return total * 1024


def _content(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode("utf-8", "replace"))
