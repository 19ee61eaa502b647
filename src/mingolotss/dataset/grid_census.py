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
from mingolotss.dataset.manifest import STAMP_BEAM_COLUMNS
from mingolotss.recipe.beam_settings import BeamSettings
from mingolotss.recipe.stamp_settings import StampSettings

__all__ = ["describe_common_beam", "describe_orientation", "describe_resampling", "describe_sizes"]

_METHODS = {
    "adaptive": "by the adaptive method of DeForest (2004)",
    "exact": "by the areas of the overlaps (exact)",
}
_SAME = 0.001  # beams and scales that differ by less, relatively, are one


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
            f"`noise_jy` is the noise of the resampled pixels.{_widened(written)}"
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
    if spread.highest > spread.lowest * (1 + _SAME):
        sides += f" (median; {spread.lowest:.3g} to {spread.highest:.3g})"
    size = f"`{stamp.size}`"
    if stamp.redshift:
        size += f" at the redshift in the column `{stamp.redshift}` ({stamp.cosmology})"
    text = (
        f"The side of an image on the sky is {size}: {sides}; `stamp_size_arcsec` gives it for "
        "each image, and `pixel_scale_arcsec` the size of its pixels."
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
    """Say which beam the images were brought to, and how many of them were convolved.

    Parameters
    ----------
    written : pyarrow.Table
        The written rows of a manifest.
    beam : BeamSettings
    """
    if beam.beam is None or not {*STAMP_BEAM_COLUMNS} <= {*written.column_names}:
        return []
    common = beam.beam
    size = f"{common.major_arcsec:.3g}"
    if common.minor_arcsec < common.major_arcsec * (1 - _SAME):
        size += f" by {common.minor_arcsec:.3g}"
    is_same = pc.and_(
        _is_near(written["beam_major_arcsec"], common.major_arcsec),
        _is_near(written["beam_minor_arcsec"], common.minor_arcsec),
    )
    had_it = int(pc.sum(is_same).as_py() or 0)
    convolved = len(written) - had_it
    text = f"All images were brought to one beam (FWHM), {size} arcsec"
    if not convolved:
        return [f"{text}: all had it already."]
    verb = "image was" if convolved == 1 else "images were"
    text += f": {convolved:,} {verb} convolved to it"
    if had_it:
        text += f", and {had_it:,} had it already"
    return [f"{text}. `noise_jy` and `peak_jy` are those after the convolution."]


def _is_near(values: pa.ChunkedArray, value: float) -> pa.ChunkedArray:
    distance = pc.abs(pc.subtract(values, value))
    return pc.fill_null(pc.less_equal(distance, _SAME * value), False)


def _widened(written: pa.Table) -> str:
    """Say what the beam of resampled images is."""
    spread = None
    if STAMP_BEAM_COLUMNS[0] in written.column_names:
        spread = spread_of(written[STAMP_BEAM_COLUMNS[0]])
    if spread is None:
        return ""
    return (
        " Averages over pixels also widen the beam: its major axis in the images is "
        f"{_range(spread)} arcsec, as `{STAMP_BEAM_COLUMNS[0]}` gives it."
    )


def _range(spread: Spread | None) -> str:
    """Return one number, or the lowest and the highest."""
    if spread is None:
        return ""
    if spread.highest <= spread.lowest * (1 + _SAME):
        return f"{spread.median:.3g}"
    return f"{spread.lowest:.3g} to {spread.highest:.3g}"


def _count(values: pa.ChunkedArray, value: str) -> int:
    return int(pc.sum(pc.equal(values, value)).as_py() or 0)
