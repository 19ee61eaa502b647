"""Cutouts from whole mosaics, on disk or at any fsspec address.

Known layouts: ``FIELD-mosaic.fits`` with ``FIELD-mosaic-rms.fits`` beside it, and LoTSS DR2's
``FIELD/mosaic-blanked.fits`` with ``FIELD/mosaic.rms.fits``; ``.fz`` files too. Every mosaic is
opened once; a cutout of a memory-mapped one is a view of its pixels.

>>> pair_mosaics(["a/P1-mosaic.fits", "a/P1-mosaic-rms.fits", "a/P2/mosaic-blanked.fits"])
{'P1': ('a/P1-mosaic.fits', 'a/P1-mosaic-rms.fits'), 'P2': ('a/P2/mosaic-blanked.fits', '')}
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray, Outcome
from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, InputError, ServiceError, ServiceUnavailableError
from mingolotss.image.pixels import take_window
from mingolotss.model import Bools, Candidate, Cutout, Floats, Ints, Source
from mingolotss.service.base import Naming
from mingolotss.service.local.mosaic_file import MappedMosaic, MosaicFile, is_remote, open_mosaic
from mingolotss.sky.angles import unit_vectors

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

    def search_all(self, catalogue: Catalogue, size_deg: float) -> CandidateTable:
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
        return CandidateTable.from_pairs(
            images, np.concatenate(rows), np.concatenate(which), catalogue.names
        )

    def search(self, position: SkyCoord, size: Quantity) -> list[Candidate]:
        """Return each field whose array holds a position."""
        place = position.icrs
        one = Catalogue.from_columns([" "], [place.ra.deg], [place.dec.deg])
        return self.search_all(one, size.to_value("deg"))[0]

    def cutout(self, candidate: Candidate, position: SkyCoord, size: Quantity) -> Cutout:
        """Cut a square around a position out of one mosaic."""
        place = position.icrs
        source = Source(0, candidate.source, float(place.ra.deg), float(place.dec.deg))
        (answer,) = self.cutouts([CutoutRequest(candidate, source)], size.to_value("deg"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cutouts(self, wanted: Sequence[CutoutRequest], size_deg: float) -> Sequence[Outcome]:
        """Cut many squares; the sources of one mosaic are placed in one go."""
        wants = CutoutRequests.from_requests(wanted)
        boxes = CutoutArray(len(wants))
        for number in np.unique(wants.image_index).tolist():
            members = np.flatnonzero(wants.image_index == number)
            try:
                self._cut_all(wants, members, boxes, size_deg)
            except (ImageError, ServiceError) as error:
                boxes.errors |= dict.fromkeys(members.tolist(), error)
        return boxes

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
        self, wants: CutoutRequests, members: Ints, boxes: CutoutArray, size_deg: float
    ) -> None:
        """Cut squares out of one mosaic."""
        _, image, rms = wants.images[wants.image_index[members[0]]]
        mosaic, noise = self._pair(image, rms)
        x, y = mosaic.wcs.to_pixel(wants.ra[members], wants.dec[members])
        side, (ny, nx) = _side(mosaic, size_deg, image), mosaic.shape
        x0, y0 = _first(x, side), _first(y, side)
        rest = np.ones(len(members), bool)
        if isinstance(mosaic, MappedMosaic) and (noise is None or isinstance(noise, MappedMosaic)):
            rest = ~((x0 >= 0) & (y0 >= 0) & (x0 + side <= nx) & (y0 + side <= ny))
            top, left = y0[~rest], x0[~rest]
            plane = Cutout(mosaic.pixels, None if noise is None else noise.pixels, mosaic.wcs)
            observed = mosaic.fully_observed(top, left, side)
            boxes.set_windows(
                members[~rest], plane, y0=top, x0=left, ny=side, nx=side, fully_observed=observed
            )
        for index, left, top in np.stack([members, x0, y0], axis=1)[rest].tolist():
            if -side < left < nx and -side < top < ny:
                boxes.set_outcome(index, self._outcome(mosaic, noise, left, top, side))
                continue
            text = f"cut {wants.names[index]} out of {image}: the place is not on the image"
            boxes.set_outcome(index, ImageError(text, path=image))

    def _outcome(
        self, mosaic: MosaicFile, rms: MosaicFile | None, x0: int, y0: int, side: int
    ) -> Outcome:
        """Cut a square, or return why that cannot be done."""
        try:
            return self._cut(mosaic, rms, x0, y0, side)
        except (ImageError, ServiceError) as error:
            return error

    def _cut(
        self, mosaic: MosaicFile, rms: MosaicFile | None, x0: int, y0: int, side: int
    ) -> Cutout:
        """Cut a square; past the mosaic it is NaN, or it ends there, as archives cut."""
        ny, nx = mosaic.shape
        low_y, low_x = max(y0, 0), max(x0, 0)
        box = low_y, min(y0 + side, ny), low_x, min(x0 + side, nx)
        image, noise = mosaic.box(*box), None if rms is None else rms.box(*box)
        if self.truncates or image.shape == (side, side):
            return Cutout(image, noise, mosaic.wcs, (low_x, low_y))
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
