"""The splits of a build for workers that begin before they are known.

No pixel depends on the split of its source, and planning the splits of a survey takes as long as
making hundreds of stamps. Workers can therefore begin while the splits are planned, and wait for
them before they write anything. A file is what they wait for, in a folder that exists as long as
somebody may wait: workers are processes of this machine.

>>> from mingolotss.formats.batches import list_batches
>>> with pending_splits() as pending:
...     pending.publish(np.array([1, 0, -1]), list_batches(["train", "test"], 1))
...     index, batches = pending.wait()
...     index.tolist(), [batch.split for batch in batches]
([1, 0, -1], ['train', 'test'])
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mingolotss.errors import InputError
from mingolotss.formats.batches import Batch
from mingolotss.io.files import remove_tree, write_bytes
from mingolotss.model import Ints

__all__ = ["PendingSplits", "pending_splits"]

_POLL_S = 0.002
_INDEX, _BATCHES = "index.npy", "batches.json"


@dataclass(frozen=True, slots=True)
class PendingSplits:
    """What workers wait for.

    Attributes
    ----------
    folder : Path
        A folder of this machine that is removed when nobody may wait any more.
    """

    folder: Path

    def publish(self, batch_index: Ints, batches: Sequence[Batch]) -> None:
        """Let the workers go on.

        Parameters
        ----------
        batch_index : int64 array, shape (n,)
            The batch of each source of the catalogue, an index into `batches`; -1 for none.
        batches : sequence of Batch

        Raises
        ------
        InputError
            The temporary folder cannot be written.
        """
        try:
            np.save(self.folder / _INDEX, batch_index)
        except OSError as error:
            raise InputError(
                f"give the splits to the workers in {self.folder}: {error.strerror or error}; make "
                "room there, or set TMPDIR to another folder"
            ) from error
        write_bytes(self.folder / _BATCHES, json.dumps(batches).encode())  # last: it ends the wait

    def give_up(self) -> None:
        """End the wait of all workers with an error."""
        remove_tree(self.folder)

    def wait(self) -> tuple[Ints, tuple[Batch, ...]]:
        """Return the arguments of `publish`; the index is mapped, not read.

        Raises
        ------
        InputError
            The splits will never be known: planning has failed.
        """
        path = self.folder / _BATCHES
        while not path.exists():
            if not self.folder.exists():
                raise InputError("make a part: the build was given up while it was planned")
            time.sleep(_POLL_S)
        index: Ints = np.load(self.folder / _INDEX, mmap_mode="r")
        return index, tuple(Batch(*batch) for batch in json.loads(path.read_bytes()))


@contextmanager
def pending_splits() -> Iterator[PendingSplits]:
    """Give workers something to wait for until the block ends.

    Raises
    ------
    OSError
        There is no room for temporary files.
    """
    with TemporaryDirectory(prefix="mingolotss-", ignore_cleanup_errors=True) as folder:
        yield PendingSplits(Path(folder))
