"""The settings of the finished stamp: its size, its pixels and the steps that make them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mingolotss.recipe.settings import Settings, check_template

__all__ = ["StampSettings", "StepSettings"]


class StampSettings(Settings):
    """The finished image.

    Attributes
    ----------
    pixels : int
        Pixels on a side.
    pixel_arcsec : float
        Size of a pixel; 0 for that of the image. Smaller pixels are averaged to this size.
    kind : {"uint8", "float32"}
    name : str
        File name with ``{source}`` and ``{field}``.
    max_percent_nan : float, %
        A stamp of which more has no data is rejected.
    resample : {"", "adaptive", "exact"}
        How pixels of another size or place are computed (`resampling`): ``adaptive`` after DeForest
        (2004), ``exact`` by the areas of the overlaps. With "" the stamp consists of whole pixels
        of the image.
    centre : {"pixel", "exact"}
        The stamp is centred on the pixel of the image that is nearest to the catalogue position, or
        on the position itself.
    size : str
        Side of the stamp on the sky: ``"90 arcsec"``, a multiple of a column of the catalogue as
        ``"2.5 * LAS"``, or a length at the redshift of the source as ``"200 kpc"``. With "" it is
        `pixels` times the size of a pixel.
    redshift : str
        The column of the redshift, for a size in kpc.
    cosmology : str
        A cosmology of `astropy.cosmology`, by name.
    rotate : str
        The column of position angles, east of north: that direction becomes up.
    """

    pixels: int = Field(150, ge=2, le=4096)
    pixel_arcsec: float = Field(0.0, ge=0)
    kind: Literal["uint8", "float32"] = "uint8"
    name: str = "{source}_{field}.png"
    max_percent_nan: float = Field(100.0, ge=0, le=100)
    resample: Literal["", "adaptive", "exact"] = ""
    centre: Literal["pixel", "exact"] = "pixel"
    size: str = ""
    redshift: str = ""
    cosmology: str = "Planck18"
    rotate: str = ""

    @field_validator("name")
    @classmethod
    def _file_name(cls, value: str) -> str:
        return check_template(value)

    @property
    def resampling(self) -> Literal["", "adaptive", "exact"]:
        """Return the method of resampling, "" for stamps of whole pixels of the image.

        A size or an orientation of each source, and an exact centre, need one: ``adaptive`` unless
        `resample` names another.
        """
        needs_one = self.centre == "exact" or self.size or self.rotate
        return self.resample or ("adaptive" if needs_one else "")


class StepSettings(BaseModel):
    """One step and its settings."""

    model_config = ConfigDict(frozen=True, extra="allow")
    do: str

    @property
    def settings(self) -> dict[str, object]:
        """Return the arguments of the step."""
        return dict(self.model_extra or {})
