"""The result of ``compare()``: every difference of two datasets as a row of one table.

>>> comparison = Comparison(2, 1, (DifferenceRow("fields that differ", "J1", "P1", "P2"),))
>>> comparison.same, comparison.fields
(False, ['J1: P1 and P2'])
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mingolotss.formats.csv import render_csv
from mingolotss.io.files import write_bytes
from mingolotss.io.summaries import Shown, Summary, Table, count_text

__all__ = [
    "CATALOGUE",
    "CAUSES",
    "CHANNELS",
    "CLASSES",
    "CONTENTS",
    "DECISIONS",
    "FIELDS",
    "IMAGES",
    "INPUTS",
    "KINDS",
    "LABELS",
    "MASKS",
    "ONLY_A",
    "ONLY_B",
    "PIXELS",
    "SETTINGS",
    "SPLITS",
    "TAGS",
    "VERSIONS",
    "VOTES",
    "Comparison",
    "DifferenceRow",
    "rows_of",
]

SETTINGS, INPUTS, VERSIONS = "settings that differ", "inputs that differ", "versions that differ"
CATALOGUE = "catalogue values that differ"
IMAGES, DECISIONS = "images read that differ", "decisions that differ"
ONLY_A, ONLY_B = "sources only in A", "sources only in B"
CLASSES, LABELS = "classes named differently", "labels that differ"
FIELDS, SPLITS = "fields that differ", "splits that differ"
CHANNELS = "channels named differently"
KINDS = "kinds of label that differ"
TAGS, VOTES = "tags that differ", "votes that differ"
PIXELS, MASKS = "images that differ", "masks that differ"
CAUSES = (SETTINGS, INPUTS, VERSIONS, CATALOGUE, IMAGES, DECISIONS)
"""The kinds of difference in how two datasets were made, in the order in which they are shown."""
CONTENTS = (
    ONLY_A, ONLY_B, CLASSES, CHANNELS, KINDS, LABELS, TAGS, VOTES, FIELDS, SPLITS, PIXELS, MASKS,
)  # fmt: skip
"""The kinds of difference of the datasets themselves."""


class DifferenceRow(NamedTuple):
    """One difference.

    Attributes
    ----------
    kind : str
        One of `CAUSES` or `CONTENTS`.
    name : str
        Of the source, setting, package, class or image, or the place of a channel.
    a, b : str
        What the two datasets have; of images and masks that differ, by how much.
    """

    kind: str
    name: str
    a: str = ""
    b: str = ""

    def __str__(self) -> str:
        """Return the row as one line."""
        if self.kind in {PIXELS, MASKS}:
            return f"{self.name}: {self.a}, {self.b}" if self.b else f"{self.name}: {self.a}"
        if self.kind in {ONLY_A, ONLY_B}:
            return f"{self.name}: {self.a or self.b}" if self.a or self.b else self.name
        return f"{self.name}: {self.a or 'none'} and {self.b or 'none'}"


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Shown):
    """The differences between two datasets.

    Attributes
    ----------
    common, identical : int
        Number of sources in both datasets, and of those whose images are equal in every pixel.
    rows : tuple of DifferenceRow
        First how the datasets were made, as far as both have recorded it, then the datasets.
    """

    common: int
    identical: int
    rows: tuple[DifferenceRow, ...] = ()

    def _summary(self) -> Summary:
        kinds = [(kind, len(lines)) for kind, lines in (*self.causes(), *self.differences())]
        rows = [(kind, count) for kind, count in kinds if count]
        title = (
            f"Comparison: {count_text(self.common, 'source')} in both, "
            f"{count_text(self.identical, 'identical image')}"
        )
        return Summary(title, table=Table(("difference", "number"), rows) if rows else None)

    @property
    def same(self) -> bool:
        """Whether the datasets are equal, also if other settings or versions gave the same."""
        return not any(row.kind in {*CONTENTS, CATALOGUE} for row in self.rows)

    def causes(self) -> list[tuple[str, list[str]]]:
        """Return the lines about how the datasets were made, of every kind with its title."""
        return [(kind, self._lines(kind)) for kind in CAUSES]

    def differences(self) -> list[tuple[str, list[str]]]:
        """Return the lines about the datasets themselves, of every kind with its title."""
        return [(kind, self._lines(kind)) for kind in CONTENTS]

    def write_table(self, path: Path | str) -> None:
        """Write all differences as CSV with the columns kind, name, a and b.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        text = render_csv(self.rows, DifferenceRow._fields)
        write_bytes(Path(path), text.encode("utf-8", "backslashreplace"))

    @property
    def only_a(self) -> list[str]:
        """The sources that are only in the first dataset, with the reason if it is known."""
        return self._lines(ONLY_A)

    @property
    def only_b(self) -> list[str]:
        """The sources that are only in the second dataset, with the reason if it is known."""
        return self._lines(ONLY_B)

    @property
    def classes(self) -> list[str]:
        """A line for each label that has different names."""
        return self._lines(CLASSES)

    @property
    def labels(self) -> list[str]:
        """A line for each source whose labels, tags or votes differ."""
        return [line for kind in (LABELS, TAGS, VOTES) for line in self._lines(kind)]

    @property
    def fields(self) -> list[str]:
        """A line for each source whose image is of another field."""
        return self._lines(FIELDS)

    @property
    def splits(self) -> list[str]:
        """A line for each source that is in another split."""
        return self._lines(SPLITS)

    @property
    def pixels(self) -> list[str]:
        """A line for each source whose images differ."""
        return self._lines(PIXELS)

    @property
    def masks(self) -> list[str]:
        """A line for each source whose masks differ, or one if only one dataset has masks."""
        return self._lines(MASKS)

    def _lines(self, kind: str) -> list[str]:
        return [str(row) for row in self.rows if row.kind == kind]


def rows_of(kind: str, pairs: Iterable[tuple[str, str, str]]) -> list[DifferenceRow]:
    """Return a row for each name of which the two values differ."""
    return [DifferenceRow(kind, name, a, b) for name, a, b in pairs if a != b]
