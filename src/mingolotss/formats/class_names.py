"""``classes.json``: the class names, for the formats that have no other place for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mingolotss.errors import DatasetError
from mingolotss.io.documents import parse_json
from mingolotss.io.error_text import first_line
from mingolotss.io.files import read_bounded, write_bytes
from mingolotss.io.system_faults import describe_fault

__all__ = ["read_class_names", "write_class_names"]


def write_class_names(path: Path, classes: Sequence[str]) -> None:
    """Write the name of each label."""
    write_bytes(path, json.dumps(list(classes)).encode())


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read the name of each label.

    Raises
    ------
    DatasetError
        The file cannot be read, or is no list of names.
    """
    try:
        names = parse_json(read_bounded(path))
    except (OSError, ValueError) as error:
        reason = describe_fault(error) or f"damaged ({first_line(error)}); export it again"
        raise DatasetError(f"read {path}: {reason}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"read {path}: no list of class names; export it again")
    return tuple(names)
