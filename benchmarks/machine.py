"""What is known about this machine, and processes that keep it busy."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

__all__ = ["busy", "cores", "describe", "load", "version"]

_LIBRARIES = ("numpy", "pyarrow", "astropy", "zlib-ng", "torch")


def cores() -> int:
    """Return how many processors this process may use."""
    has_mask = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_mask else os.cpu_count() or 1


def load() -> str:
    """Return the load of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def describe(checkout: Path) -> list[str]:
    """Return lines about the machine, the system and the versions, for people who compare rates."""
    system = f"{platform.system()} {platform.release()}"
    return [
        f"Machine: {_processor()}, {cores()} cores, {_memory_gb():.0f} GB of memory, {system}.",
        f"Versions: Python {platform.python_version()}, {version(checkout)}, {_libraries()}.",
    ]


def version(checkout: Path, python: str = sys.executable) -> str:
    """Return the version, the commit and the kernel of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    said = _output([python, "-m", "mingolotss", "--version"], environment)
    commit = _output(["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"], None)
    changed = _output(["git", "-C", str(checkout), "status", "--porcelain", "src"], None)
    return f"{said}, commit {commit or 'unknown'}{' with changes' if changed else ''}"


def _output(command: list[str], environment: dict[str, str] | None) -> str:
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ended.stdout.strip()


def _processor() -> str:
    """Return the model of the processor and the width of its vectors."""
    info, name = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if not info.exists():
        return name
    lines = [line.partition(":") for line in info.read_text().splitlines()]
    values = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    flags = values.get("flags", "").split()
    vectors = next((f" ({flag})" for flag in ("avx512f", "avx2") if flag in flags), "")
    clock = f" at {float(values['cpu MHz']) / 1000:.1f} GHz" if "cpu MHz" in values else ""
    return f"{values.get('model name', name)}{clock}{vectors}"


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _libraries() -> str:
    """Return the versions of the libraries that the rates depend on."""
    known = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    return ", ".join(f"{name} {known[name]}" for name in _LIBRARIES if name in known)


# It ends with the process that started it, however that ends.
_BUSY = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many processes busy meanwhile."""
    command = [sys.executable, "-c", _BUSY, str(os.getpid())]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
