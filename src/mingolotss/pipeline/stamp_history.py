"""What was done to the pixels of a stamp, in sentences for the HISTORY of a FITS file.

>>> from mingolotss.recipe.model import parse_recipe
>>> recipe = parse_recipe({"name": "mine", "stamp": {"pixels": 64}, "steps": [
...     {"do": "clip", "sigma": 5.0}]}, "mine.toml")
>>> row = {"image": "P1.fits", "noise_method": "rms-map", "beam_major_arcsec": 6.0,
...        "beam_minor_arcsec": 5.0, "beam_pa_deg": 90.0}
>>> for line in stamp_history(row, recipe, x0=10, y0=20, factor=1): print(line)
Cut: 64 x 64 pixels of P1.fits, from its pixel (11, 21), counted from 1.
The beam of the stamp is 6 x 5 arcsec at 90 deg.
Brightness before the steps. Noise: rms-map.
Steps of the recipe that are not applied to this image: clip (sigma = 5.0).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import STEPS

__all__ = ["stamp_history"]


def stamp_history(
    row: Mapping[str, object], recipe: Recipe, *, x0: float, y0: float, factor: int
) -> Iterator[str]:
    """Yield a line for each operation.

    Parameters
    ----------
    row : mapping
        The row of the manifest, or of the table of channels, by column.
    recipe : Recipe
        Of the channel.
    x0, y0 : float, px from 0
        The first pixel of the stamp in the image.
    factor : int
        Pixels of the image, along an axis, for each pixel of the stamp.
    """
    common = recipe.beam.beam
    if common is not None:
        before = _beam(row, "beam") or "which is not known"
        is_resampled = recipe.stamp.resampling or row.get("status") == "resampled"
        after = ", less what resampling adds" if is_resampled else ""
        yield f"Convolved from the beam of the image, {before}, to {_axes(*common)}{after}."
    yield from _grid_lines(row, recipe, x0, y0, factor)
    beam = _beam(row, "stamp_beam") or _beam(row, "beam")
    yield f"The beam of the stamp is {beam}." if beam else "The beam is not known."
    yield f"Brightness before the steps. Noise: {row.get('noise_method') or 'not known'}."
    if recipe.steps:
        steps = ", ".join(_step(one.do, one.settings) for one in recipe.steps)
        yield f"Steps of the recipe that are not applied to this image: {steps}."


def _beam(row: Mapping[str, object], name: str) -> str:
    """Return a beam of a row in words; "" if it is not known."""
    numbers = [row.get(f"{name}_{axis}") for axis in ("major_arcsec", "minor_arcsec", "pa_deg")]
    return _axes(*(float(one) if isinstance(one, int | float) else math.nan for one in numbers))


def _axes(major: float, minor: float, pa: float) -> str:
    if not math.isfinite(major + minor):
        return ""
    turned = f" at {pa:.4g} deg" if math.isfinite(pa) and major != minor else ""
    return f"{major:.4g} x {minor:.4g} arcsec{turned}"


def _grid_lines(
    row: Mapping[str, object], recipe: Recipe, x0: float, y0: float, factor: int
) -> Iterator[str]:
    side, image = recipe.stamp.pixels, row.get("image") or "an image"
    method = row.get("resampling") or recipe.stamp.resampling
    if method:
        rotation = row.get("rotation_deg")
        turned = f", position angle {rotation:.6g} deg up" if isinstance(rotation, float) else ""
        yield (
            f"Resampled ({method}) from {image} onto {side} x {side} pixels with the source in the "
            f"middle{turned}."
        )
        return
    pixels = side * factor
    yield (
        f"Cut: {pixels} x {pixels} pixels of {image}, from its pixel "
        f"({x0 + 1:.0f}, {y0 + 1:.0f}), counted from 1."
    )
    if row.get("recentred"):
        yield "Recentred: centred on the source and not on the middle of the cutout."
    if factor > 1:
        yield f"Averaged: each pixel is the mean of {factor} x {factor} pixels of the image."


def _step(name: str, settings: Mapping[str, object]) -> str:
    """Return a step with all its settings, also those that the recipe leaves to the step."""
    defaults = getattr(STEPS.get(name), "__kwdefaults__", None) or {}
    values = ", ".join(f"{key} = {value}" for key, value in {**defaults, **settings}.items())
    return f"{name} ({values})" if values else name
