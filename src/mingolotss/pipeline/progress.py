"""How a build reports its progress to its caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

__all__ = ["Activity", "BuildProgress", "no_progress"]

Activity = Literal[
    "simulating the sky",
    "searching",
    "fetching",
    "stamps",
    "assembling",
    "reading images",
    "predicting",
]

BuildProgress = Callable[[int, int, Activity], None]
"""Called with (done, total, current activity); counts sources, and cutouts while fetching."""


def no_progress(done: int, total: int, activity: Activity) -> None:
    """Ignore the progress: the default where the caller gives no `BuildProgress`."""
