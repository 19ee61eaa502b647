"""The notes of an export: its format, split plan and class names, in the metadata of its manifest.

The manifest of a build has no such notes.

>>> notes = ExportNotes("png", "published", ("FRI", "FRII"))
>>> ExportNotes.read(notes.to_metadata()) == notes
True
>>> ExportNotes.read({}) is None
True
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mingolotss.errors import DatasetError
from mingolotss.io.documents import parse_json
from mingolotss.io.error_text import first_line

__all__ = ["SPLIT_KEY", "ExportNotes"]

SPLIT_KEY = b"mingolotss.split"
"""Where the metadata of a table of records has the split plan."""
_FORMAT, _PLAN, _CLASSES = b"mingolotss.format", b"mingolotss.split_plan", b"mingolotss.classes"
_SPLIT_SHA256 = b"mingolotss.split_sha256"
_CLASSES_JSON = b"mingolotss.classes.json"  # instead, if a name has more than one line


@dataclass(frozen=True, slots=True)
class ExportNotes:
    """The notes of one export.

    Attributes
    ----------
    format : str
        Name of its format.
    split_plan : str
        As `mingolotss.dataset.splits.SplitPlan.parse` reads it.
    classes : tuple of str
    split_sha256 : str
        Of the list or of the splits of the dataset that the plan names; "" if it names none.
    """

    format: str
    split_plan: str
    classes: tuple[str, ...]
    split_sha256: str = ""

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the notes as the metadata of an Arrow schema."""
        notes = {_FORMAT: self.format.encode(), _PLAN: self.split_plan.encode()}
        if self.split_sha256:
            notes[_SPLIT_SHA256] = self.split_sha256.encode()
        lines = "\n".join(self.classes)
        if _split_lines(lines) == self.classes:
            return {**notes, _CLASSES: lines.encode()}
        return {**notes, _CLASSES_JSON: json.dumps(self.classes).encode()}

    @classmethod
    def read(cls, metadata: Mapping[bytes, bytes] | None) -> ExportNotes | None:
        """Read the notes from the metadata of a manifest; None for one of a build.

        Raises
        ------
        DatasetError
            They are damaged.
        """
        known = metadata or {}
        if _FORMAT not in known:
            return None
        try:
            plan = known.get(_PLAN, b"published").decode()
            if _CLASSES_JSON in known:
                names = parse_json(known[_CLASSES_JSON])
            else:
                names = list(_split_lines(known.get(_CLASSES, b"").decode()))
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError("its class names are no list of texts")  # noqa: TRY301
            sha256 = known.get(_SPLIT_SHA256, b"").decode()
            return cls(known[_FORMAT].decode(), plan, tuple(names), sha256)
        except ValueError as error:
            raise DatasetError(
                f"read the notes of an export in its manifest.parquet: damaged "
                f"({first_line(error)}); export it again"
            ) from error


def _split_lines(lines: str) -> tuple[str, ...]:
    return tuple(lines.split("\n")) if lines else ()
