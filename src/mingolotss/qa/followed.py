"""Whether a build follows the decisions about its sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mingolotss.candidates.decisions import DECISIONS_NAME, Decision
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.label_origins import FROM_CATALOGUE
from mingolotss.model import Bools
from mingolotss.pipeline.judged_labels import judge_labels
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.recipe.model import Recipe

__all__ = ["is_followed", "unfollowed_labels"]


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


def unfollowed_labels(labelled: Catalogue, recipe: Recipe, rows: Sequence[Decision]) -> Bools:
    """Return which sources have another label, or a label from elsewhere, in the next build.

    Parameters
    ----------
    labelled : Catalogue
        The sources with the labels of the build.
    recipe : Recipe
    rows : sequence of Decision
        The decisions in force, in the order of their file.

    Returns
    -------
    bool array, shape (n,)

    Raises
    ------
    DecisionError
        A judgement cannot be applied.
    """
    # A source that has been judged gets its label by the rule. One whose judgements were all undone
    # gets that of the catalogue, which the build does not know: there, only the origin tells.
    following = judge_labels(labelled, recipe, rows).catalogue
    if following.label_from is None:
        return np.zeros(len(labelled), bool)
    origins = labelled.label_from or [FROM_CATALOGUE] * len(labelled)
    changed = np.array(following.label_from, object) != np.array(origins, object)
    changed |= following.labels != labelled.labels
    if following.vectors is not None and labelled.vectors is not None:
        same = np.isclose(
            following.vectors.values, labelled.vectors.values, rtol=0, atol=1e-9, equal_nan=True
        )
        changed |= ~same.all(axis=1)
    return np.asarray(changed, bool)
