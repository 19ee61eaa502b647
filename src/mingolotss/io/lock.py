"""A lock that keeps two processes from doing the same work at once.

The operating system releases the lock when its process ends, however it ends. The lock file exists
only while the lock is held; one that a killed process left behind blocks nobody.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / ".build.lock"
...     with file_lock(path):
...         path.exists()
...     path.exists()
True
False
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["file_lock", "lock_path", "remove_stale_lock"]

_POLL_S = 0.01
_ANY_USER = 0o666  # several users may share a folder, and each must be able to open the lock file


def lock_path(path: Path) -> Path:
    """Return the path of the lock file that guards a file or the work in a folder.

    >>> lock_path(Path("build/decisions.csv")).as_posix()
    'build/.decisions.csv.lock'
    """
    return path.with_name(f".{path.name}.lock")


@contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock until the block ends, against all other processes and threads.

    Parameters
    ----------
    path : Path
        The lock file. Its folder is created if it is missing, and again if another process removes
        it during the wait.
    wait : bool
        Whether to wait while the lock is held elsewhere.

    Raises
    ------
    BlockingIOError
        The lock is held elsewhere, and `wait` is False.
    OSError
        The lock file cannot be created.
    """
    from filelock import FileLock, Timeout, has_fcntl  # 0.06 s, only needed where files are written

    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=-1 if wait else 0, mode=_ANY_USER, poll_interval=_POLL_S)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue
        except Timeout as error:
            raise BlockingIOError(f"lock {path}: held by another process") from error
        break
    try:
        yield
    finally:
        # Removal comes before release: a process that has opened the removed file notices that it
        # has no name any more, and opens a new one. Without fcntl, filelock removes the file
        # itself.
        if has_fcntl:
            with suppress(OSError):
                path.unlink()
        lock.release()


def remove_stale_lock(path: Path) -> None:
    """Remove a lock file that a killed process left behind; one that is in use stays."""
    if path.exists():
        with suppress(OSError), file_lock(path, wait=False):
            pass  # releasing the lock removes the file
