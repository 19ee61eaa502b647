"""Files that are whole or not there, and names that stay inside their folder.

Everything is written beside its place under a name that starts with `PART` and renamed into it,
so a reader never meets half a file and a killed build leaves nothing but such leftovers, which
`sweep` removes. An object store (any fsspec address) does the same by itself: an object appears
when it is complete.

>>> safe_name("../<script>"), safe_name("ILTJ104416.22+524037.3")
('..%2F%3Cscript%3E', 'ILTJ104416.22+524037.3')
>>> safe_name("..")
'%2E%2E'
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mingolotss.errors import InputError

__all__ = ["PART", "atomic_path", "safe_name", "sha256_file", "sweep", "write_bytes"]

PART = ".part-"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends well it becomes `path`, else it is removed.

    Raises
    ------
    InputError
        The disk is full or not writable: a line that says which file and what to do.
    """
    beside = path.with_name(f"{PART}{os.getpid()}-{threading.get_ident():x}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _translate(error, path) from error
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as beside:
        beside.write_bytes(data)


def sweep(folder: Path) -> int:
    """Remove what killed writers left in `folder` and below; return how many files went."""
    left = [path for path in folder.rglob(f"{PART}*") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def safe_name(name: str) -> str:
    """Return `name` as one path component, the same for the same name and for no other.

    Letters, digits and ``+-._~ =@,()`` stay; everything else is percent-encoded.
    """
    encoded = quote(name, safe="+ =@,()")
    return encoded.replace(".", "%2E") if encoded.strip(".") == "" else encoded


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _translate(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"write {path}: no space left on the disk; free some and run the same command again, "
            "what is done is kept"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return InputError(f"write {path}: {error.strerror}; choose another output folder")
    return error
