"""The true brightness of single sources of a simulated sky, without noise and without any other.

It is what masks and measurements of a build are compared with.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mingolotss.simulate.draw import Image
from mingolotss.simulate.folder import SkyFolder
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import paint_galaxy
from mingolotss.simulate.place import Galaxy, Sky, populate_sky
from mingolotss.simulate.tables import source_name

__all__ = ["SkyTruth", "TrueBrightness"]


class TrueBrightness(NamedTuple):
    """One source as a mosaic has it.

    Attributes
    ----------
    image : float32 array, shape (n, n), Jy/beam
    x0, y0 : int, px
        Its first pixel in the mosaic, from 0; may lie outside.
    """

    image: Image
    x0: int
    y0: int


class SkyTruth:
    """The sources of a simulated sky that `write_sky` has written, observed as LoTSS.

    Parameters
    ----------
    folder : Path
        What `write_sky` returned.

    Raises
    ------
    OSError
        There is no simulated sky.

    Examples
    --------
    >>> from pathlib import Path
    >>> import mingolotss
    >>> from mingolotss.simulate import SkyTruth
    >>> truth = SkyTruth(Path("demo/sky"))
    """

    def __init__(self, folder: Path) -> None:
        record = json.loads(SkyFolder(folder).record.read_text(encoding="utf-8"))
        self.model = SkyModel(**record["model"])
        self.sky: Sky = _populate(self.model)
        self.galaxies: dict[str, Galaxy] = {
            source_name(galaxy.ra, galaxy.dec): galaxy for galaxy in self.sky.galaxies
        }

    def brightness(self, source: str, field: str) -> TrueBrightness:
        """Return the brightness of a source of the catalogue on the mosaic of a field.

        Parameters
        ----------
        source, field : str
            Their names.

        Returns
        -------
        TrueBrightness
            The pixels, and where they are on the mosaic.

        Raises
        ------
        KeyError
            There is no such source, or no such field.
        """
        fields = {one.name: one for one in self.sky.fields}
        return TrueBrightness(*paint_galaxy(self.model, fields[field], self.galaxies[source]))


@lru_cache(maxsize=4)
def _populate(model: SkyModel) -> Sky:
    return populate_sky(model)
