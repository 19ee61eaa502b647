"""Sentences about the grids and the beams of stamps: what was resampled, turned and convolved.

Each follows from columns of the manifest that are there only where the recipe has what they
describe.

>>> written = pa.table({"resampling": ["exact", "exact", "none"],
...                     "pixel_scale_arcsec": [2.0, 2.0, 1.5]})
>>> describe_resampling(written)[0]
'2 images were resampled to pixels of 2 arcsec by the areas of the overlaps (exact).'
>>> describe_resampling(pa.table({"pixel_scale_arcsec": [1.5]}))
[]
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.channel_census import Spread, spread_of
from mingolotss.recipe.beam_settings import BeamSettings
from mingolotss.recipe.stamp_settings import StampSettings

__all__ = ["describe_common_beam", "describe_orientation", "describe_resampling", "describe_sizes"]

_METHODS = {
    "adaptive": "by the adaptive method of DeForest (2004)",
    "exact": "by the areas of the overlaps (exact)",
}
_SAME_ARCSEC = 0.05  # beams that differ by less are one
_SAME_SCALE = 0.001  # scales that differ by less are one


def describe_resampling(written: pa.Table) -> list[str]:
    """Say how many images were resampled, how, to which pixels, and what this means for the noise.

    Parameters
    ----------
    written : pyarrow.Table
        The written rows of a manifest.
    """
    if "resampling" not in written.column_names:
        return []
    methods = pc.fill_null(written["resampling"], "none")
    sentences = []
    for method, words in _METHODS.items():
        rows = written.filter(pc.equal(methods, method))
        if not len(rows):
            continue
        verb = "image was" if len(rows) == 1 else "images were"
        scales = _range(spread_of(rows["pixel_scale_arcsec"]))
        pixels = f"pixels of {scales} arcsec" if scales else "another grid"
        sentences.append(f"{len(rows):,} {verb} resampled to {pixels} {words}.")
    if sentences:
        sentences.append(
            "The position of the source in the catalogue is the middle of a resampled image. Its "
            "neighbouring pixels share pixels of the original image, so their noise is correlated; "
            "`noise_jy` is the noise of the resampled pixels."
        )
    native = len(written) - sum(_count(methods, method) for method in _METHODS)
    if sentences and native:
        verb = "image consists" if native == 1 else "images consist"
        sentences.append(f"{native:,} {verb} of whole pixels of the original image.")
    return sentences


def describe_sizes(written: pa.Table, stamp: StampSettings) -> list[str]:
    """Say how large the images are on the sky, where the recipe gives each a size of its own."""
    if "stamp_size_arcsec" not in written.column_names or not stamp.size:
        return []
    spread = spread_of(written["stamp_size_arcsec"])
    if spread is None:
        return []
    sides = f"{spread.median:.3g} arcsec"
    if spread.highest > spread.lowest * (1 + _SAME_SCALE):
        sides += f" (median; {spread.lowest:.3g} to {spread.highest:.3g})"
    text = (
        f"The side of an image on the sky is `{stamp.size}`: {sides}; `stamp_size_arcsec` gives it "
        "for each image, and `pixel_scale_arcsec` the size of its pixels."
    )
    return [text]


def describe_orientation(written: pa.Table, stamp: StampSettings) -> list[str]:
    """Say how many images are turned, and to what."""
    if "rotation_deg" not in written.column_names or not stamp.rotate:
        return []
    turned = int(pc.sum(pc.is_finite(pc.fill_null(written["rotation_deg"], float("nan")))).as_py())
    verb = "image is" if turned == 1 else "images are"
    text = (
        f"{turned:,} {verb} turned so that the position angle in the column `{stamp.rotate}` is "
        "up; `rotation_deg` gives it, from north to east."
    )
    return [text]


def describe_common_beam(written: pa.Table, beam: BeamSettings) -> list[str]:
    """Say which beam the images were convolved to, and how many of them."""
    names = ("stamp_beam_major_arcsec", "stamp_beam_minor_arcsec")
    if not {*names} <= {*written.column_names} or not beam.common:
        return []
    major, minor = (spread_of(written[name]) for name in names)
    if major is None or minor is None:
        return []
    size = f"{major.median:.3g}"
    if minor.median < major.median - _SAME_ARCSEC:
        size += f" by {minor.median:.3g}"
    if max(one.highest - one.lowest for one in (major, minor)) > _SAME_ARCSEC:
        return [f"The beams (FWHM) of the images are {_range(major)} by {_range(minor)} arcsec."]
    changed = pc.or_(*(_differs(written, name.removeprefix("stamp_"), name) for name in names))
    convolved = int(pc.sum(changed).as_py() or 0)
    others = len(written) - convolved
    text = f"All images have one beam (FWHM), {size} arcsec"
    if not convolved:
        return [f"{text}, and none had to be convolved to it."]
    verb = "image was" if convolved == 1 else "images were"
    text += f": {convolved:,} {verb} convolved to it"
    if others:
        text += f", and {others:,} had it already"
    return [f"{text}. `noise_jy` and `peak_jy` are those after the convolution."]


def _differs(written: pa.Table, before: str, after: str) -> pa.ChunkedArray:
    distance = pc.abs(pc.subtract(written[after], written[before]))
    return pc.fill_null(pc.greater(distance, _SAME_ARCSEC), False)


def _range(spread: Spread | None) -> str:
    """Return one number, or the lowest and the highest."""
    if spread is None:
        return ""
    if spread.highest <= spread.lowest * (1 + _SAME_SCALE):
        return f"{spread.median:.3g}"
    return f"{spread.lowest:.3g} to {spread.highest:.3g}"


def _count(values: pa.ChunkedArray, value: str) -> int:
    return int(pc.sum(pc.equal(values, value)).as_py() or 0)
