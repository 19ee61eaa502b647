"""Lines for the user about the inputs of a build: files that are not used, and coarse positions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mingolotss.candidates.table import CandidateTable
from mingolotss.dataset.stamp_extents import stamp_extent
from mingolotss.errors import clean_text
from mingolotss.pipeline.image_paths import ImagePaths
from mingolotss.pipeline.planned_extents import planned_extents
from mingolotss.pipeline.resolved_inputs import ResolvedInputs
from mingolotss.service.base import FileService, ImageService

__all__ = ["channel_notices", "coarse_positions", "service_notices"]


def service_notices(service: ImageService) -> tuple[str, ...]:
    """Return the lines about files that the service does not use."""
    lines = service.notices() if isinstance(service, FileService) else ()
    return tuple(map(clean_text, lines))


def channel_notices(inputs: ResolvedInputs, out: Path) -> Iterator[str]:
    """Yield the lines about files that the services of further channels do not use."""
    for name, images in inputs.channels.items():
        if images is not inputs.images:
            shorten = ImagePaths(images.root, str(out)).shorten
            yield from (
                f"channel {name}: {shorten(line)}" for line in service_notices(images.service)
            )


def coarse_positions(inputs: ResolvedInputs, candidates: CandidateTable) -> tuple[str, ...]:
    """Return a line about positions whose text is coarser than a pixel of the stamps."""
    precision = inputs.catalogue.precision_arcsec
    if math.isnan(precision):
        return ()
    extents = planned_extents(inputs.recipe, inputs.catalogue, candidates, inputs.images.service)
    pixel = float(np.fmin.reduce(extents)) / stamp_extent(inputs.recipe).pixels
    if not precision > pixel:
        return ()
    line = (
        f"the positions hold {precision:.3g} arcsec (the last digit of their text), coarser than a "
        f"pixel of {pixel:.2g} arcsec: sources may be off the centre of their stamps"
    )
    return (line,)
