"""Where a file or folder outside a build is, recorded so that the build and its inputs can move.

A place is recorded twice. The path relative to the build still leads there after both were moved
together, and the absolute path after the build alone was moved. Inside the build there is only the
relative one. A path below the home directory of the user begins with ``~``, so that a build that is
passed on does not carry the name of a person.

>>> absolute_path("/data/a/../b/c.fits").as_posix()
'/data/b/c.fits'
>>> Place.of(Path("/data/sky/catalogue.fits"), Path("/data/build"))
Place(relative='../sky/catalogue.fits', absolute='/data/sky/catalogue.fits')
>>> Place.of(Path("/data/build/sky"), Path("/data/build"))
Place(relative='sky', absolute='')
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mingolotss.io.files import is_local

__all__ = ["Place", "absolute_path"]

_MOST_UPWARDS = 3  # folders to go up from the build; farther away is not beside it


def absolute_path(path: Path | str) -> Path:
    """Return the absolute path of a file or folder; its own name is kept, also if it is a link."""
    path = Path(path)
    # The folder above "link/.." is that of the target of the link, which only the disk knows.
    if path.name == "..":
        return path.resolve()
    if ".." in path.parts:
        return path.parent.resolve() / path.name
    return Path(os.path.abspath(path))  # noqa: PTH100


class Place(NamedTuple):
    """Where an input of a build is.

    Attributes
    ----------
    relative : str
        The path from the folder of the build, "" if it is not near.
    absolute : str
        The path from the root or from the home directory (``~``); "" inside the build.
    """

    relative: str = ""
    absolute: str = ""

    @classmethod
    def of(cls, path: Path, folder: Path) -> Place:
        """Return the record of a path.

        Parameters
        ----------
        path : Path
            From `absolute_path`.
        folder : Path
            The build, which need not exist yet.
        """
        if not is_local(folder):
            return cls(absolute=_with_tilde(path))
        # With links, the build may be beside the input by one of its paths and far by the other.
        # The last name of `path` may be a link itself.
        real = path.parent.resolve() / path.name
        ways = [_way(path, absolute_path(folder)), _way(real, folder.resolve())]
        upwards, relative = min((way for way in ways if way is not None), default=(1, ""))
        return cls(relative, _with_tilde(path) if upwards else "")

    def paths(self, folder: Path) -> list[Path]:
        """Return the paths where the input may be now, the nearest to the build first."""
        paths = []
        if self.relative:
            bases = absolute_path(folder), folder.resolve()
            paths = [Path(os.path.normpath(base / self.relative)) for base in bases]
        home, _, below = self.absolute.partition("/")
        if home == "~" and _home() is not None:
            paths.append(Path.home() / below)
        elif self.absolute:
            paths.append(Path(self.absolute))
        # A link to the build may lead to the same file twice, or to a place where there is none.
        return list(dict.fromkeys(paths))

    def is_at(self, path: Path, folder: Path) -> bool:
        """Return whether the record of a path would be the same."""
        other = Place.of(path, folder)
        return (self.absolute, self.absolute or self.relative) == (
            other.absolute, other.absolute or other.relative,
        )  # fmt: skip

    def __str__(self) -> str:
        """Return the path as a message names it."""
        return self.absolute or self.relative


def _way(path: Path, folder: Path) -> tuple[int, str] | None:
    """Return the path from a folder, and how many folders it goes up; None if that is far."""
    try:
        common = Path(os.path.commonpath([path, folder]))
    except ValueError:  # two drives of Windows
        return None
    upwards = len(folder.parts) - len(common.parts)
    # A relative path by way of the root or of the folder of all home directories is no nearer than
    # the absolute one, and it could carry the name of a person.
    if upwards and (upwards > _MOST_UPWARDS or common in (_home() or Path()).parents):
        return None
    return upwards, Path(os.path.relpath(path, folder)).as_posix()


def _home() -> Path | None:
    """Return the home directory; None if there is none, or if it is the root."""
    with suppress(RuntimeError):
        home = Path.home()
        return home if len(home.parts) > 1 else None
    return None


def _with_tilde(path: Path) -> str:
    home = _home()
    if home is not None and path.is_relative_to(home):
        return Path("~", path.relative_to(home)).as_posix()
    return path.as_posix()
