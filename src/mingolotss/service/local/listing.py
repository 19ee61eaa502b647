"""The files of a folder on this machine, and those that cannot be used.

Hidden files are left out, and so is everything that is not a file although its name says so: it is
recorded with the reason.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from mingolotss.errors import InputError
from mingolotss.io.system_faults import PASSING_FAULTS, describe_fault
from mingolotss.service.fits_names import PassedOver, is_hidden, split_suffix, unread_suffix
from mingolotss.service.mosaic_names import is_mosaic_name

__all__ = ["fits_files", "listed_files", "mosaic_files"]

_MAX_DEEP_FILES = 20_000  # so that a whole home directory takes 0.1 s


def mosaic_files(root: Path, passed_over: PassedOver) -> list[str]:
    """Return the paths of the FITS files in a folder and in the folders directly in it, with ``/``.

    Parameters
    ----------
    root : Path
    passed_over : PassedOver
        Receives the mosaics that cannot be used, also those further down.

    Raises
    ------
    InputError
        The folder cannot be listed.
    """
    prefix, entries = (root / "x").as_posix()[:-1], _scan(root)
    names = _fits_names(entries, passed_over)
    for folder in _folders_to_search(root, entries, passed_over):
        try:
            inner = _scan(root / folder)
        except InputError as error:
            if not _may_not_be_read(error.__cause__):
                raise
            passed_over.add(f"{folder}/", str(error))
            continue
        names += [f"{folder}/{name}" for name in _fits_names(inner, passed_over, f"{folder}/")]
        for deeper in _folder_names(inner):
            _look_deeper(root, f"{folder}/{deeper}", passed_over)
    return [prefix + name for name in names]


def fits_files(folder: Path, passed_over: PassedOver) -> list[str]:
    """Return the names of the FITS files in one folder, sorted.

    Parameters
    ----------
    folder : Path
    passed_over : PassedOver
        Receives what has the name of a FITS file and is none.

    Raises
    ------
    InputError
        The folder cannot be listed.
    """
    return _fits_names(_scan(folder), passed_over)


def _fits_names(
    entries: Iterable[os.DirEntry[str]], passed_over: PassedOver, shown: str = ""
) -> list[str]:
    """Return the names of the FITS files among the entries of a folder, sorted.

    `shown` is put before the names in `passed_over`.
    """
    names = []
    for entry in entries:
        name = entry.name
        if name.startswith("._"):
            continue
        if split_suffix(name) is None:
            if not is_hidden(name) and (reason := unread_suffix(name)):
                passed_over.add(_printable(shown + name), reason)
        elif reason := _why_no_file(entry):
            if not is_hidden(name):
                passed_over.add(_printable(shown + name), reason)
        else:
            names.append(name)
    return sorted(names)


def listed_files(root: Path) -> tuple[int, str]:
    """Return the number of FITS files in a folder and in those in it, and a SHA-256 of their names.

    It tells whether files were added or removed, without opening one. 0 and "" if the folder cannot
    be listed.
    """
    prefix = len((root / "x").as_posix()) - 1
    try:
        names = sorted(path[prefix:] for path in mosaic_files(root, PassedOver()))
    except InputError:
        return 0, ""
    return len(names), hashlib.sha256("\0".join(names).encode()).hexdigest()


def _folders_to_search(
    root: Path, entries: Iterable[os.DirEntry[str]], passed_over: PassedOver
) -> list[str]:
    """Return the folders in a folder, without links that lead nowhere or to one of the others."""
    folders = _folder_names(entries)
    links = [entry.name for entry in entries if entry.is_symlink()]
    searched = {root.resolve(), *(root.resolve() / name for name in set(folders) - set(links))}
    for name in sorted(links):
        if is_hidden(name) or split_suffix(name) is not None:
            continue
        if not (root / name).exists():
            passed_over.add(_printable(name), "a link to a file or folder that does not exist")
        elif name in folders:
            target = (root / name).resolve()
            if target in searched:
                passed_over.add(_printable(name), "a link to a folder that is searched without it")
                folders.remove(name)
            searched.add(target)
    return folders


def _folder_names(entries: Iterable[os.DirEntry[str]]) -> list[str]:
    """Return the names of the folders among entries that are not hidden, sorted."""
    return sorted(
        entry.name for entry in entries
        if not is_hidden(entry.name) and _is_folder(entry) and _is_text(entry.name)
    )  # fmt: skip


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link to itself
        if not _may_not_be_read(error):
            raise _cannot_list(entry.path, error) from error
        return False


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder once; an entry knows what it is without another call of the system."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _cannot_list(folder, error) from error


def _cannot_list(path: Path | str, error: OSError) -> InputError:
    reason = describe_fault(error) or error.strerror
    return InputError(f"list the folder {path}: {reason}")


def _may_not_be_read(error: BaseException | None) -> bool:
    """Return whether an entry is passed over, because it will not be there in the next run either.

    A fault that passes would lose the mosaics in a folder for this run.
    """
    number = getattr(error, "errno", None)
    return number in {errno.EACCES, errno.EPERM} or number not in PASSING_FAULTS


def _why_no_file(entry: os.DirEntry[str]) -> str:
    """Return why an entry of a folder is no file that can be used, or ""."""
    if not _is_text(entry.name):
        return "its name is not valid UTF-8; rename it"
    try:
        if entry.is_file():
            return ""
        if entry.is_dir():
            return "a folder, not a file"
        return "a link to a file that does not exist" if entry.is_symlink() else "not a file"
    except OSError as error:  # a link to itself, or one into a folder that may not be read
        if not _may_not_be_read(error):
            raise _cannot_list(entry.path, error) from error
        return f"{error.strerror}"


def _is_text(name: str) -> bool:
    """Return whether a name on disk is valid UTF-8; others cannot be written to any table."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _printable(name: str) -> str:
    """Return a name with the hexadecimal value of each byte that is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _look_deeper(root: Path, folder: str, passed_over: PassedOver) -> None:
    """Record the mosaics below a folder that is too far down to be searched."""
    paths = (
        os.path.relpath(os.path.join(path, name), root)  # noqa: PTH118
        for path, _, names in os.walk(root / folder)
        for name in names
    )
    for path in islice(paths, _MAX_DEEP_FILES):
        if is_mosaic_name(path):
            passed_over.add(
                _printable(path), "more than one folder down; give its folder to the service"
            )
