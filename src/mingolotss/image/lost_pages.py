"""Read mapped files that may be cut short meanwhile, or whose disk may fail.

A page of a mapped file that the system cannot read ends the process by SIGBUS. Inside of
`LostPages` it reads as zeros instead, and is counted (``_kernel/pages.h``). Without the
compiled kernel, or on another system than Linux, nothing is watched; a worker process that ends
then is dealt with by `mingolotss.pipeline.recovery`.

>>> with LostPages() as lost:
...     pass
>>> lost.pages
0
"""

from __future__ import annotations

from typing import Self

from mingolotss.image.kernel_library import load_library

__all__ = ["LostPages"]


class LostPages:
    """A block in which this thread reads zeros where the system cannot read a mapped page.

    Blocks can be nested; a page counts in the innermost. Whatever was computed in a block with lost
    pages is to be thrown away.

    Attributes
    ----------
    pages : int
        How many pages could not be read; known when the block has ended.
    """

    # Two of these are used for each image; a generator would take 2 µs more.
    __slots__ = ("_start", "pages")

    def __init__(self) -> None:
        self.pages = 0

    def __enter__(self) -> Self:
        library = load_library()
        self._start: int | None = library.mingolotss_watch() if library else None
        return self

    def __exit__(self, *_error: object) -> None:
        library = load_library()
        if library and self._start is not None:
            self.pages = library.mingolotss_end_watch(self._start)
