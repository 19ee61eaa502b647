"""The settings that determine a simulated sky.

>>> SkyModel(sources=600).field_count
4
>>> SkyModel(sources=30).side
1500
"""

import math
from dataclasses import asdict, dataclass

from mingolotss.errors import InputError

__all__ = ["SkyModel"]


@dataclass(frozen=True)
class SkyModel:
    """The settings of a simulated sky; equal models give equal files.

    Attributes
    ----------
    seed : int
        Seed of all random numbers.
    sources : int
        Number of rows of the catalogue.
    edge_cases : bool
        Place some sources where the choice of a field, or the cutout, is difficult.
    pixel_arcsec, beam_arcsec : float, arcsec
        Pixel scale and beam FWHM; those of LoTSS at full resolution
        (Shimwell et al. 2019, A&A 622, A1).
    noise_ujy : float, uJy/beam
        Noise in the middle of a field.
    ra, dec : float, deg
        Centre of the sky.
    sources_per_field : int
        Sets the number of fields.
    field_px : int, pixels
        Side of a mosaic; 0 means 3,000, or 1,500 for 60 sources or fewer.
    background_per_deg2 : float
        Number of unlabelled point sources brighter than 0.3 mJy.

    Examples
    --------
    >>> from mingolotss.simulate import SkyModel
    >>> SkyModel(sources=600).field_count
    4
    """

    seed: int = 1
    sources: int = 600
    edge_cases: bool = True
    pixel_arcsec: float = 1.5
    beam_arcsec: float = 6.0
    noise_ujy: float = 70.0
    ra: float = 205.0
    dec: float = 55.0
    sources_per_field: int = 150
    field_px: int = 0
    background_per_deg2: float = 450.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            A setting is out of its range.
        """
        ranges = {
            "seed": (0, 2**63 - 1),
            "sources": (1, 1_000_000),
            "pixel_arcsec": (0.2, self.beam_arcsec / 2),
            "noise_ujy": (0.001, 1e6),
            "dec": (-80, 80),
            "sources_per_field": (1, 300),
            "background_per_deg2": (0, 5000),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(
                    f"simulate a sky: {name} = {value:g} is not between {low:g} and {high:g}"
                )
        if self.field_px and not 1200 <= self.field_px <= 12000:
            raise InputError(
                f"simulate a sky: field_px = {self.field_px} is neither 0 nor from 1200 to 12000"
            )

    @property
    def field_count(self) -> int:
        """Number of fields."""
        return max(2, math.ceil(self.sources / self.sources_per_field))

    @property
    def side(self) -> int:
        """Side of a mosaic, pixels."""
        return self.field_px or (1500 if self.sources <= 60 else 3000)

    @property
    def beam_px(self) -> float:
        """Beam FWHM in pixels."""
        return self.beam_arcsec / self.pixel_arcsec

    def as_dict(self) -> dict[str, int | float | bool]:
        """Return the settings by name, as ``sky.json`` records them.

        Returns
        -------
        dict of str to value
            By the names of the attributes.
        """
        return asdict(self)
