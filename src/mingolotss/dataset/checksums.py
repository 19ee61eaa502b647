"""Lists of checksums, ``DIGEST  NAME`` on each line, as ``sha256sum -c`` and ``md5sum -c`` read.

``checksums.sha256`` lists the files of a build or of an export with their SHA-256, and
``checksums`` those of a folder of batches with their MD5.

>>> from tempfile import mkdtemp
>>> folder = Path(mkdtemp())
>>> _ = (folder / "a").write_bytes(b"")
>>> write_checksums(folder / "list", digest_files(folder, [folder / "a"]))
>>> read_checksums(folder / "list")
{'a': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}
>>> _ = (folder / "a").write_bytes(b"x")
>>> list(changed_files(folder / "list", read_checksums(folder / "list")))
['a: its checksum is not the one in list']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath

from mingolotss.errors import DatasetError
from mingolotss.io.files import read_bounded, sha256_file, write_bytes
from mingolotss.io.system_faults import describe_fault

__all__ = ["changed_files", "digest_files", "read_checksums", "write_checksums"]

Digest = Callable[[Path], str]
_NOTHING_KNOWN: Mapping[str, str] = {}


def digest_files(
    folder: Path,
    paths: Iterable[Path],
    *,
    known: Mapping[str, str] = _NOTHING_KNOWN,
    digest: Digest = sha256_file,
) -> dict[str, str]:
    """Return the checksums of files by their names relative to `folder`.

    Parameters
    ----------
    folder : Path
    paths : iterable of Path
        Files in `folder` or below it.
    known : mapping of str to str
        Checksums by name; these files are not read.
    digest : callable
        Returns the checksum of a file.
    """
    from concurrent.futures import ThreadPoolExecutor  # readers of a list start no threads

    files = {path.relative_to(folder).as_posix(): path for path in paths}
    with ThreadPoolExecutor(2) as pool:
        digests = pool.map(lambda name: known.get(name) or digest(files[name]), files)
        return dict(zip(files, digests, strict=True))


def write_checksums(path: Path, digests: Mapping[str, str]) -> None:
    """Write a list of checksums, complete or not at all."""
    lines = [f"{digest}  {name}\n" for name, digest in digests.items()]
    write_bytes(path, "".join(lines).encode())


def read_checksums(path: Path) -> dict[str, str]:
    """Read a list of checksums; return them by name.

    Raises
    ------
    DatasetError
        The list cannot be read, or a line is no checksum with a name.
    """
    try:
        lines = read_bounded(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        advice = describe_fault(error) or f"{reason}; fetch or build it again"
        raise DatasetError(f"read {path}: {advice}") from error
    digests = {}
    for number, line in enumerate(lines, start=1):
        digest, separator, name = line.partition("  ")
        if not (digest and separator and name):
            raise DatasetError(
                f"read {path}: line {number} is no checksum with a name; fetch or build it again"
            )
        digests[name] = digest
    return digests


def changed_files(
    path: Path, expected: Mapping[str, str], digest: Digest = sha256_file
) -> Iterator[str]:
    """Give a line for each listed file that is missing, unreadable or has another checksum.

    A name that leads out of the folder gives a line, too; no such file is read.

    Parameters
    ----------
    path : Path
        The list; the names in it are relative to its folder.
    expected : mapping of str to str
        Its content, as `read_checksums` returns it.
    digest : callable
        Returns the checksum of a file.
    """
    for name, checksum in expected.items():
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts or "\0" in name:
            yield f"{name}: outside of the folder of {path.name}; it is not read"
            continue
        file = path.parent / name
        try:
            digest_now = digest(file) if file.exists() else None
        except OSError as error:
            yield f"{name}: {error.strerror or error}"
            continue
        if digest_now is None:
            yield f"{name}: missing"
        elif digest_now != checksum:
            yield f"{name}: its checksum is not the one in {path.name}"
