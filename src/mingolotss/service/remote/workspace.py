"""Where services keep downloads and results of searches: in the folder of the build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Workspace"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of downloads.

    Parameters
    ----------
    path : Path
        The build's folder.
    """

    path: Path

    @property
    def cutouts(self) -> Path:
        """Images and rms maps."""
        return self.path / "cutouts"

    @property
    def searches(self) -> Path:
        """Results of searches."""
        return self.path / "searches"

    @property
    def headers(self) -> Path:
        """FITS headers of remote mosaics."""
        return self.searches / "headers"

    @property
    def catalogues(self) -> Path:
        """Catalogues that were downloaded."""
        return self.searches / "catalogue"
