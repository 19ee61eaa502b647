"""How a simulated sky is observed: with which beam, pixels, frequency and noise.

>>> Observation(beam_major_arcsec=9).noise_level
105.0
>>> sorted(OBSERVATIONS)
['1400mhz', '20arcsec', '9arcsec', 'optical']
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from mingolotss.errors import InputError
from mingolotss.simulate.layout import Floats

__all__ = ["OBSERVATIONS", "Observation"]

_FWHM = math.sqrt(8 * math.log(2))  # of a Gaussian, in standard deviations
_NOISE_UJY = 70.0  # of a beam of 6 arcsec, as in LoTSS
_NOISE_NANOMAGGY = 0.01


@dataclass(frozen=True)
class Observation:
    """One observation of a simulated sky; equal observations of equal models give equal files.

    Sources have the same positions and, at one frequency, the same fluxes in all observations.
    Their noise is independent.

    Attributes
    ----------
    beam_major_arcsec, beam_minor_arcsec : float, arcsec
        FWHM of the beam; a minor axis of 0 is a round beam. Of the optical band, the seeing.
    beam_pa_deg : float, deg
        Position angle of the major axis, from the y axis of the image towards east.
    pixel_arcsec : float, arcsec
        Pixel scale.
    frequency_mhz : float, MHz
        The fluxes of the catalogue are those at 143.65 MHz; others follow from the spectral index
        of each source.
    noise : float or None
        In the middle of a field: uJy/beam, or in the optical band nanomaggies per pixel. None is
        the noise that the same visibilities give with this beam: 70 uJy/beam for 6 arcsec, in
        proportion to the FWHM.
    band : {"radio", "optical"}
        The optical band has the host galaxies and stars in nanomaggies per pixel. Its images have
        no beam, no frequency and no rms map.
    shift_px : (int, int), pixels
        Columns and rows that the mosaics lack on the left and at the bottom: the same grid with
        another first pixel.
    centre_offset_arcsec : (float, float), arcsec
        Displacement of the centres of projection to the east and north: another grid.

    Notes
    -----
    The noise of radio images is white noise convolved with the beam, as of visibilities with
    uniform weights and a Gaussian taper (Briggs 1995, PhD thesis, section 3). An image that is
    convolved to a larger beam then has the noise of an image that was observed with it. There are
    no artefacts near bright sources.

    Examples
    --------
    >>> from mingolotss.simulate import Observation
    >>> Observation(beam_major_arcsec=20, pixel_arcsec=4.5).frequency_mhz
    143.65
    """

    beam_major_arcsec: float = 6.0
    beam_minor_arcsec: float = 0.0
    beam_pa_deg: float = 0.0
    pixel_arcsec: float = 1.5
    frequency_mhz: float = 143.65
    noise: float | None = None
    band: Literal["radio", "optical"] = "radio"
    shift_px: tuple[int, int] = (0, 0)
    centre_offset_arcsec: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            A setting is out of its range.
        """
        ranges = {
            "beam_major_arcsec": (0.5, 120.0),
            "beam_minor_arcsec": (0.5, self.beam_major_arcsec),
            "pixel_arcsec": (0.2, self.minor_arcsec / 2),
            "frequency_mhz": (10.0, 100_000.0),
            "noise": (0.001, 1e6),
        }
        values = {name: getattr(self, name) for name in ranges}
        values |= {"beam_minor_arcsec": self.minor_arcsec, "noise": self.noise_level}
        for name, (low, high) in ranges.items():
            if not low <= values[name] <= high:
                raise InputError(
                    f"observe a simulated sky: {name} = {values[name]:g} is not between {low:g} "
                    f"and {high:g}"
                )
        if not all(0 <= shift < 500 for shift in self.shift_px):
            raise InputError(
                f"observe a simulated sky: shift_px = {self.shift_px} is not from 0 to 499"
            )

    @property
    def minor_arcsec(self) -> float:
        """FWHM of the minor axis, arcsec."""
        return self.beam_minor_arcsec or self.beam_major_arcsec

    @property
    def is_optical(self) -> bool:
        """Whether this is the optical band."""
        return self.band == "optical"

    @property
    def noise_level(self) -> float:
        """Noise in the middle of a field, uJy/beam or nanomaggies per pixel."""
        if self.noise is not None:
            return self.noise
        if self.is_optical:
            return _NOISE_NANOMAGGY
        return _NOISE_UJY * math.sqrt(self.beam_major_arcsec * self.minor_arcsec) / 6

    @property
    def beam_covariance(self) -> Floats:
        """Covariance of the beam for the axes x and y of the pixels, shape (2, 2), px^2."""
        # The y axis is north and the x axis is west, so that the major axis at the position angle
        # p from north to east points to (-sin p, cos p).
        sine, cosine = (f(math.radians(self.beam_pa_deg)) for f in (math.sin, math.cos))
        axes = np.array([[-sine, cosine], [cosine, sine]])  # columns: the major and minor axis
        widths = np.array([self.beam_major_arcsec, self.minor_arcsec]) / self.pixel_arcsec / _FWHM
        covariance: Floats = axes @ np.diag(widths**2) @ axes.T
        return covariance

    @property
    def beam_area_px(self) -> float:
        """Area of the beam, pixels."""
        return 2 * math.pi * math.sqrt(float(np.linalg.det(self.beam_covariance)))

    @property
    def key(self) -> int:
        """A number that another observation does not have, for its random numbers."""
        return zlib.crc32(json.dumps(self.as_dict(), sort_keys=True).encode())

    def as_dict(self) -> dict[str, object]:
        """Return the settings by name, as ``sky.json`` records them.

        Returns
        -------
        dict of str to value
            By the names of the attributes.
        """
        return {**asdict(self), "shift_px": list(self.shift_px),
                "centre_offset_arcsec": list(self.centre_offset_arcsec)}  # fmt: skip


OBSERVATIONS: dict[str, Observation] = {
    "9arcsec": Observation(beam_major_arcsec=9.0),
    "20arcsec": Observation(beam_major_arcsec=20.0, pixel_arcsec=4.5),
    "1400mhz": Observation(
        beam_major_arcsec=5.4, pixel_arcsec=1.8, frequency_mhz=1400.0, noise=140.0
    ),
    "optical": Observation(beam_major_arcsec=3.5, pixel_arcsec=1.7, band="optical"),
}
"""By name: LoTSS at two lower resolutions, a survey like FIRST, and an optical band."""
