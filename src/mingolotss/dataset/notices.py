"""``notices.txt`` of a build: the files that its image service found and does not use.

>>> from tempfile import mkdtemp
>>> path = Path(mkdtemp(), "notices.txt")
>>> write_notices(path, ["passed over 'P1-mosaic.fits.fz': a compressed copy"])
>>> read_notices(path)
["passed over 'P1-mosaic.fits.fz': a compressed copy"]
>>> write_notices(path, [])
>>> path.exists()
False
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mingolotss.errors import DatasetError
from mingolotss.io.files import read_bounded, write_bytes
from mingolotss.io.system_faults import describe_fault

__all__ = ["read_notices", "write_notices"]


def read_notices(path: Path) -> list[str]:
    """Return the lines of the file; none if there is no file.

    Raises
    ------
    DatasetError
        It cannot be read, or is no text.
    """
    try:
        return read_bounded(path).decode().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        advice = describe_fault(error) or f"{reason}; remove it and build again"
        raise DatasetError(f"read {path}: {advice}") from error


def write_notices(path: Path, lines: Sequence[str]) -> None:
    """Write the lines, or remove the file if there are none; an equal file is left alone."""
    one_each = [" ".join(line.splitlines()) for line in lines]
    if not one_each:
        path.unlink(missing_ok=True)
    elif one_each != read_notices(path):
        write_bytes(path, "".join(f"{line}\n" for line in one_each).encode())
