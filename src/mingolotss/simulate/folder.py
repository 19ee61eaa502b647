"""The names of the files of a simulated sky."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SkyFolder"]


@dataclass(frozen=True, slots=True)
class SkyFolder:
    """The files of a simulated sky.

    Parameters
    ----------
    path : Path
        The folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mingolotss.simulate import SkyFolder
    >>> SkyFolder(Path("sky")).mosaic("P205+55").name
    'P205+55-mosaic.fits'
    """

    path: Path

    @property
    def catalogue(self) -> Path:
        """The catalogue of sources."""
        return self.path / "catalogue.fits"

    @property
    def components(self) -> Path:
        """The components of the sources, except in the optical band."""
        return self.path / "components.fits"

    @property
    def truth(self) -> Path:
        """The table of what was simulated."""
        return self.path / "truth.parquet"

    @property
    def point_sources(self) -> Path:
        """The table of the point sources, in the sky of an observation."""
        return self.path / "point-sources.parquet"

    @property
    def record(self) -> Path:
        """The model of the sky and the list of its files."""
        return self.path / "sky.json"

    def mosaic(self, field: str) -> Path:
        """Return the path of the image of a field.

        Parameters
        ----------
        field : str
            The name of the field.

        Returns
        -------
        Path
            In the folder; the file need not exist.
        """
        return self.path / f"{field}-mosaic.fits"

    def rms(self, field: str) -> Path:
        """Return the path of the rms map of a field.

        Parameters
        ----------
        field : str
            The name of the field.

        Returns
        -------
        Path
            In the folder; the file need not exist.
        """
        return self.path / f"{field}-mosaic-rms.fits"
