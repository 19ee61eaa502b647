"""The settings of masks: which pixels of a stamp belong to its source, and which to another one.

>>> MaskSettings.model_validate({"from": "components", "sigma": 5.0}).columns.major
'Maj'
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mingolotss.catalogue.column_names import Frame
from mingolotss.catalogue.component_columns import ComponentColumns
from mingolotss.catalogue.units import Quantity, find_unit
from mingolotss.errors import CatalogueError
from mingolotss.recipe.settings import Settings

__all__ = ["MASK_SIGMA", "MaskSettings"]

MASK_SIGMA = 4.0
"""The level above which a pixel is emission, in units of the noise (Mingo et al. 2019)."""

_QUANTITIES: dict[str, Quantity] = {
    "ra_unit": "ra", "dec_unit": "dec", "axes_unit": "size", "pa_unit": "size",
}  # fmt: skip


class MaskSettings(Settings):
    """How the mask of a stamp is made, and the columns of the file that says which emission is one.

    The file is given with a build (``--components``) and is no part of the recipe.

    Attributes
    ----------
    source : {"none", "components", "shapes"}
        ``from`` in a recipe: no masks; ellipses from which the emission is flooded; or boxes,
        polygons and ellipses that no mask leaves.
    sigma : float
        Pixels above this level, in units of the noise, are emission. 0 takes every pixel with data
        in the shapes.
    dynamic_range : float
        If it is not 0, emission is also above the brightest pixel of the source divided by it.
    scale : float
        Semi-axes of the ellipses of components in units of their FWHM.
    link : {"auto", "name", "position"}
        How a component belongs to a source: by the column `name`, or by its position. ``auto``
        takes the column if the file has one with names of the catalogue.
    name : str
        The column with the source of each component; "" takes the first known one of the file.
    catalogue : str
        The column of the catalogue that `name` repeats; "" is the name of the source.
    group : str
        The column of components that belong together, for the link by position; "" takes
        ``Source_id`` of PyBDSF if the file has it.
    table : str
        Name or number of the table in a file with several; "" takes the one with the columns.
    ra, dec, major, minor, pa : str
        The columns of ellipses: centre, axes, and position angle of the major axis, east of north.
    width, height : str
        The columns of boxes around `ra` and `dec`: along right ascension and declination, as
        angles on the sky.
    turned : bool
        Boxes are turned by the column `pa`, the position angle of their height.
    shape : str
        The column of polygons or other shapes as text.
    ra_unit, dec_unit, axes_unit, pa_unit : str
        Units that replace those of the file.
    axes : {"fwhm", "diameter", "semi-axis"}
        What the axes of the ellipses are.
    frame : {"icrs", "fk5", "fk4", "galactic"}
        The frame of the positions.
    """

    source: Literal["none", "components", "shapes"] = Field("none", alias="from")
    sigma: float = Field(MASK_SIGMA, ge=0)
    dynamic_range: float = Field(0.0, ge=0)
    scale: float = Field(1.0, gt=0, le=10)
    link: Literal["auto", "name", "position"] = "auto"
    name: str = ""
    catalogue: str = ""
    group: str = ""
    table: str = ""
    ra: str = "RA"
    dec: str = "DEC"
    major: str = "Maj"
    minor: str = "Min"
    pa: str = "PA"
    width: str = ""
    height: str = ""
    turned: bool = False
    shape: str = ""
    ra_unit: str = ""
    dec_unit: str = ""
    axes_unit: str = ""
    pa_unit: str = ""
    axes: Literal["fwhm", "diameter", "semi-axis"] = "fwhm"
    frame: Frame = "icrs"

    @field_validator("ra_unit", "dec_unit", "axes_unit", "pa_unit")
    @classmethod
    def _unit(cls, value: str, info: ValidationInfo) -> str:
        try:
            find_unit(value, _QUANTITIES[str(info.field_name)])
        except CatalogueError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> MaskSettings:
        if self.source == "components" and not self.sigma:
            raise ValueError("sigma: emission is flooded above a level; give one that is not 0")
        if self.source == "components" and (self.shape or self.width):
            raise ValueError("shape, width and height are of from = 'shapes'")
        if bool(self.width) != bool(self.height):
            raise ValueError("width and height: a box needs both columns")
        if self.shape and self.width:
            raise ValueError("shape and width: the shapes are in one column or they are boxes")
        if self.turned and not self.width:
            raise ValueError("turned: only boxes are, which have width and height")
        if self.link == "position" and self.name:
            raise ValueError("name: with link = 'position' no column of names is read")
        return self

    @property
    def makes_masks(self) -> bool:
        """Return whether stamps have masks."""
        return self.source != "none"

    @property
    def columns(self) -> ComponentColumns:
        """Return the columns of the file."""
        keys = set(ComponentColumns.__dataclass_fields__) - {"reads_names"}
        values = {key: getattr(self, key) for key in keys}
        if self.width and not self.turned:
            values["pa"] = ""
        return ComponentColumns(**values, reads_names=self.link != "position")
