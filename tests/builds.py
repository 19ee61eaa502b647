"""Helpers that look at whole builds."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from warm_process import run_warm


def contents(out: Path) -> dict[str, str]:
    """Return the checksum of every file of a build, by its path in it.

    ``inputs.toml`` is left out: it says where the inputs are, from that build.
    """
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "inputs.toml"
    }


def command(*arguments: object) -> list[str]:
    """Return the command line of the program, run by this Python."""
    return [sys.executable, "-m", "mingolotss", *map(str, arguments)]


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program as a person would; give back its exit code and what it printed."""
    return run_warm(*map(str, arguments), cwd=cwd, environment={"COLUMNS": "200"})
