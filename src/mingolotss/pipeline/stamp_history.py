"""What was done to the pixels of a stamp, in sentences for the HISTORY of a FITS file.

>>> from mingolotss.recipe.model import parse_recipe
>>> recipe = parse_recipe({"name": "mine", "stamp": {"pixels": 64}, "steps": [
...     {"do": "clip", "sigma": 5.0}]}, "mine.toml")
>>> row = {"image": "P1.fits", "noise_method": "rms-map"}
>>> for line in stamp_history(row, recipe, x0=10, y0=20, factor=1): print(line)
Cut: 64 x 64 pixels of P1.fits, from its pixel (11, 21), counted from 1.
Brightness as in the image. Noise: rms-map.
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
    yield from _beam_lines(row)
    yield from _grid_lines(row, recipe, x0, y0, factor)
    yield f"Brightness as in the image. Noise: {row.get('noise_method') or 'not known'}."
    if recipe.steps:
        steps = ", ".join(_step(one.do, one.settings) for one in recipe.steps)
        yield f"Steps of the recipe that are not applied to this image: {steps}."


def _beam_lines(row: Mapping[str, object]) -> Iterator[str]:
    before, after = (_beam(row, prefix) for prefix in ("", "stamp_"))
    if after and before != after:
        yield f"Convolved from the beam of the image, {before or 'not known'}, to {after}."


def _beam(row: Mapping[str, object], prefix: str) -> str:
    """Return a beam in words; "" if it is not known."""
    numbers = [
        row.get(f"{prefix}beam_{name}") for name in ("major_arcsec", "minor_arcsec", "pa_deg")
    ]
    major, minor, pa = (
        float(number) if isinstance(number, int | float) else math.nan for number in numbers
    )
    if not math.isfinite(major + minor):
        return ""
    turned = f" at {pa:.4g} deg" if math.isfinite(pa) else ""
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
            f"Resampled ({method}, reproject) from {image} onto {side} x {side} pixels with the "
            f"source in the middle{turned}."
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
