"""The filter that selects the sources of the queue and the gallery; addresses contain it.

>>> Filter.parse({"why": "undecided", "class": "3"}).query
'why=undecided&class=3'
>>> Filter.parse({"why": "<script>", "class": "x", "case": "-1"}).query
''
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.errors import InputError
from mingolotss.model import Bools, Ints
from mingolotss.qa.descriptions import INSPECTION_REASONS
from mingolotss.qa.report.build_view import BuildView

__all__ = ["FILE_REASONS", "STATES", "Filter", "check_reason"]

STATES = {
    "all": "all",
    "open": "no decision",
    "judged": "decided",
    "unchecked": "label not checked",
    "confirmed": "label confirmed",
    "questioned": "label questioned",
    "classified": "classes set by people",
}
"""What has been decided about a source, in words for the reader."""

FILE_REASONS = ("suspects", "disagreements", "queue")
"""The sources of a file, in its order: those of two commands, and the user's own."""

_REASONS = ("any", "all", "audit", *INSPECTION_REASONS, *FILE_REASONS)
_MAX_NAME = 200  # characters


@dataclass(frozen=True, slots=True)
class Filter:
    """A selection of sources.

    Attributes
    ----------
    reason : str
        One of `INSPECTION_REASONS`; "any" of them; "all" sources, also those without a reason;
        "audit", the sources that the audit found; or one of `FILE_REASONS`.
    label, case : int
        -1 for all.
    split : str
        "" for all.
    state : str
        One of `STATES`.
    name : str
        A part of a source's name; "" for all.
    has_stamp : bool
        Whether to leave out sources without a stamp. It is not in the query: the page decides.
    """

    reason: str = "any"
    label: int = -1
    case: int = -1
    split: str = ""
    state: str = "all"
    name: str = ""
    has_stamp: bool = False

    @classmethod
    def parse(cls, query: Mapping[str, str], reason: str = "any") -> Filter:
        """Read a filter from the query of an address; invalid values are ignored.

        Parameters
        ----------
        query : mapping of str to str
        reason : str
            The reason if the query has none.
        """
        split, state = query.get("split", ""), query.get("state", "")
        return cls(
            reason=query["why"] if query.get("why") in _REASONS else reason,
            label=_integer(query.get("class", "")),
            case=_integer(query.get("case", "")),
            split=split if split in {"train", "test"} else "",
            state=state if state in STATES else "all",
            name=query.get("name", "").strip()[:_MAX_NAME],
        )

    @property
    def query(self) -> str:
        """The filter as the query of an address."""
        values = {
            "why": "" if self.reason == "any" else self.reason,
            "class": "" if self.label < 0 else self.label,
            "case": "" if self.case < 0 else self.case,
            "split": self.split,
            "state": "" if self.state == "all" else self.state,
            "name": self.name,
        }
        return urlencode({key: value for key, value in values.items() if value != ""})

    def rows(self, build: BuildView, states: Mapping[str, Bools]) -> Ints:
        """Return the selected rows of the manifest, ascending.

        Parameters
        ----------
        build : BuildView
        states : mapping of str to bool array, shape (n,)
            Which rows are in each state, except "all"; and in "audit" and in each file, those
            that they have.
        """
        selected = build.written.copy() if self.has_stamp else np.ones(len(build), bool)
        if self.reason == "audit" or self.reason in FILE_REASONS:
            selected &= states[self.reason]
        elif self.reason != "all":
            selected &= build.to_inspect if self.reason == "any" else build.flags[self.reason]
        if self.label >= 0:
            is_class = self.label < len(build.provenance.classes)
            selected &= build.members[:, self.label] if is_class else False
        if self.case >= 0:
            selected &= build.numbers("case") == self.case
        if self.split:
            selected &= _bools(pc.equal(build.manifest["split"], self.split))
        if self.name:
            names = build.manifest["source"]
            selected &= _bools(pc.match_substring(names, self.name, ignore_case=True))
        if self.state != "all":
            selected &= states[self.state]
        return np.flatnonzero(selected)


def check_reason(reason: str) -> None:
    """Refuse what is no reason to inspect a source.

    Raises
    ------
    InputError
        It is none.
    """
    if reason not in _REASONS:
        raise InputError(f"review: no queue {reason!r}; there are {', '.join(_REASONS)}")


def _bools(column: pa.ChunkedArray) -> Bools:
    """Return a column as an array, False where it is null."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), bool)


def _integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
