"""The positions of headers of every kind are those of astropy, or both refuse the header."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEADERS = Path(__file__).parents[1] / "wcs_headers.py"


def outcomes(*groups: object) -> list[tuple[int, str]]:
    """Return how many headers had which outcome; astropy may abort, so in another process."""
    command = [sys.executable, str(HEADERS), *map(str, groups)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "different" not in ran.stdout, ran.stdout[:3000]
    rows = [line[28:].split(maxsplit=1) for line in ran.stdout.splitlines()]
    return [(int(count), outcome) for count, outcome in rows]


@pytest.mark.parametrize("generated", [30, pytest.param(5000, marks=pytest.mark.slow)])
def test_positions_are_those_of_astropy(generated):
    """Five pixels agree to 1e-6 in both directions; what is refused here alone is named."""
    rows = outcomes(generated, "astropy")
    equal = sum(count for count, outcome in rows if outcome.startswith("equal"))
    assert equal > 60 + generated * 0.7
    refused = {outcome for _, outcome in rows if outcome.startswith("ours refuses")}
    assert refused <= {
        "ours refuses: its coordinates are of a kind that is not read",  # ecliptic
        # A header without its file, of which astropy leaves the table out:
        "ours refuses: D2IMDIS1 needs the table D2IMARR 1, which the file does not have",
        "ours refuses: the image has the axes 2 and 4, but the sky is on the axes 5 and 6",
    }


def test_positions_of_the_headers_of_wcslib(shared):
    """The same for the headers in wcslib's own tests, with some of which astropy aborts."""
    folder = Path(os.environ.get("WCSLIB_TEST_DATA") or shared / "wcslib")
    if not folder.is_dir():
        pytest.skip("needs C/test of wcslib's source, in WCSLIB_TEST_DATA or ../shared/wcslib")
    rows = outcomes(folder)
    assert {outcome for _, outcome in rows if "ours refuses" in outcome} <= {
        "astropy aborts, ours refuses"
    }
