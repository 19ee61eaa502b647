"""The settings of images: their service, the choice among them, and their noise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mingolotss.recipe.settings import Settings, check_address, check_template

__all__ = ["ChooseSettings", "ImageSettings", "NoiseMethod", "NoiseSettings", "RecentreSettings"]

NoiseMethod = Literal["rms-map", "sigma-clipped", "background2d", "reject"]


class ImageSettings(Settings):
    """The service of the images, the size of a cutout, and the names of its files.

    Attributes
    ----------
    service : str
    size_arcmin : float
        Side of a cutout.
    image, rms : str
        File names with ``{source}`` and ``{field}``.
    ignore : tuple of str
        Other products of the same archive: file names with these parts are not images.
    checksums : str
        Of which images CHECKSUM and DATASUM are compared, where a file has them: of "cutouts" and
        small mosaics, which are read whole; of "all"; or of "none".
    """

    service: str = ""
    size_arcmin: float = Field(6.0, gt=0, le=600)
    image: str = "{source}_{field}-mosaic.fits"
    rms: str = "{source}_{field}-mosaic-rms.fits"
    ignore: tuple[str, ...] = ("-low", "-residual")
    checksums: Literal["cutouts", "all", "none"] = "cutouts"

    @field_validator("service")
    @classmethod
    def _service(cls, value: str) -> str:
        return check_address(value)

    @field_validator("image", "rms")
    @classmethod
    def _file_name(cls, value: str) -> str:
        return check_template(value) if value else value

    @property
    def size_deg(self) -> float:
        """Return the side of a cutout in degrees, as services take it."""
        return self.size_arcmin / 60


class ChooseSettings(Settings):
    """How to choose among the fields of a source.

    Attributes
    ----------
    near_arcsec : float
        Case 3 applies if all separations are smaller.
    """

    near_arcsec: float = Field(15.0, ge=0)


class RecentreSettings(Settings):
    """When a stamp is centred on the source instead of the middle of its cutout.

    Attributes
    ----------
    enabled : bool
    separation_arcsec : float
        Recentre if the source is farther than this from the central pixel.
    """

    enabled: bool = True
    separation_arcsec: float = Field(15.0, ge=0)


class NoiseSettings(Settings):
    """How the noise of a pixel is found.

    Attributes
    ----------
    method : {"rms-map", "sigma-clipped", "background2d"}
    otherwise : {"reject", "sigma-clipped", "background2d"}
        For images without an rms map, where `method` is ``rms-map``.
    sigma, iterations : float, int
        Of the sigma clipping.
    box : int, px
        Side of the boxes of ``background2d``.
    """

    method: Literal["rms-map", "sigma-clipped", "background2d"] = "rms-map"
    otherwise: Literal["reject", "sigma-clipped", "background2d"] = "reject"
    sigma: float = Field(3.0, gt=0)
    iterations: int = Field(5, ge=1)
    box: int = Field(48, ge=3)

    def method_for(self, *, has_rms_map: bool) -> NoiseMethod:
        """Return how the noise of an image is found, or ``reject`` if it cannot be used.

        This is the one place that decides which noise applies.
        """
        if self.method != "rms-map" or has_rms_map:
            return self.method
        return self.otherwise
