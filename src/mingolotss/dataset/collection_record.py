"""The record of the HATS collection of a build: what it was made from, and its files.

It stands with the tables of the parts and is written when the collection is complete. A run that
finds it knows whether the collection is still the right one, without reading its rows.

>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> build = BuildFolder(Path(mkdtemp()))
>>> CollectionRecord("key", {"flux": True}, {"collection.properties": "0"}).write(build)
>>> CollectionRecord.read(build)
CollectionRecord(key='key', settings={'flux': True}, files={'collection.properties': '0'})
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from mingolotss.dataset.checksums import read_checksums
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import MingoError
from mingolotss.io.documents import parse_json
from mingolotss.io.files import read_bounded, write_bytes

__all__ = ["CollectionRecord"]


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """What a collection was made from, and what it consists of.

    Attributes
    ----------
    key : str
        The SHA-256 of all that decides its content.
    settings : mapping of str to value
        The settings of the recipe that concern it, without defaults.
    files : mapping of str to str
        The SHA-256 of each of its files, by the name relative to its folder.
    """

    key: str
    settings: Mapping[str, object]
    files: Mapping[str, str]

    @classmethod
    def read(cls, build: BuildFolder) -> CollectionRecord | None:
        """Return the record of a build; None if there is none, or if it cannot be read."""
        try:
            record = parse_json(read_bounded(build.hats_record))
            key, settings, files = record["key"], dict(record["settings"]), dict(record["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        is_text = all(isinstance(text, str) for text in (key, *files, *files.values()))
        return cls(key, settings, files) if is_text else None

    @property
    def partitions(self) -> int:
        """The number of partitions of the catalogue, without those of its margin."""
        folders = [name.partition("/")[0] for name in self.files if "/Npix=" in name]
        return folders.count(min(folders, key=len, default=""))

    @staticmethod
    def is_own(build: BuildFolder) -> bool:
        """Return whether a build wrote what is in its folder of the collection."""
        if build.hats_record.exists():
            return True
        with suppress(MingoError):  # the tables of the parts are gone, or there is no build
            return any(
                name.startswith(f"{build.hats.name}/") for name in read_checksums(build.checksums)
            )
        return False

    def write(self, build: BuildFolder) -> None:
        """Write the record, complete or not at all."""
        write_bytes(build.hats_record, json.dumps(asdict(self)).encode())

    def is_whole(self, build: BuildFolder) -> bool:
        """Return whether all files of the collection are there; their content is not looked at."""
        return all((build.hats / name).is_file() for name in self.files)
