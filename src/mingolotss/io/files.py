"""Write files that are complete or absent.

Every file is written under a temporary name, which starts with `TEMPORARY_PREFIX`, in the same
folder, and is then renamed. A reader never sees an incomplete file, and an interrupted build leaves
only temporary files, which `remove_temporary_files` removes. In an object store (any fsspec
address) an object appears only when it is complete. Not here: how files are named
(``file_names.py``).
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING, cast

from mingolotss.errors import ImageError, InputError, MingoError, UnreadableFileError
from mingolotss.foreign import translate_errors
from mingolotss.io.system_faults import PASSING_FAULTS

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from upath import UPath

__all__ = [
    "LARGEST_TEXT",
    "TEMPORARY_PREFIX",
    "as_image_error",
    "as_input_error",
    "atomic_path",
    "check_regular",
    "created_folders",
    "file_system",
    "is_case_sensitive",
    "is_local",
    "largest_expansion",
    "locate",
    "md5_and_sha256_file",
    "md5_file",
    "missing_folders",
    "read_bounded",
    "remove_empty",
    "remove_temporary_files",
    "remove_tree",
    "same_file",
    "sha256_file",
    "write_bytes",
    "write_files",
    "writing_to_store",
]

TEMPORARY_PREFIX = ".part-"
_PIECE = 1 << 20
_FOLDERS_LOCK = threading.Lock()
_new_folders: dict[Path, list[Path]] = {}  # that were missing before somebody wrote into a folder
_folder_users: Counter[Path] = Counter()
LARGEST_TEXT = 64 << 20  # bytes of a recipe, a list of checksums or of class names
_EXPANSION, _EXPANSION_FLOOR = 200, 256 << 20


def locate(address: Path | str) -> Path:
    """Return the path of a local folder, or of a folder at any fsspec address, which answers.

    Returns
    -------
    pathlib.Path or upath.UPath
        A UPath has the methods of Path that are used in this package, but is no subclass of it. It
        is annotated as Path, so that no function has to name both.

    Raises
    ------
    InputError
        A library for the address is not installed, or no library supports it.
    ServiceUnavailableError
        The address does not answer.
    """
    text = str(address)
    if "://" not in text:
        return Path(address)
    try:
        from upath import UPath

        remote = UPath(text, use_listings_cache=False)  # other workers write there too
    except (ImportError, ValueError) as error:
        raise InputError(
            f"open {text}: {error}; addresses need pip install 'mingolotss[dask]'"
        ) from error
    folder = cast("Path", remote)
    if is_local(folder):  # file://, whose UPath lacks some of the methods of Path
        return Path(os.fspath(folder))
    from mingolotss.io.object_stores import require_store

    with translate_errors(f"open {text}", InputError, passed=(MingoError,)):
        filesystem = file_system(folder)  # a library for it may be missing
    require_store(filesystem, text)
    return folder


def is_local(path: Path) -> bool:
    """Return whether a path from `locate` is on this machine."""
    # A UPath has no __fspath__ unless it is local, since the operating system cannot open it.
    return isinstance(path, os.PathLike)


def remove_tree(path: Path) -> None:
    """Remove a folder and its contents, if it exists."""
    if is_local(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(FileNotFoundError):
        file_system(path).rm(str(path), recursive=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Provide a temporary path, which becomes `path` if the block succeeds, and is removed if not.

    Raises
    ------
    InputError
        The disk is full or not writable; the message says which file and what to do.
    """
    if not is_local(path):
        with TemporaryDirectory(prefix="mingolotss-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            with writing_to_store(path):
                file_system(path).put_file(str(temporary), str(path))
        return
    # The temporary file is in the same folder, and so on the same file system, where a rename
    # replaces the old file in one step (POSIX rename): a reader sees the old file or the new one,
    # and never a part.
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{path.name}")
    with created_folders(path.parent):
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):  # the removal may fail for the same reason
                temporary.unlink(missing_ok=True)
            raise as_input_error(error, path) from error
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def created_folders(folder: Path) -> Iterator[None]:
    """Create a folder and its parents, and remove those that are new if the block fails.

    Raises
    ------
    InputError
        They cannot be created.
    """
    # Several threads may write into one folder that is not there yet. The first creates it, and one
    # that fails must not remove it while others write: the last one does, if nothing is in it.
    with _FOLDERS_LOCK:
        missing = _new_folders.get(folder) or missing_folders(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remove_empty(missing)
            raise as_input_error(error, folder) from error
        _new_folders[folder] = missing
        _folder_users[folder] += 1
    try:
        yield
    except OSError as error:
        raise as_input_error(error, folder) from error
    finally:
        with _FOLDERS_LOCK:
            _folder_users[folder] -= 1
            if not _folder_users[folder]:
                del _folder_users[folder]
                remove_empty(_new_folders.pop(folder))


def missing_folders(folder: Path) -> list[Path]:
    """Return a folder and its parents as far as they do not exist, the innermost first."""
    return list(takewhile(lambda place: not place.exists(), (folder, *folder.parents)))


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that are empty, given the innermost first."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, complete or not at all."""
    write_files(path.parent, [(path.name, data)])


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files into one folder, each complete or not at all.

    A build may have a PNG for each of millions of sources: this function takes 50 µs per file, and
    `atomic_path` 120 (2 cores, ext4, median of 2,000).

    Raises
    ------
    InputError
        As for `atomic_path`.
    """
    if not is_local(folder):
        with writing_to_store(folder):
            file_system(folder).pipe({str(folder / name): data for name, data in files})
        return
    final = f"{folder}{os.sep}"
    temporary = f"{final}{TEMPORARY_PREFIX}{secrets.token_hex(4)}-"
    for name, data in files:
        try:
            _replace(final + name, temporary + name, data)
        except FileNotFoundError:
            with created_folders(folder):
                _replace(final + name, temporary + name, data)


def _replace(path: str, temporary: str, data: bytes) -> None:
    """Write a new file, and give it the name of the old one.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    InputError
        The file cannot be written.
    """
    try:
        _write(temporary, data)
        os.replace(temporary, path)  # noqa: PTH105 - Path costs more than the call
    except FileNotFoundError:
        raise
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        if isinstance(error, OSError):
            raise as_input_error(error, Path(path)) from error
        raise


def _write(path: str, data: bytes) -> None:
    with open(path, "xb", buffering=0) as stream:  # noqa: PTH123
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[stream.write(remaining) :]


def remove_temporary_files(folder: Path) -> int:
    """Remove the temporary files of interrupted writers below a folder; return their number."""
    if not is_local(folder):
        return 0  # an object store has no incomplete objects
    temporary = [path for path in folder.rglob(f"{TEMPORARY_PREFIX}*") if path.is_file()]
    for path in temporary:
        path.unlink(missing_ok=True)
    return len(temporary)


def same_file(names: Sequence[str], folder: Path) -> tuple[int, int] | None:
    """Find two names that would be one file in a folder.

    Names that differ only in case are one file on the usual disks of macOS and Windows.

    Parameters
    ----------
    names : sequence of str
        Names of files.
    folder : Path
        An existing folder, whose disk decides whether case matters.

    Returns
    -------
    tuple of int or None
        The indices of the first such pair.
    """
    if len({name.lower() for name in names}) == len(names):
        return None  # nearly always, and the disk need not be asked
    ignores_case = not is_case_sensitive(folder)
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        earlier = first.setdefault(name.lower() if ignores_case else name, index)
        if earlier != index:
            return earlier, index
    return None


def is_case_sensitive(folder: Path) -> bool:
    """Return whether the disk of an existing folder keeps apart names that differ only in case."""
    if not is_local(folder):
        return True  # the keys of an object store are bytes
    with NamedTemporaryFile(prefix=f"{TEMPORARY_PREFIX}case-", dir=folder) as file:
        return not folder.joinpath(Path(file.name).name.upper()).exists()


def largest_expansion(size: int) -> int:
    """Return how many bytes a file of `size` bytes may contain after decompression.

    Clipped stamps compress 10 to 60 times; a bomb of zeros compresses 1,000 times and more.
    """
    return max(_EXPANSION_FLOOR, _EXPANSION * size)


def check_regular(path: Path) -> None:
    """Refuse what is no regular file before it is opened: to open a pipe waits for its writer.

    Raises
    ------
    OSError
        It is a folder, a pipe, a device or a socket, or does not exist.
    """
    if not is_local(path):
        return
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe, a device or a socket, not a file", str(path))


def read_bounded(path: Path, largest: int = LARGEST_TEXT) -> bytes:
    """Return the bytes of a regular file that has to be small.

    Parameters
    ----------
    path : Path
    largest : int
        Bytes.

    Raises
    ------
    OSError
        It cannot be read, is no regular file, or is larger.
    """
    check_regular(path)
    with path.open("rb") as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EINVAL, f"more than {largest >> 20} MiB", str(path))
    return data


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    A file that grows meanwhile is read up to the size that it had at first.
    """
    (digest,) = _digests(path, hashlib.sha256())
    return digest


def md5_file(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal.

    The published checksums of the original dataset are MD5. It only detects damage. It is also
    available where a policy forbids it for security (FIPS).
    """
    (digest,) = _digests(path, hashlib.md5(usedforsecurity=False))
    return digest


def md5_and_sha256_file(path: Path) -> tuple[str, str]:
    """Return what `md5_file` and `sha256_file` return, and read the file once."""
    md5, sha256 = _digests(path, hashlib.md5(usedforsecurity=False), hashlib.sha256())
    return md5, sha256


def _digests(path: Path, *states: hashlib._Hash) -> list[str]:
    check_regular(path)
    remaining = path.stat().st_size
    with path.open("rb") as stream:
        while remaining > 0 and (piece := stream.read(min(_PIECE, remaining))):
            for state in states:
                state.update(piece)
            remaining -= len(piece)
    return [state.hexdigest() for state in states]


def file_system(path: Path) -> AbstractFileSystem:
    """Return the fsspec file system of a path from `locate` that is not local."""
    return cast("UPath", path).fs


@contextmanager
def writing_to_store(path: Path) -> Iterator[None]:
    """Turn whatever the library of an object store raises into one line.

    Raises
    ------
    InputError
        The block raised an exception.
    """
    try:
        with translate_errors(f"write {path}", InputError, passed=(MingoError,)):
            yield
    except InputError as error:
        if error.__cause__ is None:
            raise
        hint = "check the address, the credentials and the network"
        raise InputError(f"{error}; {hint}") from error.__cause__


def as_image_error(action: str, error: OSError, path: Path | str) -> ImageError:
    """Return what to raise when reading an image failed.

    Parameters
    ----------
    action : str
        ``open`` or ``read``.
    error : OSError
    path : Path or str

    Returns
    -------
    UnreadableFileError or ImageError
        The first if the fault may pass, such as too many open files or a disk error.
    """
    kind = UnreadableFileError if error.errno in PASSING_FAULTS else ImageError
    return kind(f"{action} {path}: {error.strerror or error}", path=str(path))


def as_input_error(error: OSError, path: Path) -> InputError | OSError:
    """Return what to raise when writing to a path failed.

    Returns
    -------
    InputError or OSError
        An InputError that says what to do, where the user can do something: the disk is full, the
        folder cannot be written to, or the fault may pass. Otherwise the same error.
    """
    for numbers, advice in _ADVICE.items():
        if error.errno in numbers:
            reason = error.strerror or " ".join(str(error).split())
            return InputError(f"write {path}: {advice.format(reason=reason)}")
    return error


_ADVICE: Mapping[tuple[int | None, ...], str] = {
    (errno.ENOSPC, errno.EDQUOT): (
        "no space left on the disk; free some and run the same command again: finished files are "
        "kept"
    ),
    (errno.EFBIG,): (
        "the file would be larger than this disk or the limit of this session allows (ulimit -f); "
        "choose another output folder"
    ),
    (errno.ENAMETOOLONG,): (
        "the name is too long for this disk; give the source a shorter one"
    ),
    (
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
    ): "{reason}; choose another output folder",
    (*PASSING_FAULTS,): "{reason}; run the same command again: finished files are kept",
    (None,): (  # of a library
        "{reason}; is the disk full, or its folder not writable? Finished files are kept"
    ),
}  # fmt: skip
