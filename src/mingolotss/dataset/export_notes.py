"""The notes of an export: its format, split plan and class names, in the metadata of its manifest.

The manifest of a build has no such notes.

>>> notes = ExportNotes("png", "published", ("FRI", "FRII"))
>>> ExportNotes.read(notes.to_metadata()) == notes
True
>>> ExportNotes.read({}) is None
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SPLIT_KEY", "ExportNotes"]

SPLIT_KEY = b"mingolotss.split"
"""Where the metadata of a table of records has the split plan."""
_FORMAT, _PLAN, _CLASSES = b"mingolotss.format", b"mingolotss.split_plan", b"mingolotss.classes"


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
    """

    format: str
    split_plan: str
    classes: tuple[str, ...]

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the notes as the metadata of an Arrow schema."""
        return {
            _FORMAT: self.format.encode(),
            _PLAN: self.split_plan.encode(),
            _CLASSES: "\n".join(self.classes).encode(),
        }

    @classmethod
    def read(cls, metadata: Mapping[bytes, bytes] | None) -> ExportNotes | None:
        """Read the notes from the metadata of a manifest; None for one of a build."""
        known = metadata or {}
        if _FORMAT not in known:
            return None
        classes = known.get(_CLASSES, b"").decode()
        plan = known.get(_PLAN, b"published").decode()
        return cls(known[_FORMAT].decode(), plan, tuple(classes.split("\n")) if classes else ())
