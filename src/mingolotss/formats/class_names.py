"""``classes.json`` and ``channels.json``: the names of classes and of channels.

They are for the formats that have no other place for them. A dataset without channels has no
``channels.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mingolotss.dataset.stamp_shape import channel_names
from mingolotss.errors import DatasetError
from mingolotss.io.documents import parse_json
from mingolotss.io.error_text import first_line
from mingolotss.io.files import read_bounded, write_bytes
from mingolotss.io.system_faults import describe_fault

__all__ = ["read_channel_names", "read_class_names", "write_channel_names", "write_class_names"]


def write_class_names(path: Path, classes: Sequence[str]) -> None:
    """Write the name of each label."""
    write_bytes(path, json.dumps(list(classes)).encode())


def write_channel_names(path: Path, channels: Sequence[str]) -> None:
    """Write the name of each channel; no file for a dataset without channels."""
    if channels:
        write_bytes(path, json.dumps(list(channels)).encode())


def read_channel_names(path: Path) -> tuple[str, ...]:
    """Read the names of the channels; none if there is no such file.

    Raises
    ------
    DatasetError
        The file cannot be read, or is no list of different names.
    """
    if not path.is_file():
        return ()
    names = _read_json(path)
    try:
        return channel_names(names)
    except ValueError as error:
        raise DatasetError(f"read {path}: {error}; export it again") from error


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read the name of each label.

    Raises
    ------
    DatasetError
        The file cannot be read, or is no list of names.
    """
    names = _read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"read {path}: no list of class names; export it again")
    return tuple(names)


def _read_json(path: Path) -> object:
    try:
        content: object = parse_json(read_bounded(path))
    except (OSError, ValueError) as error:
        reason = describe_fault(error) or f"damaged ({first_line(error)}); export it again"
        raise DatasetError(f"read {path}: {reason}") from error
    return content
