"""What the tests share: where the project's data are, and tiny builds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of data that does not belong in the repository."""
    place = Path(os.environ.get("MINGOLOTSS_SHARED", ROOT.parent / "shared"))
    if not (place / "golden").is_dir():
        pytest.skip("needs the project's data in ../shared, which is not here")
    return place
