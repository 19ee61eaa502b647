"""The settings of a HATS collection: how large its partitions are, and what its rows have.

They decide no pixel of a stamp, so a change of them keeps the stamps of a build
(`mingolotss.recipe.model.Recipe.digest`).

>>> HatsSettings(margin_arcsec=5).margin_arcsec
5.0
>>> HatsSettings(partition_rows=0)
Traceback (most recent call last):
    ...
pydantic_core._pydantic_core.ValidationError: 1 validation error for HatsSettings...
"""

from __future__ import annotations

from pydantic import Field, field_validator

from mingolotss.recipe.settings import Settings

__all__ = ["LARGEST_MARGIN_ARCSEC", "HatsSettings"]

LARGEST_MARGIN_ARCSEC = 3600.0
"""A wider margin would copy most of a dataset; LSDB matches within the margin and no farther."""


class HatsSettings(Settings):
    """How a HATS collection is divided, and which columns of images it has.

    Attributes
    ----------
    partition_rows : int or None
        Most rows of a partition. More sources in one pixel of order 12, which is 51 arcsec wide,
        stay together. By default 50,000, or fewer so that a partition has at most 256 MiB of
        pixels.
    margin_arcsec : float, arcsec
        The margin has the sources within this distance of each partition; 0 for no margin.
    flux : bool
        Add the column ``image`` of the Multimodal Universe: brightness, inverse variance and mask.
    arrays : bool
        Add the pixels as arrays to stamps that are PNG files. Other stamps always are arrays.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.HatsSettings(margin_arcsec=5)
    HatsSettings(partition_rows=None, margin_arcsec=5.0, flux=False, arrays=False)
    """

    partition_rows: int | None = Field(None, ge=1)
    margin_arcsec: float = Field(10.0, ge=0)
    flux: bool = False
    arrays: bool = False

    @field_validator("margin_arcsec")
    @classmethod
    def _is_narrow(cls, value: float) -> float:
        if value > LARGEST_MARGIN_ARCSEC:
            raise ValueError(
                f"a margin is at most {LARGEST_MARGIN_ARCSEC:g} arcsec wide; for pairs that are "
                "farther apart, let LSDB make the margin"
            )
        return value

    def to_dict(self) -> dict[str, object]:
        """Return the settings that are not the default, as values of TOML.

        Returns
        -------
        dict of str to value
            By their keys in the table ``[hats]`` of a recipe.
        """
        return self.model_dump(exclude_defaults=True)
