"""The command line: parse, call the library, print.

Exit codes: 0 done; 1 finished, but more sources were rejected than `--max-rejected` allows, or
`verify`, `compare` or `audit` found something; 2 an argument or an input file is wrong; 3 a remote
service failed.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence

__all__ = ["main"]

_GC_THRESHOLD = 500_000  # new objects between collections


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error a user can cause is one line and an exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of those of the process.
    """
    # An import makes many objects that all stay. With the usual 700, a tenth of a short command
    # would be spent on looking through them again and again.
    gc.set_threshold(_GC_THRESHOLD)
    # Imported here since each worker process imports this module, with the script of its caller.
    from mingolotss.cli import commands

    try:
        commands.main(arguments)
    finally:
        gc.freeze()  # the interpreter looks through all other objects at its end: 0.1 s
