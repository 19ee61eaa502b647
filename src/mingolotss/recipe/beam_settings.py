"""The resolution of the stamps: one beam for all images, or that of each image."""

from __future__ import annotations

from mingolotss.recipe.settings import Settings

__all__ = ["BeamSettings"]


class BeamSettings(Settings):
    """The beam that all images are convolved to.

    Attributes
    ----------
    common : str
        ``"9 arcsec"``, ``"12 x 9 arcsec, 45 deg"``, or ``"largest"`` for the smallest beam that all
        images of the dataset can be convolved to. With "" each image keeps its own.
    """

    common: str = ""
