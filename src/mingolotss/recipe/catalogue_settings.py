"""The settings of the catalogue of a recipe: its columns, their units, and which rows count."""

from __future__ import annotations

from pydantic import ValidationInfo, field_validator, model_validator

from mingolotss.catalogue.column_names import POSITION_GROUPS, ColumnNames, Frame
from mingolotss.catalogue.name_patterns import check_pattern
from mingolotss.catalogue.units import TARGETS, Quantity, find_unit
from mingolotss.errors import CatalogueError
from mingolotss.recipe.settings import Settings, check_address

__all__ = ["CatalogueSettings"]


class CatalogueSettings(Settings):
    """The catalogue of the dataset, and the names of its columns.

    Attributes
    ----------
    url, md5 : str
        Where it is published, and its checksum.
    name, ra, dec, size, flux, field : str
        The columns of these quantities; "" where there is none.
    table : str
        Name or number of the table in a file with several; "" takes the one with the columns.
    ra_unit, dec_unit, size_unit, flux_unit : str
        Units that replace those of the file.
    frame : {"icrs", "fk5", "fk4", "galactic"}
        The frame of the positions; they are converted to ICRS.
    keep : tuple of str
        Further columns that go along into the manifest and the exports; ``*`` stands for all.
    where : str
        A condition that selects rows (`mingolotss.catalogue.expressions`).
    names : str
        A regular expression with the groups ``ra`` and ``dec`` (deg) or ``ra_hms`` and ``dec_dms``
        (sexagesimal): the catalogue is made from the names of the images.
    positions : str
        A regular expression with the same groups: the positions are those that the names of the
        sources in the catalogue hold, and `ra` and `dec` are not read.
    """

    url: str = ""
    md5: str = ""
    name: str = "Source_Name"
    ra: str = "RA"
    dec: str = "DEC"
    size: str = ""
    flux: str = ""
    field: str = ""
    table: str = ""
    ra_unit: str = ""
    dec_unit: str = ""
    size_unit: str = ""
    flux_unit: str = ""
    frame: Frame = "icrs"
    keep: tuple[str, ...] = ()
    where: str = ""
    names: str = ""
    positions: str = ""

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return check_address(value)

    @field_validator("ra_unit", "dec_unit", "size_unit", "flux_unit")
    @classmethod
    def _unit(cls, value: str, info: ValidationInfo) -> str:
        quantities: dict[str, Quantity] = {f"{name}_unit": name for name in TARGETS}
        try:
            find_unit(value, quantities[str(info.field_name)])
        except CatalogueError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("where")
    @classmethod
    def _condition(cls, value: str) -> str:
        if value:
            from mingolotss.catalogue.expressions import parse_condition  # it takes 0.2 s

            try:
                parse_condition(value)
            except CatalogueError as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _columns_exist(self) -> CatalogueSettings:
        if self.names and (self.keep or self.where):
            raise ValueError("names: a catalogue of names has no columns for keep and where")
        return self

    @field_validator("names", "positions")
    @classmethod
    def _pattern(cls, value: str) -> str:
        groups = check_pattern(value)
        if value and not any(set(pair) <= set(groups) for pair in POSITION_GROUPS):
            raise ValueError(
                "it needs the groups (?P<ra>...) and (?P<dec>...), or (?P<ra_hms>...) and "
                "(?P<dec_dms>...) for sexagesimal positions"
            )
        return value

    @property
    def columns(self) -> ColumnNames:
        """Return the column names."""
        keys = ColumnNames.__dataclass_fields__
        return ColumnNames(**{key: getattr(self, key) for key in keys})
