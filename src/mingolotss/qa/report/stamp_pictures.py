"""The pictures of stamps in the page of the report, as addresses that contain them.

A stamp without channels is one picture. One with channels is a picture for each channel side by
side, and where there are three, one more in colours; wherever the page has room for one picture,
it is that of the reference channel.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from mingolotss.io.png import encode_png
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.channel_montage import COMPOSITE
from mingolotss.qa.report.colours import coloured, composite, displayed
from mingolotss.qa.report.formatting import data_url
from mingolotss.qa.report.mask_outlines import MaskOutlines, outlines_of
from mingolotss.recipe.steps import StampPixels

__all__ = ["Panel", "StampPictures", "composite_png", "plane_png"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a stamp with channels.

    Attributes
    ----------
    name : str
        Of the channel, or `COMPOSITE`.
    address : str
        "" if the channel has no image.
    plane : int or None
        None for the colours.
    is_blank : bool
        Whether no pixel is above 0.
    """

    name: str
    address: str
    plane: int | None
    is_blank: bool = False


@dataclass(frozen=True, slots=True)
class StampPictures:
    """The pictures of the stamps that a page shows, by row of the manifest.

    Attributes
    ----------
    addresses : mapping of int to str
        Of the stamp, or of its reference channel.
    panels : mapping of int to sequence of Panel
        Of stamps with channels; empty for a build without.
    outlines : mapping of int to MaskOutlines
        Of the masks of the stamps; empty for a build without masks.
    """

    addresses: Mapping[int, str]
    panels: Mapping[int, Sequence[Panel]]
    outlines: Mapping[int, MaskOutlines] = field(default_factory=dict)

    @classmethod
    def read(cls, build: BuildView, rows: Sequence[int]) -> StampPictures:
        """Read the stamps of some rows and encode their pictures."""
        channels = build.channels
        if channels is None:
            pngs = build.stamps.pngs(rows)
            addresses = {row: data_url("png", coloured(png)) for row, png in pngs}
            return cls(addresses, {}, _outlines(build, [*addresses]))
        planes = channels.planes_of(rows)
        panels = {}
        for row, pixels in build.stamps.pixels(rows):
            missing = {one["channel"] for one in planes.get(row, ()) if one["status"] == "missing"}
            panels[row] = _panels(pixels, channels.names, missing)
        addresses = {row: listed[channels.reference].address for row, listed in panels.items()}
        return cls(addresses, panels, _outlines(build, [*addresses]))


def _outlines(build: BuildView, rows: Sequence[int]) -> dict[int, MaskOutlines]:
    masks = ((row, build.stamps.mask(row)) for row in rows)
    return {row: outlines_of(mask) for row, mask in masks if mask is not None}


def plane_png(pixels: StampPixels) -> bytes:
    """Return one plane of a stamp as a PNG file in colours, row 0 at the top."""
    return coloured(encode_png(displayed(pixels)))


def composite_png(pixels: StampPixels) -> bytes:
    """Return three planes of a stamp as one PNG file in red, green and blue, row 0 at the top."""
    data = io.BytesIO()
    Image.fromarray(composite(list(pixels))).save(data, "PNG", compress_level=3)
    return data.getvalue()


def _panels(pixels: StampPixels, names: Sequence[str], missing: set[str]) -> list[Panel]:
    panels = []
    for plane, name in enumerate(names):
        address = "" if name in missing else data_url("png", plane_png(pixels[plane]))
        panels.append(Panel(name, address, plane, is_blank=not np.nan_to_num(pixels[plane]).any()))
    if len(names) == 3:
        panels.append(Panel(COMPOSITE, data_url("png", composite_png(pixels)), None))
    return panels
