"""The mosaics of the simulated sky, cut as the LoTSS archive cuts.

`mingolotss.simulate` makes the sky; this service reads the files that it writes.
"""

from __future__ import annotations

from pathlib import Path

from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.simulate import SkyFolder

__all__ = ["SimulatedService"]


class SimulatedService(MosaicsService):
    """Simulated mosaics in one folder; cutouts end at the edge of a mosaic, without padding."""

    NAME = "simulated"
    simulated = True
    truncates = True
    other_files = frozenset({SkyFolder(Path()).catalogue.name, SkyFolder(Path()).components.name})
