"""The lock on a build's folder: one process plans, deletes or builds in it at a time.

`mingolotss.plan` and `mingolotss.run` hold it, and `mingolotss.build` holds it from the plan to the
end, so that nothing of a running build is deleted.

>>> from tempfile import mkdtemp
>>> out = Path(mkdtemp(), "out")
>>> with build_lock(out):
...     out.exists()
True
>>> out.exists()
False
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# It takes 12 ms, and is imported with this module, while the workers of a build start, and not when
# the lock is taken.
import filelock  # noqa: F401

from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import InputError
from mingolotss.io.files import as_input_error, is_local, missing_folders, remove_empty
from mingolotss.io.lock import file_lock, lock_path, remove_stale_lock

__all__ = ["build_lock"]


@contextmanager
def build_lock(out: Path) -> Iterator[None]:
    """Hold the lock on the folder of a build.

    A folder that is created for the lock and still empty at the end is removed.

    Parameters
    ----------
    out : Path
        An object store has no locks; parts are written whole and are equal anyway.

    Raises
    ------
    InputError
        Another build is running there, or the folder cannot be created.
    """
    if not is_local(out):
        yield
        return
    path = lock_path(out / "build")
    created = missing_folders(out)
    with ExitStack() as stack:
        stack.callback(remove_empty, created)
        try:
            stack.enter_context(file_lock(path, wait=False))
        except BlockingIOError as error:
            raise InputError(
                f"build in {out}: another build is running there; wait for it or choose another "
                "--out"
            ) from error
        except OSError as error:
            raise as_input_error(error, path) from error
        remove_stale_lock(lock_path(BuildFolder(out).decisions))
        yield
