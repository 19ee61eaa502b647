"""The simulated sky, cut as the LoTSS archive cuts: cutouts end where the mosaic ends.

The sky itself is made by `mingolotss.simulate`; this service reads what that wrote.
"""

from __future__ import annotations

from typing import Any

from mingolotss.errors import InputError
from mingolotss.service.base import Naming
from mingolotss.service.local.mosaics import MosaicsService

__all__ = ["SimulatedService"]


class SimulatedService(MosaicsService):
    """Simulated mosaics under one folder, truncated at their edges rather than padded."""

    truncates = True

    @classmethod
    def open(cls, argument: str, *, naming: Naming | None = None, **_: Any) -> SimulatedService:
        """Open ``simulated:DIR``."""
        if not argument:
            raise InputError("open the service simulated: give the sky's folder, simulated:DIR")
        return cls(argument)
