"""Which columns of a file of components have what.

>>> ComponentColumns(width="W", height="H", pa="").required
('RA', 'DEC', 'W', 'H')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mingolotss.catalogue.column_names import Frame, parts_of

__all__ = ["ComponentColumns"]


@dataclass(frozen=True, slots=True)
class ComponentColumns:
    """The columns of a file of components, and what the file does not say about them.

    Attributes
    ----------
    ra, dec : str
        Centre; as for a catalogue, one column or several with commas between them.
    major, minor, pa : str
        Axes of the ellipses, and position angle of the major axis, from north to east. For boxes
        the position angle of the height; "" for boxes that are not turned.
    width, height : str
        Sides of boxes, angles on the sky; "" for ellipses.
    shape : str
        Shapes as text, in the place of all columns above; "" for ellipses and boxes.
    name, group : str
        The source of each component, and components that go together; "" takes known ones.
    reads_names : bool
        Whether the source of a component is read at all.
    further : tuple of str
        Columns that must be there as well.
    table : str
        Name or number of the table in a file with several.
    ra_unit, dec_unit, axes_unit, pa_unit : str
        Replace the units of the file.
    axes : {"fwhm", "diameter", "semi-axis"}
        What the axes of ellipses are.
    scale : float
        Semi-axes in units of the FWHM.
    frame : {"icrs", "fk5", "fk4", "galactic"}
    """

    ra: str = "RA"
    dec: str = "DEC"
    major: str = "Maj"
    minor: str = "Min"
    pa: str = "PA"
    width: str = ""
    height: str = ""
    shape: str = ""
    name: str = ""
    group: str = ""
    reads_names: bool = True
    table: str = ""
    ra_unit: str = ""
    dec_unit: str = ""
    axes_unit: str = ""
    pa_unit: str = ""
    axes: Literal["fwhm", "diameter", "semi-axis"] = "fwhm"
    scale: float = 1.0
    frame: Frame = "icrs"

    @property
    def required(self) -> tuple[str, ...]:
        """Return the columns that the table must have."""
        further = [name for name in (self.name, self.group) if name]
        if self.shape:
            return self.shape, *further
        sides = (self.width, self.height) if self.width else (self.major, self.minor)
        angle = (self.pa,) if self.pa else ()
        return (*parts_of(self.ra), *parts_of(self.dec), *sides, *angle, *further)
