"""The columns of the manifest that turn a stamp back into brightness on the sky.

They say what the header of the image states, where the stamp lies, and how it was scaled. A header
is read once for each image that was chosen, and not for each source; the rest is columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.model import Floats, Ints, Objects
from mingolotss.pipeline.stamps import Stamps
from mingolotss.sky.header_facts import HeaderFacts, header_facts, jy_per_beam
from mingolotss.sky.reference_cards import ReferenceCards, fit_cards, place_in_window
from mingolotss.sky.stamp_grid import StampSky
from mingolotss.sky.wcs import SkyWCS

__all__ = ["brightness_columns", "image_columns"]

Columns = dict[str, npt.NDArray[np.generic]]
_FACTS = [(field.name, object if field.default is None else float) for field in fields(HeaderFacts)]
_NO_FACTS = HeaderFacts()
_FACTOR_BITS = 20  # of a number that stands for a plane and a factor


def image_columns(cutouts: CutoutArray, chosen: Ints, stamps: Stamps, side: int) -> Columns:
    """Return the columns of n sources.

    Parameters
    ----------
    cutouts : CutoutArray
        Of all candidates.
    chosen : int64 array, shape (n,)
        The cutout of each source, -1 for a rejected one.
    stamps : Stamps
    side : int, px
        Of a stamp.

    Returns
    -------
    dict of str to array, shape (n,)
        None and NaN where a value is not known.
    """
    # Most sources share a few images. `pairs` has each combination of an image and a factor of
    # averaging once, and `index` the combination of each source; no image is the combination -1.
    plane = np.where(chosen >= 0, cutouts.plane_index[chosen], -1) if len(cutouts) else chosen
    key = np.where(plane >= 0, (plane << _FACTOR_BITS) + stamps.factor, -1)
    pairs, index = np.unique(key, return_inverse=True)
    facts, cards = [], []
    for pair in pairs.tolist():
        wcs = cutouts.planes[pair >> _FACTOR_BITS].wcs if pair >= 0 else None
        facts.append(_NO_FACTS if wcs is None else header_facts(wcs))
        cards.append(_cards(wcs, pair & ((1 << _FACTOR_BITS) - 1)))
    columns = _fact_columns(facts, index, stamps)
    texts = [None if one is None else text for one, text in cards]
    reference = [(np.nan, np.nan) if one is None else (one.crpix1, one.crpix2) for one, _ in cards]
    columns |= _place_columns(
        cutouts,
        chosen,
        stamps,
        side,
        np.array(texts, object)[index],
        np.array(reference).T[:, index],
    )
    return columns | _scaling_columns(chosen, stamps)


def brightness_columns(cutouts: CutoutArray, chosen: Ints, stamps: Stamps) -> Columns:
    """Return those columns of n sources that say what the brightness of their stamps means.

    The parameters are those of `image_columns`.
    """
    plane = np.where(chosen >= 0, cutouts.plane_index[chosen], -1) if len(cutouts) else chosen
    planes, index = np.unique(plane, return_inverse=True)
    facts = [
        _NO_FACTS if one < 0 else header_facts(cutouts.planes[one].wcs) for one in planes.tolist()
    ]
    return _fact_columns(facts, index, stamps) | _scaling_columns(chosen, stamps)


def _fact_columns(facts: Sequence[HeaderFacts], index: Ints, stamps: Stamps) -> Columns:
    """Return what headers say, and noise and peak in Jy/beam.

    Parameters
    ----------
    facts : sequence of HeaderFacts
    index : int64 array, shape (n,)
        Which of them are those of each source.
    stamps : Stamps
    """
    columns: Columns = {
        name: np.array([getattr(one, name) for one in facts], kind)[index] for name, kind in _FACTS
    }
    jansky = np.nan_to_num([jy_per_beam(one.unit) for one in facts], nan=1.0)[index]
    columns["noise_jy"], columns["peak_jy"] = stamps.noise_jy * jansky, stamps.peak_jy * jansky
    return columns


def _cards(wcs: object, factor: int) -> tuple[ReferenceCards | None, str]:
    """Return the cards of an image, and their text for averaged pixels; None if they fail."""
    cards = wcs.cards if isinstance(wcs, SkyWCS | StampSky) else None
    if cards is None or (factor > 1 and not cards.can_bin):
        return None, ""
    return cards, cards.text(factor)


def _place_columns(
    cutouts: CutoutArray,
    chosen: Ints,
    stamps: Stamps,
    side: int,
    texts: Objects,
    reference: Floats,
) -> Columns:
    """Return the WCS of each stamp: cards, reference pixel and largest error.

    Parameters
    ----------
    cutouts, chosen, stamps, side
        As for `image_columns`.
    texts : object array of str or None, shape (n,)
    reference : float64 array, shape (2, n), px from 1
        Cards and reference pixel of the whole image; None and NaN where no cards describe it.
    """
    starts = np.stack([stamps.x0, stamps.y0])
    crpix1, crpix2 = place_in_window(reference, starts, stamps.factor)
    errors = np.where(np.isfinite(crpix1), 0.0, np.nan)
    for row in np.flatnonzero((chosen >= 0) & np.isnan(errors)).tolist():
        wcs = cutouts.cutout(int(chosen[row])).wcs
        x0, y0 = starts[:, row].tolist()
        fitted = fit_cards(wcs, x0, y0, side, int(stamps.factor[row]))
        if fitted is not None:
            texts[row], errors[row] = fitted.text, fitted.error_arcsec
            crpix1[row], crpix2[row] = fitted.crpix1, fitted.crpix2
    return {"wcs": texts, "crpix1": crpix1, "crpix2": crpix2, "wcs_error_arcsec": errors}


def _scaling_columns(chosen: Ints, stamps: Stamps) -> Columns:
    """Return how the brightness of each stamp was scaled."""
    unknown = (chosen < 0) | (stamps.scaling == "unknown")
    kinds = stamps.scaling.copy()
    kinds[unknown] = None
    columns: Columns = {"scaling": kinds}
    for name in ("scale_min", "scale_max", "scale_rms"):
        values = getattr(stamps, name)
        columns[name] = np.where(unknown | ~np.isfinite(values), np.nan, values)
    return columns
