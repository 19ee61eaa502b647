"""Whether a build follows the decisions about its sources."""

from __future__ import annotations

from mingolotss.candidates.decisions import DECISIONS_NAME, Decision
from mingolotss.qa.manifest_row import ManifestRow

__all__ = ["is_followed"]


def is_followed(decision: Decision | None, record: ManifestRow) -> bool:
    """Return whether a row of the manifest is as the next build would make it.

    Parameters
    ----------
    decision : Decision or None
        The last decision about the source that accepts or rejects; None without one.
    record : ManifestRow
        With the columns ``status``, ``stage``, ``field`` and ``decided_by``.
    """
    # Only a decision rejects a source in the stage "choose". A source that was rejected for another
    # reason, for example without an image, stays rejected, whatever somebody decides.
    rejected, by_decision = record["status"] == "rejected", record["stage"] == "choose"
    if decision is None:
        return not by_decision and not record["decided_by"]
    if decision.verdict == "reject":
        return rejected
    if rejected:
        return not by_decision
    by = decision.by or DECISIONS_NAME
    return (record["field"] or "") == decision.field and record["decided_by"] == by
