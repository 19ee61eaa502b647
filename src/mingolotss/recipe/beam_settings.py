"""The resolution of the stamps: one beam for all images, or that of each image."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from mingolotss.errors import RecipeError
from mingolotss.recipe.settings import Settings
from mingolotss.sky.beams import Beam, parse_beam

__all__ = ["LARGEST", "BeamSettings"]

LARGEST = "largest"


class BeamSettings(Settings):
    """The beam that all images are convolved to.

    Attributes
    ----------
    common : str
        ``"9 arcsec"``, ``"12 x 9 arcsec, 45 deg"``, or ``"largest"`` for the smallest beam that all
        images of the dataset can be convolved to. With "" each image keeps its own.
    largest : str
        What ``"largest"`` is. A build records it here when it is planned.
    """

    common: str = ""
    largest: str = ""

    @field_validator("common", mode="before")
    @classmethod
    def _has_unit(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f'a beam needs a unit, e.g. "{value:g} arcsec"')  # noqa: TRY004
        return value

    @field_validator("common", "largest")
    @classmethod
    def _beam(cls, value: str) -> str:
        if value and value != LARGEST:
            parse_beam(value)
        return value

    @model_validator(mode="after")
    def _recorded(self) -> BeamSettings:
        if self.largest and self.common != LARGEST:
            raise ValueError(
                f"largest = {self.largest!r} is a record of common = {LARGEST!r}; leave it out"
            )
        if self.largest == LARGEST:
            raise ValueError(f"largest = {LARGEST!r} is no beam; leave it out")
        return self

    @property
    def is_planned(self) -> bool:
        """Return whether the common beam is not known before the images of a build are."""
        return self.common == LARGEST and not self.largest

    @property
    def beam(self) -> Beam | None:
        """Return the common beam, None if each image keeps its own.

        Raises
        ------
        RecipeError
            It is the largest of the images, which are not known here.
        """
        if self.is_planned:
            raise RecipeError(
                f"beam.common = {LARGEST!r} is known when a build is planned; without a plan, give "
                'the beam, e.g. "9 arcsec"'
            )
        text = self.largest or self.common
        return parse_beam(text) if text else None
