"""Shapes on the sky as text: polygons, boxes, circles and ellipses.

`parse_shape` reads one shape: a region of DS9 or CARTA, a shape of STC-S (IVOA note 1.33), or the
numbers of a polygon (DALI 1.1, section 3.3.7). `read_region_file` reads a file of regions of DS9,
whose format is in https://ds9.si.edu/doc/ref/region.html.

>>> parse_shape("Polygon ICRS 10 0 10.1 0 10.1 0.1", "read a shape").corners[0].tolist()
[10.0, 10.1, 10.1]
>>> shape = parse_shape('fk5; ellipse(0:40:00, +1:00:00, 9", 6", 120)', "read a shape")
>>> round(shape.ra, 3), shape.axes, round(shape.pa, 2)
(10.0, (9.0, 6.0), 30.0)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mingolotss.catalogue.column_names import Frame
from mingolotss.catalogue.components import Components
from mingolotss.catalogue.files import open_unpacked
from mingolotss.catalogue.sexagesimal import parse_angles
from mingolotss.errors import CatalogueError
from mingolotss.model import Floats
from mingolotss.sky.angles import position_angle, separation_arcsec, tangent_positions, unit_vectors

__all__ = ["SkyShape", "join_shapes", "north_angle", "parse_shape", "read_region_file"]

_FRAMES: dict[str, Frame] = {
    "icrs": "icrs", "fk5": "fk5", "j2000": "fk5", "fk4": "fk4", "b1950": "fk4",
    "galactic": "galactic", "wcs": "icrs",
}  # fmt: skip
_KINDS = {"polygon", "box", "rotbox", "circle", "ellipse"}
_UNITS = {'"': 1.0, "'": 60.0, "d": 3600.0, "°": 3600.0, "r": float(np.degrees(3600.0)), "": 3600.0}
_OTHER_FRAMES = {
    "image",
    "physical",
    "amplifier",
    "detector",
    "ecliptic",
    "linear",
}
# No two parts of an expression match the same blanks, which would take the cube of their number.
_WORDS = re.compile(r"(?:(\w{1,99})\s*;\s*)?(?:[+]\s*)?([A-Za-z]{1,99})\b(?:\s*\()?([^)#]*)\)?")
_NAME = re.compile(
    r"\b(?:text|tag) {0,9}= {0,9}(?:\{([^}]{0,999})\}|\"([^\"]{0,999})\"|'([^']{0,999})')"
)
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class SkyShape:
    """An ellipse or a polygon on the sky.

    Attributes
    ----------
    ra, dec : float, deg, ICRS
        The centre.
    axes : (float, float), arcsec
        Semi-axes of an ellipse; of a polygon, the distance of its farthest corner, twice.
    pa : float, deg
        Position angle of the first axis, from north to east.
    corners : (float64 array, float64 array), deg, ICRS
        Right ascension and declination of the corners of a polygon; empty for an ellipse.
    """

    ra: float
    dec: float
    axes: tuple[float, float]
    pa: float = 0.0
    corners: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))

    @classmethod
    def polygon(cls, ra: Sequence[float] | Floats, dec: Sequence[float] | Floats) -> SkyShape:
        """Make a polygon from its corners, deg."""
        ra, dec = np.asarray(ra, float) % 360.0, np.asarray(dec, float)
        x, y, z = unit_vectors(ra, dec).mean(axis=0)
        centre = (
            float(np.degrees(np.arctan2(y, x)) % 360),
            float(np.degrees(np.arctan2(z, np.hypot(x, y)))),
        )
        reach = float(separation_arcsec(*centre, ra, dec).max())
        return cls(*centre, (reach, reach), corners=(ra, dec))

    @classmethod
    def box(cls, ra: float, dec: float, width: float, height: float, pa: float) -> SkyShape:
        """Make a box around a position from its sides in arcsec; `pa` is that of the height."""
        angle = np.radians(pa)
        right, up = np.array([-1, 1, 1, -1]) * width / 2, np.array([-1, -1, 1, 1]) * height / 2
        # To the right is west.
        east, north = (
            up * np.sin(angle) - right * np.cos(angle),
            up * np.cos(angle) + right * np.sin(angle),
        )
        if not np.isfinite([ra, dec, width, height, pa]).all() or min(width, height) <= 0:
            return cls(ra, dec, (np.nan, np.nan))
        return cls.polygon(*tangent_positions(ra, dec, east, north))


def join_shapes(shapes: Sequence[SkyShape]) -> Components:
    """Return shapes as components of no source."""
    columns = ([one.ra for one in shapes], [one.dec for one in shapes],
               [one.axes[0] for one in shapes], [one.axes[1] for one in shapes],
               [one.pa for one in shapes])  # fmt: skip
    counts = [len(one.corners[0]) for one in shapes]
    corners = [np.concatenate([np.zeros(0), *(one.corners[i] for one in shapes)]) for i in (0, 1)]
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return replace(
        Components.from_ellipses(*columns),
        corner_starts=starts, corner_ra=corners[0], corner_dec=corners[1],
    )  # fmt: skip


def parse_shape(text: str, action: str, frame: str = "icrs") -> SkyShape:
    """Read one shape.

    Parameters
    ----------
    text : str
        Lengths without a unit are in degrees, as the positions.
    action : str
        Begins a message.
    frame : str
        Of a shape that names none.

    Raises
    ------
    CatalogueError
        It is no shape on the sky, or one of another kind.
    """
    if not re.search(r"[A-Za-z]\w*\s*[(\s]", text.strip()):
        words, kind, inner = None, "polygon", text
    elif match := _WORDS.match(text.lstrip()):
        words, kind, inner = match[1], match[2].lower(), match[3]
    else:
        raise CatalogueError(f"{action}: {text[:80]!r} is no shape, such as a polygon")
    values = re.split(r"[\s,]+", inner.strip().strip("[]"))
    if values and values[0].lower() in {*_FRAMES, *_OTHER_FRAMES}:  # of STC-S
        words, values = values[0], values[1:]
    if words is not None:
        frame = words.lower()
    if frame not in _FRAMES:
        raise CatalogueError(
            f"{action}: {text[:80]!r} is in the frame {frame!r}; save shapes in fk5 or icrs"
        )
    if kind not in _KINDS:
        raise CatalogueError(
            f"{action}: {text[:80]!r} is no {', '.join(sorted(_KINDS - {'rotbox'}))}"
        )
    shape = _shape(kind, values, f"{action}: {text[:80]!r}")
    if not np.all(np.abs([shape.dec, *shape.corners[1]]) <= 90):
        raise CatalogueError(f"{action}: {text[:80]!r} has a declination beyond a pole")
    return shape if _FRAMES[frame] == "icrs" else _to_icrs(shape, _FRAMES[frame])


def _shape(kind: str, values: list[str], action: str) -> SkyShape:
    """Return a shape in the frame of its numbers."""
    if kind == "polygon":
        if len(values) < 6 or len(values) % 2:
            raise CatalogueError(
                f"{action} has {len(values)} numbers; a polygon has pairs, three at least"
            )
        return SkyShape.polygon(*_positions(values, action))
    count = {"circle": 3, "ellipse": 5, "box": 5, "rotbox": 5}[kind]
    if kind == "box" and len(values) == 4:
        values = [*values, "0"]
    if len(values) != count:
        raise CatalogueError(f"{action} has {len(values)} numbers, where {count} were expected")
    (ra,), (dec,) = _positions(values[:2], action)
    lengths = [_length(value, action) for value in values[2:4]]
    if kind == "circle":
        return SkyShape(float(ra), float(dec), (lengths[0], lengths[0]))
    angle = _length(values[4], action) / 3600
    if (
        kind == "ellipse"
    ):  # the first axis points to the right, to the west, and is turned from there
        return SkyShape(float(ra), float(dec), (lengths[0], lengths[1]), (angle - 90) % 180)
    return SkyShape.box(float(ra), float(dec), lengths[0], lengths[1], angle)


def _positions(values: Sequence[str], action: str) -> tuple[Floats, Floats]:
    """Return longitudes and latitudes in degrees; text with colons or letters is sexagesimal."""
    import pyarrow as pa

    columns = []
    for first, kind in ((0, "hms"), (1, "dms")):
        texts = list(values[first::2])
        if all(_NUMBER.fullmatch(text.rstrip("d")) for text in texts):
            columns.append(np.array([float(text.rstrip("d")) for text in texts]))
        else:
            columns.append(
                parse_angles(pa.array(texts), "hms" if kind == "hms" else "dms", action).degrees
            )
    return columns[0], columns[1]


def _length(text: str, action: str) -> float:
    """Return a length in arcsec."""
    unit = text[-1:] if text[-1:] in _UNITS else ""
    number = text.removesuffix(unit)
    if not _NUMBER.fullmatch(number):
        raise CatalogueError(f'{action}: {text!r} is no length, such as 12"')
    return float(number) * _UNITS[unit]


def _to_icrs(shape: SkyShape, frame: Frame) -> SkyShape:
    """Return a shape whose numbers are in another frame."""
    from astropy.coordinates import SkyCoord

    if len(shape.corners[0]):
        corners = SkyCoord(*shape.corners, unit="deg", frame=frame).icrs
        return SkyShape.polygon(corners.ra.deg, corners.dec.deg)
    centre = SkyCoord(shape.ra, shape.dec, unit="deg", frame=frame).icrs
    ra, dec = float(centre.ra.deg), float(centre.dec.deg)
    turned = north_angle(np.array([ra]), np.array([dec]), frame)
    return SkyShape(ra, dec, shape.axes, float(shape.pa + turned[0]) % 180)


def north_angle(ra: Floats, dec: Floats, frame: Frame) -> Floats:
    """Return the position angle, in ICRS, of the direction that is north in a frame.

    Parameters
    ----------
    ra, dec : float64 array, shape (n,), deg, ICRS
    frame : {"icrs", "fk5", "fk4", "galactic"}

    Returns
    -------
    float64 array, shape (n,), deg
    """
    angle, known = np.zeros(len(ra)), np.isfinite(ra) & (np.abs(dec) <= 90)
    if frame == "icrs" or not known.any():
        return angle
    from astropy.coordinates import SkyCoord

    here = SkyCoord(ra[known], dec[known], unit="deg", frame="icrs").transform_to(frame)
    lon, lat = here.spherical.lon.deg, here.spherical.lat.deg
    north = SkyCoord(*tangent_positions(lon, lat, 0.0, 1.0), unit="deg", frame=frame).icrs
    angle[known] = position_angle(ra[known], dec[known], north.ra.deg, north.dec.deg)
    return angle


def read_region_file(path: Path) -> tuple[list[SkyShape], list[str]]:
    """Read a file of regions of DS9.

    Parameters
    ----------
    path : Path

    Returns
    -------
    shapes : list of SkyShape
    names : list of str
        The ``text`` or else the first ``tag`` of each; "" without one.

    Raises
    ------
    CatalogueError
        It is no such file, holds no shape, or one that is not on the sky.
    """
    action = f"read the catalogue {path}"
    if not path.is_file():
        raise CatalogueError(f"{action}: there is no such file")
    with open_unpacked(path) as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    shapes, names, frame = [], [], "image"
    for number, line in enumerate(lines, 1):
        body, _, properties = line.partition("#")
        for part in filter(None, map(str.strip, body.split(";"))):
            word = part.lower()
            if word in _FRAMES or word in _OTHER_FRAMES:
                frame = word
            elif word.startswith(("global", "-")):  # settings, and regions that are cut out
                continue
            elif word.lstrip("+").split("(")[0].strip() in _KINDS:
                shapes.append(parse_shape(part, f"{action}: line {number}", frame))
                named = _NAME.search(properties)
                names.append(next(filter(None, named.groups()), "").strip() if named else "")
    if not shapes:
        raise CatalogueError(
            f"{action}: it holds no {', '.join(sorted(_KINDS - {'rotbox'}))} on the sky"
        )
    return shapes, names
