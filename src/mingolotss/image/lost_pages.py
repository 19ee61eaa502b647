"""Read mapped files that may be cut short meanwhile, or whose disk may fail.

A page of a mapped file that the system cannot read ends the process by SIGBUS. Inside of
`watch_lost_pages` it reads as zeros instead, and is counted (``_kernel/pages.h``). Without the
compiled kernel, or on another system than Linux, nothing is watched; a worker process that ends
then is dealt with by `mingolotss.pipeline.recovery`.

>>> with watch_lost_pages() as lost:
...     pass
>>> lost.pages
0
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mingolotss.image.compiled import load_library

__all__ = ["LostPages", "watch_lost_pages"]


@dataclass(slots=True)
class LostPages:
    """How many pages could not be read; known when the block has ended."""

    pages: int = 0


@contextmanager
def watch_lost_pages() -> Iterator[LostPages]:
    """Let this thread read zeros where the system cannot read a page of a mapped file.

    Blocks can be nested; a page counts in the innermost. Whatever was computed in a block with lost
    pages is to be thrown away.
    """
    lost, library = LostPages(), load_library()
    if library is None:
        yield lost
        return
    start = library.mingolotss_watch()
    try:
        yield lost
    finally:
        lost.pages = library.mingolotss_end_watch(start)
