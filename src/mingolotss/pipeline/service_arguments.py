"""Services as the command line gives them: one for all images, or one for each channel.

>>> parse_services(["mosaics:dr3", "nvss=sia:https://example.org/sia?CAT=nvss"])
('mosaics:dr3', {'nvss': 'sia:https://example.org/sia?CAT=nvss'})
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mingolotss.errors import InputError
from mingolotss.recipe.names import CHANNEL_NAME

__all__ = ["parse_services"]

_NAMED = re.compile(rf"({CHANNEL_NAME})=(.+)", re.DOTALL)


def _exists(path: str) -> bool:
    with suppress(OSError):  # too long for a path
        return Path(path).exists()
    return False


def parse_services(values: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """Return the service without a channel, None if there is none, and those of channels.

    Parameters
    ----------
    values : sequence of str
        Each ``ADDRESS`` or ``CHANNEL=ADDRESS``. The path of something that exists is an address.

    Raises
    ------
    InputError
        Two services are for the same images.
    """
    service: str | None = None
    services: dict[str, str] = {}
    for value in values:
        named = None if _exists(value) else _NAMED.fullmatch(value)
        if named is None:
            if service is not None:
                raise InputError(
                    f"use the services {service} and {value}: only one can be without the name of "
                    "a channel; give --service NAME=SERVICE for each further channel"
                )
            service = value
        elif named[1] in services:
            raise InputError(f"use a service for the channel {named[1]!r}: two were given")
        else:
            services[named[1]] = named[2]
    return service, services
