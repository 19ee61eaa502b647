"""The settings of the finished stamp: its size, its pixels and the steps that make them."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mingolotss.recipe.names import IMAGE_NAME
from mingolotss.recipe.settings import Settings, check_template
from mingolotss.recipe.stamp_sizes import LARGEST_STAMP_DEG, StampSize, parse_stamp_size

__all__ = ["StampSettings", "StepSettings"]


class StampSettings(Settings):
    """The finished image.

    Attributes
    ----------
    pixels : int
        Pixels on a side.
    pixel_arcsec : float
        Size of a pixel; 0 for that of the image. Smaller pixels are averaged to this size, or
        resampled where `resampling` says how.
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
        The source is on the middle pixel of the stamp, number ``pixels // 2`` from 0: somewhere in
        it, or with "exact" in its centre. Resampled stamps are always exact.
    size : str
        Side of the stamp on the sky: ``"90 arcsec"``, a multiple of a column of the catalogue as
        ``"2.5 * LAS"``, or a length at the redshift of the source as ``"200 kpc"``. With "" it is
        `pixels` times the size of a pixel.
    redshift : str
        The column of the redshift, for a size in kpc.
    cosmology : str
        A cosmology of `astropy.cosmology`, by name, for a size in kpc.
    rotate : str
        The column of position angles, east of north: that direction becomes up.
    """

    pixels: int = Field(150, ge=2, le=4096)
    pixel_arcsec: float = Field(0.0, ge=0)
    kind: Literal["uint8", "float32"] = "uint8"
    name: str = IMAGE_NAME
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

    @field_validator("size", mode="before")
    @classmethod
    def _has_unit(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f'a size needs a unit, e.g. "{value:g} arcsec"')  # noqa: TRY004
        return value

    @field_validator("size")
    @classmethod
    def _size(cls, value: str) -> str:
        if value:
            parse_stamp_size(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> StampSettings:
        size = self.parsed_size
        if size is not None and self.pixel_arcsec:
            raise ValueError(
                f"pixel_arcsec and size: the size of a pixel follows from size = {self.size!r} and "
                f"pixels = {self.pixels}; leave pixel_arcsec out"
            )
        if size is not None and size.kind == "length":
            if not self.redshift:
                raise ValueError(
                    f"size = {self.size!r} needs the column of the redshift, e.g. redshift = 'z'"
                )
            _check_cosmology(self.cosmology)
        side = size.value if size is not None and size.kind == "angle" else 0.0
        side = side or self.pixels * self.pixel_arcsec
        if self.resampling and side > LARGEST_STAMP_DEG * 3600:
            raise ValueError(
                f"a side of {side / 3600:.4g} deg is too long: a resampled stamp has at most "
                f"{LARGEST_STAMP_DEG:g} deg"
            )
        return self

    @cached_property
    def parsed_size(self) -> StampSize | None:
        """Return the size of the stamp on the sky, None if it follows from the pixels."""
        return parse_stamp_size(self.size) if self.size else None

    @property
    def columns(self) -> dict[str, str]:
        """Return the columns of the catalogue that the stamp of a source needs, by their key."""
        size = self.parsed_size
        names = {
            "size": size.column if size is not None else "",
            "redshift": self.redshift if size is not None and size.kind == "length" else "",
            "rotate": self.rotate,
        }
        return {key: name for key, name in names.items() if name}

    @property
    def resampling(self) -> Literal["", "adaptive", "exact"]:
        """Return the method of resampling, "" for stamps of whole pixels of the image.

        A size or an orientation of each source, and an exact centre, need one: ``adaptive`` unless
        `resample` names another.
        """
        needs_one = self.centre == "exact" or self.size or self.rotate
        return self.resample or ("adaptive" if needs_one else "")


def _check_cosmology(name: str) -> None:
    from astropy.cosmology import available  # the import takes 0.2 s

    if name not in available:
        raise ValueError(
            f"cosmology: astropy has none that is called {name!r}; known: {', '.join(available)}"
        )


class StepSettings(BaseModel):
    """One step and its settings."""

    model_config = ConfigDict(frozen=True, extra="allow")
    do: str

    @property
    def settings(self) -> dict[str, object]:
        """Return the arguments of the step."""
        return dict(self.model_extra or {})
