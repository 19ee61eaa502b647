"""The components of sources: ellipses and polygons on the sky, each of one source or of none.

>>> import numpy as np
>>> two = Components.from_ellipses([10.0, 10.1], [0.0, 0.0], [6.0, 9.0], [6.0, 6.0], [0.0, 45.0])
>>> near = two.linked(np.array([0, -1])).near(np.array([10.0]), np.array([0.0]), 60.0)
>>> near.of_source(0)[0].tolist(), near.of_source(0)[1].tolist()
([0], [True])
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mingolotss.image.masks import inside_polygon
from mingolotss.model import Bools, Floats, Ints
from mingolotss.sky.angles import (
    position_angle,
    separation_arcsec,
    tangent_positions,
    unit_vectors,
)
from mingolotss.sky.neighbours import near_pairs

__all__ = ["Components", "NearComponents"]

_NO_CORNERS = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Components:
    """Ellipses and polygons on the sky, as columns.

    Attributes
    ----------
    ra, dec : float64 array, shape (n,), deg, ICRS
        Centres; of a polygon, the mean of its corners.
    major, minor : float64 array, shape (n,), arcsec
        Semi-axes; of a polygon, the distance of its farthest corner.
    pa : float64 array, shape (n,), deg
        Position angle of the major axis, from north to east.
    source : int64 array, shape (n,)
        The row of its source in the catalogue; -1 for a component of no source.
    corner_starts : int64 array, shape (n + 1,)
        The corners of polygon i are ``corner_starts[i]`` to ``corner_starts[i + 1]``; an ellipse
        has none.
    corner_ra, corner_dec : float64 array, shape (corners,), deg, ICRS
    link : str
        How the components belong to their sources, in words; "" if that is not known.
    path, sha256 : str
        Of the file; "" for components that were not read from a file.
    notices : tuple of str
        A line for each kind of rows of the file that are not used.
    """

    ra: Floats
    dec: Floats
    major: Floats
    minor: Floats
    pa: Floats
    source: Ints
    corner_starts: Ints
    corner_ra: Floats = field(default_factory=_NO_CORNERS.copy)
    corner_dec: Floats = field(default_factory=_NO_CORNERS.copy)
    link: str = ""
    path: str = ""
    sha256: str = ""
    notices: tuple[str, ...] = ()

    @classmethod
    def from_ellipses(
        cls,
        ra: npt.ArrayLike,
        dec: npt.ArrayLike,
        major: npt.ArrayLike,
        minor: npt.ArrayLike,
        pa: npt.ArrayLike,
    ) -> Components:
        """Make components of no source from the columns of n ellipses."""
        names = ("ra", "dec", "major", "minor", "pa")
        columns = {
            name: np.asarray(column, float)
            for name, column in zip(names, (ra, dec, major, minor, pa), strict=True)
        }
        return cls._from_columns(columns, np.zeros(len(columns["ra"]) + 1, np.int64))

    @classmethod
    def _from_columns(cls, columns: dict[str, Floats], corner_starts: Ints) -> Components:
        return cls(
            columns["ra"], columns["dec"], columns["major"], columns["minor"], columns["pa"],
            np.full(len(columns["ra"]), -1), corner_starts,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ra)

    def linked(self, source: Ints, link: str = "") -> Components:
        """Return the same components with the sources that they belong to."""
        return replace(self, source=source, link=link)

    def with_notice(self, notice: str) -> Components:
        """Return the same components with a further line about them; "" is none."""
        return replace(self, notices=(*self.notices, notice)) if notice else self

    def contains(self, index: int, ra: float, dec: float) -> bool:
        """Return whether a position is in one polygon."""
        corner_ra, corner_dec = self.corners(index)
        distance = separation_arcsec(ra, dec, corner_ra, corner_dec)
        angle = np.radians(position_angle(ra, dec, corner_ra, corner_dec))
        zero = np.zeros(1)
        x, y = distance * np.sin(angle), distance * np.cos(angle)
        return bool(inside_polygon(zero, zero, x, y)[0])

    def take(self, index: Ints) -> Components:
        """Return some of the components."""
        counts = np.diff(self.corner_starts)[index]
        corners = np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                np.arange(self.corner_starts[one], self.corner_starts[one + 1])
                for one in index[counts > 0].tolist()
            ]
        )
        columns = {
            name: getattr(self, name)[index]
            for name in ("ra", "dec", "major", "minor", "pa", "source")
        }
        return replace(
            self,
            **columns,
            corner_starts=np.concatenate([[0], np.cumsum(counts)]),
            corner_ra=self.corner_ra[corners],
            corner_dec=self.corner_dec[corners],
        )

    def is_polygon(self, index: Ints) -> Bools:
        """Return which of some components are polygons."""
        polygons: Bools = self.corner_starts[index + 1] > self.corner_starts[index]
        return polygons

    def corners(self, index: int) -> tuple[Floats, Floats]:
        """Return the positions of the corners of one polygon, deg."""
        corners = slice(self.corner_starts[index], self.corner_starts[index + 1])
        return self.corner_ra[corners], self.corner_dec[corners]

    def axis_ends(self, index: Ints) -> Floats:
        """Return positions 1 arcsec along both axes of some ellipses, and their centres.

        Returns
        -------
        float64 array, shape (2, 3, k), deg, ICRS
            Right ascension and declination of the centre, of a point on the major axis and of one
            on the minor axis.
        """
        pa = np.radians(self.pa[index])
        zero = np.zeros_like(pa)
        east, north = (
            np.stack([zero, np.sin(pa), np.cos(pa)]),
            np.stack([zero, np.cos(pa), -np.sin(pa)]),
        )
        return np.stack(tangent_positions(self.ra[index], self.dec[index], east, north))

    def near(self, ra: Floats, dec: Floats, reach_arcsec: float | Floats) -> NearComponents:
        """Find the components near sources.

        Parameters
        ----------
        ra, dec : float64 array, shape (sources,), deg, ICRS
            Of the whole catalogue, whose rows `source` names.
        reach_arcsec : float, or float64 array, shape (sources,)
            A component is near if some part of it may be closer than this.
        """
        n = len(ra)
        reach = np.broadcast_to(np.asarray(reach_arcsec, float), n)
        points = unit_vectors(np.concatenate([ra, self.ra]), np.concatenate([dec, self.dec]))
        radius = np.radians(np.concatenate([reach, self.major]) / 3600)
        code = np.repeat([0, 1], [n, len(self)])
        rows, index = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for first, second in near_pairs(points, radius, code):
            rows.append(np.minimum(first, second))
            index.append(np.maximum(first, second) - n)
        # Those of the source itself, wherever they are.
        of_source = np.flatnonzero(self.source >= 0)
        row = np.concatenate([*rows, self.source[of_source]])
        number = np.concatenate([*index, of_source])
        pairs = np.unique(row * len(self) + number)
        row, number = np.divmod(pairs, max(len(self), 1))
        return NearComponents(self, np.arange(n), np.searchsorted(row, np.arange(n + 1)), number)


@dataclass(frozen=True, slots=True)
class NearComponents:
    """The components near each of n sources.

    Attributes
    ----------
    components : Components
    rows : int64 array, shape (n,)
        The rows of the sources in the catalogue, as `Components.source` names them.
    starts : int64 array, shape (n + 1,)
        The components near source i are ``index[starts[i]]`` to ``index[starts[i + 1]]``.
    index : int64 array, shape (m,)
    """

    components: Components
    rows: Ints
    starts: Ints
    index: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def of_source(self, number: int) -> tuple[Ints, Bools]:
        """Return the components near one of the n sources, and which are its own."""
        index = self.index[self.starts[number] : self.starts[number + 1]]
        return index, self.components.source[index] == self.rows[number]

    def take(self, numbers: Ints) -> NearComponents:
        """Return some of the sources, with only the components that are near one of them."""
        counts = np.diff(self.starts)[numbers]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[numbers] - starts[:-1], counts)
        used, index = np.unique(self.index[places], return_inverse=True)
        return NearComponents(self.components.take(used), self.rows[numbers], starts, index)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of everything that the masks of these sources depend on."""
        digest, one = hashlib.sha256(self.components.link.encode()), self.components
        for column in (
            one.ra, one.dec, one.major, one.minor, one.pa, one.corner_starts, one.corner_ra,
            one.corner_dec, one.source, self.rows, self.starts, self.index,
        ):  # fmt: skip
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()
