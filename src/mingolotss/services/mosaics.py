"""Cutouts from whole mosaics, on disk or at any fsspec address.

Known layouts: ``FIELD-mosaic.fits`` with ``FIELD-mosaic-rms.fits`` beside it, and LoTSS DR2's
``FIELD/mosaic-blanked.fits`` with ``FIELD/mosaic.rms.fits``; ``.fz`` files too. Every mosaic is
opened once; a cutout of a memory-mapped one is a view of its pixels.

>>> pair_mosaics(["a/P1-mosaic.fits", "a/P1-mosaic-rms.fits", "a/P2/mosaic-blanked.fits"])
{'P1': ('a/P1-mosaic.fits', 'a/P1-mosaic-rms.fits'), 'P2': ('a/P2/mosaic-blanked.fits', '')}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mingolotss.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError, ServiceError, ServiceUnavailableError
from mingolotss.model import Bools, Candidate, Cutout, Floats, Ints, Source
from mingolotss.offers import Offers
from mingolotss.pixels import take_window
from mingolotss.services.base import Naming, Wanted
from mingolotss.services.mosaicfile import MosaicFile, is_remote, open_mosaic
from mingolotss.sky import unit_vectors

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

__all__ = ["MosaicsService", "pair_mosaics"]

_PACKED = (".fits", ".fits.fz")
_FAR = 2**40  # pixels: farther than any image reaches
_WIDEST = 2**14  # pixels on a side of a cutout: a gigabyte of float32


def pair_mosaics(paths: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return (image, rms map or "") of every field, from the paths of the files."""
    known, found = set(paths), {}
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        for end in _PACKED:
            if name.endswith("-mosaic" + end) and not name.endswith(
                ("-low-mosaic" + end, "-residual-mosaic" + end)
            ):
                field = name.removesuffix("-mosaic" + end)
                rms = [f"{field}-mosaic-rms{e}" for e in _PACKED]
            elif name == "mosaic-blanked" + end:
                field = folder.rpartition("/")[2]
                rms = [f"mosaic.rms{e}" for e in _PACKED] + [f"mosaic-rms{e}" for e in _PACKED]
            else:
                continue
            beside = (f"{folder}/{one}" if folder else one for one in rms)
            found[field.replace("_", "+")] = (path, next((r for r in beside if r in known), ""))
    return dict(sorted(found.items()))


class MosaicsService:
    """Mosaics under one folder or address.

    Parameters
    ----------
    root : str
        A folder, or an fsspec address such as ``s3://bucket/mosaics``.
    """

    truncates = False

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._open: dict[str, MosaicFile] = {}

    @classmethod
    def open(cls, argument: str, *, naming: Naming | None = None, **_: Any) -> MosaicsService:
        """Open ``mosaics:DIR``."""
        if not argument:
            raise InputError("open the service mosaics: give the folder, mosaics:DIR")
        return cls(argument)

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "_open": {}, "fields": self.fields}

    @cached_property
    def fields(self) -> dict[str, tuple[str, str]]:
        """Return (image, rms map) of every field."""
        if is_remote(self.root):
            paths = _list_remote(self.root)
        else:
            folder = Path(self.root)
            if not folder.is_dir():
                raise InputError(f"open the mosaics in {self.root}: there is no such folder")
            paths = [
                str(path) for pattern in ("*.fits*", "*/*.fits*") for path in folder.glob(pattern)
            ]
        found = pair_mosaics(paths)
        if not found:
            raise InputError(
                f"open the mosaics in {self.root}: no FIELD-mosaic.fits and no "
                f"FIELD/mosaic-blanked.fits among its {len(paths)} FITS files"
            )
        return found

    def search_all(self, catalogue: Catalogue, size_deg: float) -> Offers:
        """Return, for every source, each field whose array holds its position."""
        images = [(field, *self.fields[field]) for field in sorted(self.fields)]
        vectors = unit_vectors(catalogue.ra, catalogue.dec)
        rows, which = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for number, (_, image, _) in enumerate(images):
            mosaic = self.mosaic(image)
            near = np.flatnonzero(_near(mosaic, vectors))
            if not near.size:
                continue
            x, y = mosaic.wcs.to_pixel(catalogue.ra[near], catalogue.dec[near])
            ny, nx = mosaic.shape
            with np.errstate(invalid="ignore"):
                inside = (x >= -0.5) & (x < nx - 0.5) & (y >= -0.5) & (y < ny - 0.5)
            rows.append(near[inside])
            which.append(np.full(len(rows[-1]), number, np.int32))
        return Offers.of_pairs(images, np.concatenate(rows), np.concatenate(which), catalogue.names)

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Return each field whose array holds a position."""
        place = position.icrs
        one = Catalogue.from_columns([" "], [place.ra.deg], [place.dec.deg])
        return self.search_all(one, size.to_value("deg"))[0]

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Cut a square around a position out of one mosaic."""
        place = position.icrs
        source = Source(0, candidate.source, float(place.ra.deg), float(place.dec.deg))
        answer = next(self.cutouts([Wanted(candidate, source)], size.to_value("deg")))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cutouts(
        self, wanted: Sequence[Wanted], size_deg: float
    ) -> Iterator[Cutout | ImageError | ServiceError]:
        """Cut many squares; the sources of one mosaic are placed in one go."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index, one in enumerate(wanted):
            groups.setdefault((one.candidate.image, one.candidate.rms), []).append(index)
        answers: dict[int, Cutout | ImageError | ServiceError] = {}
        for (image, rms), members in groups.items():
            try:
                pair = self._pair(image, rms)
                cut = self._cut_all(*pair, [wanted[index] for index in members], size_deg)
                answers.update(zip(members, cut, strict=True))
            except (ImageError, ServiceError) as error:
                answers.update(dict.fromkeys(members, error))
        return (answers.pop(index) for index in range(len(wanted)))

    def mosaic(self, address: str) -> MosaicFile:
        """Return a mosaic, opened once."""
        if address not in self._open:
            self._open[address] = open_mosaic(address)
        return self._open[address]

    def _pair(self, image: str, rms: str) -> tuple[MosaicFile, MosaicFile | None]:
        """Return a mosaic and its rms map."""
        mosaic, noise = self.mosaic(image), self.mosaic(rms) if rms else None
        if noise is not None and noise.shape != mosaic.shape:
            raise ImageError(
                f"read {rms}: the rms map is {noise.shape[1]} x {noise.shape[0]} pixels, its "
                f"image {mosaic.shape[1]} x {mosaic.shape[0]}; fetch both again",
                path=rms,
            )
        return mosaic, noise

    def _cut_all(
        self, mosaic: MosaicFile, rms: MosaicFile | None, wanted: Sequence[Wanted], size_deg: float
    ) -> Iterator[Cutout | ImageError | ServiceError]:
        """Cut squares out of one mosaic."""
        places = [(one.source.ra, one.source.dec) for one in wanted]
        x, y = mosaic.wcs.to_pixel(*np.array(places).T)
        side = _side(mosaic, size_deg, wanted[0].candidate.image)
        x0, y0 = (_first(centre, side) for centre in (x, y))
        ny, nx = mosaic.shape
        reaches = (x0 > -side) & (y0 > -side) & (x0 < nx) & (y0 < ny)
        inside = (x0 >= 0) & (y0 >= 0) & (x0 + side <= nx) & (y0 + side <= ny)
        clean = np.zeros(len(inside), bool)
        clean[inside] = mosaic.clean(y0[inside], x0[inside], side)
        rows = zip(wanted, *(c.tolist() for c in (x0, y0, reaches, clean)), strict=True)
        for one, left, top, reached, known in rows:
            if not reached:
                image, name = one.candidate.image, one.candidate.source
                text = f"cut {name} out of {image}: the place is not on the image"
                yield ImageError(text, path=image)
                continue
            try:
                yield self._cut(mosaic, rms, left, top, side, clean=known)
            except (ImageError, ServiceError) as error:
                yield error

    def _cut(
        self,
        mosaic: MosaicFile,
        rms: MosaicFile | None,
        x0: int,
        y0: int,
        side: int,
        *,
        clean: bool,
    ) -> Cutout:
        """Cut a square; past the mosaic it is NaN, or it ends there, as archives cut."""
        ny, nx = mosaic.shape
        low_y, low_x = max(y0, 0), max(x0, 0)
        box = low_y, min(y0 + side, ny), low_x, min(x0 + side, nx)
        image, noise = mosaic.box(*box), None if rms is None else rms.box(*box)
        if self.truncates or image.shape == (side, side):
            return Cutout(image, noise, mosaic.wcs, (low_x, low_y), clean=clean)
        corner = y0 - low_y, x0 - low_x
        image = take_window(image, *corner, side)
        noise = None if noise is None else take_window(noise, *corner, side)
        return Cutout(image, noise, mosaic.wcs, (x0, y0))


def _side(mosaic: MosaicFile, size_deg: float, image: str) -> int:
    """Return how many pixels of a mosaic a cutout has on a side."""
    scale = mosaic.wcs.pixel_scale_arcsec
    side = size_deg * 3600 / scale
    if not side < _WIDEST:
        raise ImageError(
            f"cut out of {image}: {size_deg * 60:g} arcmin are {side:.3g} of its pixels of "
            f"{scale:.3g} arcsec, and at most {_WIDEST} can be cut; look at CDELT or CD in its "
            "header and at images.size_arcmin in the recipe",
            path=image,
        )
    return max(2, round(side))


def _first(centre: Floats, side: int) -> Ints:
    """Return the first pixel, on one axis, of squares around places; NaN is far away."""
    nearest = np.rint(np.where(np.isnan(centre), _FAR, centre)).clip(-_FAR, _FAR)
    first: Ints = nearest.astype(np.int64) - side // 2
    return first


def _near(mosaic: MosaicFile, vectors: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Return which places can be on a mosaic: within the circle around it."""
    ny, nx = mosaic.shape
    ra, dec = mosaic.wcs.to_sky((nx - 1) / 2, (ny - 1) / 2)
    radius = math.radians(math.hypot(nx, ny) / 2 * mosaic.wcs.pixel_scale_arcsec / 3600 * 1.2)
    if not np.isfinite(ra) or radius > math.pi / 3:
        return np.ones(len(vectors), bool)
    along = np.einsum("ij,j->i", vectors, unit_vectors(ra, dec))  # @ would leave BLAS threads busy
    inside: Bools = along >= math.cos(radius)
    return inside


def _list_remote(root: str) -> list[str]:
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(root)
        found = [
            p for pattern in ("*.fits*", "*/*.fits*") for p in system.glob(f"{path}/{pattern}")
        ]
        return [system.unstrip_protocol(p) for p in found]
    except ImportError as error:
        raise InputError(f"open the mosaics in {root}: {error}") from error
    except (OSError, ValueError) as error:
        raise ServiceUnavailableError(f"list the mosaics in {root}: {error}", url=root) from error
