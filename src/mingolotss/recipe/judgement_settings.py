"""The table ``[judgements]`` of a recipe: how the judgements of people become labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mingolotss.recipe.settings import Settings

__all__ = ["JudgementSettings"]


class JudgementSettings(Settings):
    """How the judgements in ``decisions.csv`` become labels (`catalogue.judgement_rules`).

    Attributes
    ----------
    rule : {"none", "majority", "unanimous", "last", "fractions"}
        With ``none`` every source keeps the label of the catalogue. ``fractions`` makes soft
        labels: the fraction of the people who gave each class.
    reviewers : int
        A source that fewer people have judged keeps the label of the catalogue.
    ties : {"catalogue", "unlabelled"}
        The label of a source on which the people have no result by the rule.
    """

    rule: Literal["none", "majority", "unanimous", "last", "fractions"] = "none"
    reviewers: int = Field(1, ge=1, le=10_000)
    ties: Literal["catalogue", "unlabelled"] = "catalogue"

    @property
    def are_used(self) -> bool:
        """Return whether judgements change labels."""
        return self.rule != "none"
