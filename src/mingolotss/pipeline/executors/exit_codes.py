"""How a process ended, in words.

>>> describe_exit(-11), describe_exit(3)
('was ended by signal 11 (SIGSEGV)', 'ended itself with exit code 3')
"""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

__all__ = ["OUT_OF_MEMORY", "count_memory_kills", "describe_exit"]

OUT_OF_MEMORY = "was ended by the kernel because memory ran out"
_VMSTAT = Path("/proc/vmstat")


def describe_exit(exit_code: int, memory_kills: int = 0) -> str:
    """Return how a process ended.

    Parameters
    ----------
    exit_code : int
        As of `multiprocessing.Process`: negative for a signal.
    memory_kills : int
        How many processes the kernel has ended for want of memory while this one ran. Without
        any, SIGKILL has another reason.
    """
    if exit_code >= 0:
        return f"ended itself with exit code {exit_code}"
    if memory_kills > 0 and exit_code == -signal.SIGKILL:  # which only Linux counts
        return OUT_OF_MEMORY
    name = ""
    with suppress(ValueError):  # real-time signals have no name
        name = f" ({signal.Signals(-exit_code).name})"
    return f"was ended by signal {-exit_code}{name}"


def count_memory_kills() -> int:
    """Return how many processes the kernel has ended for want of memory; 0 if it does not say.

    Linux counts those of the whole machine and those of a cgroup's limit together (``oom_kill`` in
    proc(5)).
    """
    with suppress(OSError, ValueError):
        for line in _VMSTAT.read_text("ascii").splitlines():
            key, _, count = line.partition(" ")
            if key == "oom_kill":
                return int(count)
    return 0
