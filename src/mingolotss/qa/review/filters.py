"""Which sources are gone through: a filter that lives in the address.

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
import pyarrow.compute as pc

from mingolotss.model import Bools, Ints
from mingolotss.qa.report.build_view import REASONS, Contents

__all__ = ["STATES", "Filter"]

STATES = ("all", "open", "judged", "questioned")
_WHY = ("any", "all", *(name for name, _ in REASONS))
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show.

    Attributes
    ----------
    why : str
        One of `REASONS`; "any" of them; or "all" sources.
    label, case : int
        -1 for all.
    split, state, name : str
        "" for all; `name` is a part of a source's name.
    """

    why: str = "any"
    label: int = -1
    case: int = -1
    split: str = ""
    state: str = "all"
    name: str = ""

    @classmethod
    def parse(cls, given: Mapping[str, str], why: str = "any") -> Filter:
        """Read a filter from an address; what is not understood is left out."""
        return cls(
            why=given.get("why", why) if given.get("why") in _WHY else why,
            label=_integer(given.get("class", "")),
            case=_integer(given.get("case", "")),
            split=given.get("split", "") if given.get("split") in {"train", "test"} else "",
            state=given.get("state", "all") if given.get("state") in STATES else "all",
            name=given.get("name", "").strip()[:_LONGEST],
        )

    @property
    def query(self) -> str:
        """Return the filter as the query of an address."""
        values = {
            "why": "" if self.why == "any" else self.why,
            "class": "" if self.label < 0 else self.label,
            "case": "" if self.case < 0 else self.case,
            "split": self.split,
            "state": "" if self.state == "all" else self.state,
            "name": self.name,
        }
        return urlencode({key: value for key, value in values.items() if value != ""})

    def rows(self, contents: Contents, judged: Bools, questioned: Bools) -> Ints:
        """Return the rows of the manifest that it lets through, in order."""
        keep = np.ones(len(contents.manifest), bool)
        if self.why != "all":
            keep &= contents.wanting if self.why == "any" else contents.flags[self.why]
        if self.label >= 0:
            keep &= contents.labels == self.label
        if self.case >= 0:
            keep &= contents.numbers("case") == self.case
        if self.split:
            found = pc.fill_null(pc.equal(contents.manifest["split"], self.split), False)
            keep &= found.to_numpy(zero_copy_only=False)
        if self.name:
            found = pc.match_substring(contents.manifest["source"], self.name, ignore_case=True)
            keep &= found.to_numpy(zero_copy_only=False)
        states = {"open": ~judged, "judged": judged, "questioned": questioned}
        keep &= states.get(self.state, True)
        return np.flatnonzero(keep)


def _integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
