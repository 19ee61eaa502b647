"""The meaning of each case, flag and reason for inspection, in words for the reader.

>>> CASES[0], FLAGS["blank"]
('the only image', 'no pixel of the stamp is finite and not 0')
>>> list(INSPECTION_REASONS)[:3]
['undecided', 'recentred', 'exceeds_stamp']
"""

from __future__ import annotations

from mingolotss.dataset.manifest import INCOMPLETE_PERCENT

__all__ = ["CASES", "FLAGS", "INSPECTION_REASONS"]

CASES = {
    0: "the only image",
    1: "no image has gaps: the nearest",
    2: "the nearest has the fewest gaps",
    3: "all near: the fewest gaps",
    4: "decided by hand, or the nearest",
}
"""How the field of a source was chosen: the values of the manifest's column ``case``."""

FLAGS = {
    "recentred": "cutout truncated or off centre; the stamp is centred on the source",
    "blank": "no pixel of the stamp is finite and not 0",
    "undecided": "no rule chooses between the fields, and nobody has decided",
    "exceeds_stamp": "larger than the stamp",
    "incomplete": f"more than {INCOMPLETE_PERCENT:g} % of the stamp have no data",
}
"""The boolean columns of the manifest."""

INSPECTION_REASONS = {
    "undecided": FLAGS["undecided"],
    "recentred": FLAGS["recentred"],
    "exceeds_stamp": FLAGS["exceeds_stamp"],
    "blank": FLAGS["blank"],
    "incomplete": FLAGS["incomplete"],
    "neighbours": "another source is in its stamp",
    "rejected": "no stamp",
}
"""Why a person should look at a source, in the order of the report."""
