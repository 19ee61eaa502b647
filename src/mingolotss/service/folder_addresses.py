"""The folder in the address of a service that reads one.

>>> split_folder("lotss-dr1")
('lotss-dr1', None)
>>> split_folder("folder:/data/cutouts")
('folder', PosixPath('/data/cutouts'))
"""

from __future__ import annotations

from pathlib import Path

from mingolotss.io.places import absolute_path
from mingolotss.service import SERVICES

__all__ = ["split_folder"]


def split_folder(address: str) -> tuple[str, Path | None]:
    """Return the name of a service that reads a folder, and the absolute path of that folder.

    For another service, return its whole address and None.
    """
    name, _, argument = address.partition(":")
    if name not in SERVICES:
        is_folder = Path(address).is_dir()
        return ("folder", absolute_path(address)) if is_folder else (address, None)
    if not argument or "://" in argument:
        return address, None
    takes_folder = getattr(SERVICES.get(name), "takes_folder", False)
    return (name, absolute_path(argument)) if takes_folder else (address, None)
