"""What the image services of a build state about their images, for its record."""

from __future__ import annotations

from collections.abc import Iterable

from mingolotss.service.base import ImageService, survey_facts
from mingolotss.service.survey_facts import SurveyFacts

__all__ = ["stated_surveys"]


def stated_surveys(services: Iterable[ImageService]) -> dict[str, dict[str, str]]:
    """Return the statements by survey: names and values; empty if nothing is stated.

    Parameters
    ----------
    services : iterable of ImageService
        Those of all channels.
    """
    stated = map(survey_facts, services)
    return {facts.survey: _statements(facts) for facts in stated if facts.survey}


def _statements(facts: SurveyFacts) -> dict[str, str]:
    return {name: value for name, value in facts.rows() if name != "survey"}
