"""The names of the columns, and of the arrays, of tags and votes, and the limits of their values.

They stand apart from the types of the columns, which need pyarrow: a dataset in batches is loaded
without it.
"""

from __future__ import annotations

__all__ = ["LABEL_NAMES", "LARGEST_FRACTION", "TAGS_NAME", "VOTES_NAME", "VOTES_TOTAL_NAME"]

TAGS_NAME, VOTES_NAME, VOTES_TOTAL_NAME = "tags", "votes", "votes_total"
LABEL_NAMES = (TAGS_NAME, VOTES_NAME, VOTES_TOTAL_NAME)
"""A dataset has the first, or the others, or none."""
LARGEST_FRACTION = 1 + 1e-6
"""More than 1, since the sum of rounded fractions of merged classes may be slightly larger."""
