"""What `mingolotss services NAME` says about one service.

>>> dict(describe_service("nvss"))["beam (FWHM)"]
'45 arcsec'
"""

from __future__ import annotations

from mingolotss.service import SERVICES
from mingolotss.service.base import open_service, survey_facts
from mingolotss.service.survey_facts import NO_FACTS
from mingolotss.service.survey_table import SURVEYS

__all__ = ["describe_service"]


def describe_service(address: str) -> list[tuple[str, str]]:
    """Return what is known about a service and its images, as names and values.

    Parameters
    ----------
    address : str
        The name of a service, or an address that can be opened, e.g. ``legacy:g``.

    Raises
    ------
    InputError
        No service has that name, or it cannot be opened.
    """
    name, _, argument = address.partition(":")
    SERVICES.get(name)  # suggests the nearest name
    rows = [("service", SERVICES.summary(name))]
    if name in SURVEYS and not argument:
        bands = ", ".join(filter(None, SURVEYS[name].bands))
        rows += [("bands", bands)] if bands else []
    facts = survey_facts(open_service(address)) if argument or name in SURVEYS else NO_FACTS
    if facts == NO_FACTS:
        return [*rows, ("images", "the header of each image says what it is")]
    return rows + facts.rows()
