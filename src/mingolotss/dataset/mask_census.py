"""What was measured in the masks of a dataset, in words for card and report.

Names of columns stand between backticks.

>>> written = pa.table({
...     "mask_pixels": [120, 80, 0], "other_pixels": [0, 9, 0], "las_arcsec": [30.0, 20.0, None],
...     "mask_flux_mjy": [None, None, None], "core_distance_arcsec": [1.5, 0.5, None],
...     "mask_from": ["components, by name", "components, by name", None]})
>>> for sentence in describe_masks(written, MaskSettings.model_validate({"from": "components"})):
...     print(sentence)
Each image has a mask of its size: 1 is emission of its source, 2 is that of another source, and 0 is neither.
Emission brighter than 4 times the noise was flooded from the ellipses of components.
2 images have pixels of their source in their mask, and 1 image has pixels of another source; in 1 image nothing belongs to the source.
What the masks were made from, by `mask_from`: components, by name (2).
Medians of the images in which the value is known: `mask_pixels` 100 (2 images), `las_arcsec` 25 arcsec (2 images), `core_distance_arcsec` 1 arcsec (2 images).
"""  # noqa: E501 - a sentence is a line

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.channel_census import spread_of
from mingolotss.image.masks import BACKGROUND, OTHER, OWN
from mingolotss.recipe.mask_settings import MaskSettings

__all__ = ["describe_masks"]

_MEASURED = {
    "mask_pixels": "", "las_arcsec": " arcsec", "mask_flux_mjy": " mJy",
    "core_distance_arcsec": " arcsec",
}  # fmt: skip


def describe_masks(written: pa.Table, settings: MaskSettings) -> list[str]:
    """Say what the masks are, how many have pixels of a source, and what was measured in them.

    Parameters
    ----------
    written : pyarrow.Table
        The written rows of a manifest.
    settings : MaskSettings
        Of the recipe.

    Returns
    -------
    list of str
        Nothing for a dataset without masks.
    """
    if not settings.makes_masks or "mask_pixels" not in written.column_names or not len(written):
        return []
    meaning = (
        f"Each image has a mask of its size: {OWN} is emission of its source, {OTHER} is that of "
        f"another source, and {BACKGROUND} is neither."
    )
    level, counts = _level(settings), _counts(written)
    return [meaning, level, counts, *_origins(written), *_medians(written)]


def _level(settings: MaskSettings) -> str:
    """Say which pixels are emission, and where it is looked for."""
    if settings.source == "shapes" and not settings.sigma:
        return "Every pixel with data in a shape is emission."
    level = f"{settings.sigma:g} times the noise"
    if settings.dynamic_range:
        level += (
            f", and than the brightest pixel of the source divided by {settings.dynamic_range:g},"
        )
    if settings.source == "shapes":
        return f"Pixels in a shape that are brighter than {level} are emission."
    return f"Emission brighter than {level} was flooded from the ellipses of components."


def _counts(written: pa.Table) -> str:
    own = _number_above_0(written, "mask_pixels")
    other = _number_above_0(written, "other_pixels")
    text = (
        f"{_have(own)} pixels of their source in their mask, and {_have(other)} pixels of another "
        "source"
    )
    if own == 1:
        text = text.replace("their source in their mask", "its source in its mask")
    nothing = int(pc.sum(pc.is_null(written["mask_from"])).as_py() or 0)
    if nothing:
        images = "image" if nothing == 1 else "images"
        text += f"; in {nothing:,} {images} nothing belongs to the source"
    return f"{text}."


def _origins(written: pa.Table) -> list[str]:
    """Count what the masks were made from."""
    values = written["mask_from"].drop_null().value_counts().to_pylist()
    ordered = sorted(((one["values"], one["counts"]) for one in values), key=lambda one: -one[1])
    if not ordered:
        return []
    parts = "; ".join(f"{text} ({count:,})" for text, count in ordered)
    return [f"What the masks were made from, by `mask_from`: {parts}."]


def _medians(written: pa.Table) -> list[str]:
    """Give the median of each measured column, and the number of images that have it."""
    has_source = pc.greater(pc.fill_null(written["mask_pixels"], 0), 0)
    masked = written.filter(has_source)
    parts = []
    for name, unit in _MEASURED.items():
        spread = spread_of(masked[name])
        if spread is not None:
            known = int(np.isfinite(pc.cast(masked[name], pa.float64()).to_numpy()).sum())
            images = f"{known:,} {'image' if known == 1 else 'images'}"
            parts.append(f"`{name}` {spread.median:.3g}{unit} ({images})")
    if not parts:
        return []
    return [f"Medians of the images in which the value is known: {', '.join(parts)}."]


def _number_above_0(written: pa.Table, name: str) -> int:
    return int(pc.sum(pc.greater(pc.fill_null(written[name], 0), 0)).as_py() or 0)


def _have(number: int) -> str:
    return f"{number:,} {'image has' if number == 1 else 'images have'}"
