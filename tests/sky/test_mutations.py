"""Damaged headers give a position or one clear line: no crash, no other exception, no warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MUTATIONS = Path(__file__).parents[1] / "wcs_mutations.py"


def test_mutated_headers():
    """In a process of its own, which a fault of wcslib could end."""
    ran = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(MUTATIONS), "600"], capture_output=True,
        text=True, check=False, timeout=100,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert 150 < int(ran.stdout) < 500
